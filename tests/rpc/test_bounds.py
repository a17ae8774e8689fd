"""Each request is refused when any one of its fields holds more than its bound, by name."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from countermand.rpc.wire.bounds import Bound, bound_of
from countermand.rpc.wire.snapshots import CHECKOUT, ORDER
from tests.support.raw import RPCS
from tests.support.refusals import refusal_of
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

SNAPSHOTS = {"Checkout": CHECKOUT, "Order": ORDER}


def bounded(message: Message, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the paths of the fields that a caller may fill, and that have a bound."""
    kind = message.DESCRIPTOR
    own = SNAPSHOTS.get(kind.name)
    for field in kind.fields:
        if own is not None and not own.holds(field.name) and field.name != _id_of(kind.name):
            continue  # It is ours to say, and ignored.
        path = (*above, field.name)
        if bound_of(field) is not None:
            yield path
        inner = field.message_type
        if inner is not None and not field.is_repeated and inner.full_name.startswith("counter"):
            yield from bounded(getattr(message, field.name), path)


def _id_of(kind: str) -> str:
    return f"{kind.lower()}_id"


def fill(message: Any, path: tuple[str, ...]) -> None:
    """Gives a field of a request one more than it may hold."""
    for name in path[:-1]:
        message = getattr(message, name)
    field: FieldDescriptor = message.DESCRIPTOR.fields_by_name[path[-1]]
    bound = bound_of(field)
    assert bound is not None
    if not field.is_repeated:
        assert bound.max_length is not None
        setattr(message, field.name, "x" * (bound.max_length + 1))
        return
    assert bound.max_items is not None
    _add(getattr(message, field.name), field, bound, bound.max_items + 1)


def _add(held: Any, field: FieldDescriptor, bound: Bound, count: int) -> None:
    inner = field.message_type
    for number in range(count):
        if inner is not None and inner.GetOptions().map_entry:
            held[str(number)] = ""
        elif inner is not None:
            held.add()
        elif field.type == field.TYPE_ENUM:
            held.append(1)
        else:
            held.append(f"x{number}")


CASES = [
    pytest.param(name, path, id=f"{name} {'.'.join(path)}")
    for name, rpc in RPCS.items()
    for path in bounded(type(rpc.request)())
    # What an update makes of a snapshot is judged beside what is stored: unit/test_bounds.py.
    if not (name.startswith("Update") and path[0] != "update_mask")
]


@pytest.mark.parametrize(("name", "path"), CASES)
async def test_a_field_above_its_bound_is_refused_and_named(
    shared: Server, channel: grpc.aio.Channel, name: str, path: tuple[str, ...]
) -> None:
    rpc = RPCS[name]
    request = type(rpc.request)()
    request.CopyFrom(rpc.request)
    fill(request, path)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.call(channel, request.SerializeToString(), shared.key)
    refusal = refusal_of(caught.value)
    reasons = ("INVALID_REQUEST", "TOO_MANY_TASKS", "PAGE_TOKEN_INVALID", "RESUME_TOKEN_INVALID")
    assert refusal.reason in reasons
    named = " ".join(refusal.fields)
    assert path[-1] in named or path[0] in named, named
