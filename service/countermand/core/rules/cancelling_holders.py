"""The cancels of groups, checkouts and orders."""

from collections.abc import Callable
from typing import TypeVar

from countermand.core.answers import Cancelled
from countermand.core.cancellations import Cancellation
from countermand.core.commands import Cancel, CancelCheckout, CancelGroup, CancelOrder
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, not_found
from countermand.core.records import Checkout, Group, Holder, Order, Target, whole
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.cancelling import (
    Replayed,
    accept,
    expect_version,
    open_cancellation,
    replay,
    stop,
    wants_to_cancel,
)
from countermand.core.rules.ending import wants_to_end_all
from countermand.core.rules.holders import (
    announce_over,
    checkout_ended,
    close_group,
    order_ended,
    wants_holders,
)
from countermand.core.rules.joining import join_running_cancel
from countermand.core.rules.outcomes import end_holder
from countermand.core.states import (
    CartState,
    CheckoutState,
    OrderState,
    TargetKind,
    TaskState,
)

Cancellable = TypeVar("Cancellable", Group, Checkout, Order)


def wants_to_cancel_group(command: CancelGroup, rows: Rows, wanted: Wanted) -> None:
    """A group's cancel needs the group, its tasks, and all that ends with them."""
    wants_to_cancel(command, rows, wanted)
    wants_tree(Target(TargetKind.GROUP, command.namespace, command.target_id), rows, wanted)


def wants_to_cancel_checkout(command: CancelCheckout, rows: Rows, wanted: Wanted) -> None:
    """A checkout's cancel needs the checkout, or the cart that it locks, and all beneath."""
    wants_to_cancel(command, rows, wanted)
    checkout_id: str | None = command.target_id
    if command.by_cart:
        _wants_repeated(command, rows, wanted)
        key = (command.namespace, command.target_id)
        wanted.carts.add(key)
        cart = rows.carts.get(key)
        checkout_id = cart.checkout_id if cart is not None else None
    if checkout_id is not None:
        _wants_whole(Target(TargetKind.CHECKOUT, command.namespace, checkout_id), rows, wanted)


def _wants_repeated(command: CancelCheckout, rows: Rows, wanted: Wanted) -> None:
    """A repeat by cart needs the checkout of then, which the cart may not name any more."""
    seen = rows.request_ids.get((command.namespace, command.request_id or ""))
    if seen is None:
        return
    cancellation = rows.cancellations.get((command.namespace, seen.answer_id))
    if cancellation is None:
        return
    if cancellation.target.kind is TargetKind.ORDER:
        wants_tree(cancellation.target, rows, wanted)
    then = _checkout_of_then(command, cancellation, rows.holders.get)
    if then is not None:
        _wants_whole(then, rows, wanted)


def _checkout_of_then(
    command: CancelCheckout, cancellation: Cancellation, find: Callable[[Target], Holder | None]
) -> Target | None:
    """Returns the checkout that a cancel named when it was accepted, or joined its order's."""
    if not command.by_cart:
        return Target(TargetKind.CHECKOUT, command.namespace, command.target_id)
    if cancellation.target.kind is TargetKind.CHECKOUT:
        return cancellation.target
    order = find(cancellation.target) if cancellation.target.kind is TargetKind.ORDER else None
    then = (command.target_id, cancellation.cancellation_id)
    for checkout_id in order.checkout_ids if isinstance(order, Order) else ():
        found = find(Target(TargetKind.CHECKOUT, command.namespace, checkout_id))
        if isinstance(found, Checkout) and (found.cart_id, found.cancellation_id) == then:
            return found.target
    return None


def wants_to_cancel_order(command: CancelOrder, rows: Rows, wanted: Wanted) -> None:
    """An order's cancel needs the order, its groups and checkouts, and all beneath."""
    wants_to_cancel(command, rows, wanted)
    _wants_whole(Target(TargetKind.ORDER, command.namespace, command.target_id), rows, wanted)


def _wants_whole(target: Target, rows: Rows, wanted: Wanted) -> None:
    """Wants what is cancelled, with the snapshot that its answer shows. What is beneath it, above
    it or beside it goes without: these may be many, and large."""
    wanted.snapshots.add(target)
    wants_tree(target, rows, wanted)


def wants_tree(target: Target, rows: Rows, wanted: Wanted) -> None:
    """Wants a holder, what is closed with it, its tasks, and all that ends with them."""
    wants_holders((target,), rows, wanted)
    holder = rows.holders.get(target)
    if holder is None:
        return
    wanted.members.add(target)
    wants_to_end_all(rows.members.get(target, ()), target.namespace, rows, wanted)
    if isinstance(holder, Checkout) and holder.group_id is not None:
        wanted.holders.add(Target(TargetKind.GROUP, target.namespace, holder.group_id))
    if isinstance(holder, Order):
        wanted.subgroups.add(target)
        for checkout_id in holder.checkout_ids:
            checkout = Target(TargetKind.CHECKOUT, target.namespace, checkout_id)
            wants_holders((checkout,), rows, wanted)
            known = rows.holders.get(checkout)
            if isinstance(known, Checkout) and known.group_id is not None:
                wanted.holders.add(Target(TargetKind.GROUP, target.namespace, known.group_id))


def cancel_group(command: CancelGroup, draft: Draft) -> Cancelled:
    """Accepts the cancel of a group and closes it, joins one, repeats one, or refuses."""
    replayed = replay(command, draft)
    group = draft.group(command.namespace, command.target_id)
    if group is None:
        raise not_found("group", command.target_id)
    if replayed is not None:
        return _repeated(group, replayed, draft)
    expect_version(command, "group", group.version)
    if group.cancellation_id is not None:
        return _join(command, group, draft)
    cancellation = _open(command, group, draft)
    closed = _named(group, cancellation, draft).evolve(closed=True)
    draft.save_holder(closed)
    return _stop_all(command, closed, cancellation, [closed.target], draft)


def cancel_checkout(command: CancelCheckout, draft: Draft) -> Cancelled:
    """Accepts the cancel of a checkout, joins one, repeats one, or refuses."""
    replayed = replay(command, draft)
    if replayed is not None:
        target = _checkout_of_then(command, replayed.cancellation, draft.holder)
        then = None if target is None else draft.holder(target)
        if then is None:  # It was removed: a repeat never cancels another one in its place.
            raise not_found("cart" if command.by_cart else "checkout", command.target_id)
        return _repeated(then, replayed, draft)
    checkout = _named_checkout(command, draft)
    if checkout.state not in (CheckoutState.OPEN, CheckoutState.CANCELLING):
        raise checkout_ended(checkout)
    expect_version(command, "checkout", checkout.version)
    if checkout.state is CheckoutState.CANCELLING:
        return _join(command, checkout, draft)
    cancellation = _open(command, checkout, draft)
    closed = _begin_checkout(checkout, cancellation, draft)
    return _stop_all(command, checkout, cancellation, closed, draft)


def _named_checkout(command: CancelCheckout, draft: Draft) -> Checkout:
    """Returns the checkout that a cancel names, itself or by the cart that it locks."""
    checkout_id: str | None = command.target_id
    if command.by_cart:
        cart = draft.cart(command.namespace, command.target_id)
        if cart is None:
            raise not_found("cart", command.target_id)
        if cart.state is not CartState.LOCKED:
            closed = cart.state is CartState.CLOSED
            raise Refused(
                Reason.CART_CLOSED if closed else Reason.CART_NOT_LOCKED,
                f"cart {cart.cart_id} is {cart.state}, so no checkout runs on it",
                metadata={"cart_id": cart.cart_id, "state": cart.state},
            )
        checkout_id = cart.checkout_id
    checkout = draft.checkout(command.namespace, checkout_id or "")
    if checkout is None:
        raise not_found("checkout", checkout_id or "")
    return checkout


def cancel_order(command: CancelOrder, draft: Draft) -> Cancelled:
    """Accepts the cancel of an order with its checkouts, joins one, repeats one, or refuses."""
    replayed = replay(command, draft)
    order = draft.order(command.namespace, command.target_id)
    if order is None:
        raise not_found("order", command.target_id)
    if replayed is not None:
        return _repeated(order, replayed, draft)
    if order.state not in (OrderState.OPEN, OrderState.CANCELLING):
        raise order_ended(order)
    expect_version(command, "order", order.version)
    if order.state is OrderState.CANCELLING:
        return _join(command, order, draft)
    if command.goods_left(whole(order.snapshot)):
        raise Refused(
            Reason.ORDER_FULFILLED,
            f"goods of order {order.order_id} have left",
            metadata={"order_id": order.order_id},
        )
    cancellation = _open(command, order, draft)
    draft.save_holder(
        _named(order, cancellation, draft).evolve(
            state=OrderState.CANCELLING,
            cancel_time=draft.now,
            cancel_reason=command.reason,
        )
    )
    closed = [order.target]
    for target in draft.rows.subgroups[order.target]:
        group = draft.holder(target)
        if isinstance(group, Group):
            close_group(group, draft)
            closed.append(target)
    begun = []
    for checkout_id in order.checkout_ids:
        checkout = draft.checkout(order.namespace, checkout_id)
        if checkout is not None and checkout.state is CheckoutState.OPEN:
            closed += _begin_checkout(checkout, cancellation, draft)
            begun.append(checkout.target)
    return _stop_all(command, order, cancellation, closed, draft, also=begun)


def _open(command: Cancel, holder: Holder, draft: Draft) -> Cancellation:
    return open_cancellation(command, holder.target, draft.members(holder.target), draft)


def _named(holder: Cancellable, cancellation: Cancellation, draft: Draft) -> Cancellable:
    """Returns a holder that names its cancellation."""
    return holder.evolve(
        cancellation_id=cancellation.cancellation_id,
        version=draft.next_version(holder.target),
        update_time=draft.now,
    )


def _begin_checkout(checkout: Checkout, cancellation: Cancellation, draft: Draft) -> list[Target]:
    """Makes an OPEN checkout CANCELLING, and closes its group. Returns what was closed."""
    draft.save_holder(
        _named(checkout, cancellation, draft).evolve(
            state=CheckoutState.CANCELLING,
            cancel_reason=cancellation.reason,
            cancel_message=cancellation.message,
        )
    )
    closed = [checkout.target]
    if checkout.group_id is not None:
        group = draft.group(checkout.namespace, checkout.group_id)
        if group is not None:
            close_group(group, draft)
            closed.append(group.target)
    return closed


def _stop_all(
    command: Cancel,
    holder: Holder,
    cancellation: Cancellation,
    closed: list[Target],
    draft: Draft,
    *,
    also: list[Target] | None = None,
) -> Cancelled:
    """Stops every covered task as far as that can be done now, and answers the accept."""
    tasks = draft.members(holder.target)
    covered = stop(tasks, cancellation, command, draft)
    # What had nothing to wait for ends here; the rest has ended or ends with its last task.
    for target in [*(also or ()), holder.target]:
        begun = draft.holder(target)
        if isinstance(begun, Checkout | Order):
            end_holder(begun, draft)
    announce_over(closed, draft)
    now = draft.holder(holder.target) or holder
    return accept(command, now, cancellation.cancellation_id, covered, draft, joins=False)


def _join(command: Cancel, holder: Holder, draft: Draft) -> Cancelled:
    """Answers with the first cancellation; deadlines that run may come nearer."""
    covered = tuple(
        join_running_cancel(task, command, draft) if task.state is TaskState.CANCELLING else task
        for task in draft.members(holder.target)
    )
    return accept(command, holder, holder.cancellation_id or "", covered, draft, joins=True)


def _repeated(holder: Holder, replayed: Replayed, draft: Draft) -> Cancelled:
    covered = tuple(draft.members(holder.target))
    return Cancelled(holder, replayed.cancellation, covered, replayed=True, joined=replayed.joined)
