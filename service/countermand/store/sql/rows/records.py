"""Entries of the log that are no versions of tasks."""

from typing import Any

from countermand.core.cancellations import Cancellation
from countermand.core.log import Event, RecordEvent
from countermand.core.states import TargetKind
from countermand.store.sql.rows.ids import uuid_bytes, write_target
from countermand.store.sql.rows.tasks import write_event, write_refund


def write_record_event(event: RecordEvent) -> tuple[Any, ...]:
    """Returns the row of a version of a checkout or order, or of the accept or end of a
    cancellation."""
    record, version = event.record, None
    if isinstance(record, Cancellation):
        kind, id = "CANCELLATION", uuid_bytes(record.cancellation_id)
    else:
        kind, id = write_target(record.target)
        version = record.version
    return (
        record.namespace,
        event.seq,
        event.previous_seq,
        record.state._value_,
        event.time,
        kind,
        id,
        version,
    )


def write_attached_event(event: Event, number: int) -> tuple[Any, ...]:
    """Returns the row of a task's coming under an order; `number` is the task's."""
    assert event.task is not None
    assert event.joined is not None
    order = (TargetKind.ORDER.value, event.joined.encode())
    return (*write_event(event, number), *write_refund(event.task), *order)
