"""What callers say of checkouts, carts and orders, in the encoding in which core keeps it.

A snapshot is the caller's own message without the fields that are ours to say, so that all else
comes back as it was given, also fields that this program does not know.
"""

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import Message

from countermand.core.shipping import ShippedWords
from countermand.v1 import checkout_pb2, order_pb2


class Snapshots:
    """The snapshots of one type of message."""

    def __init__(self, message: type[Message], ours: Iterable[str]) -> None:
        """`ours` are the fields that are no part of a snapshot."""
        self._ours = frozenset(ours)
        self.message = message
        names = [field.name for field in message.DESCRIPTOR.fields]
        self.fields = [name for name in names if name not in self._ours]
        """The fields of a snapshot."""

    def holds(self, name: str) -> bool:
        """Whether this is a field of a snapshot."""
        return name in self.fields

    def encode(self, message: Message) -> bytes:
        """Returns the snapshot of a message; equal ones have equal bytes."""
        snapshot = self.message()
        snapshot.CopyFrom(message)
        for name in self._ours:
            snapshot.ClearField(name)
        return snapshot.SerializeToString(deterministic=True)


CHECKOUT = Snapshots(
    checkout_pb2.Checkout,
    (
        "checkout_id",
        "cart_id",
        "group_id",
        "state",
        "version",
        "task_counts",
        "cancellation_id",
        "expire_time",
        "create_time",
        "update_time",
        "cancel_time",
    ),
)
ORDER = Snapshots(
    order_pb2.Order,
    (
        "order_id",
        "state",
        "version",
        "cancel_reason",
        "checkout_ids",
        "task_counts",
        "cancellation_id",
        "create_time",
        "update_time",
        "cancel_time",
    ),
)


def encode_lines(line_items: Iterable[checkout_pb2.LineItem]) -> bytes:
    """Returns the lines of a cart."""
    return checkout_pb2.Cart(line_items=line_items).SerializeToString(deterministic=True)


def goods_left(words: ShippedWords) -> Callable[[bytes], bool]:
    """Returns what says of an order's snapshot whether goods have left.

    That is for `shipped` to say; if it is not set, for the platform's words.
    """

    def have_left(snapshot: bytes) -> bool:
        order = order_pb2.Order.FromString(snapshot)
        if order.HasField("shipped"):
            return order.shipped
        statuses = [order.fulfillment_status, *(part.status for part in order.fulfillments)]
        return any(status in words for status in statuses)

    return have_left


def copy_field(path: str, source: Any, target: Any) -> None:
    """Makes a field, as in `config.product_tax_included`, in the target what it is in the source.

    A field that is not set in the source is cleared. Nothing is made to clear something in it.
    """
    name, _, rest = path.partition(".")
    if rest:
        if source.HasField(name) or target.HasField(name):
            copy_field(rest, getattr(source, name), getattr(target, name))
        return
    target.ClearField(name)
    field = source.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        getattr(target, name).MergeFrom(getattr(source, name))
    elif field.has_presence and not source.HasField(name):
        return
    elif field.message_type is None:
        setattr(target, name, getattr(source, name))
    else:
        getattr(target, name).CopyFrom(getattr(source, name))
