"""Tasks and groups."""

from collections import Counter
from collections.abc import Iterable, Mapping

from countermand.core.records import Group, Task
from countermand.core.states import TaskState
from countermand.rpc.wire.enums import CANCEL_PROOFS, CHARGE_STATES, TASK_STATES
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import agent_service_pb2, task_pb2


def render_task(task: Task) -> task_pb2.Task:
    """Returns the message of a task."""
    message = task_pb2.Task(
        task_id=task.task_id,
        group_id=task.group_id or "",
        checkout_id=task.checkout_id or "",
        order_id=task.order_id or "",
        merchant=task.merchant,
        state=TASK_STATES[task.state],
        version=task.version,
        agent_id=task.agent_id or "",
        cancellation_id=task.cancellation_id or "",
        cancel_reason=task.cancel_reason,
        cancel_message=task.cancel_message,
        cancel_proof=render_proof(task),
        failure_message=task.failure_message,
        charge_state=CHARGE_STATES[task.charge_state],
        refund_required=task.refund_required,
    )
    if task.labels:
        message.labels.update(task.labels)
    set_time(message.deadline_time, task.deadline_time)
    set_time(message.expire_time, task.expire_time)
    set_time(message.create_time, task.create_time)
    set_time(message.start_time, task.start_time)
    set_time(message.update_time, task.update_time)
    set_time(message.end_time, task.end_time)
    return message


def render_proof(task: Task) -> task_pb2.CancelProof:
    """Returns the proof of a task that was stopped, else unspecified."""
    if task.cancel_proof is None:
        return task_pb2.CANCEL_PROOF_UNSPECIFIED
    proof: task_pb2.CancelProof = CANCEL_PROOFS[task.cancel_proof]
    return proof


def count_states(tasks: Iterable[Task]) -> dict[TaskState, int]:
    """Returns how many of the tasks stand in each state."""
    return Counter(task.state for task in tasks)


def render_counts(counts: Mapping[TaskState, int]) -> list[task_pb2.TaskCount]:
    """Returns the counts, without those of no task."""
    return [
        task_pb2.TaskCount(state=TASK_STATES[state], count=counts[state])
        for state in TaskState
        if counts.get(state)
    ]


def render_group(group: Group, counts: Mapping[TaskState, int]) -> task_pb2.Group:
    """Returns the message of a group."""
    message = task_pb2.Group(
        group_id=group.group_id,
        checkout_id=group.checkout_id or "",
        order_id=group.order_id or "",
        closed=group.closed,
        version=group.version,
        task_counts=render_counts(counts),
        cancellation_id=group.cancellation_id or "",
    )
    set_time(message.create_time, group.create_time)
    set_time(message.update_time, group.update_time)
    return message


def render_stop(task: Task) -> agent_service_pb2.Stop:
    """Returns the message that asks an agent to stop a task."""
    message = agent_service_pb2.Stop(
        task_id=task.task_id, reason=task.cancel_reason, message=task.cancel_message
    )
    set_time(message.deadline_time, task.deadline_time)
    return message
