"""The largest request that each method allows, made from the descriptors and their bounds."""

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from countermand.rpc.wire.bounds import MAX_SNAPSHOT_BYTES, bound_of
from countermand.rpc.wire.snapshots import CHECKOUT, ORDER
from tests.support.raw import Rpc

OWN = {"Checkout": CHECKOUT, "Order": ORDER}
LEAVE = {"request_id", "page_token", "resume_token", "expected_version", "update_mask"}
"""What would only make the request be refused for its form."""
LEFT_OUT = {"group_id", "checkout_id", "cart_id", "order_id"}
"""Of what is created: nothing that another call may have closed."""
STRUCT_DEPTH = 18


class Largest:
    """Fills requests up to their bounds, with ids that exist where there are some."""

    def __init__(self, chance: Random, known: dict[str, list[str]]) -> None:
        """`known` are ids by the names of their fields."""
        self._chance = chance
        self._known = known

    def request(self, rpc: Rpc) -> Message:
        """Returns a request of this method with as much in each field as it may hold."""
        request = type(rpc.request)()
        request.CopyFrom(rpc.request)
        self._fill(request, rpc.max_bytes - 1024)
        while request.ByteSize() > rpc.max_bytes - 64:
            _halve(request)
        return request

    def _fill(self, message: Any, room: int) -> int:
        """Fills a message with at most so many bytes, and returns how many are left."""
        kind = message.DESCRIPTOR
        own = OWN.get(kind.name)
        if own is not None:
            room = min(room, MAX_SNAPSHOT_BYTES - 4096)
        for field in sorted(kind.fields, key=lambda field: field.is_repeated):
            if field.name in LEAVE or (own is not None and not own.holds(field.name)):
                continue
            if known := self._known.get(field.name):
                if not field.is_repeated and not kind.name.startswith("Create"):
                    setattr(message, field.name, self._chance.choice(known))
                continue
            if field.name in LEFT_OUT or room <= 0:
                continue
            before = message.ByteSize()
            self._put(message, field, room)
            room -= message.ByteSize() - before
        while own is not None and message.ByteSize() > MAX_SNAPSHOT_BYTES - 1024:
            _halve(message)
        return room

    def _put(self, message: Any, field: FieldDescriptor, room: int) -> None:
        held, bound = getattr(message, field.name), bound_of(field)
        inner = field.message_type
        if field.is_repeated:
            most = bound.max_items if bound and bound.max_items else 16
            if inner is not None and inner.GetOptions().map_entry:
                for number in range(most):
                    held[f"key {number}"] = "x" * min(2_000, room // most)
                return
            each = max(8, room // most)
            for number in range(most):
                if inner is not None:
                    self._fill(held.add(), each)
                elif field.type == field.TYPE_ENUM:
                    held.append(1 + number % 3)
                elif field.type == field.TYPE_STRING:
                    held.append(f"{number:04}"[:each])
            return
        if inner is None:
            if field.type == field.TYPE_STRING and field.containing_oneof is None:
                length = min(bound.max_length if bound and bound.max_length else 64, room // 2)
                if length >= 3 and not getattr(message, field.name):
                    setattr(message, field.name, "x" * (length if length < 500 else length - 200))
            return
        if inner.full_name == "google.protobuf.Struct":
            held.update(_struct(min(room // 4, 32_768)))
        elif inner.full_name.startswith("countermand."):
            self._fill(held, room)


def _struct(room: int) -> dict[str, Any]:
    """Returns as many small values as have room, and one as deep as may be."""
    deep: Any = 1.0
    for _ in range(STRUCT_DEPTH):
        deep = {"d": deep}
    return {"deep": deep, "wide": [float(number) for number in range(max(0, room - 200) // 12)]}


def _halve(message: Message) -> None:
    """Takes half of the longest list of a message away, or of one in what it holds."""
    lists = [
        (value, field)
        for part in (message, *(value for _, value in message.ListFields()))
        if isinstance(part, Message)
        for field, value in part.ListFields()
        if field.is_repeated and len(value) > 1 and not isinstance(value, dict)
    ]
    value, _ = max(lists, key=lambda one: len(one[0]))
    del value[len(value) // 2 :]
