"""Checkouts and carts: the callers' snapshots, with what is ours to say."""

from collections.abc import Mapping

from countermand.core.records import Cart, Checkout, whole
from countermand.core.states import TaskState
from countermand.rpc.wire.enums import CART_STATES, CHECKOUT_STATES
from countermand.rpc.wire.render.tasks import render_counts
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import checkout_pb2


def render_checkout(checkout: Checkout, counts: Mapping[TaskState, int]) -> checkout_pb2.Checkout:
    """Returns the message of a checkout; once it is cancelled it tells the buyer so."""
    message = checkout_pb2.Checkout.FromString(whole(checkout.snapshot))
    message.checkout_id = checkout.checkout_id
    message.cart_id = checkout.cart_id or ""
    message.group_id = checkout.group_id or ""
    message.state = CHECKOUT_STATES[checkout.state]
    message.version = checkout.version
    message.task_counts.extend(render_counts(counts))
    message.cancellation_id = checkout.cancellation_id or ""
    if checkout.cancellation_id is not None:
        why = checkout.cancel_message or checkout.cancel_reason
        message.messages.add(
            type="info", content_type="plain", content=f"Checkout cancelled: {why}"
        )
    set_time(message.expire_time, checkout.expire_time)
    set_time(message.create_time, checkout.create_time)
    set_time(message.update_time, checkout.update_time)
    set_time(message.cancel_time, checkout.cancel_time)
    return message


def render_cart(cart: Cart) -> checkout_pb2.Cart:
    """Returns the message of a cart."""
    message = checkout_pb2.Cart.FromString(whole(cart.line_items))
    message.cart_id = cart.cart_id
    message.state = CART_STATES[cart.state]
    message.checkout_id = cart.checkout_id or ""
    message.version = cart.version
    return message
