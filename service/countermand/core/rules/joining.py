"""Cancels that join one that runs already."""

from countermand.core.cancellations import MAX_JOINS, Cancellation, Join, NewJoin
from countermand.core.commands import Cancel
from countermand.core.draft import Draft
from countermand.core.records import MAX_VERSIONS, Task


def join_running_cancel(task: Task, command: Cancel, draft: Draft) -> Task:
    """Covers a task that is CANCELLING already; its own cancel's deadline goes along."""
    nearer = bring_nearer(task, command, draft)
    own = draft.cancellation(task.namespace, task.cancellation_id or "")
    if own is not None and own.target == task.target and nearer is not task:
        draft.save_cancellation(own.evolve(deadline_time=nearer.deadline_time))
    return nearer


def bring_nearer(task: Task, command: Cancel, draft: Draft) -> Task:
    """Gives a CANCELLING task a nearer deadline, if the command's is nearer.

    Which is nearer is judged as deadlines are. What is shown never moves farther: if the wall clock
    leapt ahead since, the nearer deadline may have the later time. One with very many versions
    takes only the nearest that there is, so that they stay few.
    """
    due = draft.instant.steady + command.grace_period
    if task.due_time is not None and task.due_time <= due:
        return task
    deadline = draft.now + command.grace_period
    if task.deadline_time is not None and task.deadline_time <= deadline:
        nearer = task.evolve(due_time=due)
        draft.save_task(nearer)
        return nearer
    if task.version >= MAX_VERSIONS and command.grace_period:
        return task
    return draft.log_change(task, deadline_time=deadline, due_time=due)


def join(command: Cancel, cancellation: Cancellation, draft: Draft) -> Cancellation:
    """Returns a cancellation that another request joined; who asked is kept of the first ones."""
    cancellation = cancellation.evolve(join_count=cancellation.join_count + 1)
    if command.request_id is not None and cancellation.end_time is not None:
        cancellation = cancellation.evolve(join_time=draft.now)
    place = len(cancellation.joins)
    if place == MAX_JOINS:
        return cancellation
    join = Join(
        command.caller.requested_by,
        command.reason,
        command.message,
        command.on_behalf_of,
        command.request_id,
        draft.now,
    )
    new = NewJoin(cancellation.namespace, cancellation.cancellation_id, place, join)
    draft.joins.append(new)
    return cancellation.evolve(joins=(*cancellation.joins, join))
