"""Taking money: permitted until a cancel is accepted, and written down whatever comes of it."""

from countermand.core.commands import BeginCharge, ReportCharge
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused
from countermand.core.records import Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.ending import wants_task
from countermand.core.rules.running import STOPPABLE, held_task, state_of
from countermand.core.states import ChargeState, TaskState


def wants_to_charge(command: BeginCharge | ReportCharge, rows: Rows, wanted: Wanted) -> None:
    """A charge needs the task alone: it is decided in the same row as the cancel."""
    wants_task((command.namespace, command.task_id), rows, wanted)


def begin_charge(command: BeginCharge, draft: Draft) -> Task:
    """Permits the agent to take money, unless a cancel came first."""
    task = _chargeable(command, draft)
    if task.state is TaskState.CANCELLING:
        raise Refused(
            Reason.CANCELLATION_REQUESTED,
            f"a cancel of task {task.task_id} was accepted: take no money",
            metadata=state_of(task) | {"cancellation_id": task.cancellation_id or ""},
        )
    if task.charge_state.may_hold_money:
        return task
    return _charged(task, ChargeState.BEGUN, draft)


def report_charge(command: ReportCharge, draft: Draft) -> Task:
    """Writes down what came of taking money."""
    task = _chargeable(command, draft)
    if task.charge_state is command.charge_state:
        return task
    return _charged(task, command.charge_state, draft)


def _chargeable(command: BeginCharge | ReportCharge, draft: Draft) -> Task:
    """Returns the task if it is this agent's, and has not ended."""
    task = held_task(command, draft)
    if task.state not in STOPPABLE:
        raise Refused(
            Reason.TASK_NOT_RUNNING,
            f"task {task.task_id} has already ended {task.state}",
            metadata=state_of(task),
        )
    return task


def _charged(task: Task, charge_state: ChargeState, draft: Draft) -> Task:
    return draft.log_change(task, charge_state=charge_state)
