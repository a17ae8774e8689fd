"""How much every field may hold, in one table: what a message has that is not here is not served.

The comments of the protos say the same, and a test goes through all fields of all messages. Ids,
texts and tokens are held to it by the form of a request, snapshots and lists by `check_counts` and
`check_values`. Bounds judge what a request writes, never what is stored.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from countermand.core.records import MAX_CHECKOUTS_PER_ORDER, MAX_TASKS_PER_TARGET
from countermand.rpc.wire.form import LARGEST_PAGE, Form, is_time

MAX_SNAPSHOT_BYTES = 256 * 1024
"""How many bytes a checkout, order or cart has encoded, without what is ours to say."""
MAX_PATHS = 100
"""How many paths an update_mask has."""
MAX_STATES = 100
"""How many states a list names, also the same one more than once."""
MAX_DEPTH = 20
"""How deep a Struct goes: it is at depth 1, a Struct or list in its fields one deeper."""


class Bound(NamedTuple):
    """How much a field may hold."""

    words: str
    """How the comment of the field, or of its message, says so."""
    max_length: int | None = None
    """Characters of the text, or of each text of several."""
    max_items: int | None = None
    """How many there may be of it."""


def _text(length: int) -> Bound:
    return Bound(f"most {length:,} characters", max_length=length)


def _items(items: int, of: Bound | None = None) -> Bound:
    return Bound(f"most {items:,}", of.max_length if of else None, items)


UUID = Bound("UUID", max_length=36)
NAME = Bound("1 to 128 of", max_length=128)
PART = Bound("256 KiB", max_length=MAX_SNAPSHOT_BYTES)
"""A text of a snapshot, which may be all of it."""
PARTS = _items(1_000, PART)
TOKEN = _text(128)

BY_NAME = {
    "task_id": UUID,
    "group_id": UUID,
    "cancellation_id": UUID,
    "request_id": UUID,
    "checkout_id": NAME,
    "cart_id": NAME,
    "order_id": NAME,
    "agent_id": NAME,
    "tenant": NAME,
    "key_id": NAME,
    "successor_key_id": NAME,
    "requested_by": NAME,
    "settled_by": NAME,
    "created_by": NAME,
    "revoked_by": NAME,
    "requested_by_name": _text(128),
    "environment": Bound("`sandbox` or `production`", max_length=10),
    "scopes": _items(12, _text(32)),
    "secret": _text(128),
    "reason": _text(128),
    "cancel_reason": _text(128),
    "webhook_id": UUID,
    "merchant": _text(128),
    "currency": _text(128),
    "message": _text(500),
    "cancel_message": _text(500),
    "failure_message": _text(500),
    "note": _text(500),
    "on_behalf_of": _text(256),
    "certificate_name": _text(256),
    "trace_id": Bound("32 hexadecimal digits", max_length=32),
    "page_token": TOKEN,
    "next_page_token": TOKEN,
    "resume_token": TOKEN,
    "labels": Bound("32 KiB", 2_048, 16),
    "line_items": PARTS,
    "task_counts": Bound("states without a task are left out", max_items=6),
    "tasks": _items(MAX_TASKS_PER_TARGET),
}
"""Of the fields that are bounded alike in all messages."""

BY_FIELD = {
    "HeartbeatResponse.stops": _items(1_000),
    "Cancellation.results": _items(MAX_TASKS_PER_TARGET),
    "Cancellation.joins": _items(16),
    "ListCancellationsResponse.cancellations": _items(LARGEST_PAGE),
    "ListKeysResponse.keys": _items(LARGEST_PAGE),
    "ListTasksResponse.tasks": _items(LARGEST_PAGE),
    "ListOrdersResponse.orders": _items(LARGEST_PAGE),
    "ListCheckoutsResponse.checkouts": _items(LARGEST_PAGE),
    "ListCartsResponse.carts": _items(LARGEST_PAGE),
    "OperatorServiceListTasksRequest.order_by": _text(128),
    "OperatorServiceListTasksRequest.states": _items(MAX_STATES),
    "OperatorServiceListTasksResponse.tasks": _items(LARGEST_PAGE),
    "ServerStatus.version": _text(128),
    "ServerStatus.store_kind": _text(128),
    "ServerStatus.replica_id": UUID,
    "ServerStatus.refusals": _items(100),
    "RefusalCount.reason": _text(128),
    "ListAgentsRequest.page_token": _text(256),
    "ListAgentsResponse.agents": _items(LARGEST_PAGE),
    "ListAgentsResponse.next_page_token": _text(256),
    "ListOpenWatchesResponse.watches": _items(LARGEST_PAGE),
    "OpenWatch.method": _text(128),
    "ListTasksRequest.order_by": _text(128),
    "Webhook.name": _text(128),
    "Webhook.url": _text(2_048),
    "Webhook.event_types": _items(13, _text(64)),
    "Webhook.disable_reason": _text(32),
    "CreateWebhookRequest.name": _text(128),
    "CreateWebhookRequest.url": _text(2_048),
    "CreateWebhookRequest.event_types": _items(13, _text(64)),
    "DeliveryAttempt.error": _text(256),
    "Delivery.delivery_id": _text(128),
    "Delivery.event_type": _text(64),
    "Delivery.attempts": _items(10),
    "Delivery.body": _text(20_000),
    "RedeliverRequest.delivery_id": _text(128),
    "ListWebhooksResponse.webhooks": _items(100),
    "ListDeliveriesResponse.deliveries": _items(100),
    "Label.key": _text(128),
    "Label.value": _text(2_048),
    "ListTasksRequest.states": _items(MAX_STATES),
    "CreateGroupResponse.tasks": _items(1_000),
    "CreateCheckoutResponse.tasks": _items(1_000),
    "CreateOrderResponse.tasks": _items(1_000),
    "SummarizeCancellationsResponse.rows": _items(10_000),
    "SummaryRow.key": _text(128),
    "Key.name": _text(128),
    "CreateKeyRequest.name": _text(128),
    "Checkout.fulfillment_options": PARTS,
    "Checkout.totals": PARTS,
    "Checkout.messages": PARTS,
    "Checkout.links": PARTS,
    "Order.additional_prices": PARTS,
    "Order.tags": PARTS,
    "Order.fulfillments": PARTS,
    "Order.extra": PARTS,
    "Fulfillment.extra": PARTS,
    "Order.checkout_ids": _items(MAX_CHECKOUTS_PER_ORDER, NAME),
    "Order.cancel_reason": _text(128),
    "FieldMask.paths": _items(MAX_PATHS, _text(128)),
}
"""Of single fields."""

SNAPSHOTS = frozenset(
    {
        "Checkout",
        "Buyer",
        "LineItem",
        "Item",
        "Address",
        "FulfillmentOption",
        "Total",
        "CheckoutMessage",
        "CheckoutLink",
        "Order",
        "AdditionalPrice",
        "ShippingLine",
        "Fulfillment",
    }
)
"""The messages whose texts are parts of a snapshot, but for the ids that are ours."""

_OURS = frozenset({"task_id", "group_id", "checkout_id", "cart_id", "order_id", "cancellation_id"})


def bound_of(field: FieldDescriptor) -> Bound | None:
    """Returns the bound of a field; None if it has none."""
    message = field.containing_type
    owner = "" if message is None else message.name
    own = BY_FIELD.get(f"{owner}.{field.name}")
    if own is not None:
        return own
    is_text = field.type == field.TYPE_STRING and not field.is_repeated
    if owner in SNAPSHOTS and is_text and field.name not in _OURS:
        return PART
    return BY_NAME.get(field.name)


def check_counts(form: Form, path: str, message: Message) -> None:
    """Notes which lists and maps of a message are too long, without a look at what is in them."""
    for field, value in message.ListFields():
        place = f"{path}.{field.name}" if path else field.name
        if field.is_repeated:
            bound = bound_of(field)
            if bound is not None and bound.max_items is not None and len(value) > bound.max_items:
                form.reject(place, f"must be at most {bound.max_items:,}")
        elif _holds_lists(field.message_type):
            check_counts(form, place, value)
    check_parts(form, path, message, lambda name: True)


def check_parts(form: Form, path: str, message: Message, names: Callable[[str], bool]) -> None:
    """Notes which lists and maps are too long in what the named lists of a message hold."""
    for field, value in message.ListFields():
        if names(field.name) and field.is_repeated and _holds_lists(field.message_type):
            for place, one in _each(f"{path}.{field.name}" if path else field.name, field, value):
                check_counts(form, place, one)


def check_values(form: Form, path: str, message: Message, names: Callable[[str], bool]) -> None:
    """Notes what of the named fields cannot be shown as JSON: times out of the years 1 to 9999,
    numbers that are not finite, Values without a kind, and Structs that are too deep."""
    for field, value in message.ListFields():
        if names(field.name) and _holds_values(field.message_type):
            for place, one in _each(f"{path}.{field.name}", field, value):
                _check_value(form, place, one)


def _check_value(form: Form, path: str, message: Message) -> None:
    kind = message.DESCRIPTOR.full_name
    if kind == "google.protobuf.Timestamp":
        if not is_time(message):
            form.reject(path, "must be a time of the years 1 to 9999")
    elif kind == "google.protobuf.Struct":
        if wrong := _wrong_in(message):
            form.reject(path, wrong)
    else:
        check_values(form, path, message, lambda name: True)


def _wrong_in(struct: Any) -> str:
    """Returns what is wrong in a Struct. It is gone through without recursion, for its depth is the
    caller's choice."""
    level: list[Iterable[Any]] = [struct.fields.values()]
    for _ in range(MAX_DEPTH):
        deeper: list[Iterable[Any]] = []
        for value in chain.from_iterable(level):
            kind = value.WhichOneof("kind")
            if kind is None:
                return "must have a kind in each Value"
            if kind == "number_value" and not isfinite(value.number_value):
                return "must have finite numbers"
            if kind == "struct_value":
                deeper.append(value.struct_value.fields.values())
            elif kind == "list_value":
                deeper.append(value.list_value.values)
        if not deeper:
            return ""
        level = deeper
    return f"must be at most {MAX_DEPTH} deep"


def _each(path: str, field: FieldDescriptor, value: Any) -> Iterator[tuple[str, Message]]:
    if not field.is_repeated:
        yield path, value
        return
    for place, one in enumerate(value):
        yield f"{path}[{place}]", one


@cache
def _holds_values(kind: Descriptor | None) -> bool:
    """Whether messages of this kind have, at any depth, a time or a Struct."""
    if kind is None:
        return False
    if kind.full_name in ("google.protobuf.Timestamp", "google.protobuf.Struct"):
        return True
    return any(_holds_values(field.message_type) for field in kind.fields)


@cache
def _holds_lists(kind: Descriptor | None) -> bool:
    """Whether messages of this kind, of this package, have a list or map at any depth."""
    if kind is None or not kind.full_name.startswith("countermand."):
        return False
    return any(field.is_repeated or _holds_lists(field.message_type) for field in kind.fields)
