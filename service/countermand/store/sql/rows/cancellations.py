"""Rows of cancellations, and of the request ids that they answered."""

from typing import Any

from countermand.core.caller import Caller
from countermand.core.cancellations import Cancellation, Join, NewJoin, RequestId
from countermand.core.records import Task
from countermand.core.states import CancellationState
from countermand.core.trace import TraceContext
from countermand.store.sql.rows.ids import (
    read_target,
    uuid_bytes,
    uuid_text,
    write_target,
)
from countermand.store.sql.rows.tasks import read_task

_STATES = {str(state): state for state in CancellationState}


def read_cancellation(row: list[Any]) -> Cancellation:
    """Returns the cancellation of a `{cancellation}` row."""
    cancellation: Cancellation = object.__new__(Cancellation)
    cancellation.__dict__.update(
        namespace=row[0],
        cancellation_id=uuid_text(row[1]),
        target=read_target(row[0], row[2], row[3]),
        reason=row[4],
        message=row[5],
        caller=Caller(row[6], TraceContext(row[11], row[12], bool(row[13]), row[25]), row[7]),
        on_behalf_of=row[8],
        request_id=uuid_text(row[9]),
        create_time=row[10],
        seq=row[14],
        state=_STATES[row[15]],
        deadline_time=row[16],
        end_time=row[17],
        join_time=row[18],
        live_count=row[19],
        proofs=tuple(row[20:24]),
        completed_count=row[24],
        join_count=row[26],
        last_seq=row[27],
        joins=tuple(map(_read_join, sorted(row[28] or ()))),
    )
    return cancellation


def read_ending_task(row: list[Any]) -> tuple[Task, Cancellation | None]:
    """Returns a task and the cancellation that it names, from their rows."""
    task, own = row
    return read_task(task), None if own is None else read_cancellation(own)


def _read_join(row: list[Any]) -> Join:
    _, requested_by, reason, message, on_behalf_of, request_id, join_time = row
    return Join(requested_by, reason, message, on_behalf_of, uuid_text(request_id), join_time)


def write_join(new: NewJoin) -> tuple[Any, ...]:
    """Returns the row of a join."""
    join = new.join
    return (
        new.namespace,
        uuid_bytes(new.cancellation_id),
        new.place,
        join.requested_by,
        join.reason,
        join.message,
        join.on_behalf_of,
        uuid_bytes(join.request_id),
        join.join_time,
    )


def write_running_cancellation(cancellation: Cancellation) -> tuple[Any, ...] | None:
    """Returns the row of a new cancellation of which nothing has ended yet and that nobody joined,
    as nearly all are: all that counts such things is 0. None if it is not such a one."""
    if (
        cancellation.state is not CancellationState.IN_PROGRESS
        or cancellation.join_count
        or cancellation.completed_count
        or any(cancellation.proofs)
    ):
        return None
    requested_by, trace, certificate_name = cancellation.caller
    return (
        cancellation.namespace,
        uuid_bytes(cancellation.cancellation_id),
        *write_target(cancellation.target),
        cancellation.reason,
        cancellation.message,
        requested_by,
        certificate_name,
        cancellation.on_behalf_of,
        uuid_bytes(cancellation.request_id),
        cancellation.create_time,
        bytes.fromhex(trace.trace_id),
        bytes.fromhex(trace.span_id),
        int(trace.sampled),
        cancellation.seq,
        cancellation.deadline_time,
        cancellation.live_count,
        trace.state,
        cancellation.last_seq,
    )


def write_new_cancellation(cancellation: Cancellation) -> tuple[Any, ...]:
    """Returns the row of a new cancellation."""
    requested_by, trace, certificate_name = cancellation.caller
    return (
        cancellation.namespace,
        uuid_bytes(cancellation.cancellation_id),
        *write_target(cancellation.target),
        cancellation.reason,
        cancellation.message,
        requested_by,
        certificate_name,
        cancellation.on_behalf_of,
        uuid_bytes(cancellation.request_id),
        cancellation.create_time,
        bytes.fromhex(trace.trace_id),
        bytes.fromhex(trace.span_id),
        int(trace.sampled),
        cancellation.seq,
        cancellation.state._value_,
        cancellation.deadline_time,
        cancellation.end_time,
        cancellation.join_time,
        cancellation.live_count,
        *cancellation.proofs,
        cancellation.completed_count,
        trace.state,
        cancellation.join_count,
        cancellation.last_seq,
    )


def write_changed_cancellation(cancellation: Cancellation) -> tuple[Any, ...]:
    """Returns what of a cancellation can change."""
    return (
        cancellation.namespace,
        uuid_bytes(cancellation.cancellation_id),
        cancellation.state._value_,
        cancellation.deadline_time,
        cancellation.end_time,
        cancellation.join_time,
        cancellation.live_count,
        *cancellation.proofs,
        cancellation.completed_count,
        cancellation.join_count,
        cancellation.last_seq,
    )


def read_request_id(row: list[Any]) -> RequestId:
    """Returns the remembered request id of a row."""
    namespace, request_id, answer_id, fingerprint, joined, settles = row
    return RequestId(
        namespace,
        str(uuid_text(request_id)),
        str(uuid_text(answer_id)),
        bytes.fromhex(fingerprint),
        bool(joined),
        bool(settles),
    )


def write_settling_request_id(request_id: RequestId) -> tuple[Any, ...]:
    """Returns the row of a request id that settled a refund."""
    return (
        request_id.namespace,
        uuid_bytes(request_id.request_id),
        uuid_bytes(request_id.answer_id),
        request_id.fingerprint,
    )


def write_request_id(request_id: RequestId) -> tuple[Any, ...]:
    """Returns the row of a request id that a cancellation answered."""
    return (
        request_id.namespace,
        uuid_bytes(request_id.request_id),
        uuid_bytes(request_id.answer_id),
        request_id.fingerprint,
        int(request_id.joined),
    )
