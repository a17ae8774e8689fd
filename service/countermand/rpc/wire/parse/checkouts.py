"""New checkouts, and changes of carts."""

from countermand.core import commands as c
from countermand.core.caller import Caller
from countermand.core.states import CartState, TargetKind
from countermand.core.updates import UpdateCheckout
from countermand.rpc.wire import enums
from countermand.rpc.wire.enums import by_number
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.rpc.wire.parse.masks import parse_mask
from countermand.rpc.wire.parse.snapshots import (
    check_given,
    merged,
    read_lines,
    read_snapshot,
)
from countermand.rpc.wire.parse.tasks import Parents, parse_new_tasks
from countermand.rpc.wire.snapshots import CHECKOUT, encode_lines
from countermand.store.lists import HolderQuery
from countermand.v1 import checkout_service_pb2 as pb

EXPIRY = "expire_time"
CHECKOUT_STATES = by_number(enums.CHECKOUT_STATES)
CART_STATES = by_number(enums.CART_STATES)


def parse_create_checkout(
    request: pb.CreateCheckoutRequest,
    namespace: int,
    fresh: Fresh,
    *,
    caller: Caller,
) -> c.CreateCheckout:
    """Reads a new checkout with its tasks."""
    form = Form()
    checkout = request.checkout
    chosen = form.optional_name("checkout.checkout_id", checkout.checkout_id)
    checkout_id, group_id = chosen or f"checkout_{fresh.uuid()}", fresh.uuid()
    parents = Parents(group_id=group_id, checkout_id=checkout_id)
    command = c.CreateCheckout(
        namespace,
        checkout_id=checkout_id,
        cart_id=form.optional_name("checkout.cart_id", checkout.cart_id),
        group_id=group_id,
        snapshot=read_snapshot(form, "checkout", checkout, CHECKOUT),
        line_items=encode_lines(checkout.line_items),
        expire_time=form.future("checkout.expire_time", checkout, fresh.now),
        tasks=parse_new_tasks(form, request.tasks, parents, fresh),
        supersede=request.supersede,
        caller=caller,
    )
    form.check()
    return command


def parse_update_checkout(
    request: pb.UpdateCheckoutRequest, namespace: int, now: int
) -> UpdateCheckout:
    """Reads which fields of a checkout change, and how."""
    form = Form()
    checkout = request.checkout
    paths = parse_mask(form, request.update_mask.paths, checkout, CHECKOUT, (EXPIRY,))
    sets_expire_time = EXPIRY in paths
    copied = [path for path in paths if path != EXPIRY]
    check_given(form, "checkout", checkout, copied)
    command = UpdateCheckout(
        namespace,
        checkout_id=form.name("checkout.checkout_id", checkout.checkout_id),
        merge=lambda snapshot: merged(snapshot, checkout, copied, "checkout", CHECKOUT),
        expire_time=(
            form.future("checkout.expire_time", checkout, now) if sets_expire_time else None
        ),
        sets_expire_time=sets_expire_time,
        expected_version=(
            request.expected_version if request.HasField("expected_version") else None
        ),
    )
    form.check()
    return command


def parse_checkout_query(form: Form, request: pb.ListCheckoutsRequest) -> HolderQuery:
    """Reads which checkouts are chosen."""
    state = CHECKOUT_STATES.get(request.state)
    if request.state and state is None:
        form.reject("state", "is not a state of a checkout")
    cart_id = form.optional_name("cart_id", request.cart_id)
    return HolderQuery(TargetKind.CHECKOUT, state, cart_id)


def parse_cart_state(form: Form, number: int) -> CartState | None:
    """Reads which state is chosen; unspecified means any."""
    state = CART_STATES.get(number)
    if number and state is None:
        form.reject("state", "is not a state of a cart")
    return state


def parse_complete_checkout(
    request: pb.CompleteCheckoutRequest, namespace: int
) -> c.CompleteCheckout:
    """Reads the completing of a checkout."""
    form = Form()
    command = c.CompleteCheckout(namespace, form.name("checkout_id", request.checkout_id))
    form.check()
    return command


def parse_change_cart(
    request: pb.ChangeCartRequest, namespace: int, *, caller: Caller
) -> c.ChangeCart:
    """Reads the new lines of a cart."""
    form = Form()
    command = c.ChangeCart(
        namespace,
        cart_id=form.name("cart_id", request.cart_id),
        line_items=read_lines(form, request),
        caller=caller,
    )
    form.check()
    return command
