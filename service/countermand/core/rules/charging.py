"""Taking money: permitted until a cancel is accepted, and written down whatever comes of it."""

from countermand.core.commands import BeginCharge, ReportCharge
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, not_found
from countermand.core.records import MAX_LATE_REPORTS, MAX_VERSIONS, Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.ending import wants_task
from countermand.core.rules.holders import direct_targets, holders_of, wants_holders
from countermand.core.rules.owing import change_refund, is_owed, is_undone
from countermand.core.rules.running import held_task, never_started, outdated, state_of
from countermand.core.states import ChargeState, RefundState, TaskState


def wants_to_charge(command: BeginCharge | ReportCharge, rows: Rows, wanted: Wanted) -> None:
    """A charge needs the task alone: it is decided in the same row as the cancel.

    A statement after the end also needs what holds the task, since that says whether money is owed.
    """
    task = wants_task((command.namespace, command.task_id), rows, wanted)
    if task is not None and task.ended:
        wants_holders(direct_targets(task), rows, wanted)


def begin_charge(command: BeginCharge, draft: Draft) -> Task:
    """Permits the agent to take money, unless a cancel came first."""
    task = held_task(command, draft)
    if task.ended:
        raise Refused(
            Reason.TASK_NOT_RUNNING,
            f"task {task.task_id} has already ended {task.state}",
            metadata=state_of(task),
        )
    if task.state is TaskState.CANCELLING:
        raise Refused(
            Reason.CANCELLATION_REQUESTED,
            f"a cancel of task {task.task_id} was accepted: take no money",
            metadata=state_of(task) | {"cancellation_id": task.cancellation_id or ""},
        )
    if task.charge_state.may_hold_money:
        return task
    _expect_room(task)
    return draft.log_change(task, charge_state=ChargeState.BEGUN)


def report_charge(command: ReportCharge, draft: Draft) -> Task:
    """Writes down what came of taking money, also after the end."""
    task = draft.task(command.namespace, command.task_id)
    if task is None:
        raise not_found("task", command.task_id)
    if task.ended:
        return _report_late(task, command, draft)
    task = held_task(command, draft)
    if task.charge_state is command.charge_state:
        return task
    _expect_room(task)
    return draft.log_change(task, charge_state=command.charge_state)


def _report_late(task: Task, command: ReportCharge, draft: Draft) -> Task:
    """Writes down what an agent says of the money of a task that has ended, and of nothing else."""
    if task.agent_id is None:
        raise never_started(task)
    if command.fence != task.start_fence:
        raise outdated(task)
    if task.charge_state is command.charge_state:
        return task
    _expect_room(task)
    holders = holders_of(task, draft)
    return change_refund(
        task,
        _refund_after(task, command.charge_state, undone=is_undone(holders)),
        holders,
        draft,
        charge_state=command.charge_state,
        late_reports=task.late_reports + 1,
    )


def _refund_after(task: Task, charge_state: ChargeState, *, undone: bool) -> RefundState:
    """Returns whether money is to go back once an agent has said this after the end.

    Money that was taken after all asks for a new decision, whatever was decided before.
    """
    if is_owed(task.state, charge_state, undone=undone):
        return RefundState.REQUIRED
    return RefundState.NOT_OWED if task.refund_required else task.refund_state


def _expect_room(task: Task) -> None:
    """Raises Refused if the task has so many versions that none may be added by asking."""
    if task.late_reports < MAX_LATE_REPORTS and task.version < MAX_VERSIONS:
        return
    raise Refused(
        Reason.TOO_MANY_CHANGES,
        f"task {task.task_id} has {task.version} versions, {task.late_reports} of them of its"
        " charge after its end: no more are written down",
        metadata=state_of(task) | {"version": str(task.version)},
    )
