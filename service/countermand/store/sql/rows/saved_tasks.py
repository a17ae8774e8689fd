"""Rows of tasks that are saved, each by the statement that writes least.

SQLite writes each index anew that knows a column which is set, be it to what it was, and checks
each constraint that names one; and each parameter of a row takes time. So what most tasks do, which
is to be created, to start, to be cancelled and to end, has a statement each that sets what changes
then. Whatever else a batch makes of a task has one that sets all.
"""

from typing import Any

from countermand.core.records import Task
from countermand.core.states import TaskState
from countermand.store.sql.rows.ids import uuid_bytes
from countermand.store.sql.rows.tasks import write_settlement

Row = tuple[Any, ...]
Saved = tuple[str, Row]
"""The name of a statement, and its row of parameters."""


def write_created_task(task: Task, number: int, labels: str) -> Saved:
    """Returns how a new task is saved, given its labels as JSON."""
    if task.state is not TaskState.PENDING:
        return "insert_tasks", _whole(task, number, labels)
    # Nobody has started it, and it was not cancelled: all else is as it is of every such task.
    return (
        "insert_new_tasks",
        (
            number,
            task.namespace,
            uuid_bytes(task.task_id),
            uuid_bytes(task.group_id),
            task.checkout_id,
            task.order_id,
            task.merchant,
            labels,
            task.create_time,
            task.expire_time,
            task.seq,
        ),
    )


def write_changed_task(before: Task, task: Task) -> Saved:
    """Returns how a task is saved that the batch found as it was before."""
    if task.charge_state is before.charge_state:
        if task.state is TaskState.RUNNING and before.state is TaskState.PENDING:
            return "start_tasks", _started(task)
        if task.end_time is not None:
            if _ends_alone(before, task):
                return "end_tasks", _ended(task)
            return "update_tasks", _changed(task)
    if task.end_time is None and task.agent_id == before.agent_id:
        return "update_live_tasks", _going_on(task)
    return "update_tasks", _changed(task)


def _ends_alone(before: Task, task: Task) -> bool:
    """Whether all that happened to the task is its end, and maybe its cancel."""
    return (
        before.end_time is None
        and task.agent_id == before.agent_id
        and task.deadline_time == before.deadline_time
        and task.due_time == before.due_time
        and task.settlement is None
        and not task.late_reports
    )


def _whole(task: Task, number: int, labels: str) -> Row:
    """Such as one that was created and cancelled in one batch."""
    return (
        number,
        task.namespace,
        uuid_bytes(task.task_id),
        uuid_bytes(task.group_id),
        task.checkout_id,
        task.order_id,
        task.merchant,
        labels,
        task.create_time,
        task.update_time,
        task.state._value_,
        task.version,
        task.agent_id,
        task.fence,
        uuid_bytes(task.cancellation_id),
        None if task.cancel_proof is None else task.cancel_proof._value_,
        task.deadline_time,
        task.failure_message,
        task.charge_state._value_,
        task.refund_state._value_,
        task.expire_time,
        task.start_time,
        task.end_time,
        task.seq,
        task.due_time,
        write_settlement(task.settlement),
        task.late_reports,
        task.end_seq,
        int(task.fence_raised),
    )


def _changed(task: Task) -> Row:
    """All that can change."""
    return (
        task.namespace,
        task.number,
        task.state._value_,
        task.version,
        task.seq,
        task.fence,
        task.agent_id,
        uuid_bytes(task.cancellation_id),
        None if task.cancel_proof is None else task.cancel_proof._value_,
        task.deadline_time,
        task.due_time,
        task.failure_message,
        task.charge_state._value_,
        task.refund_state._value_,
        write_settlement(task.settlement),
        task.late_reports,
        task.start_time,
        task.update_time,
        task.end_time,
        task.end_seq,
        int(task.fence_raised),
    )


def _started(task: Task) -> Row:
    return (
        task.namespace,
        task.number,
        task.state._value_,
        task.version,
        task.seq,
        task.fence,
        task.agent_id,
        task.start_time,
        task.update_time,
    )


def _going_on(task: Task) -> Row:
    """It neither starts nor ends."""
    return (
        task.namespace,
        task.number,
        task.state._value_,
        task.version,
        task.seq,
        task.fence,
        uuid_bytes(task.cancellation_id),
        task.deadline_time,
        task.due_time,
        task.charge_state._value_,
        task.update_time,
    )


def _ended(task: Task) -> Row:
    return (
        task.namespace,
        task.number,
        task.state._value_,
        task.version,
        task.seq,
        task.fence,
        uuid_bytes(task.cancellation_id),
        None if task.cancel_proof is None else task.cancel_proof._value_,
        task.failure_message,
        task.refund_state._value_,
        task.update_time,
        task.end_time,
        task.end_seq,
        int(task.fence_raised),
    )
