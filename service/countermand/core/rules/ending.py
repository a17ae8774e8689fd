"""How a task ends, and what ends with it."""

from typing import Any

from countermand.core.cancellations import PROOF_PLACES, Cancellation
from countermand.core.changes import Id
from countermand.core.draft import Draft
from countermand.core.records import Checkout, Order, Target, Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.holders import direct_targets, holders_of, leave, wants_holders
from countermand.core.rules.owing import is_owed, is_undone, would_be_owed
from countermand.core.states import (
    CancellationState,
    CancelProof,
    CartState,
    CheckoutState,
    OrderState,
    RefundState,
    TargetKind,
    TaskState,
)


def wants_task(key: Id, rows: Rows, wanted: Wanted) -> Task | None:
    """Wants a task that changes, and the checkout whose orders hear of it. Returns it if known."""
    wanted.namespaces.add(key[0])
    wanted.tasks.add(key)
    task = rows.tasks.get(key)
    if task is not None and task.checkout_id is not None:
        wanted.holders.add(Target(TargetKind.CHECKOUT, task.namespace, task.checkout_id))
    return task


def wants_to_end(key: Id, rows: Rows, wanted: Wanted) -> None:
    """Ending a task needs what holds it, and every cancellation that covers it.

    One that has ended needs what holds it if its money may be asked back.
    """
    task = wants_task(key, rows, wanted)
    if task is None:
        return
    if task.ended:
        if would_be_owed(task):
            wants_holders(direct_targets(task), rows, wanted)
        return
    if task.cancellation_id is not None:
        wanted.cancellations.add((task.namespace, task.cancellation_id))
    wants_holders(direct_targets(task), rows, wanted)


def end_task(
    task: Task,
    state: TaskState,
    draft: Draft,
    *,
    proof: CancelProof | None = None,
    failure_message: str = "",
    by_agent: bool = False,
) -> Task:
    """Ends a live task, and counts its end in what holds it and in every cancel that covers it.

    An end that the agent did not make raises the fence, so that the agent's late word is refused.
    """
    completed = state is TaskState.COMPLETED
    holding = holders_of(task, draft)
    owed = is_owed(state, task.charge_state, undone=is_undone(holding))
    holders = [leave(holder, draft, completed=completed, owed=owed) for holder in holding]
    ended = draft.log_end(
        task,
        state=state,
        cancel_proof=proof,
        failure_message=failure_message,
        refund_state=RefundState.REQUIRED if owed else RefundState.NONE,
        fence=task.fence if by_agent else task.fence + 1,
        fence_raised=not by_agent,
        over=frozenset(holder.target for holder in holders if holder.over),
    )
    targets = {task.target, *(holder.target for holder in holders)}
    covering = {task.cancellation_id, *(holder.cancellation_id for holder in holders)}
    for cancellation_id in covering:
        if cancellation_id is None:
            continue
        cancellation = draft.cancellation(task.namespace, cancellation_id)
        if cancellation is not None and cancellation.target in targets:
            draft.save_cancellation(count_end(cancellation, ended, draft.now))
    for holder in holders:
        if isinstance(holder, Checkout | Order):
            end_holder(holder, draft)
    return ended


def end_holder(holder: Checkout | Order, draft: Draft) -> None:
    """Ends a CANCELLING checkout or order whose tasks have all ended."""
    if holder.live_count:
        return
    if isinstance(holder, Checkout) and holder.state is CheckoutState.CANCELLING:
        partly = holder.completed_count > 0
        state = CheckoutState.PARTIALLY_CANCELLED if partly else CheckoutState.CANCELLED
        draft.save_holder(
            holder.evolve(
                state=state,
                cancel_time=draft.now,
                version=draft.next_version(holder.target),
                update_time=draft.now,
            )
        )
        _unlock_cart(holder, draft)
    elif isinstance(holder, Order) and holder.state is OrderState.CANCELLING:
        cancellation = draft.cancellation(holder.namespace, holder.cancellation_id or "")
        partly = cancellation is not None and cancellation.completed_count > 0
        draft.save_holder(
            holder.evolve(
                state=OrderState.PARTIALLY_CANCELLED if partly else OrderState.CANCELLED,
                version=draft.next_version(holder.target),
                update_time=draft.now,
            )
        )


def _unlock_cart(checkout: Checkout, draft: Draft) -> None:
    """Makes the checkout's cart ACTIVE, if the cart still names it."""
    if checkout.cart_id is None:
        return
    cart = draft.cart(checkout.namespace, checkout.cart_id)
    if cart is not None and cart.checkout_id == checkout.checkout_id:
        draft.save_cart(
            cart.evolve(
                state=CartState.ACTIVE,
                checkout_id=None,
                version=cart.version + 1,
                update_time=draft.now,
            )
        )


def count_end(cancellation: Cancellation, task: Task, now: int) -> Cancellation:
    """Returns a cancellation after one of its live tasks ended."""
    counts: dict[str, Any] = {"live_count": cancellation.live_count - 1}
    if task.state is TaskState.COMPLETED:
        counts["completed_count"] = cancellation.completed_count + 1
    elif task.cancel_proof is not None:
        proofs = list(cancellation.proofs)
        proofs[PROOF_PLACES[task.cancel_proof]] += 1
        counts["proofs"] = tuple(proofs)
    return settle(cancellation.evolve(**counts), now)


def settle(cancellation: Cancellation, now: int) -> Cancellation:
    """Returns the cancellation ended, if no covered task is live; else unchanged."""
    if cancellation.live_count:
        return cancellation
    return cancellation.evolve(state=outcome(cancellation), end_time=now)


def outcome(cancellation: Cancellation) -> CancellationState:
    """Returns how a cancellation ends, once all that it covers has ended."""
    stopped, completed = cancellation.stopped_count, cancellation.completed_count
    needs_a_stop = cancellation.target.kind in (TargetKind.TASK, TargetKind.GROUP)
    if not stopped and (completed or needs_a_stop):
        return CancellationState.TOO_LATE
    return CancellationState.PARTIAL if completed else CancellationState.SUCCEEDED
