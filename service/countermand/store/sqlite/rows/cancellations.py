"""Rows of cancellations, and of the request ids that they answered."""

from typing import Any

from countermand.core.cancellations import Cancellation, RequestId
from countermand.core.states import CancellationState
from countermand.core.trace import TraceContext
from countermand.store.sqlite.rows.ids import (
    read_target,
    uuid_bytes,
    uuid_text,
    write_target,
)


def read_cancellation(row: list[Any]) -> Cancellation:
    """Returns the cancellation of a `{cancellation}` row."""
    return Cancellation(
        namespace=row[0],
        cancellation_id=str(uuid_text(row[1])),
        target=read_target(row[0], row[2], row[3]),
        reason=row[4],
        message=row[5],
        requested_by=row[6],
        on_behalf_of=row[7],
        request_id=uuid_text(row[8]),
        create_time=row[9],
        trace=TraceContext(row[10], row[11], bool(row[12])),
        seq=row[13],
        state=CancellationState(row[14]),
        deadline_time=row[15],
        end_time=row[16],
        live_count=row[17],
        proofs=tuple(row[18:22]),
        completed_count=row[22],
    )


def write_cancellation(cancellation: Cancellation) -> tuple[Any, ...]:
    """Returns the row of a cancellation."""
    return (
        cancellation.namespace,
        uuid_bytes(cancellation.cancellation_id),
        *write_target(cancellation.target),
        cancellation.reason,
        cancellation.message,
        cancellation.requested_by,
        cancellation.on_behalf_of,
        uuid_bytes(cancellation.request_id),
        cancellation.create_time,
        bytes.fromhex(cancellation.trace.trace_id),
        bytes.fromhex(cancellation.trace.span_id),
        int(cancellation.trace.sampled),
        cancellation.seq,
        cancellation.state.value,
        cancellation.deadline_time,
        cancellation.end_time,
        cancellation.live_count,
        *cancellation.proofs,
        cancellation.completed_count,
    )


def read_request_id(row: list[Any]) -> RequestId:
    """Returns the remembered request id of a row."""
    namespace, request_id, cancellation_id, fingerprint = row
    return RequestId(
        namespace,
        str(uuid_text(request_id)),
        str(uuid_text(cancellation_id)),
        bytes.fromhex(fingerprint),
    )


def write_request_id(request_id: RequestId) -> tuple[Any, ...]:
    """Returns the row of a remembered request id."""
    return (
        request_id.namespace,
        uuid_bytes(request_id.request_id),
        uuid_bytes(request_id.cancellation_id),
        request_id.fingerprint,
    )
