"""Orders: the platforms' snapshots, with what is ours to say."""

from collections.abc import Mapping

from countermand.core.records import Order, whole
from countermand.core.states import TaskState
from countermand.rpc.wire.enums import ORDER_STATES
from countermand.rpc.wire.render.tasks import render_counts
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import order_pb2


def render_order(order: Order, counts: Mapping[TaskState, int]) -> order_pb2.Order:
    """Returns the message of an order."""
    message = order_pb2.Order.FromString(whole(order.snapshot))
    message.order_id = order.order_id
    message.state = ORDER_STATES[order.state]
    message.version = order.version
    message.cancel_reason = order.cancel_reason
    message.checkout_ids.extend(order.checkout_ids)
    message.task_counts.extend(render_counts(counts))
    message.cancellation_id = order.cancellation_id or ""
    set_time(message.create_time, order.create_time)
    set_time(message.update_time, order.update_time)
    set_time(message.cancel_time, order.cancel_time)
    return message
