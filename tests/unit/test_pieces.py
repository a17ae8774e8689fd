"""Large requests, read in pieces: the same as at one go, and bounded before they are read."""

import time

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from countermand.core.errors import Reason, Refused
from countermand.core.knobs import PieceKnobs
from countermand.rpc.method import LARGE, Unary
from countermand.rpc.wire.pieces import pieces, read_request
from countermand.v1 import checkout_service_pb2, order_service_pb2, task_service_pb2

SMALL_PIECES = PieceKnobs(max_bytes=16, max_fields=3)
CREATE_GROUP = task_service_pb2.CreateGroupRequest
CREATE_CHECKOUT = checkout_service_pb2.CreateCheckoutRequest
UPDATE_ORDER = order_service_pb2.UpdateOrderRequest


def method(request: type) -> Unary:
    async def handle(*_):
        raise NotImplementedError

    return Unary("a/B", request, ("tasks:write",), handle, LARGE)


def length(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def field(request: type, *path: str, content: bytes) -> bytes:
    """Encodes a field that lies deep in a request, or is its own."""
    descriptor = request.DESCRIPTOR
    numbers = []
    for name in path:
        found = descriptor.fields_by_name[name]
        numbers.append(found.number)
        descriptor = found.message_type
    for number in reversed(numbers):
        content = length(number << 3 | 2) + length(len(content)) + content
    return content


def empty(request: type, *path: str, size: int) -> bytes:
    """Encodes a request of this size in which one field is there again and again, and empty."""
    one = field(request, *path[:-1], content=b"") and b""
    descriptor = request.DESCRIPTOR
    for name in path[:-1]:
        descriptor = descriptor.fields_by_name[name].message_type
    tag = length(descriptor.fields_by_name[path[-1]].number << 3 | 2) + b"\0"
    content = tag * (size // len(tag))
    return one + (field(request, *path[:-1], content=content) if len(path) > 1 else content)


texts = st.text(max_size=20)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(texts, st.dictionaries(texts, texts, max_size=3)), max_size=12),
    texts,
)
async def test_in_pieces_a_request_is_the_same_as_at_one_go(tasks, name):
    request = CREATE_GROUP(
        tasks=[{"merchant": merchant, "labels": labels} for merchant, labels in tasks],
        group_id=name,
    )
    data = request.SerializeToString()
    read = CREATE_GROUP()
    for piece in pieces(data, CREATE_GROUP.DESCRIPTOR, SMALL_PIECES):
        read.MergeFromString(piece)
    assert read == request
    # Whatever follows: fields that are there twice are the last one's, as at one go.
    doubled = data + data[::1]
    assert await read_request(method(CREATE_GROUP), doubled, SMALL_PIECES) == (
        CREATE_GROUP.FromString(doubled)
    )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
async def test_what_is_no_message_at_one_go_is_none_in_pieces(data):
    try:
        whole = CREATE_GROUP.FromString(data)
    except DecodeError:
        whole = None
    try:
        read = await read_request(method(CREATE_GROUP), data, SMALL_PIECES)
    except Refused as refusal:
        reason, read = refusal.reason, None
        assert reason is Reason.INVALID_REQUEST
    # Groups, which proto3 does not have, are the one thing that is taken only at one go.
    assert read == whole or (read is None and any(byte & 7 in (3, 4) for byte in data))


@pytest.mark.parametrize(
    ("request_type", "path"),
    [
        (CREATE_CHECKOUT, ("checkout", "line_items")),
        (UPDATE_ORDER, ("update_mask", "paths")),
        (UPDATE_ORDER, ("order", "line_items")),
        (CREATE_GROUP, ("tasks",)),
        (CREATE_GROUP, ("tasks", "labels")),
    ],
)
async def test_what_is_too_much_of_one_field_is_refused_in_a_moment(request_type, path):
    data = empty(request_type, *path, size=LARGE - 100)
    begin = time.process_time()
    with pytest.raises(Refused, match="must have at most"):
        await read_request(method(request_type), data, PieceKnobs())
    assert time.process_time() - begin < 0.5  # at one go it takes longer, and 500 MiB


async def test_so_is_a_field_of_one_value_that_comes_in_many_parts():
    part = empty(CREATE_CHECKOUT, "checkout", "line_items", size=300_000)
    with pytest.raises(Refused, match="checkout: must have at most"):
        await read_request(method(CREATE_CHECKOUT), part * 5, PieceKnobs())
