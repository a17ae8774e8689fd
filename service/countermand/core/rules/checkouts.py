"""Checkouts and the carts that they lock."""

from countermand.core.answers import Cancelled, CartChanged, CheckoutChanged, CheckoutCreated
from countermand.core.caller import Caller
from countermand.core.commands import CancelCheckout, ChangeCart, CompleteCheckout, CreateCheckout
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, already_exists, not_found
from countermand.core.records import MAX_HOLDER_VERSIONS, Cart, Checkout, Group, Target, whole
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.cancelling import other_version, own_cancel
from countermand.core.rules.cancelling_holders import cancel_checkout, wants_tree
from countermand.core.rules.creating import create_tasks_under, wants_new_tasks
from countermand.core.rules.holders import (
    announce_over,
    checkout_ended,
    close_group,
    wants_holders,
)
from countermand.core.states import CartState, CheckoutState, TargetKind
from countermand.core.updates import UpdateCheckout

SUPERSEDED = "superseded"
CART_CHANGED = "cart_changed"


def wants_to_create_checkout(command: CreateCheckout, rows: Rows, wanted: Wanted) -> None:
    """A new checkout needs free ids, its cart, and all of a checkout that it supersedes."""
    namespace = command.namespace
    wants_new_tasks(namespace, command.tasks, wanted)
    wanted.holders.add(Target(TargetKind.CHECKOUT, namespace, command.checkout_id))
    wanted.holders.add(Target(TargetKind.GROUP, namespace, command.group_id))
    if command.cart_id is not None:
        _wants_cart(namespace, command.cart_id, rows, wanted)


def _wants_cart(namespace: int, cart_id: str, rows: Rows, wanted: Wanted) -> None:
    wanted.namespaces.add(namespace)
    wanted.carts.add((namespace, cart_id))
    cart = rows.carts.get((namespace, cart_id))
    if cart is not None and cart.checkout_id is not None:
        wants_tree(Target(TargetKind.CHECKOUT, namespace, cart.checkout_id), rows, wanted)


def create_checkout(command: CreateCheckout, draft: Draft) -> CheckoutCreated:
    """Creates a checkout with its tasks, and locks its cart."""
    namespace = command.namespace
    if draft.checkout(namespace, command.checkout_id) is not None:
        raise already_exists("checkout", command.checkout_id)
    if command.tasks and draft.group(namespace, command.group_id) is not None:
        raise already_exists("group", command.group_id)
    if command.cart_id is not None:
        _lock_cart(command, command.cart_id, draft)
    count = len(command.tasks)
    checkout = Checkout(
        namespace=namespace,
        checkout_id=command.checkout_id,
        cart_id=command.cart_id,
        group_id=command.group_id if command.tasks else None,
        snapshot=command.snapshot,
        expire_time=command.expire_time,
        create_time=draft.now,
        update_time=draft.now,
        task_count=count,
        live_count=count,
    )
    draft.save_holder(checkout)
    if not command.tasks:
        return CheckoutCreated(checkout, ())
    # The group counts no task yet: those join it as they are created.
    draft.save_holder(
        Group(
            namespace=namespace,
            group_id=command.group_id,
            checkout_id=command.checkout_id,
            create_time=draft.now,
            update_time=draft.now,
        )
    )
    tasks = create_tasks_under(
        command.tasks,
        draft,
        namespace=namespace,
        group_id=command.group_id,
        checkout_id=command.checkout_id,
        created=checkout.target,
    )
    return CheckoutCreated(draft.checkout(namespace, command.checkout_id) or checkout, tasks)


def _lock_cart(command: CreateCheckout, cart_id: str, draft: Draft) -> None:
    """Gives the cart to the new checkout, which may supersede the one that has it."""
    cart = draft.cart(command.namespace, cart_id)
    if cart is not None and cart.state is CartState.CLOSED:
        raise cart_closed(cart)
    if cart is not None and cart.state is CartState.LOCKED:
        if not command.supersede:
            raise Refused(
                Reason.CART_LOCKED,
                f"checkout {cart.checkout_id} runs on cart {cart_id}",
                metadata={"cart_id": cart_id, "checkout_id": cart.checkout_id or ""},
            )
        _cancel_its_checkout(cart, SUPERSEDED, command.caller, draft)
    if cart is None:
        draft.save_cart(
            Cart(
                namespace=command.namespace,
                cart_id=cart_id,
                state=CartState.LOCKED,
                checkout_id=command.checkout_id,
                line_items=command.line_items,
                update_time=draft.now,
            )
        )
        return
    draft.save_cart(
        cart.evolve(
            state=CartState.LOCKED,
            checkout_id=command.checkout_id,
            version=cart.version + 1,
            update_time=draft.now,
        )
    )


def _cancel_its_checkout(cart: Cart, reason: str, caller: Caller, draft: Draft) -> Cancelled:
    """Cancels the checkout that locks a cart, or joins its running cancel."""
    checkout = Target(TargetKind.CHECKOUT, cart.namespace, cart.checkout_id or "")
    cancel = own_cancel(CancelCheckout, checkout, reason, caller)
    return cancel_checkout(cancel, draft)


def cart_closed(cart: Cart) -> Refused:
    """Returns the refusal of what a CLOSED cart does not allow."""
    return Refused(
        Reason.CART_CLOSED,
        f"cart {cart.cart_id} is closed: checkout {cart.checkout_id} was completed on it",
        metadata={"cart_id": cart.cart_id, "checkout_id": cart.checkout_id or ""},
    )


def wants_to_complete_checkout(command: CompleteCheckout, rows: Rows, wanted: Wanted) -> None:
    """Completing needs the checkout, its group and its cart."""
    wanted.namespaces.add(command.namespace)
    target = Target(TargetKind.CHECKOUT, command.namespace, command.checkout_id)
    wanted.snapshots.add(target)
    wants_holders((target,), rows, wanted)
    checkout = rows.holders.get(target)
    if isinstance(checkout, Checkout) and checkout.group_id is not None:
        wanted.holders.add(Target(TargetKind.GROUP, command.namespace, checkout.group_id))


def complete_checkout(command: CompleteCheckout, draft: Draft) -> CheckoutChanged:
    """Completes an OPEN checkout; a COMPLETED one stays as it is."""
    checkout = draft.checkout(command.namespace, command.checkout_id)
    if checkout is None:
        raise not_found("checkout", command.checkout_id)
    if checkout.state is CheckoutState.COMPLETED:
        return CheckoutChanged(checkout, draft.count(checkout.target))
    if checkout.state is CheckoutState.CANCELLING:
        raise cancel_accepted(checkout)
    if checkout.state is not CheckoutState.OPEN:
        raise checkout_ended(checkout)
    version = draft.next_version(checkout.target)
    done = draft.save_holder(
        checkout.evolve(state=CheckoutState.COMPLETED, version=version, update_time=draft.now)
    )
    closed = [done.target]
    group = None if done.group_id is None else draft.group(done.namespace, done.group_id)
    if group is not None:
        close_group(group, draft)
        closed.append(group.target)
    if done.cart_id is not None:
        cart = draft.cart(done.namespace, done.cart_id)
        if cart is not None and cart.checkout_id == done.checkout_id:
            version = cart.version + 1
            draft.save_cart(
                cart.evolve(state=CartState.CLOSED, version=version, update_time=draft.now)
            )
    announce_over(closed, draft)
    return CheckoutChanged(done, draft.count(done.target))


def wants_to_update_checkout(command: UpdateCheckout, rows: Rows, wanted: Wanted) -> None:
    """An update needs the checkout alone: a cart keeps its own lines."""
    wanted.namespaces.add(command.namespace)
    target = Target(TargetKind.CHECKOUT, command.namespace, command.checkout_id)
    wanted.holders.add(target)
    wanted.snapshots.add(target)


def update_checkout(command: UpdateCheckout, draft: Draft) -> CheckoutChanged:
    """Takes over what the caller says of an OPEN checkout."""
    checkout = draft.checkout(command.namespace, command.checkout_id)
    if checkout is None:
        raise not_found("checkout", command.checkout_id)
    cancelling = checkout.state is CheckoutState.CANCELLING
    if not checkout.open and not cancelling:
        raise checkout_ended(checkout)
    expected = command.expected_version
    if expected not in (None, checkout.version):
        raise other_version("checkout", checkout.checkout_id, checkout.version, expected)
    if cancelling:
        raise cancel_accepted(checkout)
    changed = checkout.evolve(snapshot=command.merge(whole(checkout.snapshot)))
    if command.sets_expire_time:
        changed = changed.evolve(expire_time=command.expire_time)
    if changed == checkout:
        return CheckoutChanged(checkout, draft.count(checkout.target))
    if checkout.version >= MAX_HOLDER_VERSIONS:
        raise Refused(
            Reason.TOO_MANY_CHANGES,
            f"checkout {checkout.checkout_id} has {checkout.version} versions, and takes no more "
            "updates",
            metadata={
                "checkout_id": checkout.checkout_id,
                "version": str(checkout.version),
            },
        )
    version = draft.next_version(checkout.target)
    changed = draft.save_holder(changed.evolve(version=version, update_time=draft.now))
    return CheckoutChanged(changed, draft.count(changed.target))


def cancel_accepted(checkout: Checkout) -> Refused:
    """Returns the refusal of what a checkout does not allow once its cancel was accepted."""
    return Refused(
        Reason.CANCELLATION_REQUESTED,
        f"a cancel of checkout {checkout.checkout_id} was accepted",
        metadata={
            "checkout_id": checkout.checkout_id,
            "cancellation_id": checkout.cancellation_id or "",
        },
    )


def wants_to_change_cart(command: ChangeCart, rows: Rows, wanted: Wanted) -> None:
    """A change needs the cart, and all of the checkout that locks it."""
    _wants_cart(command.namespace, command.cart_id, rows, wanted)


def change_cart(command: ChangeCart, draft: Draft) -> CartChanged:
    """Gives a cart new lines; the checkout that locks it is cancelled for that."""
    cart = draft.cart(command.namespace, command.cart_id)
    if cart is None:
        new = Cart(
            namespace=command.namespace,
            cart_id=command.cart_id,
            state=CartState.ACTIVE,
            checkout_id=None,
            line_items=command.line_items,
            update_time=draft.now,
        )
        draft.save_cart(new)
        return CartChanged(new, None)
    if cart.state is CartState.CLOSED:
        raise cart_closed(cart)
    cancelled = None
    if cart.state is CartState.LOCKED:
        cancelled = _cancel_its_checkout(cart, CART_CHANGED, command.caller, draft)
    now = draft.cart(command.namespace, command.cart_id) or cart
    version = cart.version + 1
    changed = draft.save_cart(
        now.evolve(line_items=command.line_items, version=version, update_time=draft.now)
    )
    return CartChanged(changed, cancelled)
