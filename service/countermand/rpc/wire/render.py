"""From records to messages."""

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.core.records import (
    SECOND,
    Cancellation,
    CancellationState,
    CancelProof,
    Disposition,
    Group,
    Key,
    TargetKind,
    Task,
    TaskState,
)
from countermand.v1 import agent_service_pb2, cancellation_pb2, key_service_pb2, task_pb2

Item = TypeVar("Item", bound=Message)

MOST_PAGE_BYTES = 3 * 1024 * 1024 - 1024
"""How large a page may be, with room for its token."""
_FRAME_BYTES = 8

# The stubs say that Value returns an int; the constructors want the enum's own type.
STATES = {
    state: cast("task_pb2.TaskState", task_pb2.TaskState.Value(f"TASK_STATE_{state}"))
    for state in TaskState
}
PROOFS = {None: task_pb2.CANCEL_PROOF_UNSPECIFIED} | {
    proof: cast("task_pb2.CancelProof", task_pb2.CancelProof.Value(f"CANCEL_PROOF_{proof}"))
    for proof in CancelProof
}
CANCELLATION_STATES = {
    state: cast(
        "cancellation_pb2.CancellationState",
        cancellation_pb2.CancellationState.Value(f"CANCELLATION_STATE_{state}"),
    )
    for state in CancellationState
}
DISPOSITIONS = {
    disposition: cast(
        "cancellation_pb2.Disposition",
        cancellation_pb2.Disposition.Value(f"DISPOSITION_{disposition}"),
    )
    for disposition in Disposition
}


def set_time(field: Timestamp, time: int | None) -> None:
    """Sets a time, and leaves it unset for None."""
    if time is not None:
        seconds, microseconds = divmod(time, SECOND)
        field.seconds = seconds
        field.nanos = microseconds * 1000


def fit_page(messages: Iterable[Item]) -> list[Item]:
    """Returns the first messages, as many as one page may hold; at least one if there is any."""
    page: list[Item] = []
    size = 0
    for message in messages:
        size += message.ByteSize() + _FRAME_BYTES
        if page and size > MOST_PAGE_BYTES:
            break
        page.append(message)
    return page


def render_task(task: Task) -> task_pb2.Task:
    """Returns the message of a task."""
    message = task_pb2.Task(
        task_id=task.task_id,
        group_id=task.group_id or "",
        merchant=task.merchant,
        state=STATES[task.state],
        version=task.version,
        agent_id=task.agent_id or "",
        cancellation_id=task.cancellation_id or "",
        cancel_reason=task.cancel_reason,
        cancel_message=task.cancel_message,
        cancel_proof=PROOFS[task.cancel_proof],
        failure_message=task.failure_message,
    )
    if task.labels:
        message.labels.update(task.labels)
    set_time(message.deadline_time, task.deadline_time)
    set_time(message.create_time, task.create_time)
    set_time(message.start_time, task.start_time)
    set_time(message.update_time, task.update_time)
    set_time(message.end_time, task.end_time)
    return message


def render_group(group: Group, counts: Mapping[TaskState, int]) -> task_pb2.Group:
    """Returns the message of a group."""
    message = task_pb2.Group(
        group_id=group.group_id,
        closed=group.closed,
        version=group.version,
        task_counts=[
            task_pb2.TaskCount(state=STATES[state], count=counts[state])
            for state in TaskState
            if counts.get(state)
        ],
        cancellation_id=group.cancellation_id or "",
    )
    set_time(message.create_time, group.create_time)
    set_time(message.update_time, group.update_time)
    return message


def render_cancellation(
    cancellation: Cancellation, covered: Iterable[Task] = ()
) -> cancellation_pb2.Cancellation:
    """Returns the message of a cancellation, with a result for each of these tasks."""
    message = cancellation_pb2.Cancellation(
        cancellation_id=cancellation.cancellation_id,
        reason=cancellation.reason,
        message=cancellation.message,
        requested_by=cancellation.requested_by,
        on_behalf_of=cancellation.on_behalf_of,
        request_id=cancellation.request_id or "",
        state=CANCELLATION_STATES[cancellation.state],
        trace_id=cancellation.trace.trace_id,
        results=[
            cancellation_pb2.CancellationResult(
                task_id=task.task_id,
                disposition=DISPOSITIONS[cancellation.disposition(task)],
                task_state=STATES[task.state],
                cancel_proof=PROOFS[task.cancel_proof],
            )
            for task in covered
        ],
    )
    if cancellation.target_kind is TargetKind.TASK:
        message.task_id = cancellation.target_id
    else:
        message.group_id = cancellation.target_id
    set_time(message.create_time, cancellation.create_time)
    set_time(message.deadline_time, cancellation.deadline_time)
    set_time(message.end_time, cancellation.end_time)
    return message


def render_stop(task: Task) -> agent_service_pb2.Stop:
    """Returns the message that asks an agent to stop a task."""
    message = agent_service_pb2.Stop(
        task_id=task.task_id, reason=task.cancel_reason, message=task.cancel_message
    )
    set_time(message.deadline_time, task.deadline_time)
    return message


def render_key(key: Key) -> key_service_pb2.Key:
    """Returns the message of a key."""
    message = key_service_pb2.Key(
        key_id=key.key_id, tenant=key.tenant, environment=key.environment, scopes=key.scopes
    )
    set_time(message.create_time, key.create_time)
    set_time(message.expire_time, key.expire_time)
    set_time(message.revoke_time, key.revoke_time)
    return message


def frame_watch(kind: int, task: bytes | None, *, last: bool, token: str = "") -> bytes:
    """Returns an encoded WatchTaskResponse or WatchTasksResponse around an encoded task.

    The fields have the same numbers in both, and a message that is embedded stands in the encoding
    as its own bytes behind their length; so a task is encoded once for all who watch it.
    """
    parts = [b"\x08", bytes((kind,))]
    if task is not None:
        parts += [b"\x12", _varint(len(task)), task]
    if last:
        parts.append(b"\x18\x01")
    if token:
        encoded = token.encode()
        parts += [b"\x22", _varint(len(encoded)), encoded]
    return b"".join(parts)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
