"""Every field has a bound: in one table, in the manual, and in what it refuses."""

import math
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.core.errors import Reason, Refused
from countermand.rpc.wire.bounds import BY_FIELD, BY_NAME, MAX_DEPTH, Bound, bound_of
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.rpc.wire.parse.masks import read_paths
from countermand.rpc.wire.parse.orders import parse_create_order, parse_update_order
from countermand.rpc.wire.parse.snapshots import merged
from countermand.rpc.wire.snapshots import ORDER
from countermand.v1 import order_pb2
from countermand.v1 import order_service_pb2 as o
from tests.support.descriptors import own_messages

KIB = 1024


def _bounded(message: Descriptor) -> Iterator[FieldDescriptor]:
    """Yields the fields of a message that could hold anything without a bound."""
    for field in message.fields:
        if field.is_repeated or field.type in (field.TYPE_STRING, field.TYPE_BYTES):
            yield field


def _comments() -> Iterator[tuple[str, str]]:
    """Yields what the manual says at each message and field, without line breaks."""
    manual = files("countermand").joinpath("v1/manual.binpb").read_bytes()
    for file in FileDescriptorSet.FromString(manual).file:
        for place in file.source_code_info.location:
            match list(place.path):
                case [4, message]:
                    name = file.message_type[message].name
                case [4, message, 2, field]:
                    owner = file.message_type[message]
                    name = f"{owner.name}.{owner.field[field].name}"
                case _:
                    continue
            yield name, " ".join(place.leading_comments.split())


COMMENTS = dict(_comments())
FIELDS = [field for message in own_messages() for field in _bounded(message)]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.full_name)
def test_each_field_has_a_bound_that_its_comment_names(field: FieldDescriptor) -> None:
    bound = bound_of(field)
    assert bound is not None, "enter it in the table of countermand/rpc/wire/bounds.py"
    is_text = field.type == field.TYPE_STRING or field.name == "labels"
    assert (bound.max_length is not None) or not is_text
    assert (bound.max_items is not None) == field.is_repeated
    owner = field.containing_type.name
    assert bound.words in f"{COMMENTS[owner]} {COMMENTS[f'{owner}.{field.name}']}"


def test_the_table_has_no_row_of_a_field_that_is_gone() -> None:
    names = {field.name for field in FIELDS}
    full = {f"{field.containing_type.name}.{field.name}" for field in FIELDS}
    assert BY_NAME.keys() <= names
    assert BY_FIELD.keys() <= full | {"FieldMask.paths"}


def test_a_field_that_nobody_thought_about_has_no_bound() -> None:
    assert bound_of(FieldMask.DESCRIPTOR.fields_by_name["paths"]) is not None
    assert bound_of(Value.DESCRIPTOR.fields_by_name["string_value"]) is None


def _create(order: order_pb2.Order) -> bytes:
    fresh = Fresh(0, lambda now: "0190a5c0-0000-7000-8000-000000000001")
    return parse_create_order(o.CreateOrderRequest(order=order), 1, fresh).snapshot


def _reject(order: order_pb2.Order, field: str) -> None:
    with pytest.raises(Refused) as refused:
        _create(order)
    assert refused.value.reason is Reason.INVALID_REQUEST
    assert [one.field for one in refused.value.violations] == [field]


LISTS = [
    (field, bound)
    for field in order_pb2.Order.DESCRIPTOR.fields
    if field.is_repeated and (bound := bound_of(field)) is not None and ORDER.holds(field.name)
]


@pytest.mark.parametrize(("field", "bound"), LISTS, ids=lambda one: getattr(one, "name", ""))
def test_a_list_of_a_snapshot_takes_as_many_as_its_bound_says(
    field: FieldDescriptor, bound: Bound
) -> None:
    def order(count: int) -> order_pb2.Order:
        made = order_pb2.Order()
        held = getattr(made, field.name)
        for number in range(count):
            if field.message_type is None:
                held.append("")
            elif field.message_type.GetOptions().map_entry:
                held[str(number)] = ""
            else:
                held.add()
        return made

    assert bound.max_items is not None
    assert _create(order(bound.max_items))
    _reject(order(bound.max_items + 1), f"order.{field.name}")


def test_a_snapshot_has_at_most_256_kib() -> None:
    note = "x" * (256 * KIB - 4)
    assert len(_create(order_pb2.Order(note=note))) == 256 * KIB
    _reject(order_pb2.Order(note=note + "x"), "order")


def _deep(depth: int, *, lists: bool = False) -> Struct:
    inner = Value(null_value=0)
    for _ in range(depth - 1):
        inner = (
            Value(list_value=ListValue(values=[inner]))
            if lists
            else Value(struct_value=Struct(fields={"a": inner}))
        )
    return Struct(fields={"a": inner})


@pytest.mark.parametrize("lists", [False, True])
def test_a_struct_is_at_most_20_deep(lists: bool) -> None:
    assert _create(order_pb2.Order(customer=_deep(MAX_DEPTH, lists=lists)))
    for depth in (MAX_DEPTH + 1, 30):
        _reject(order_pb2.Order(customer=_deep(depth, lists=lists)), "order.customer")
        _reject(order_pb2.Order(line_items=[_deep(depth, lists=lists)]), "order.line_items[0]")


NOT_JSON = (
    Value(),
    Value(number_value=math.nan),
    Value(number_value=math.inf),
    Value(number_value=-math.inf),
    Value(list_value=ListValue(values=[Value()])),
    Value(struct_value=Struct(fields={"b": Value(number_value=math.nan)})),
)


@pytest.mark.parametrize("value", NOT_JSON)
def test_what_cannot_be_shown_as_json_is_refused(value: Value) -> None:
    wrong = Struct(fields={"a": value})
    _reject(order_pb2.Order(shipping_address=wrong), "order.shipping_address")
    _reject(order_pb2.Order(line_items=[Struct(), wrong]), "order.line_items[1]")


NO_TIMES = (
    Timestamp(seconds=1_700_000_000_000),  # milliseconds
    Timestamp(seconds=-62_135_596_801),
    Timestamp(nanos=-1),
    Timestamp(nanos=1_000_000_000),
)


@pytest.mark.parametrize("time", NO_TIMES)
@pytest.mark.parametrize("field", ["place_time", "delete_time", "customer_deleted_time"])
def test_a_time_of_a_snapshot_is_of_the_years_1_to_9999(field: str, time: Timestamp) -> None:
    _reject(order_pb2.Order(**{field: time}), f"order.{field}")


def _update(order: order_pb2.Order, *paths: str) -> None:
    request = o.UpdateOrderRequest(order=order, update_mask=FieldMask(paths=paths))
    parse_update_order(request, 1)


def _violation(order: order_pb2.Order, *paths: str) -> str:
    with pytest.raises(Refused) as refused:
        _update(order, *paths)
    return refused.value.violations[0].field


def test_an_update_is_judged_by_the_fields_that_it_writes_alone() -> None:
    wrong = order_pb2.Order(order_id="o", place_time=Timestamp(seconds=10**12))
    _update(wrong, "note")
    assert _violation(wrong, "place_time") == "order.place_time"
    assert _violation(wrong, "*") == "order.place_time"


def test_an_update_mask_has_at_most_100_paths_each_once() -> None:
    form = Form()
    read_paths(form, [str(number) for number in range(100)])
    form.check()
    order = order_pb2.Order(order_id="o")
    assert _violation(order, *["note"] * 101) == "update_mask.paths"
    assert _violation(order, "note", "number", "note") == "update_mask.paths[2]"
    assert _violation(order, "*", "*") == "update_mask.paths[1]"


def _merge(before: Message, given: order_pb2.Order, *paths: str) -> Any:
    data = before.SerializeToString(deterministic=True)
    return order_pb2.Order.FromString(merged(data, given, paths, "order", ORDER))


def test_an_update_that_does_not_enlarge_what_is_over_is_taken() -> None:
    large = order_pb2.Order(note="x" * (300 * KIB), tags=["t"] * 1500)
    assert _merge(large, order_pb2.Order(number="7"), "note", "number").number == "7"
    assert len(_merge(large, order_pb2.Order(tags=["u"] * 1500), "tags").tags) == 1500
    assert len(_merge(large, order_pb2.Order(tags=["u"] * 1200), "tags").tags) == 1200
    for wrong, path in (
        (order_pb2.Order(tags=["u"] * 1501), "tags"),
        (order_pb2.Order(note="x" * (301 * KIB)), "note"),
        (order_pb2.Order(number="7"), "number"),
    ):
        with pytest.raises(Refused):
            _merge(large, wrong, path)


@pytest.mark.parametrize("name", ["line_items", "extra"])
def test_a_list_within_a_part_of_a_snapshot_has_its_bound_too(name: str) -> None:
    def order(count: int) -> order_pb2.Order:
        made = order_pb2.Order(order_id="o", fulfillments=[{}, {}])
        for number in range(count):
            if name == "extra":
                made.fulfillments[1].extra[str(number)] = ""
            else:
                made.fulfillments[1].line_items.add()
        return made

    assert _create(order(1_000))
    _reject(order(1_001), f"order.fulfillments[1].{name}")
    _update(order(1_000), "fulfillments")
    assert _violation(order(1_001), "fulfillments") == f"order.fulfillments[1].{name}"
    _update(order(1_001), "note")
