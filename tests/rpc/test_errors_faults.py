"""Faults of our own: a method that raises answers, and tells nothing of what it raised; and no
field of a record is forgotten on the wire."""

import asyncio
import dataclasses

import pytest
from google.protobuf.descriptor import FieldDescriptor

from countermand.core.cancellations import Cancellation, Join
from countermand.core.decide import Batch
from countermand.core.keys import Key, KeyLimits
from countermand.core.records import Cart, Checkout, Group, Order, Settlement, Target, Task
from countermand.core.states import (
    CancellationState,
    CancelProof,
    CartState,
    ChargeState,
    CheckoutState,
    Disposition,
    OrderState,
    RefundState,
    SummaryKey,
    TargetKind,
    TaskState,
)
from countermand.rpc.method import Stream, Unary
from countermand.rpc.wire.render.cancellations import render_cancellation
from countermand.rpc.wire.render.checkouts import render_cart, render_checkout
from countermand.rpc.wire.render.keys import render_key
from countermand.rpc.wire.render.orders import render_order
from countermand.rpc.wire.render.tasks import render_group, render_stop, render_task
from countermand.rpc.wire.snapshots import CHECKOUT, ORDER
from countermand.store.contract import StoreFailed
from countermand.v1 import (
    agent_service_pb2,
    cancellation_pb2,
    checkout_pb2,
    key_service_pb2,
    order_pb2,
    task_pb2,
)
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_service_pb2 as t
from tests.support.ask import CALLER
from tests.support.caller import everything, new_id, take
from tests.support.inside import inside
from tests.support.records import filled
from tests.support.refusals import refused

SECRET = "the path /var/secret and the password hunter2"
READ = ("tasks:read",)


async def cancel_itself(*_):
    """Raises a CancelledError that no caller caused."""
    inner = asyncio.create_task(asyncio.Event().wait())
    inner.cancel()
    await inner


def raising(error: BaseException):
    async def handle(*_):
        raise error

    return handle


async def stream_then_fail(call, request, watcher):
    yield c.WatchTaskResponse(type=3).SerializeToString()
    raise KeyError(SECRET)


async def stream_then_cancel_itself(call, request, watcher):
    yield c.WatchTaskResponse(type=3).SerializeToString()
    await cancel_itself()


def get_task(handle) -> Unary:
    return Unary("countermand.v1.TaskService/GetTask", t.GetTaskRequest, READ, handle)


def watch_task(handle) -> Stream:
    path = "countermand.v1.CancellationService/WatchTask"
    return Stream(path, c.WatchTaskRequest, READ, handle)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        RuntimeError(SECRET),
        AssertionError(SECRET),
        RecursionError(SECRET),
        StopAsyncIteration(SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
        MemoryError(SECRET),
        TimeoutError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_method_that_raises_is_internal_with_a_fixed_sentence(tmp_path, caplog, error):
    async with (
        inside(tmp_path, replaced=[get_task(raising(error))]) as server,
        server.caller() as caller,
    ):
        refusal = await refused(caller.get(new_id()), "INTERNAL")
        assert refusal.message == "an internal error; it was logged, and may be tried again"
        assert refusal.metadata == {}
        assert await caller.create()  # the server lives on
    assert SECRET in caplog.text  # the cause goes to the log


async def test_a_store_that_cannot_be_read_is_unavailable_and_says_no_more(tmp_path, caplog):
    async with (
        inside(tmp_path, replaced=[get_task(raising(StoreFailed(SECRET)))]) as server,
        server.caller() as caller,
    ):
        refusal = await refused(caller.get(new_id()), "STORE_UNAVAILABLE")
        assert refusal.message == "the store cannot be read; try again"
        assert await caller.create()
    assert SECRET in str(caplog.records[0].__dict__)


async def test_an_answer_that_cannot_be_encoded_is_internal(tmp_path):
    async def answer_nothing(call, request):
        return None

    async with (
        inside(tmp_path, replaced=[get_task(answer_nothing)]) as server,
        server.caller() as caller,
    ):
        await refused(caller.get(new_id()), "INTERNAL")


async def test_a_cancelled_error_that_arises_inside_answers_and_does_not_hang(tmp_path):
    async with (
        inside(tmp_path, replaced=[get_task(cancel_itself)]) as server,
        server.caller() as caller,
    ):
        async with asyncio.timeout(3):
            refusal = await refused(caller.get(new_id()), "STORE_UNAVAILABLE")
        assert refusal.retry_seconds


@pytest.mark.parametrize(
    ("handle", "reason"),
    [(stream_then_fail, "INTERNAL"), (stream_then_cancel_itself, "STORE_UNAVAILABLE")],
)
async def test_a_stream_that_fails_ends_with_a_status(tmp_path, handle, reason):
    async with (
        inside(tmp_path, replaced=[watch_task(handle)]) as server,
        server.caller() as caller,
    ):
        watch = caller.watch(new_id())
        await take(watch, 1)
        async with asyncio.timeout(3):
            await refused(everything(watch), reason)
        await server.no_watchers()


async def test_a_fault_in_the_store_is_internal(tmp_path):
    async with inside(tmp_path) as server, server.caller() as caller:
        task = await caller.create()

        async def fail(batch: Batch) -> float:
            raise LookupError("not there")

        server.app.store.commit = fail
        refusal = await refused(caller.cancel(task.task_id), "INTERNAL")
        assert refusal.message == "an internal error; it was logged, and may be tried again"


# Every field of a record has a value that is not its default; whatever a render leaves out shows.

TIME = 1_700_000_000_000_000
FULL = {
    "create_time": TIME,
    "update_time": TIME + 1,
    "start_time": TIME + 2,
    "end_time": TIME + 3,
    "deadline_time": TIME + 4,
    "expire_time": TIME + 5,
    "revoke_time": TIME + 6,
    "last_use_time": TIME + 7,
    "limits": KeyLimits(1, 2, 3, 4),
    "labels": {"a": "b"},
    "scopes": ("tasks:read",),
    "secret_hash": b"x" * 32,
    "closed": True,
    "caller": CALLER,
    "state": TaskState.CANCELLED,
    "cancel_proof": CancelProof.FORCED,
    "charge_state": ChargeState.CAPTURED,
    "refund_state": RefundState.REQUIRED,
    "settlement": Settlement(RefundState.REFUNDED, 5, "EUR", "note", "key-1", TIME + 8, "r"),
    "target": Target(TargetKind.TASK, 1, "x"),
    "cancel_time": TIME + 7,
    "joins": (Join("key-2", "reason", "message", "somebody", "request", TIME + 9),),
    "join_count": 1,
}


def full(kind, **fields):
    """Returns a record in which nothing is empty."""
    values = {}
    for number, field in enumerate(dataclasses.fields(kind), 1):
        numeric = field.type in ("int", int, int | None)
        values[field.name] = number if numeric else f"{field.name}-{number}"
    chosen = {name: value for name, value in FULL.items() if name in values}
    return kind(**{**values, **chosen, **fields})


def empty_fields(message) -> set[str]:
    """Returns the names of all fields that are not set; of a oneof one is enough."""
    found = set()
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and message.WhichOneof(oneof.name):
            continue
        if is_empty(message, field):
            found.add(field.name)
    return found


def is_empty(message, field: FieldDescriptor) -> bool:
    if field.is_repeated:
        return not getattr(message, field.name)
    return field.name not in {found.name for found, _ in message.ListFields()}


def test_every_field_of_a_task_is_rendered():
    message = render_task(full(Task))
    assert empty_fields(message) == set()
    assert empty_fields(message.settlement) == set()


def test_every_field_of_a_group_is_rendered():
    message = render_group(full(Group), {TaskState.RUNNING: 3})
    assert empty_fields(message) == set()
    assert empty_fields(message.task_counts[0]) == set()


@pytest.mark.parametrize("kind", TargetKind)
def test_every_field_of_a_cancellation_is_rendered(kind):
    target = Target(kind, 1, "x")
    record = full(Cancellation, state=CancellationState.SUCCEEDED, target=target, proofs=(1,) * 4)
    message = render_cancellation(record, [full(Task)])
    assert empty_fields(message) == {"requested_by_name"}  # that is for the keyring to say
    assert empty_fields(message.results[0]) == set()
    assert getattr(message, f"{kind.lower()}_id") == "x"


def test_every_field_of_a_checkout_is_rendered():
    snapshot = CHECKOUT.encode(filled(checkout_pb2.Checkout()))
    record = full(Checkout, state=CheckoutState.CANCELLED, snapshot=snapshot)
    message = render_checkout(record, {TaskState.CANCELLED: 3})
    assert empty_fields(message) == set()
    assert CHECKOUT.encode(message) != snapshot  # it has one message more
    del message.messages[-1]
    assert CHECKOUT.encode(message) == snapshot


def test_every_field_of_a_cart_is_rendered():
    lines = filled(checkout_pb2.Cart()).SerializeToString()
    assert empty_fields(render_cart(full(Cart, state=CartState.LOCKED, line_items=lines))) == set()


def test_every_field_of_an_order_is_rendered():
    snapshot = ORDER.encode(filled(order_pb2.Order()))
    record = full(Order, state=OrderState.CANCELLED, snapshot=snapshot, checkout_ids=("a", "b"))
    message = render_order(record, {TaskState.CANCELLED: 3})
    assert empty_fields(message) == set()
    assert ORDER.encode(message) == snapshot


def test_every_field_of_a_key_and_of_a_stop_is_rendered():
    key = render_key(full(Key))
    assert empty_fields(key) == set()
    assert empty_fields(key.limits) == set()
    assert empty_fields(render_stop(full(Task))) == set()


def test_a_field_that_is_left_out_is_seen():
    for message in (
        task_pb2.Task(),
        task_pb2.Settlement(),
        task_pb2.Group(),
        cancellation_pb2.Cancellation(),
        checkout_pb2.Checkout(),
        checkout_pb2.Cart(),
        order_pb2.Order(),
        key_service_pb2.Key(),
        agent_service_pb2.Stop(),
    ):
        assert empty_fields(message) == set(message.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize(
    ("enum", "words"),
    [
        (task_pb2.TaskState, TaskState),
        (task_pb2.CancelProof, CancelProof),
        (task_pb2.ChargeState, ChargeState),
        (task_pb2.RefundState, RefundState),
        (cancellation_pb2.CancellationState, CancellationState),
        (cancellation_pb2.Disposition, Disposition),
        (checkout_pb2.CheckoutState, CheckoutState),
        (checkout_pb2.CartState, CartState),
        (order_pb2.OrderState, OrderState),
        (c.SummaryKey, SummaryKey),
    ],
)
def test_every_word_has_its_enum_value_and_the_other_way_round(enum, words):
    prefix = enum.keys()[0].removesuffix("UNSPECIFIED")
    assert {f"{prefix}{word}" for word in words} == set(enum.keys()[1:])
