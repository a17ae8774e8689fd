"""How a checkout, an order or a cancellation ends, once all of its tasks have."""

from typing import Any

from countermand.core.cancellations import Cancellation
from countermand.core.draft import Draft
from countermand.core.records import Checkout, Order
from countermand.core.states import (
    CancellationState,
    CartState,
    CheckoutState,
    OrderState,
    TargetKind,
)


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


def settle(cancellation: Cancellation, now: int, **counts: Any) -> Cancellation:
    """Returns the cancellation with these counts, and ended if no covered task is live."""
    if counts.get("live_count", cancellation.live_count):
        return cancellation.evolve(**counts) if counts else cancellation
    proofs: tuple[int, ...] = counts.get("proofs", cancellation.proofs)
    completed = counts.get("completed_count", cancellation.completed_count)
    state = outcome(cancellation.target.kind, sum(proofs), completed)
    return cancellation.evolve(**counts, state=state, end_time=now)


def outcome(kind: TargetKind, stopped: int, completed: int) -> CancellationState:
    """Returns how the cancellation of such a target ends, once all that it covers has ended."""
    needs_a_stop = kind in (TargetKind.TASK, TargetKind.GROUP)
    if not stopped and (completed or needs_a_stop):
        return CancellationState.TOO_LATE
    return CancellationState.PARTIAL if completed else CancellationState.SUCCEEDED
