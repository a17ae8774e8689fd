"""Messages in which every field is filled, so that one that gets lost on the way shows."""

from itertools import count
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import checkout_pb2, order_pb2

Kind = TypeVar("Kind", bound=Message)

TEXT = "Ünï©ødé 🛒 \u202eאב\u202c \n'; --"


def filled(message: Kind) -> Kind:
    """Fills every field, all the way down, and each with another value; returns the message."""
    _fill(message, count(1))
    return message


def _fill(message: Message, numbers: Any) -> None:
    if isinstance(message, Struct):
        message.update(_json(next(numbers)))
        return
    if isinstance(message, Timestamp):
        message.FromSeconds(1_600_000_000 + next(numbers))
        return
    for field in message.DESCRIPTOR.fields:
        target = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for _ in range(3):
                target[f"{TEXT}{next(numbers)}"] = f"{TEXT}{next(numbers)}"
        elif field.is_repeated and field.message_type is not None:
            for _ in range(3):
                _fill(target.add(), numbers)
        elif field.is_repeated:
            target.extend(_scalar(field, next(numbers)) for _ in range(3))
        elif field.message_type is not None:
            _fill(target, numbers)
        else:
            setattr(message, field.name, _scalar(field, next(numbers)))


def _scalar(field: FieldDescriptor, number: int) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_ENUM:
        return 1
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"{TEXT}{number}"
    return (1 << 62) + number


def _json(number: int) -> dict[str, Any]:
    """Returns a document with all that JSON has, also 1e308, an empty key and deep nesting."""
    deep: Any = number
    for _ in range(8):
        deep = {"in": [deep]}
    return {
        "": "an empty key",
        "number": number,
        "large": 1e308,
        "small": -5e-324,
        "yes": True,
        "nothing": None,
        "text": TEXT,
        "list": [1, "two", None, [], {}, False],
        "deep": deep,
    }


def full_checkout(**fields: Any) -> checkout_pb2.Checkout:
    """Returns a checkout with every field of its snapshot, and what the caller may choose."""
    return _chosen(filled(checkout_pb2.Checkout()), ("checkout_id", "cart_id"), fields)


def full_order(**fields: Any) -> order_pb2.Order:
    """Returns an order with every field of its snapshot, and what the caller may choose."""
    return _chosen(filled(order_pb2.Order()), ("order_id", "checkout_ids"), fields)


def _chosen(message: Kind, ids: tuple[str, ...], fields: dict[str, Any]) -> Kind:
    for name in (*ids, "expire_time"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    message.MergeFrom(type(message)(**fields))
    return message


def snapshot_of(message: Kind) -> Kind:
    """Returns a checkout or order without what is Countermand's to say."""
    ours = {
        *("checkout_id", "cart_id", "group_id", "order_id", "checkout_ids", "state", "version"),
        *("task_counts", "cancellation_id", "cancel_reason", "cancel_time"),
        *("expire_time", "create_time", "update_time"),
    }
    copy = type(message)()
    copy.CopyFrom(message)
    for name in ours & set(copy.DESCRIPTOR.fields_by_name):
        copy.ClearField(name)
    return copy
