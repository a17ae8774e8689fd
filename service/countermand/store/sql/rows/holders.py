"""Rows of what holds tasks: groups, checkouts and orders; and of carts."""

from collections.abc import Callable
from typing import Any, NamedTuple

from countermand.core.records import Cart, Checkout, Group, Holder, Order
from countermand.core.states import CartState, CheckoutState, OrderState, TargetKind
from countermand.core.versions import HolderVersion
from countermand.store.sql.rows.ids import uuid_bytes, uuid_text

_SHARED = 10
"""How many columns all holders have."""


def _read_shared(row: list[Any]) -> dict[str, Any]:
    return {
        "namespace": row[0],
        "create_time": row[1],
        "update_time": row[2],
        "version": row[3],
        "task_count": row[4],
        "live_count": row[5],
        "completed_count": row[6],
        "owed_count": row[7],
        "money_time": row[8],
        "cancellation_id": uuid_text(row[9]),
    }


def _write_shared(holder: Holder) -> tuple[Any, ...]:
    return (
        holder.namespace,
        holder.create_time,
        holder.update_time,
        holder.version,
        holder.task_count,
        holder.live_count,
        holder.completed_count,
        holder.owed_count,
        holder.money_time,
        uuid_bytes(holder.cancellation_id),
    )


def read_group(row: list[Any]) -> Group:
    """Returns the group of a `{group}` row."""
    group_id, checkout_id, order_id, closed = row[_SHARED:]
    return Group(
        **_read_shared(row),
        group_id=str(uuid_text(group_id)),
        checkout_id=checkout_id,
        order_id=order_id,
        closed=bool(closed),
    )


def write_group(group: Group) -> tuple[Any, ...]:
    """Returns the row of a group."""
    return (
        *_write_shared(group),
        uuid_bytes(group.group_id),
        group.checkout_id,
        group.order_id,
        int(group.closed),
    )


def read_checkout(row: list[Any]) -> Checkout:
    """Returns the checkout of a `{checkout}` row, which ends with the orders that list it."""
    checkout_id, cart_id, group_id, state, expires, cancelled, last_seq = row[_SHARED:-3]
    return Checkout(
        **_read_shared(row),
        checkout_id=checkout_id,
        cart_id=cart_id,
        group_id=uuid_text(group_id),
        snapshot=None,
        state=CheckoutState(state),
        expire_time=expires,
        cancel_time=cancelled,
        cancel_reason=row[-3] or "",
        cancel_message=row[-2] or "",
        order_ids=tuple(sorted(row[-1])),
        last_seq=last_seq,
    )


def write_checkout(checkout: Checkout) -> tuple[Any, ...]:
    """Returns the row of a checkout."""
    return (
        *_write_shared(checkout),
        checkout.checkout_id,
        checkout.cart_id,
        uuid_bytes(checkout.group_id),
        checkout.state.value,
        checkout.expire_time,
        checkout.cancel_time,
        checkout.last_seq,
    )


def read_order(row: list[Any]) -> Order:
    """Returns the order of an `{order}` row, which ends with its checkouts and their positions."""
    order_id, state, cancelled, last_seq = row[_SHARED:-2]
    return Order(
        **_read_shared(row),
        order_id=order_id,
        checkout_ids=tuple(checkout_id for _, checkout_id in sorted(row[-1])),
        snapshot=None,
        state=OrderState(state),
        cancel_time=cancelled,
        cancel_reason=row[-2] or "",
        last_seq=last_seq,
    )


def write_order(order: Order) -> tuple[Any, ...]:
    """Returns the row of an order, without its checkouts."""
    return (
        *_write_shared(order),
        order.order_id,
        order.state.value,
        order.cancel_time,
        order.last_seq,
    )


def read_version(kind: TargetKind, row: list[Any]) -> HolderVersion:
    """Returns what the log has of a version of a checkout or order."""
    version, state, update_time = row
    states = CheckoutState if kind is TargetKind.CHECKOUT else OrderState
    return HolderVersion(version, states(state), update_time)


class HolderRows(NamedTuple):
    """How the rows of one kind of holder are read and written."""

    scope: str
    """What the names of its statements end with."""
    read: Callable[[list[Any]], Holder]
    write: Callable[[Any], tuple[Any, ...]]


HOLDER_ROWS = {
    TargetKind.GROUP: HolderRows("group", read_group, write_group),
    TargetKind.CHECKOUT: HolderRows("checkout", read_checkout, write_checkout),
    TargetKind.ORDER: HolderRows("order", read_order, write_order),
}


def read_cart(row: list[Any]) -> Cart:
    """Returns the cart of a `{cart}` row."""
    namespace, cart_id, state, checkout_id, version, update_time = row
    return Cart(
        namespace=namespace,
        cart_id=cart_id,
        state=CartState(state),
        checkout_id=checkout_id,
        line_items=None,
        update_time=update_time,
        version=version,
    )


def write_cart(cart: Cart) -> tuple[Any, ...]:
    """Returns the row of a cart."""
    return (
        cart.namespace,
        cart.cart_id,
        cart.state.value,
        cart.checkout_id,
        cart.version,
        cart.update_time,
    )
