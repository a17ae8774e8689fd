"""The cancel of one task, also of one that is yet to be created."""

from countermand.core.answers import Cancelled
from countermand.core.cancellations import Cancellation
from countermand.core.commands import CancelTask
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, not_found, rfc3339
from countermand.core.records import Target, Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.cancelling import (
    accept,
    cover,
    expect_version,
    new_cancellation,
    open_cancellation,
    open_running_cancel,
    replay,
    stop_pending,
    stop_running,
    wants_to_cancel,
)
from countermand.core.rules.ending import wants_task, wants_to_end
from countermand.core.rules.joining import join_running_cancel
from countermand.core.rules.outcomes import settle
from countermand.core.states import TargetKind, TaskState


def wants_to_cancel_task(command: CancelTask, rows: Rows, wanted: Wanted) -> None:
    """A task's cancel needs the task; a PENDING one ends at once, a CANCELLING one is joined."""
    wants_to_cancel(command, rows, wanted)
    key = (command.namespace, command.target_id)
    if command.allow_missing:
        wanted.early_cancels.add(key)
    task = wants_task(key, rows, wanted)
    if task is None:
        return
    if task.state is TaskState.PENDING:
        wants_to_end(key, rows, wanted)
    elif task.cancellation_id is not None:
        wanted.cancellations.add((task.namespace, task.cancellation_id))


def cancel_task(command: CancelTask, draft: Draft) -> Cancelled:
    """Accepts the cancel of one task, joins one, repeats one, or refuses."""
    replayed = replay(command, draft)
    task = draft.task(command.namespace, command.target_id)
    if replayed is not None:
        cancellation, joined = replayed
        covered = (task,) if task is not None and cancellation.covers(task) else ()
        return Cancelled(task, cancellation, covered, replayed=True, joined=joined)
    if task is None:
        if command.allow_missing:
            return _wait_for_task(command, draft)
        raise not_found("task", command.target_id)
    if task.ended:
        raise already_ended(task)
    expect_version(command, "task", task.version)
    if task.state is TaskState.CANCELLING:
        return _join_task(command, task, draft)
    if task.state is TaskState.PENDING:
        cancellation = open_cancellation(command, task.target, (task,), draft)
        task = stop_pending(task, cancellation, draft)
    else:
        cancellation = open_running_cancel(command, task, draft)
        task = stop_running(task, cancellation, command, draft)
    return accept(command, task, cancellation.cancellation_id, (task,), draft, joins=False)


def _join_task(command: CancelTask, task: Task, draft: Draft) -> Cancelled:
    """Joins the cancel that runs: its reason and caller stay, its deadline may come nearer."""
    task = join_running_cancel(task, command, draft)
    return accept(command, task, task.cancellation_id or "", (task,), draft, joins=True)


def _wait_for_task(command: CancelTask, draft: Draft) -> Cancelled:
    """Accepts a cancel that came before its task, or joins the one that waits for it."""
    waiting = _waiting_cancel(command.namespace, command.target_id, draft)
    joins = waiting is not None
    if waiting is None:
        target = Target(TargetKind.TASK, command.namespace, command.target_id)
        waiting = new_cancellation(command, target, draft)
        draft.save_cancellation(waiting)
    return accept(command, None, waiting.cancellation_id, (), draft, joins=joins)


def _waiting_cancel(namespace: int, task_id: str, draft: Draft) -> Cancellation | None:
    """Returns the cancel that waits for a task; one that has waited long enough ends here."""
    waiting = draft.early_cancel(namespace, task_id)
    if waiting is None or end_waiting(waiting, draft):
        return None
    return waiting


def end_waiting(cancellation: Cancellation, draft: Draft) -> bool:
    """Ends a cancel that has waited long enough for its task. Returns whether it did."""
    if not cancellation.waiting or cancellation.create_time > draft.instant.early_before:
        return False
    draft.save_cancellation(settle(cancellation, draft.now))
    return True


def stop_new_task(task: Task, draft: Draft) -> Task:
    """Cancels a task that was created just now, if a cancel waits for it. Returns it as it is."""
    waiting = _waiting_cancel(task.namespace, task.task_id, draft)
    if waiting is None:
        return task
    cover(waiting, (task,), draft)
    return stop_pending(task, waiting, draft)


def already_ended(task: Task) -> Refused:
    """Returns the refusal of a cancel that came after the task's end."""
    return Refused(
        Reason(f"TASK_ALREADY_{task.state}"),
        f"task {task.task_id} has already ended {task.state}",
        metadata={
            "task_id": task.task_id,
            "state": task.state,
            "end_time": rfc3339(task.end_time or 0),
            "cancellation_id": task.cancellation_id or "",
        },
    )
