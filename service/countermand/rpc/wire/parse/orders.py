"""New orders, and changes of what platforms say of them."""

from collections.abc import Sequence

from countermand.core import commands as c
from countermand.core.states import OrderState
from countermand.rpc.wire.bounds import check_values
from countermand.rpc.wire.enums import ORDER_STATES
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.rpc.wire.parse.snapshots import merged, read_paths, read_snapshot
from countermand.rpc.wire.parse.tasks import Parents, parse_new_tasks
from countermand.rpc.wire.snapshots import ORDER
from countermand.v1 import order_pb2
from countermand.v1 import order_service_pb2 as pb

PACKAGE = order_pb2.DESCRIPTOR.package
CLOSED = int(ORDER_STATES[OrderState.CLOSED])
RULED = frozenset({"state", "checkout_ids"})
"""The fields that an update may name and that are not of the snapshot."""


def parse_create_order(
    request: pb.CreateOrderRequest, namespace: int, fresh: Fresh
) -> c.CreateOrder:
    """Reads a new order with its tasks."""
    form = Form()
    chosen = form.optional_name("order.order_id", request.order.order_id)
    order_id = chosen or f"order_{fresh.uuid()}"
    command = c.CreateOrder(
        namespace,
        order_id=order_id,
        snapshot=read_snapshot(form, "order", request.order, ORDER),
        checkout_ids=_checkout_ids(form, request.order.checkout_ids),
        tasks=parse_new_tasks(form, request.tasks, Parents(order_id=order_id), fresh),
    )
    form.check()
    return command


def _checkout_ids(form: Form, ids: Sequence[str]) -> tuple[str, ...]:
    field = "order.checkout_ids[{}]"
    for place, id in enumerate(ids):
        form.name(field.format(place), id)
    form.unique(field, ids)
    return tuple(ids)


def parse_update_order(request: pb.UpdateOrderRequest, namespace: int) -> c.UpdateOrder:
    """Reads which fields of an order change, and how."""
    form = Form()
    order = request.order
    paths = _paths(form, request)
    checkout_ids = None
    if "checkout_ids" in paths:
        checkout_ids = _checkout_ids(form, order.checkout_ids)
    if "state" in paths and order.state != CLOSED:
        form.reject("order.state", "can only be set to CLOSED")
    copied = [path for path in paths if path not in RULED]
    tops = {path.partition(".")[0] for path in copied}
    check_values(form, "order", order, tops.__contains__)
    command = c.UpdateOrder(
        namespace,
        order_id=form.name("order.order_id", order.order_id),
        merge=lambda snapshot: merged(snapshot, order, copied, "order", ORDER),
        checkout_ids=checkout_ids,
        close="state" in paths,
    )
    form.check()
    return command


def _paths(form: Form, request: pb.UpdateOrderRequest) -> list[str]:
    """Returns the fields to change."""
    if not request.update_mask.paths:
        given = [field.name for field, _ in request.order.ListFields()]
        return [
            name
            for name in given
            if ORDER.holds(name)
            or name == "checkout_ids"
            or (name == "state" and request.order.state == CLOSED)
        ]
    read_paths(form, request.update_mask.paths)
    paths: dict[str, None] = {}
    for place, path in enumerate(request.update_mask.paths):
        if path == "*":
            paths |= dict.fromkeys(ORDER.fields)
        elif path in RULED or _is_of_snapshot(path):
            paths[path] = None
        else:
            form.reject(f"update_mask.paths[{place}]", "is not a field that can be changed")
    return list(paths)


def _is_of_snapshot(path: str) -> bool:
    """Whether a path leads to a field of the snapshot, only through messages of this package."""
    head, *rest = path.split(".")
    if not ORDER.holds(head):
        return False
    field = order_pb2.Order.DESCRIPTOR.fields_by_name[head]
    for name in rest:
        inner = None if field.is_repeated else field.message_type
        if inner is None or inner.file.package != PACKAGE or name not in inner.fields_by_name:
            return False
        field = inner.fields_by_name[name]
    return True
