"""Cancellations."""

import asyncio
from collections.abc import Iterable, Sequence

from countermand.core.cancellations import Cancellation, Join
from countermand.core.records import Task
from countermand.core.states import TargetKind
from countermand.rpc.wire.enums import (
    CANCELLATION_STATES,
    DISPOSITIONS,
    REFUND_STATES,
    TASK_STATES,
)
from countermand.rpc.wire.render.tasks import render_proof
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import cancellation_pb2

TARGET_FIELDS = {kind: f"{kind.lower()}_id" for kind in TargetKind}


def render_cancellation(
    cancellation: Cancellation, covered: Iterable[Task] = ()
) -> cancellation_pb2.Cancellation:
    """Returns the message of a cancellation, with a result for each of these tasks."""
    message = cancellation_pb2.Cancellation()
    set_cancellation(message, cancellation, covered)
    return message


def set_cancellation(
    message: cancellation_pb2.Cancellation, cancellation: Cancellation, covered: Iterable[Task]
) -> None:
    """Fills in the message of a cancellation, which is new, and its results; see set_task."""
    _set_all_but_results(message, cancellation)
    _add_results(message, cancellation, covered)


async def set_large_cancellation(
    message: cancellation_pb2.Cancellation,
    cancellation: Cancellation,
    covered: Sequence[Task],
    max_results: int,
) -> None:
    """Does the same, and lets others have their turn after so many results."""
    _set_all_but_results(message, cancellation)
    for start in range(0, len(covered), max_results):
        if start:
            await asyncio.sleep(0)
        _add_results(message, cancellation, covered[start : start + max_results])


def _set_all_but_results(
    message: cancellation_pb2.Cancellation, cancellation: Cancellation
) -> None:
    message.cancellation_id = cancellation.cancellation_id
    setattr(message, TARGET_FIELDS[cancellation.target.kind], cancellation.target.id)
    message.reason = cancellation.reason
    if cancellation.message:
        message.message = cancellation.message
    caller = cancellation.caller
    message.requested_by = caller.requested_by
    message.trace_id = caller.trace.trace_id
    if caller.certificate_name:
        message.certificate_name = caller.certificate_name
    if cancellation.on_behalf_of:
        message.on_behalf_of = cancellation.on_behalf_of
    if cancellation.request_id is not None:
        message.request_id = cancellation.request_id
    message.state = CANCELLATION_STATES[cancellation.state]
    set_time(message.create_time, cancellation.create_time)
    if cancellation.deadline_time is not None:
        set_time(message.deadline_time, cancellation.deadline_time)
    if cancellation.end_time is not None:
        set_time(message.end_time, cancellation.end_time)
    if cancellation.join_count:
        message.join_count = cancellation.join_count
        message.joins.extend(map(_render_join, cancellation.joins))


def _add_results(
    message: cancellation_pb2.Cancellation, cancellation: Cancellation, covered: Iterable[Task]
) -> None:
    for task in covered:
        result = message.results.add()
        result.task_id = task.task_id
        result.disposition = DISPOSITIONS[cancellation.disposition(task)]
        result.task_state = TASK_STATES[task.state]
        result.refund_state = REFUND_STATES[task.refund_state]
        if task.ended:
            result.cancel_proof = render_proof(task)
            result.refund_required = task.refund_required


def _render_join(join: Join) -> cancellation_pb2.CancellationJoin:
    message = cancellation_pb2.CancellationJoin(
        requested_by=join.requested_by,
        reason=join.reason,
        message=join.message,
        on_behalf_of=join.on_behalf_of,
        request_id=join.request_id or "",
    )
    set_time(message.join_time, join.join_time)
    return message
