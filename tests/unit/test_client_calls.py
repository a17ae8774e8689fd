"""Calls of the client, against a server that answers as it is told."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import grpc
import pytest
from google.protobuf import any_pb2, descriptor_pool, duration_pb2, message_factory
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from countermand.client import Client, CountermandError
from countermand.client.backoff import Backoff
from countermand.client.ids import new_id
from countermand.client.knobs import ClientKnobs
from countermand.client.sync import Client as SyncClient
from countermand.v1 import agent_service_pb2 as agents
from countermand.v1 import cancellation_pb2 as cancellation
from countermand.v1 import cancellation_service_pb2 as cancellations
from countermand.v1 import checkout_pb2 as checkout
from countermand.v1 import checkout_service_pb2 as checkouts
from countermand.v1 import key_service_pb2 as keys
from countermand.v1 import order_pb2 as order
from countermand.v1 import order_service_pb2 as orders
from countermand.v1 import task_pb2 as task
from countermand.v1 import task_service_pb2 as tasks
from tests.support.waiting import until

TASK_ID = "0192f0c1-0000-7000-8000-000000000001"
GROUP_ID = "0192f0c1-0000-7000-8000-000000000002"
REQUEST_ID = "0192f0c1-0000-7000-8000-000000000003"
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = timedelta(seconds=5)
HOW = {
    "reason": "fraud",
    "message": "stop",
    "grace_period": timedelta(0),
    "request_id": REQUEST_ID,
    "expected_version": 2,
    "validate_only": True,
    "on_behalf_of": "them",
}
CHECKOUT = checkout.Checkout(checkout_id="c-1", cart_id="cart-1", currency="EUR")
ORDER = order.Order(order_id="o-1", number="4711")

Answer = Message | Callable[[Message], Message]


class Seen(NamedTuple):
    method: str
    request: Message
    key: str | None
    time: float


class Scripted(grpc.GenericRpcHandler):
    """Answers the next call with the next answer: a message, or a status to refuse it with."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.seen: list[Seen] = []
        self.arrived = asyncio.Event()

    def service(self, details):
        metadata = dict(details.invocation_metadata)
        method = details.method.removeprefix("/countermand.v1.")

        async def answer(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
            name = f"countermand.v1.{method.split('/')[1]}Request"
            described = descriptor_pool.Default().FindMessageTypeByName(name)
            request = message_factory.GetMessageClass(described).FromString(raw)
            self.seen.append(Seen(method, request, metadata.get("x-api-key"), time.monotonic()))
            self.arrived.set()
            if not self.answers:
                await asyncio.Event().wait()
            chosen = self.answers.pop(0)
            found = chosen(request) if callable(chosen) else chosen
            if isinstance(found, status_pb2.Status):
                await context.abort_with_status(rpc_status.to_status(found))
            return found.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)


def refusal(code: str, reason: str = "", *, retry: float | None = None, **metadata: str):
    """A refusal as Countermand makes it; without a reason, as gRPC itself does."""
    details = []
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="countermand", metadata=metadata)
        details.append(info)
    if retry is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(retry * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = [any_pb2.Any() for _ in details]
    for target, detail in zip(packed, details, strict=True):
        target.Pack(detail)
    number = code_pb2.Code.Value(code)
    return status_pb2.Status(code=number, message=f"no: {reason or code}", details=packed)


DRAINING = refusal("UNAVAILABLE", "DRAINING")


@asynccontextmanager
async def serving(script: Scripted, port: int = 0) -> AsyncIterator[str]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([script])
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def connected(script: Scripted, **options: float) -> AsyncIterator[Client]:
    async with serving(script) as target, Client(target, "the-key", **options) as client:
        yield client


FLAVOURS = ["async", "sync"]


async def called(flavour: str, script: Scripted, call: Callable):
    """What the call gives when a client of this flavour makes it."""
    if flavour == "async":
        async with connected(script) as client:
            return await call(client)
    async with serving(script) as target:

        def use():
            with SyncClient(target, "the-key") as client:
                return call(client)

        return await asyncio.to_thread(use)


CALLS = [
    (
        lambda client: client.create_task(
            task_id=TASK_ID,
            group_id=GROUP_ID,
            checkout_id="c-1",
            order_id="o-1",
            merchant="m",
            labels={"a": "b"},
            expire_time=WHEN,
        ),
        "TaskService/CreateTask",
        tasks.CreateTaskRequest(
            task_id=TASK_ID,
            group_id=GROUP_ID,
            checkout_id="c-1",
            order_id="o-1",
            merchant="m",
            labels={"a": "b"},
            expire_time=WHEN,
        ),
        tasks.CreateTaskResponse(task=task.Task(task_id=TASK_ID)),
    ),
    (
        lambda client: client.create_group(
            [tasks.CreateTaskRequest(task_id=TASK_ID)],
            group_id=GROUP_ID,
            checkout_id="c-1",
            order_id="o-1",
            closed=True,
        ),
        "TaskService/CreateGroup",
        tasks.CreateGroupRequest(
            group_id=GROUP_ID,
            checkout_id="c-1",
            order_id="o-1",
            closed=True,
            tasks=[tasks.CreateTaskRequest(task_id=TASK_ID)],
        ),
        tasks.CreateGroupResponse(group=task.Group(group_id=GROUP_ID)),
    ),
    (
        lambda client: client.get_task(TASK_ID),
        "TaskService/GetTask",
        tasks.GetTaskRequest(task_id=TASK_ID),
        tasks.GetTaskResponse(task=task.Task(task_id=TASK_ID)),
    ),
    (
        lambda client: client.get_group(GROUP_ID),
        "TaskService/GetGroup",
        tasks.GetGroupRequest(group_id=GROUP_ID),
        tasks.GetGroupResponse(group=task.Group(group_id=GROUP_ID)),
    ),
    (
        lambda client: client.list_tasks(
            task.TaskFilter(group_id=GROUP_ID),
            states=[task.TASK_STATE_RUNNING],
            refund_state=task.REFUND_STATE_REQUIRED,
            merchant="shop",
            label=("sku", "42"),
            deadline_before=WHEN,
            order_by="deadline_time",
            page_size=7,
            page_token="next",
        ),
        "TaskService/ListTasks",
        tasks.ListTasksRequest(
            filter=task.TaskFilter(group_id=GROUP_ID),
            states=[task.TASK_STATE_RUNNING],
            refund_state=task.REFUND_STATE_REQUIRED,
            merchant="shop",
            label=tasks.Label(key="sku", value="42"),
            deadline_before=WHEN,
            order_by="deadline_time",
            page_size=7,
            page_token="next",
        ),
        tasks.ListTasksResponse(next_page_token="more"),
    ),
    (
        lambda client: client.settle_refund(
            TASK_ID,
            task.REFUND_STATE_REFUNDED,
            amount=0,
            currency="EUR",
            note="paid back",
            request_id=REQUEST_ID,
        ),
        "TaskService/SettleRefund",
        tasks.SettleRefundRequest(
            task_id=TASK_ID,
            outcome=task.REFUND_STATE_REFUNDED,
            amount=0,
            currency="EUR",
            note="paid back",
            request_id=REQUEST_ID,
        ),
        tasks.SettleRefundResponse(task=task.Task(task_id=TASK_ID), replayed=True),
    ),
    (
        lambda client: client.start_task(TASK_ID, "agent-1", lease_duration=SOON),
        "AgentService/StartTask",
        agents.StartTaskRequest(task_id=TASK_ID, agent_id="agent-1", lease_duration=SOON),
        agents.StartTaskResponse(fence=3),
    ),
    (
        lambda client: client.heartbeat("agent-1", lease_duration=SOON),
        "AgentService/Heartbeat",
        agents.HeartbeatRequest(agent_id="agent-1", lease_duration=SOON),
        agents.HeartbeatResponse(stops=[agents.Stop(task_id=TASK_ID)]),
    ),
    (
        lambda client: client.begin_charge(TASK_ID, 3),
        "AgentService/BeginCharge",
        agents.BeginChargeRequest(task_id=TASK_ID, fence=3),
        agents.BeginChargeResponse(task=task.Task(charge_state=task.CHARGE_STATE_BEGUN)),
    ),
    (
        lambda client: client.report_charge(TASK_ID, 3, task.CHARGE_STATE_CAPTURED),
        "AgentService/ReportCharge",
        agents.ReportChargeRequest(
            task_id=TASK_ID, fence=3, charge_state=task.CHARGE_STATE_CAPTURED
        ),
        agents.ReportChargeResponse(task=task.Task(charge_state=task.CHARGE_STATE_CAPTURED)),
    ),
    (
        lambda client: client.finish_task(
            TASK_ID, 3, agents.FINISH_OUTCOME_FAILED, failure_message="sold out"
        ),
        "AgentService/FinishTask",
        agents.FinishTaskRequest(
            task_id=TASK_ID,
            fence=3,
            outcome=agents.FINISH_OUTCOME_FAILED,
            failure_message="sold out",
        ),
        agents.FinishTaskResponse(task=task.Task(task_id=TASK_ID)),
    ),
    (
        lambda client: client.cancel_task(TASK_ID, **HOW),
        "CancellationService/CancelTask",
        cancellations.CancelTaskRequest(task_id=TASK_ID, **HOW),
        cancellations.CancelTaskResponse(replayed=True),
    ),
    (
        lambda client: client.cancel_task(TASK_ID, allow_missing=True, request_id=TASK_ID),
        "CancellationService/CancelTask",
        cancellations.CancelTaskRequest(task_id=TASK_ID, allow_missing=True, request_id=TASK_ID),
        cancellations.CancelTaskResponse(),
    ),
    (
        lambda client: client.cancel_group(GROUP_ID, **HOW),
        "CancellationService/CancelGroup",
        cancellations.CancelGroupRequest(group_id=GROUP_ID, **HOW),
        cancellations.CancelGroupResponse(replayed=True),
    ),
    (
        lambda client: client.cancel_checkout("c-1", **HOW),
        "CancellationService/CancelCheckout",
        cancellations.CancelCheckoutRequest(checkout_id="c-1", **HOW),
        cancellations.CancelCheckoutResponse(replayed=True),
    ),
    (
        lambda client: client.cancel_checkout(cart_id="cart-1", **HOW),
        "CancellationService/CancelCheckout",
        cancellations.CancelCheckoutRequest(cart_id="cart-1", **HOW),
        cancellations.CancelCheckoutResponse(replayed=True),
    ),
    (
        lambda client: client.cancel_order("o-1", **HOW),
        "CancellationService/CancelOrder",
        cancellations.CancelOrderRequest(order_id="o-1", **HOW),
        cancellations.CancelOrderResponse(replayed=True),
    ),
    (
        lambda client: client.get_cancellation(REQUEST_ID),
        "CancellationService/GetCancellation",
        cancellations.GetCancellationRequest(cancellation_id=REQUEST_ID),
        cancellations.GetCancellationResponse(cancellation={"reason": "fraud"}),
    ),
    (
        lambda client: client.list_cancellations(
            task_id=TASK_ID,
            group_id=GROUP_ID,
            checkout_id="c-1",
            order_id="o-1",
            reason="fraud",
            state=cancellation.CANCELLATION_STATE_PARTIAL,
            start_time=WHEN,
            end_time=WHEN + SOON,
            page_size=7,
            page_token="next",
        ),
        "CancellationService/ListCancellations",
        cancellations.ListCancellationsRequest(
            task_id=TASK_ID,
            group_id=GROUP_ID,
            checkout_id="c-1",
            order_id="o-1",
            reason="fraud",
            state=cancellation.CANCELLATION_STATE_PARTIAL,
            start_time=WHEN,
            end_time=WHEN + SOON,
            page_size=7,
            page_token="next",
        ),
        cancellations.ListCancellationsResponse(next_page_token="more"),
    ),
    (
        lambda client: client.summarize_cancellations(
            cancellations.SUMMARY_KEY_PROOF, start_time=WHEN, end_time=WHEN + SOON
        ),
        "CancellationService/SummarizeCancellations",
        cancellations.SummarizeCancellationsRequest(
            group_by=cancellations.SUMMARY_KEY_PROOF, start_time=WHEN, end_time=WHEN + SOON
        ),
        cancellations.SummarizeCancellationsResponse(
            rows=[cancellations.SummaryRow(key="FORCED", count=3)]
        ),
    ),
    (
        lambda client: client.create_checkout(
            CHECKOUT, [tasks.CreateTaskRequest(task_id=TASK_ID)], supersede=True
        ),
        "CheckoutService/CreateCheckout",
        checkouts.CreateCheckoutRequest(
            checkout=CHECKOUT, tasks=[tasks.CreateTaskRequest(task_id=TASK_ID)], supersede=True
        ),
        checkouts.CreateCheckoutResponse(checkout=CHECKOUT),
    ),
    (
        lambda client: client.get_checkout("c-1"),
        "CheckoutService/GetCheckout",
        checkouts.GetCheckoutRequest(checkout_id="c-1"),
        checkouts.GetCheckoutResponse(checkout=CHECKOUT),
    ),
    (
        lambda client: client.list_checkouts(
            state=checkout.CHECKOUT_STATE_OPEN, cart_id="cart-1", page_size=7, page_token="next"
        ),
        "CheckoutService/ListCheckouts",
        checkouts.ListCheckoutsRequest(
            state=checkout.CHECKOUT_STATE_OPEN, cart_id="cart-1", page_size=7, page_token="next"
        ),
        checkouts.ListCheckoutsResponse(next_page_token="more"),
    ),
    (
        lambda client: client.list_carts(
            state=checkout.CART_STATE_LOCKED, page_size=7, page_token="next"
        ),
        "CheckoutService/ListCarts",
        checkouts.ListCartsRequest(
            state=checkout.CART_STATE_LOCKED, page_size=7, page_token="next"
        ),
        checkouts.ListCartsResponse(next_page_token="more"),
    ),
    (
        lambda client: client.list_orders(
            state=order.ORDER_STATE_OPEN, page_size=7, page_token="next"
        ),
        "OrderService/ListOrders",
        orders.ListOrdersRequest(state=order.ORDER_STATE_OPEN, page_size=7, page_token="next"),
        orders.ListOrdersResponse(next_page_token="more"),
    ),
    (
        lambda client: client.update_checkout(CHECKOUT, ["totals"], expected_version=3),
        "CheckoutService/UpdateCheckout",
        checkouts.UpdateCheckoutRequest(
            checkout=CHECKOUT, update_mask={"paths": ["totals"]}, expected_version=3
        ),
        checkouts.UpdateCheckoutResponse(checkout=CHECKOUT),
    ),
    (
        lambda client: client.complete_checkout("c-1"),
        "CheckoutService/CompleteCheckout",
        checkouts.CompleteCheckoutRequest(checkout_id="c-1"),
        checkouts.CompleteCheckoutResponse(checkout=CHECKOUT),
    ),
    (
        lambda client: client.get_cart("cart-1"),
        "CheckoutService/GetCart",
        checkouts.GetCartRequest(cart_id="cart-1"),
        checkouts.GetCartResponse(cart=checkout.Cart(cart_id="cart-1")),
    ),
    (
        lambda client: client.change_cart("cart-1", [checkout.LineItem(id="line-1")]),
        "CheckoutService/ChangeCart",
        checkouts.ChangeCartRequest(cart_id="cart-1", line_items=[checkout.LineItem(id="line-1")]),
        checkouts.ChangeCartResponse(cart=checkout.Cart(cart_id="cart-1")),
    ),
    (
        lambda client: client.create_order(ORDER, [tasks.CreateTaskRequest(task_id=TASK_ID)]),
        "OrderService/CreateOrder",
        orders.CreateOrderRequest(order=ORDER, tasks=[tasks.CreateTaskRequest(task_id=TASK_ID)]),
        orders.CreateOrderResponse(order=ORDER),
    ),
    (
        lambda client: client.get_order("o-1"),
        "OrderService/GetOrder",
        orders.GetOrderRequest(order_id="o-1"),
        orders.GetOrderResponse(order=ORDER),
    ),
    (
        lambda client: client.update_order(ORDER, ["number", "note"]),
        "OrderService/UpdateOrder",
        orders.UpdateOrderRequest(order=ORDER, update_mask={"paths": ["number", "note"]}),
        orders.UpdateOrderResponse(order=ORDER),
    ),
    (
        lambda client: client.create_key(
            "t",
            "sandbox",
            ["tasks:read"],
            expire_time=WHEN,
            limits=keys.KeyLimits(open_watches=7),
        ),
        "KeyService/CreateKey",
        keys.CreateKeyRequest(
            tenant="t",
            environment="sandbox",
            scopes=["tasks:read"],
            expire_time=WHEN,
            limits=keys.KeyLimits(open_watches=7),
        ),
        keys.CreateKeyResponse(secret="cmd_x"),
    ),
    (
        lambda client: client.list_keys(page_size=7, page_token="next"),
        "KeyService/ListKeys",
        keys.ListKeysRequest(page_size=7, page_token="next"),
        keys.ListKeysResponse(next_page_token="more"),
    ),
    (
        lambda client: client.revoke_key("k"),
        "KeyService/RevokeKey",
        keys.RevokeKeyRequest(key_id="k"),
        keys.RevokeKeyResponse(key=keys.Key(key_id="k")),
    ),
    (
        lambda client: client.rotate_key("k", overlap=timedelta(hours=1)),
        "KeyService/RotateKey",
        keys.RotateKeyRequest(key_id="k", overlap=timedelta(hours=1)),
        keys.RotateKeyResponse(secret="cmd_x"),
    ),
]
NAMES = [method for _, method, _, _ in CALLS]


@pytest.mark.parametrize(("call", "method", "request_", "answer"), CALLS, ids=NAMES)
@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_call_sends_its_fields_and_the_key_and_returns_the_answer(
    flavour, call, method, request_, answer
):
    script = Scripted(answer)
    assert await called(flavour, script, call) == answer
    [seen] = script.seen
    assert (seen.method, seen.request, seen.key) == (method, request_, "the-key")


@pytest.mark.parametrize(("call", "method", "request_", "answer"), CALLS, ids=NAMES)
@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_unavailable_is_tried_again_unless_a_repeat_would_do_harm(
    flavour, call, method, request_, answer
):
    script = Scripted(DRAINING, DRAINING, answer)
    if method in ("KeyService/CreateKey", "KeyService/RotateKey"):
        with pytest.raises(CountermandError, match="DRAINING"):
            await called(flavour, script, call)
        assert len(script.seen) == 1
    else:
        assert await called(flavour, script, call) == answer
        assert [seen.request for seen in script.seen] == [request_] * 3


PAGES = [
    ("iter_tasks", tasks.ListTasksResponse, "tasks", {"task_id": TASK_ID}),
    ("iter_checkouts", checkouts.ListCheckoutsResponse, "checkouts", {"checkout_id": "c-1"}),
    ("iter_carts", checkouts.ListCartsResponse, "carts", {"cart_id": "cart-1"}),
    ("iter_orders", orders.ListOrdersResponse, "orders", {"order_id": "o-1"}),
    ("iter_cancellations", cancellations.ListCancellationsResponse, "cancellations", {}),
    ("iter_keys", keys.ListKeysResponse, "keys", {"key_id": "k"}),
]


@pytest.mark.parametrize(("name", "page", "field", "item"), PAGES, ids=[p[0] for p in PAGES])
@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_list_is_followed_over_all_of_its_pages(flavour, name, page, field, item):
    pages = [
        page(**{field: [item, item]}, next_page_token="two"),
        page(next_page_token="three"),
        page(**{field: [item]}),
    ]
    script = Scripted(*pages)

    def everything(client):
        if flavour == "sync":
            return list(getattr(client, name)())
        return _collect(getattr(client, name)())

    assert len(await called(flavour, script, everything)) == 3
    assert [seen.request.page_token for seen in script.seen] == ["", "two", "three"]
    assert {seen.request.page_size for seen in script.seen} == {1000}


async def _collect(items):
    return [item async for item in items]


async def test_what_chooses_from_a_list_is_sent_for_each_page():
    script = Scripted(tasks.ListTasksResponse(next_page_token="two"), tasks.ListTasksResponse())
    chosen = {"merchant": "m", "label": ("a", "b"), "order_by": "deadline_time"}
    async with connected(script) as client:
        states = iter([task.TASK_STATE_RUNNING])
        items = client.iter_tasks(task.TaskFilter(agent_id="a"), states=states, **chosen)
        assert await _collect(items) == []
    for seen in script.seen:
        assert list(seen.request.states) == [task.TASK_STATE_RUNNING]
        assert (seen.request.merchant, seen.request.filter.agent_id) == ("m", "a")


def test_every_method_of_every_service_is_in_the_table():
    served = {
        f"{service.name}/{method.name}"
        for file in (agents, cancellations, checkouts, keys, orders, tasks)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    watched = ("Task", "Tasks", "Checkout", "Order")
    streams = {f"CancellationService/Watch{name}" for name in watched}
    assert set(NAMES) == served - streams


@pytest.mark.parametrize("name", ["cancel_task", "cancel_group", "cancel_checkout", "cancel_order"])
async def test_a_cancel_makes_one_request_id_and_keeps_it(name):
    script = Scripted(
        DRAINING,
        lambda request: getattr(cancellations, f"{type(request).__name__[:-7]}Response")(),
        lambda request: getattr(cancellations, f"{type(request).__name__[:-7]}Response")(),
    )
    async with connected(script) as client:
        await getattr(client, name)(TASK_ID)
        await getattr(client, name)(TASK_ID)
    first, again, other = [seen.request.request_id for seen in script.seen]
    assert first == again != other
    assert UUID(first).version == 7


async def test_a_retry_waits_at_least_as_long_as_the_server_asks():
    script = Scripted(refusal("UNAVAILABLE", "DRAINING", retry=0.4), tasks.GetTaskResponse())
    async with connected(script) as client:
        await client.get_task(TASK_ID)
    first, second = script.seen
    assert second.time - first.time >= 0.4


async def test_any_call_that_was_put_off_is_sent_again_when_the_server_says():
    put_off = refusal("RESOURCE_EXHAUSTED", "RATE_LIMITED", retry=0.2)
    script = Scripted(put_off, put_off, keys.CreateKeyResponse(secret="s"))
    async with connected(script) as client:
        assert (await client.create_key("t", "sandbox", ["tasks:read"])).secret == "s"
    times = [seen.time for seen in script.seen]
    assert len(times) == 3
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(times))


async def test_a_wait_beyond_the_timeout_is_not_begun():
    script = Scripted(refusal("UNAVAILABLE", "DRAINING", retry=3600))
    async with connected(script) as client:
        with pytest.raises(CountermandError) as caught:
            await client.get_task(TASK_ID)
    assert (caught.value.reason, caught.value.retry_delay) == ("DRAINING", 3600)


async def test_all_tries_together_are_bounded_by_the_timeout():
    script = Scripted(*[DRAINING] * 1000)
    async with connected(script, timeout=0.6) as client:
        started = time.monotonic()
        with pytest.raises(CountermandError) as caught:
            await client.get_task(TASK_ID)
        assert time.monotonic() - started < 5
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert caught.value.attempts == len(script.seen) > 1


async def test_a_server_that_does_not_answer_is_given_up_at_the_timeout():
    script = Scripted()
    async with connected(script, timeout=0.3) as client:
        with pytest.raises(CountermandError) as caught:
            await client.cancel_task(TASK_ID)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(script.seen) == 1


async def test_calls_above_those_that_a_connection_bears_wait_their_turn():
    known = tasks.GetTaskResponse(task=task.Task(task_id=TASK_ID))
    script = Scripted()
    async with connected(script, knobs=ClientKnobs(max_calls=2)) as client:
        calls = [asyncio.create_task(client.get_task(TASK_ID)) for _ in range(3)]
        await until(lambda: len(script.seen) == 2)
        script.answers.append(known)
        calls[0].cancel()
        await calls[2]
        calls[1].cancel()
    assert len(script.seen) == 3


async def test_the_timeout_bounds_also_the_wait_for_a_turn():
    script = Scripted()
    async with connected(script, timeout=0.1, knobs=ClientKnobs(max_calls=0)) as client:
        with pytest.raises(CountermandError) as caught:
            await client.get_task(TASK_ID)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.attempts == 0
    assert not script.seen


@pytest.mark.parametrize(
    "answer",
    [
        refusal("ABORTED", "FENCED"),
        refusal("INTERNAL", "INTERNAL"),
        refusal("RESOURCE_EXHAUSTED", "STORE_FULL", retry=0),
        refusal("CANCELLED"),
        refusal("UNKNOWN"),
    ],
    ids=lambda answer: code_pb2.Code.Name(answer.code),
)
async def test_nothing_else_is_tried_again(answer):
    script = Scripted(answer, cancellations.CancelTaskResponse())
    async with connected(script) as client:
        with pytest.raises(CountermandError):
            await client.cancel_task(TASK_ID)
    assert len(script.seen) == 1


async def test_a_refusal_says_code_reason_message_and_metadata():
    answer = refusal("FAILED_PRECONDITION", "TASK_ALREADY_COMPLETED", retry=1.5, state="COMPLETED")
    async with connected(Scripted(answer)) as client:
        with pytest.raises(CountermandError) as caught:
            await client.cancel_task(TASK_ID)
    error = caught.value
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert error.reason == "TASK_ALREADY_COMPLETED"
    assert error.message == "no: TASK_ALREADY_COMPLETED"
    assert error.metadata == {"state": "COMPLETED"}
    assert error.retry_delay == 1.5
    assert str(error) == "TASK_ALREADY_COMPLETED: no: TASK_ALREADY_COMPLETED"


async def test_another_service_s_reason_is_not_taken_for_ours():
    answer = refusal("NOT_FOUND", "TASK_NOT_FOUND")
    info = error_details_pb2.ErrorInfo(reason="TASK_NOT_FOUND", domain="proxy.example")
    answer.details[0].Pack(info)
    async with connected(Scripted(answer)) as client:
        with pytest.raises(CountermandError) as caught:
            await client.get_task(TASK_ID)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.NOT_FOUND, "")


def test_details_that_cannot_be_read_leave_the_code_and_the_message():
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", b"\xff"))
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), trailing, details="gone"
    )
    found = CountermandError.from_rpc(error)
    assert (found.code, found.reason, found.message) == (error.code(), "", "gone")


async def test_a_call_outlives_the_end_of_its_server():
    first, second = Scripted(), Scripted(cancellations.CancelTaskResponse(replayed=True))
    async with AsyncExitStack() as stack:
        server = serving(first)
        target = await server.__aenter__()
        client = await stack.enter_async_context(Client(target, "the-key"))
        call = asyncio.create_task(client.cancel_task(TASK_ID))
        await first.arrived.wait()
        await server.__aexit__(None, None, None)
        await stack.enter_async_context(serving(second, port=int(target.split(":")[1])))
        assert (await call).replayed
    assert second.seen[0].request == first.seen[0].request


async def test_closing_the_client_ends_its_calls():
    script = Scripted()
    async with connected(script) as client:
        call = asyncio.create_task(client.cancel_task(TASK_ID))
        await script.arrived.wait()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_cancelled_asyncio_task_stops_waiting_and_does_not_try_again():
    script = Scripted()
    async with connected(script) as client:
        call = asyncio.create_task(client.cancel_task(TASK_ID))
        await script.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        script.answers.append(tasks.GetTaskResponse())
        await client.get_task(TASK_ID)
    assert len(script.seen) == 2


async def test_create_task_finds_what_a_lost_answer_created():
    created = task.Task(task_id=TASK_ID, merchant="m")
    script = Scripted(
        refusal("UNAVAILABLE"),
        refusal("ALREADY_EXISTS", "TASK_EXISTS"),
        tasks.GetTaskResponse(task=created),
    )
    async with connected(script) as client:
        assert (await client.create_task(merchant="m")).task == created
    ids = {seen.request.task_id for seen in script.seen}
    assert len(ids) == 1
    assert UUID(ids.pop()).version == 7


@pytest.mark.parametrize("given", [{}, {"checkout_id": "c-1", "cart_id": "cart-1"}], ids=str)
async def test_a_checkout_is_cancelled_by_one_name(given):
    async with connected(Scripted()) as client:
        with pytest.raises(ValueError, match="a checkout or a cart"):
            await client.cancel_checkout(**given)


async def test_an_update_without_a_mask_sends_none():
    script = Scripted(orders.UpdateOrderResponse())
    async with connected(script) as client:
        await client.update_order(ORDER)
    assert not script.seen[0].request.HasField("update_mask")


async def test_create_checkout_finds_what_a_lost_answer_created():
    first, second = new_id(), new_id()
    created = checkout.Checkout(checkout_id="c-1", cart_id="cart-1", version=2)
    script = Scripted(
        refusal("UNAVAILABLE"),
        refusal("ALREADY_EXISTS", "CHECKOUT_EXISTS"),
        checkouts.GetCheckoutResponse(checkout=created),
        tasks.ListTasksResponse(tasks=[task.Task(task_id=second), task.Task(task_id=first)]),
    )
    asked = [tasks.CreateTaskRequest(task_id=task_id) for task_id in (first, second)]
    given = checkout.Checkout(cart_id="cart-1")
    async with connected(script) as client:
        answer = await client.create_checkout(given, asked)
    assert answer.checkout == created
    assert [found.task_id for found in answer.tasks] == [first, second]
    made = {seen.request.checkout.checkout_id for seen in script.seen[:2]}
    made.add(script.seen[2].request.checkout_id)
    assert len(made) == 1
    assert UUID(made.pop().removeprefix("checkout_")).version == 7
    assert given.checkout_id == ""
    assert script.seen[3].request.filter.checkout_id == "c-1"


async def test_create_order_finds_what_a_lost_answer_created():
    created = order.Order(order_id="o-1", number="4711")
    script = Scripted(
        refusal("UNAVAILABLE"),
        refusal("ALREADY_EXISTS", "ORDER_EXISTS"),
        orders.GetOrderResponse(order=created),
    )
    async with connected(script) as client:
        answer = await client.create_order(order.Order(number="4711"))
    assert (answer.order, len(answer.tasks)) == (created, 0)
    made = {seen.request.order.order_id for seen in script.seen[:2]}
    assert made == {script.seen[2].request.order_id}
    assert UUID(made.pop().removeprefix("order_")).version == 7


@pytest.mark.parametrize(
    ("create", "answers"),
    [
        (
            lambda client: client.create_checkout(CHECKOUT),
            [DRAINING, refusal("ALREADY_EXISTS", "CHECKOUT_EXISTS")],
        ),
        (
            lambda client: client.create_checkout(checkout.Checkout(cart_id="cart-1")),
            [DRAINING, refusal("FAILED_PRECONDITION", "CART_LOCKED")],
        ),
        (
            lambda client: client.create_order(ORDER),
            [DRAINING, refusal("ALREADY_EXISTS", "ORDER_EXISTS")],
        ),
        (
            lambda client: client.create_order(),
            [DRAINING, refusal("ALREADY_EXISTS", "TASK_EXISTS")],
        ),
    ],
    ids=["checkout with the caller's id", "cart", "order with the caller's id", "task"],
)
async def test_create_checkout_and_create_order_hide_no_other_refusal(create, answers):
    script = Scripted(*answers)
    async with connected(script) as client:
        with pytest.raises(CountermandError):
            await create(client)
    assert len(script.seen) == len(answers)


async def test_create_group_finds_what_a_lost_answer_created():
    first, second, late = new_id(), new_id(), new_id()
    script = Scripted(
        refusal("UNAVAILABLE"),
        refusal("ALREADY_EXISTS", "GROUP_EXISTS"),
        tasks.ListTasksResponse(
            tasks=[task.Task(task_id=late), task.Task(task_id=second)], next_page_token="more"
        ),
        tasks.ListTasksResponse(tasks=[task.Task(task_id=first)]),
        tasks.GetGroupResponse(group=task.Group(group_id=GROUP_ID)),
    )
    asked = [tasks.CreateTaskRequest(task_id=task_id) for task_id in (first, second.upper())]
    async with connected(script) as client:
        answer = await client.create_group(asked)
    assert [found.task_id for found in answer.tasks] == [first, second]
    assert answer.group.group_id == GROUP_ID
    assert script.seen[3].request.page_token == "more"


@pytest.mark.parametrize(
    ("answers", "given"),
    [
        ([refusal("ALREADY_EXISTS", "TASK_EXISTS")], {}),
        ([DRAINING, refusal("ALREADY_EXISTS", "TASK_EXISTS")], {"task_id": TASK_ID}),
        ([DRAINING, refusal("FAILED_PRECONDITION", "GROUP_CLOSED")], {}),
    ],
    ids=["at once", "with the caller's id", "for another reason"],
)
async def test_create_task_hides_no_other_refusal(answers, given):
    script = Scripted(*answers)
    async with connected(script) as client:
        with pytest.raises(CountermandError):
            await client.create_task(**given)
    assert len(script.seen) == len(answers)


async def test_create_group_gives_each_task_an_id_and_leaves_the_caller_s_messages_alone():
    asked = [tasks.CreateTaskRequest(), tasks.CreateTaskRequest(task_id=TASK_ID)]
    script = Scripted(tasks.CreateGroupResponse())
    async with connected(script) as client:
        await client.create_group(asked)
    made, given = [each.task_id for each in script.seen[0].request.tasks]
    assert UUID(made).version == 7
    assert given == TASK_ID
    assert not asked[0].HasField("task_id")


async def test_without_a_key_none_is_sent():
    script = Scripted(tasks.GetTaskResponse())
    async with serving(script) as target, Client(target) as client:
        await client.get_task(TASK_ID)
    assert script.seen[0].key is None


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("", "k"),
        ("h:1", "k\n"),
        ("h:1", "ключ"),
        ("h:65536", "k"),
        ("127.0.0.1:115587", "k"),
        ("h:0", "k"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is_tried(target, key):
    with pytest.raises(ValueError, match="is"):
        Client(target, key)


async def test_a_client_that_is_not_open_says_so():
    client = Client("127.0.0.1:1")
    with pytest.raises(RuntimeError, match="not open"):
        await client.get_task(TASK_ID)
    with pytest.raises(RuntimeError, match="not open"):
        await anext(client.watch_task(TASK_ID))


def test_ids_are_fresh_and_grow_with_time():
    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(UUID(text).version, UUID(text).variant) for text in made} == {
        (7, "specified in RFC 4122")
    }
    stamps = [UUID(text).int >> 80 for text in made]
    assert stamps == sorted(stamps)
    assert abs(stamps[-1] / 1000 - time.time()) < 60


def test_pauses_are_drawn_below_a_limit_that_doubles_and_is_added_to_what_is_asked():
    for _ in range(100):
        backoff = Backoff(ClientKnobs())
        pauses = [backoff.next() for _ in range(8)]
        for pause, limit in zip(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2], strict=True):
            assert 0 <= pause <= limit
        assert 5 <= backoff.next(5) <= 7
        backoff.reset()
        assert backoff.next() <= 0.1
    assert len(set(pauses)) == len(pauses)
