"""Who may call what: every method, with each scope alone, of the right tenant and of others."""

import importlib
import pkgutil
from itertools import product
from typing import Any, NamedTuple

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

import countermand.v1
from countermand.core.ids import SCOPES as CORE_SCOPES
from countermand.rpc.method import Unary, methods_of
from countermand.rpc.router import handlers_of
from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from countermand.v1 import webhook_service_pb2 as w
from countermand.v1.webhook_service_pb2_grpc import WebhookServiceStub
from tests.support.caller import SCOPES, Caller, new_id
from tests.support.raw import RPCS, Rpc
from tests.support.refusals import Refusal, refusal_of
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

OWNER, OTHER_TENANT, OTHER_ENVIRONMENT = "owner", "other tenant", "other environment"


class Ids(NamedTuple):
    """What one tenant and environment has, by its ids, or what nobody has."""

    task: str
    pending: str
    owed: str
    group: str
    checkout: str
    cart: str
    order: str
    cancellation: str
    agent: str
    key: str
    webhook: str
    delivery: str
    fence: int = 1


def unknown() -> Ids:
    """Returns ids that nobody has."""
    return Ids(*(new_id() for _ in range(11)), delivery="msg_999999_1_1")


# For each method: a request about what the owner has, and how a caller with the right scope who
# does not have it is answered; empty is OK.
ASKED: dict[str, tuple[Any, str]] = {
    "CancelTask": (lambda i: c.CancelTaskRequest(task_id=i.task), "TASK_NOT_FOUND"),
    "CancelGroup": (lambda i: c.CancelGroupRequest(group_id=i.group), "GROUP_NOT_FOUND"),
    "CancelCheckout": (lambda i: c.CancelCheckoutRequest(cart_id=i.cart), "CART_NOT_FOUND"),
    "CancelOrder": (lambda i: c.CancelOrderRequest(order_id=i.order), "ORDER_NOT_FOUND"),
    "WatchTask": (lambda i: c.WatchTaskRequest(task_id=i.task), "TASK_NOT_FOUND"),
    "WatchTasks": (
        lambda i: c.WatchTasksRequest(filter={"checkout_id": i.checkout}),
        "CHECKOUT_NOT_FOUND",
    ),
    "WatchCheckout": (
        lambda i: c.WatchCheckoutRequest(checkout_id=i.checkout),
        "CHECKOUT_NOT_FOUND",
    ),
    "WatchOrder": (lambda i: c.WatchOrderRequest(order_id=i.order), "ORDER_NOT_FOUND"),
    "GetCancellation": (
        lambda i: c.GetCancellationRequest(cancellation_id=i.cancellation),
        "CANCELLATION_NOT_FOUND",
    ),
    "ListCancellations": (
        lambda i: c.ListCancellationsRequest(order_id=i.order),
        "ORDER_NOT_FOUND",
    ),
    "SummarizeCancellations": (lambda i: c.SummarizeCancellationsRequest(group_by=1), ""),
    "CreateTask": (lambda i: t.CreateTaskRequest(group_id=i.group), "GROUP_NOT_FOUND"),
    "CreateGroup": (lambda i: t.CreateGroupRequest(order_id=i.order), "ORDER_NOT_FOUND"),
    "GetTask": (lambda i: t.GetTaskRequest(task_id=i.task), "TASK_NOT_FOUND"),
    "GetGroup": (lambda i: t.GetGroupRequest(group_id=i.group), "GROUP_NOT_FOUND"),
    **{
        name: (lambda _, make=rpc.request: make, "")
        for name, rpc in RPCS.items()
        if name.startswith("Operator.")
    },
    "ListTasks": (lambda i: t.ListTasksRequest(filter={"order_id": i.order}), "ORDER_NOT_FOUND"),
    "SettleRefund": (
        lambda i: t.SettleRefundRequest(task_id=i.owed, outcome=3),
        "TASK_NOT_FOUND",
    ),
    "CreateCheckout": (
        lambda i: s.CreateCheckoutRequest(checkout={"cart_id": i.cart}, supersede=True),
        "",
    ),
    "GetCheckout": (
        lambda i: s.GetCheckoutRequest(checkout_id=i.checkout),
        "CHECKOUT_NOT_FOUND",
    ),
    "ListCheckouts": (lambda i: s.ListCheckoutsRequest(cart_id=i.cart), ""),
    "ListCarts": (lambda i: s.ListCartsRequest(), ""),
    "UpdateCheckout": (
        lambda i: s.UpdateCheckoutRequest(checkout={"checkout_id": i.checkout}),
        "CHECKOUT_NOT_FOUND",
    ),
    "CompleteCheckout": (
        lambda i: s.CompleteCheckoutRequest(checkout_id=i.checkout),
        "CHECKOUT_NOT_FOUND",
    ),
    "GetCart": (lambda i: s.GetCartRequest(cart_id=i.cart), "CART_NOT_FOUND"),
    "ChangeCart": (lambda i: s.ChangeCartRequest(cart_id=i.cart), ""),
    "CreateOrder": (
        lambda i: o.CreateOrderRequest(order={"checkout_ids": [i.checkout]}),
        "CHECKOUT_NOT_FOUND",
    ),
    "ListOrders": (lambda i: o.ListOrdersRequest(), ""),
    "GetOrder": (lambda i: o.GetOrderRequest(order_id=i.order), "ORDER_NOT_FOUND"),
    "UpdateOrder": (
        lambda i: o.UpdateOrderRequest(
            order={"order_id": i.order, "note": "x"}, update_mask={"paths": ["note"]}
        ),
        "ORDER_NOT_FOUND",
    ),
    "StartTask": (
        lambda i: a.StartTaskRequest(task_id=i.pending, agent_id=i.agent),
        "TASK_NOT_FOUND",
    ),
    "Heartbeat": (lambda i: a.HeartbeatRequest(agent_id=i.agent), ""),
    "BeginCharge": (
        lambda i: a.BeginChargeRequest(task_id=i.task, fence=i.fence),
        "TASK_NOT_FOUND",
    ),
    "ReportCharge": (
        lambda i: a.ReportChargeRequest(task_id=i.task, fence=i.fence, charge_state=3),
        "TASK_NOT_FOUND",
    ),
    "FinishTask": (
        lambda i: a.FinishTaskRequest(task_id=i.task, fence=i.fence, outcome=1),
        "TASK_NOT_FOUND",
    ),
    "CreateWebhook": (lambda i: w.CreateWebhookRequest(url="https://a.invalid/"), ""),
    "GetWebhook": (lambda i: w.GetWebhookRequest(webhook_id=i.webhook), "WEBHOOK_NOT_FOUND"),
    "ListWebhooks": (lambda i: w.ListWebhooksRequest(), ""),
    "UpdateWebhook": (
        lambda i: w.UpdateWebhookRequest(
            webhook={"webhook_id": i.webhook}, update_mask={"paths": ["name"]}
        ),
        "WEBHOOK_NOT_FOUND",
    ),
    "DeleteWebhook": (lambda i: w.DeleteWebhookRequest(webhook_id=i.webhook), "WEBHOOK_NOT_FOUND"),
    "RotateSecret": (lambda i: w.RotateSecretRequest(webhook_id=i.webhook), "WEBHOOK_NOT_FOUND"),
    "ListDeliveries": (
        lambda i: w.ListDeliveriesRequest(webhook_id=i.webhook),
        "WEBHOOK_NOT_FOUND",
    ),
    "Redeliver": (
        lambda i: w.RedeliverRequest(webhook_id=i.webhook, delivery_id=i.delivery),
        "DELIVERY_NOT_FOUND",
    ),
    "SendTest": (lambda i: w.SendTestRequest(webhook_id=i.webhook), "WEBHOOK_NOT_FOUND"),
    # KeyService is the operator's: it is for every tenant.
    "CreateKey": (
        lambda i: k.CreateKeyRequest(tenant="t", environment="sandbox", scopes=["tasks:read"]),
        "",
    ),
    "ListKeys": (lambda i: k.ListKeysRequest(), ""),
    "RevokeKey": (lambda i: k.RevokeKeyRequest(key_id=i.key), ""),
    "RotateKey": (lambda i: k.RotateKeyRequest(key_id=i.key), ""),
}


class Side(NamedTuple):
    """One tenant and environment: all of its scopes, and a key with each alone."""

    caller: Caller
    keys: dict[str, str]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sides(shared: Server, admin: Caller):
    """An owner, another tenant, and the other environment of the owner's tenant."""
    tenant = f"tenant-{new_id()}"
    namespaces = {
        OWNER: (tenant, "sandbox"),
        OTHER_TENANT: (f"tenant-{new_id()}", "sandbox"),
        OTHER_ENVIRONMENT: (tenant, "production"),
    }

    async def make(side: str, *scopes: str) -> k.CreateKeyResponse:
        tenant, environment = namespaces[side]
        request = k.CreateKeyRequest(tenant=tenant, environment=environment, scopes=scopes)
        return await admin.keys.CreateKey(request)

    found, channels = {}, []
    for side in namespaces:
        all_scopes = await make(side, *SCOPES)
        stubs = shared.connect(all_scopes.secret)
        channels.append(stubs.channel)
        found[side] = Side(
            Caller(stubs, namespaces[side][0], all_scopes.key.key_id),
            {scope: (await make(side, scope)).secret for scope in SCOPES},
        )
    yield found
    for channel in channels:
        await channel.close()


async def spare_key(owner: Caller) -> str:
    """Makes a key that nobody uses. Returns its id."""
    request = k.CreateKeyRequest(
        tenant=owner.tenant, environment="sandbox", scopes=["webhooks:write"]
    )
    return (await owner.keys.CreateKey(request)).key.key_id


async def sent_event(owner: Caller) -> w.Delivery:
    """Makes an endpoint that nobody reaches. Returns what was sent to it."""
    stub = WebhookServiceStub(owner.channel)
    made = await stub.CreateWebhook(w.CreateWebhookRequest(url="https://a.invalid/"))
    return (await stub.SendTest(w.SendTestRequest(webhook_id=made.webhook.webhook_id))).delivery


async def owed_task(owner: Caller) -> str:
    """Makes a task that failed with the money. Returns its id."""
    return (await owner.owed(agent_id=f"agent-{new_id()}")).task_id


async def belongings(owner: Caller) -> Ids:
    """Makes one of each, running as far as it can run."""
    held = await owner.running(agent_id=f"agent-{new_id()}", lease=600)
    cancelled = await owner.cancel((await owner.create()).task_id)
    group = await owner.create_group(1)
    checkout = await owner.new_checkout(1, cart_id=f"cart-{new_id()}")
    order = await owner.new_order(1)
    sent = await sent_event(owner)
    return Ids(
        held.task_id,
        (await owner.create()).task_id,
        await owed_task(owner),
        group.group.group_id,
        checkout.made.checkout_id,
        checkout.made.cart_id,
        order.made.order_id,
        cancelled.cancellation.cancellation_id,
        held.task.agent_id,
        await spare_key(owner),
        sent.webhook_id,
        sent.delivery_id,
        held.fence,
    )


async def state_of(owner: Caller, ids: Ids) -> list[Message]:
    """Returns all that the owner has, as it is now."""
    return [
        await owner.get(ids.task),
        await owner.get(ids.pending),
        await owner.get(ids.owed),
        await owner.group(ids.group),
        await owner.checkout(ids.checkout),
        await owner.cart(ids.cart),
        await owner.order(ids.order),
        await owner.cancellation(ids.cancellation),
    ]


async def answer_of(call: Any) -> Refusal | None:
    """Returns how a call was refused; None if it was answered."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    return None


def without(refusal: Refusal, ids: Ids) -> str:
    """Returns all that a refusal says, with a blank for each id that was asked for."""
    text = repr(refusal)
    for id in ids[:-1]:
        text = text.replace(str(id), "…")
    return text


def described() -> dict[str, bool]:
    """Returns every method of every service that was generated, and whether it is a stream."""
    found = {}
    for module in pkgutil.iter_modules(countermand.v1.__path__):
        generated = importlib.import_module(f"countermand.v1.{module.name}")
        descriptor = getattr(generated, "DESCRIPTOR", None)
        if isinstance(descriptor, FileDescriptor):
            for service in descriptor.services_by_name.values():
                for method in service.methods:
                    found[f"/{service.full_name}/{method.name}"] = method.server_streaming
    return found


async def test_the_tables_have_every_method_and_every_scope():
    assert described() == {rpc.path: rpc.stream for rpc in RPCS.values()}
    assert set(ASKED) == set(RPCS)
    assert SCOPES == CORE_SCOPES


@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS.keys())
async def test_each_scope_of_each_tenant_has_its_one_answer(
    rpc: Rpc, channel: grpc.aio.Channel, sides: dict[str, Side]
):
    owner = sides[OWNER].caller
    ids = await belongings(owner)
    before = await state_of(owner, ids)
    make, reason = ASKED[rpc.name]

    async def ask(side: str, scope: str, about: Ids) -> Refusal | None:
        data = make(about).SerializeToString()
        return await answer_of(rpc.call(channel, data, sides[side].keys[scope]))

    for side, scope in product(sides, SCOPES):
        if scope not in rpc.scopes:
            refusal = await ask(side, scope, ids)
            assert refusal is not None
            assert refusal.reason == "SCOPE_MISSING"
            assert refusal.metadata == {"scope": " ".join(rpc.scopes)}
        elif side != OWNER:
            ids = ids._replace(key=await spare_key(owner))
            refusal = await ask(side, scope, ids)
            assert (refusal.reason if refusal else "") == reason
            if refusal:
                # Nothing but the id itself tells it from one that nobody has.
                nobody = unknown()
                other = await ask(side, scope, nobody)
                assert other is not None
                assert without(refusal, ids) == without(other, nobody)
    assert await state_of(owner, ids) == before

    for scope in rpc.scopes:
        if rpc.name == "ReportCharge":
            await owner.agents.BeginCharge(a.BeginChargeRequest(task_id=ids.task, fence=ids.fence))
        ids = ids._replace(key=await spare_key(owner))
        assert await ask(OWNER, scope, ids) is None


async def test_a_method_that_names_no_scope_cannot_be_served():
    async def handle(call: Any, request: Any) -> Message:
        raise AssertionError("nobody may come here")

    for scopes in ((), ("tasks:everything",), ("tasks:read", "")):
        method = Unary("countermand.v1.TaskService/New", t.GetTaskRequest, scopes, handle)
        with pytest.raises(ValueError, match="TaskService/New"):
            handlers_of(None, [method])


async def test_a_service_that_lacks_a_method_or_what_one_needs_cannot_be_served():
    class Lacking:
        SERVICE = t.DESCRIPTOR.services_by_name["TaskService"]

    class Free(Lacking):
        async def create_task(self, call: Any, request: Any) -> Message:
            raise AssertionError("nobody may come here")

    for servicer, what in ((Lacking(), "create_task"), (Free(), "needs")):
        with pytest.raises(AttributeError, match=what):
            methods_of(servicer)
