"""What agents do: start tasks, keep their lease, and end tasks."""

from countermand.core.commands import (
    BeginCharge,
    FinishTask,
    RenewLease,
    ReportCharge,
    StartTask,
)
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, not_found
from countermand.core.records import Agent, Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.ending import end_task, wants_task, wants_to_end
from countermand.core.states import CancelProof, TaskState

STOPPABLE = (TaskState.RUNNING, TaskState.CANCELLING)
"""The states in which an agent holds the task."""


def wants_to_start(command: StartTask, rows: Rows, wanted: Wanted) -> None:
    """A start needs the task and the agent."""
    wants_task((command.namespace, command.task_id), rows, wanted)
    wanted.agents.add((command.namespace, command.agent_id))


def start_task(command: StartTask, draft: Draft) -> Task:
    """Gives a PENDING task to the agent, or a new fence to the agent that has it already."""
    task = draft.task(command.namespace, command.task_id)
    if task is None:
        raise not_found("task", command.task_id)
    fence = task.fence + 1
    if task.state is TaskState.PENDING:
        task = draft.log_change(
            task,
            state=TaskState.RUNNING,
            agent_id=command.agent_id,
            fence=fence,
            start_time=draft.now,
        )
    elif task.state in STOPPABLE and task.agent_id == command.agent_id:
        task = task.evolve(fence=fence)
        draft.save_task(task)
    else:
        raise Refused(
            Reason.TASK_NOT_PENDING,
            f"task {task.task_id} is {task.state}, and not this agent's to start",
            metadata=state_of(task),
        )
    known = draft.agent(command.namespace, command.agent_id)
    lease_end = draft.instant.steady + command.lease_duration
    if known is None or known.lease_expire_time is None or known.lease_expire_time < lease_end:
        _save_lease(command, lease_end, draft)
    return task


def wants_to_renew(command: RenewLease, rows: Rows, wanted: Wanted) -> None:
    """A renewal needs the agent."""
    wanted.agents.add((command.namespace, command.agent_id))


def renew_lease(command: RenewLease, draft: Draft) -> bool:
    """Renews the lease of an agent that once started a task; another one is let be."""
    if draft.agent(command.namespace, command.agent_id) is None:
        return False
    _save_lease(command, draft.instant.steady + command.lease_duration, draft)
    return True


def _save_lease(command: StartTask | RenewLease, lease_end: int, draft: Draft) -> None:
    key = (command.namespace, command.agent_id)
    draft.agents[key] = Agent(*key, command.lease_duration, lease_end)


def held_task(command: BeginCharge | ReportCharge | FinishTask, draft: Draft) -> Task:
    """Returns the task of a command that carries its fence. Raises Refused if that is outdated."""
    task = draft.task(command.namespace, command.task_id)
    if task is None:
        raise not_found("task", command.task_id)
    if task.state is TaskState.PENDING:
        raise never_started(task)
    if command.fence != task.fence:
        raise outdated(task)
    return task


def never_started(task: Task) -> Refused:
    """Returns the refusal of what only an agent that started the task may ask."""
    return Refused(
        Reason.TASK_NOT_RUNNING, f"task {task.task_id} was never started", metadata=state_of(task)
    )


def outdated(task: Task) -> Refused:
    """Returns the refusal of a fence that does not count any more."""
    return Refused(
        Reason.FENCED,
        f"the fence is not the present one of task {task.task_id}: another start, or an end that "
        "the agent did not make, came after it",
        metadata=state_of(task),
    )


def state_of(task: Task) -> dict[str, str]:
    """Returns the metadata of a refusal that comes from the task's state."""
    return {"task_id": task.task_id, "state": task.state}


def wants_to_finish(command: FinishTask, rows: Rows, wanted: Wanted) -> None:
    """An end needs the task, and what ends with it."""
    wants_to_end((command.namespace, command.task_id), rows, wanted)


def finish_task(command: FinishTask, draft: Draft) -> Task:
    """Ends a task as its agent says, if it still is the agent's to end."""
    task = held_task(command, draft)
    if task.ended:
        if task.state is command.outcome:
            return task
        raise Refused(
            Reason.TASK_NOT_RUNNING,
            f"task {task.task_id} has already ended {task.state}",
            metadata=state_of(task),
        )
    if command.outcome is not TaskState.CANCELLED:
        return end_task(
            task,
            command.outcome,
            draft,
            failure_message=command.failure_message,
            by_agent=True,
        )
    if task.state is not TaskState.CANCELLING:
        raise Refused(
            Reason.NOT_CANCELLING,
            f"no cancel of task {task.task_id} was accepted, so none can be acknowledged",
            metadata=state_of(task),
        )
    return end_task(task, TaskState.CANCELLED, draft, proof=CancelProof.ACKNOWLEDGED, by_agent=True)
