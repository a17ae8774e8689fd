"""How a task ends, and what ends with it."""

from countermand.core.records import (
    Cancellation,
    CancellationState,
    CancelProof,
    Group,
    TargetKind,
    Task,
    TaskState,
)
from countermand.core.rows import Draft, Id, Rows, Wanted


def wants_to_end(key: Id, rows: Rows, wanted: Wanted) -> None:
    """Ending a task needs its group, and every cancellation that covers it."""
    wanted.tasks.add(key)
    task = rows.tasks.get(key)
    if task is None or task.ended:
        return
    namespace = task.namespace
    wanted.namespaces.add(namespace)
    if task.cancellation_id is not None:
        wanted.cancellations.add((namespace, task.cancellation_id))
    if task.group_id is not None:
        wanted.groups.add((namespace, task.group_id))
        group = rows.groups.get((namespace, task.group_id))
        if group is not None and group.cancellation_id is not None:
            wanted.cancellations.add((namespace, group.cancellation_id))


def end_task(
    task: Task,
    state: TaskState,
    draft: Draft,
    *,
    proof: CancelProof | None = None,
    failure_message: str = "",
    by_agent: bool = False,
) -> Task:
    """Ends a live task, and counts its end in its group and in every cancel that covers it.

    An end that the agent did not make raises the fence, so that the agent's late word is refused.
    """
    group = leave_group(task, draft)
    ended = draft.log_task(
        task.evolve(
            state=state,
            version=task.version + 1,
            cancel_proof=proof,
            failure_message=failure_message,
            refund_required=(state is not TaskState.COMPLETED and task.charge_state.may_hold_money),
            fence=task.fence if by_agent else task.fence + 1,
            update_time=draft.now,
            end_time=draft.now,
        ),
        ends_group=group is not None and group.over,
    )
    covering = {task.cancellation_id, group.cancellation_id if group is not None else None}
    for cancellation_id in covering - {None}:
        cancellation = draft.cancellation(task.namespace, str(cancellation_id))
        if cancellation is not None and cancellation.covers(task, group):
            draft.save_cancellation(count_end(cancellation, ended, draft.now))
    return ended


def leave_group(task: Task, draft: Draft) -> Group | None:
    """Counts one live task less in the task's group. Returns the group."""
    if task.group_id is None:
        return None
    group = draft.group(task.namespace, task.group_id)
    if group is None:
        return None
    group = group.evolve(live_count=group.live_count - 1)
    draft.save_group(group)
    return group


def count_end(cancellation: Cancellation, task: Task, now: int) -> Cancellation:
    """Returns a cancellation after one of its live tasks ended."""
    completed = task.state is TaskState.COMPLETED
    return settle(
        cancellation.evolve(
            live_count=cancellation.live_count - 1,
            proofs=tuple(
                count + (proof is task.cancel_proof)
                for proof, count in zip(CancelProof, cancellation.proofs, strict=True)
            ),
            completed_count=cancellation.completed_count + completed,
        ),
        now,
    )


def settle(cancellation: Cancellation, now: int) -> Cancellation:
    """Returns the cancellation ended, if no covered task is live; else unchanged."""
    if cancellation.live_count:
        return cancellation
    return cancellation.evolve(state=outcome(cancellation), end_time=now)


def outcome(cancellation: Cancellation) -> CancellationState:
    """Returns how a cancellation ends, once all that it covers has ended."""
    stopped, completed = cancellation.stopped_count, cancellation.completed_count
    needs_a_stop = cancellation.target_kind in (TargetKind.TASK, TargetKind.GROUP)
    if not stopped and (completed or needs_a_stop):
        return CancellationState.TOO_LATE
    return CancellationState.PARTIAL if completed else CancellationState.SUCCEEDED
