"""Tasks and groups."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from countermand.core.records import Group, Settlement, Task
from countermand.core.states import TaskState
from countermand.rpc.wire.enums import CANCEL_PROOFS, CHARGE_STATES, REFUND_STATES, TASK_STATES
from countermand.rpc.wire.render.pages import fit_page
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import (
    agent_service_pb2,
    checkout_service_pb2,
    order_service_pb2,
    task_pb2,
    task_service_pb2,
)

CreatedTasks: TypeAlias = (
    task_service_pb2.CreateGroupResponse
    | checkout_service_pb2.CreateCheckoutResponse
    | order_service_pb2.CreateOrderResponse
)

MAX_ANSWERED_TASKS = 1_000
MAX_ANSWERED_BYTES = 3 * 1024 * 1024
"""How much of what was created its answer shows: clients of gRPC take 4 MiB by default."""

TIMES = (
    "create_time",
    "start_time",
    "update_time",
    "deadline_time",
    "expire_time",
    "end_time",
)


def render_task(task: Task) -> task_pb2.Task:
    """Returns the message of a task."""
    message = task_pb2.Task()
    set_task(message, task)
    return message


def set_task(message: task_pb2.Task, task: Task) -> None:
    """Fills in the message of a task, which is new.

    In place, since protobuf copies a message that is given to another one by encoding it; and only
    what is set, since an empty field costs as much as a full one.
    """
    message.task_id = task.task_id
    if task.group_id is not None:
        message.group_id = task.group_id
    if task.checkout_id is not None:
        message.checkout_id = task.checkout_id
    if task.order_id is not None:
        message.order_id = task.order_id
    message.merchant = task.merchant
    if task.labels:
        message.labels.update(task.labels)
    message.state = TASK_STATES[task.state]
    message.version = task.version
    if task.agent_id is not None:
        message.agent_id = task.agent_id
    message.charge_state = CHARGE_STATES[task.charge_state]
    message.refund_state = REFUND_STATES[task.refund_state]
    if task.cancellation_id is not None:
        message.cancellation_id = task.cancellation_id
        message.cancel_reason = task.cancel_reason
        message.cancel_message = task.cancel_message
    if task.ended:
        message.cancel_proof = render_proof(task)
        message.refund_required = task.refund_required
        message.failure_message = task.failure_message
        if task.settlement is not None:
            _set_settlement(message.settlement, task.settlement)
    for field in TIMES:
        time = getattr(task, field)
        if time is not None:
            set_time(getattr(message, field), time)


def set_first_tasks(message: CreatedTasks, tasks: Sequence[Task]) -> None:
    """Fills in as many of the tasks that were created as an answer takes, and counts the rest."""
    fitting = fit_page(map(render_task, tasks[:MAX_ANSWERED_TASKS]), MAX_ANSWERED_BYTES)
    message.tasks.extend(fitting)
    message.tasks_left_out = len(tasks) - len(fitting)


def _set_settlement(message: task_pb2.Settlement, settlement: Settlement) -> None:
    message.outcome = REFUND_STATES[settlement.outcome]
    if settlement.amount is not None:
        message.amount = settlement.amount
    message.currency = settlement.currency
    message.note = settlement.note
    message.settled_by = settlement.settled_by
    set_time(message.settle_time, settlement.settle_time)
    message.request_id = settlement.request_id or ""


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
