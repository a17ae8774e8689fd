"""When money of a task may be held for work that does not stand, so that somebody must decide."""

from collections.abc import Iterable
from typing import Any

from countermand.core.draft import Draft
from countermand.core.records import Checkout, Holder, Order, Task
from countermand.core.states import ChargeState, RefundState, TaskState


def is_undone(holders: Iterable[Holder]) -> bool:
    """Whether the cancel of a checkout or order among these was accepted.

    Then not even what is COMPLETED stands. The cancel of a group or of a task says nothing of that.
    """
    return any(
        isinstance(holder, Checkout | Order) and holder.cancellation_id is not None
        for holder in holders
    )


def is_owed(state: TaskState, charge_state: ChargeState, *, undone: bool) -> bool:
    """Whether a refund of a task that ended like this is required, until it is settled.

    `undone` says whether it is under a checkout or order whose cancel was accepted.
    """
    if state is TaskState.COMPLETED:
        return undone and charge_state is ChargeState.CAPTURED
    return state.ended and charge_state.may_hold_money


def would_be_owed(task: Task) -> bool:
    """Whether a refund of a task is required once the cancel of what it is under is accepted."""
    return task.refund_state is RefundState.NONE and is_owed(
        task.state, task.charge_state, undone=True
    )


def change_refund(
    task: Task,
    refund_state: RefundState,
    holders: Iterable[Holder],
    draft: Draft,
    **changes: Any,
) -> Task:
    """Keeps the next version of an ended task, of which only its money is another. Returns it.

    What holds the task gets no version by that, but is kept for as long as the task.
    """
    changed = draft.log_change(task, refund_state=refund_state, **changes)
    for holder in holders:
        owed = holder.owed_count + changed.refund_required - task.refund_required
        money_time = max(changed.update_time, holder.money_time or 0)
        draft.save_holder(holder.evolve(owed_count=owed, money_time=money_time))
    return changed
