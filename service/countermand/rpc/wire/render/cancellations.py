"""Cancellations."""

from collections.abc import Iterable

from countermand.core.cancellations import Cancellation
from countermand.core.records import Task
from countermand.rpc.wire.enums import CANCELLATION_STATES, DISPOSITIONS, TASK_STATES
from countermand.rpc.wire.render.tasks import render_proof
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import cancellation_pb2


def render_cancellation(
    cancellation: Cancellation, covered: Iterable[Task] = ()
) -> cancellation_pb2.Cancellation:
    """Returns the message of a cancellation, with a result for each of these tasks."""
    message = cancellation_pb2.Cancellation(
        cancellation_id=cancellation.cancellation_id,
        reason=cancellation.reason,
        message=cancellation.message,
        requested_by=cancellation.caller.requested_by,
        certificate_name=cancellation.caller.certificate_name,
        on_behalf_of=cancellation.on_behalf_of,
        request_id=cancellation.request_id or "",
        state=CANCELLATION_STATES[cancellation.state],
        trace_id=cancellation.caller.trace.trace_id,
        results=[
            cancellation_pb2.CancellationResult(
                task_id=task.task_id,
                disposition=DISPOSITIONS[cancellation.disposition(task)],
                task_state=TASK_STATES[task.state],
                cancel_proof=render_proof(task),
                refund_required=task.refund_required,
            )
            for task in covered
        ],
    )
    kind, _, target_id = cancellation.target
    setattr(message, f"{kind.lower()}_id", target_id)
    set_time(message.create_time, cancellation.create_time)
    set_time(message.deadline_time, cancellation.deadline_time)
    set_time(message.end_time, cancellation.end_time)
    return message
