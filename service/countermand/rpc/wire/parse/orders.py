"""New orders, and changes of what platforms say of them."""

from collections.abc import Sequence

from countermand.core import commands as c
from countermand.core.states import OrderState
from countermand.rpc.wire.enums import ORDER_STATES, by_number
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.rpc.wire.parse.masks import parse_mask
from countermand.rpc.wire.parse.snapshots import check_given, merged, read_snapshot
from countermand.rpc.wire.parse.tasks import Parents, parse_new_tasks
from countermand.rpc.wire.snapshots import ORDER
from countermand.v1 import order_service_pb2 as pb

CLOSED = int(ORDER_STATES[OrderState.CLOSED])
STATES = by_number(ORDER_STATES)
NEW_STATES = by_number(
    {
        state: ORDER_STATES[state]
        for state in (OrderState.OPEN, OrderState.CLOSED, OrderState.CANCELLED)
    }
)
"""In which an order may be created."""
RULED = frozenset({"state", "checkout_ids"})
"""The fields that an update may name and that are not of the snapshot."""


def parse_create_order(
    request: pb.CreateOrderRequest, namespace: int, fresh: Fresh
) -> c.CreateOrder:
    """Reads a new order with its tasks."""
    form = Form()
    order = request.order
    chosen = form.optional_name("order.order_id", order.order_id)
    order_id = chosen or f"order_{fresh.uuid()}"
    state = OrderState.OPEN
    if order.state:
        state = NEW_STATES.get(order.state, state)
        if order.state not in NEW_STATES:
            form.reject("order.state", "must be OPEN, or CLOSED or CANCELLED for what has ended")
    if state is not OrderState.OPEN:
        for field, given in (("order.checkout_ids", order.checkout_ids), ("tasks", request.tasks)):
            if given:
                form.reject(field, f"must be empty for an order that is {state} already")
    command = c.CreateOrder(
        namespace,
        order_id=order_id,
        snapshot=read_snapshot(form, "order", request.order, ORDER),
        checkout_ids=_checkout_ids(form, request.order.checkout_ids),
        tasks=parse_new_tasks(form, request.tasks, Parents(order_id=order_id), fresh),
        state=state,
    )
    form.check()
    return command


def _checkout_ids(form: Form, ids: Sequence[str]) -> tuple[str, ...]:
    field = "order.checkout_ids[{}]"
    for place, id in enumerate(ids):
        form.name(field.format(place), id)
    form.unique(field, ids)
    return tuple(ids)


def parse_order_state(form: Form, number: int) -> OrderState | None:
    """Reads which state is chosen; unspecified means any."""
    state = STATES.get(number)
    if number and state is None:
        form.reject("state", "is not a state of an order")
    return state


def parse_update_order(request: pb.UpdateOrderRequest, namespace: int) -> c.UpdateOrder:
    """Reads which fields of an order change, and how."""
    form = Form()
    order = request.order
    paths = parse_mask(form, request.update_mask.paths, order, ORDER, RULED)
    if not request.update_mask.paths and order.state != CLOSED:
        paths = [path for path in paths if path != "state"]
    checkout_ids = None
    if "checkout_ids" in paths:
        checkout_ids = _checkout_ids(form, order.checkout_ids)
    if "state" in paths and order.state != CLOSED:
        form.reject("order.state", "can only be set to CLOSED")
    copied = [path for path in paths if path not in RULED]
    check_given(form, "order", order, copied)
    command = c.UpdateOrder(
        namespace,
        order_id=form.name("order.order_id", order.order_id),
        merge=lambda snapshot: merged(snapshot, order, copied, "order", ORDER),
        checkout_ids=checkout_ids,
        close="state" in paths,
    )
    form.check()
    return command
