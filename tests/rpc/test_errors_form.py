"""Bad input for every method: what is wrong is named, and nothing is stored."""

import hashlib

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.store.sql.columns import KEY_COLUMNS
from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import operator_service_pb2 as p
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from countermand.v1 import webhook_service_pb2 as w
from tests.support.caller import new_caller, new_id
from tests.support.raw import RPCS
from tests.support.refusals import refusal_of, refused
from tests.support.served_store import execute

pytestmark = pytest.mark.asyncio(loop_scope="session")

NIL = "00000000-0000-0000-0000-000000000000"
ID = "0190a5c0-0000-7000-8000-000000000001"
WITH_WEBHOOK_ID = (
    w.GetWebhookRequest,
    w.DeleteWebhookRequest,
    w.RotateSecretRequest,
    w.ListDeliveriesRequest,
    w.SendTestRequest,
)
BAD_UUIDS = (
    "",
    "x",
    NIL,
    ID[:-1],
    ID + "0",
    ID.replace("-", ""),
    "{" + ID + "}",
    "urn:uuid:" + ID,
    ID.replace("0", "g"),
    " " + ID,
    ID + "\n",
    "\u0660" + ID[1:],  # a digit, but not an ASCII one
    "x" * 10_000,
    "a\0b",
    "'; DROP TABLE tasks; --",
)
BAD_NAMES = ("", " ", "a b", "x" * 129, "ä", "a/b", "a\0", "a\n", "\u0660")
LONG = {"reason": 129, "message": 501, "on_behalf_of": 257}


def duration(seconds: int, nanos: int = 0) -> Duration:
    return Duration(seconds=seconds, nanos=nanos)


def spans(least: int, most: int) -> list[Duration]:
    """Durations out of a range, and some that are no durations."""
    below = duration(least - 1, 999_999_000) if least else duration(0, -1000)
    return [
        below,
        duration(-1),
        duration(most, 1000),
        duration(2**62),
        duration(-(2**62)),
        duration(10, 1_000_000_000),
        duration(10, -5),
        duration(-10, 5),
    ]


def ids_of(request) -> dict[str, str]:
    """The fields of a request that are set."""
    return {field.name: value for field, value in request.ListFields()}


CANCELS = (
    (c.CancelTaskRequest, "task_id"),
    (c.CancelGroupRequest, "group_id"),
    (c.CancelCheckoutRequest, "checkout_id"),
    (c.CancelCheckoutRequest, "cart_id"),
    (c.CancelOrderRequest, "order_id"),
)
BAD_TIMES = (
    Timestamp(seconds=2**62),
    Timestamp(seconds=-(2**62)),
    Timestamp(nanos=-1),
    Timestamp(nanos=1_000_000_000),
    Timestamp(seconds=253_402_300_800),
)


def _cases():
    yield from _cases_of_tasks()
    yield from _cases_of_holders()
    yield from _cases_of_charges()


def _cases_of_holders():
    """Checkouts, carts and orders, and tasks that name them."""
    for bad in BAD_NAMES:
        yield "checkout_id", s.GetCheckoutRequest(checkout_id=bad)
        yield "checkout_id", s.CompleteCheckoutRequest(checkout_id=bad)
        yield "cart_id", s.GetCartRequest(cart_id=bad)
        yield "checkout.checkout_id", s.UpdateCheckoutRequest(checkout={"checkout_id": bad})
        yield "checkout_id", c.WatchCheckoutRequest(checkout_id=bad)
        yield "order_id", c.WatchOrderRequest(order_id=bad)
        yield "cart_id", s.ChangeCartRequest(cart_id=bad)
        yield "order_id", o.GetOrderRequest(order_id=bad)
        yield "order.order_id", o.UpdateOrderRequest(order={"order_id": bad})
        for field in ("checkout_id", "order_id"):
            yield field, c.ListCancellationsRequest(**{field: bad})
            yield field, t.CreateTaskRequest(**{field: bad})
            yield field, t.CreateGroupRequest(**{field: bad})
        for create in (o.CreateOrderRequest, o.UpdateOrderRequest):
            order = {"order_id": "o", "checkout_ids": ["a", bad]}
            yield "order.checkout_ids[1]", create(order=order)
    for bad in BAD_NAMES[1:]:
        yield "checkout.checkout_id", s.CreateCheckoutRequest(checkout={"checkout_id": bad})
        yield "checkout.cart_id", s.CreateCheckoutRequest(checkout={"cart_id": bad})
        yield "order.order_id", o.CreateOrderRequest(order={"order_id": bad})
        for field in ("checkout_id", "order_id"):
            yield f"filter.{field}", c.WatchTasksRequest(filter={field: bad})
            yield f"filter.{field}", t.ListTasksRequest(filter={field: bad})
    for bad in BAD_NAMES[1:]:
        yield "cart_id", s.ListCheckoutsRequest(cart_id=bad)
    for listing in (s.ListCheckoutsRequest, s.ListCartsRequest, o.ListOrdersRequest):
        for bad in (99, -1):
            yield "state", listing(state=bad)
        for bad in (-1, -(2**31)):
            yield "page_size", listing(page_size=bad)
    for watch in (
        c.WatchCheckoutRequest(checkout_id="c"),
        c.WatchOrderRequest(order_id="o"),
    ):
        yield "after_version", type(watch)(**ids_of(watch), after_version=-1)
        for bad in spans(1, 600):
            yield "heartbeat_interval", type(watch)(**ids_of(watch), heartbeat_interval=bad)
    yield "checkout_id", c.CancelCheckoutRequest()
    for create in (s.CreateCheckoutRequest, o.CreateOrderRequest, t.CreateGroupRequest):
        for field, bad in (("task_id", BAD_UUIDS), ("merchant", ["x" * 129, "\0"])):
            for one in bad:
                yield f"tasks[1].{field}", create(tasks=[{}, {field: one}])
        yield "tasks[2].task_id", create(tasks=[{"task_id": ID}, {}, {"task_id": ID.upper()}])
        for one in (*BAD_TIMES, Timestamp(seconds=1)):
            yield "tasks[1].expire_time", create(tasks=[{}, {"expire_time": one}])
    for field, other in (("checkout_id", "c"), ("order_id", "o"), ("group_id", ID)):
        yield f"tasks[1].{field}", s.CreateCheckoutRequest(tasks=[{}, {field: other}])
        yield f"tasks[1].{field}", t.CreateGroupRequest(tasks=[{}, {field: other}])
        if field != "order_id":
            request = o.CreateOrderRequest(order={"order_id": "o"}, tasks=[{}, {field: other}])
            yield f"tasks[1].{field}", request
    for bad in (*BAD_TIMES, Timestamp(seconds=1)):
        yield "expire_time", t.CreateTaskRequest(expire_time=bad)
        yield "checkout.expire_time", s.CreateCheckoutRequest(checkout={"expire_time": bad})
    twice = {"order_id": "o", "checkout_ids": ["a", "b", "a"]}
    yield "order.checkout_ids[2]", o.CreateOrderRequest(order=twice)
    yield "order.checkout_ids[2]", o.UpdateOrderRequest(order=twice)
    for bad in BAD_PATHS:
        request = o.UpdateOrderRequest(
            order={"order_id": "o"}, update_mask={"paths": ["note", bad]}
        )
        yield "update_mask.paths[1]", request
    for state in (0, 1, 2, 3, 4, 99):
        request = {"order": {"order_id": "o", "state": state}, "update_mask": {"paths": ["state"]}}
        yield "order.state", o.UpdateOrderRequest(**request)


BAD_PATHS = (
    "",
    " ",
    "unknown",
    "Note",
    "order.note",
    "order_id",
    "version",
    "task_counts",
    "cancellation_id",
    "cancel_reason",
    "cancel_time",
    "create_time",
    "update_time",
    "state.x",
    "config.unknown",
    "config.",
    "fulfillments.status",
    "customer.fields",
    "place_time.seconds",
    "extra.a",
    "note.x",
    "**",
    "*.note",
)


def _cases_of_charges():
    for bad in BAD_UUIDS:
        yield "task_id", a.BeginChargeRequest(task_id=bad, fence=1)
        yield "task_id", a.ReportChargeRequest(task_id=bad, fence=1, charge_state=3)
    for bad in (0, -1, -(2**63)):
        yield "fence", a.BeginChargeRequest(task_id=ID, fence=bad)
        yield "fence", a.ReportChargeRequest(task_id=ID, fence=bad, charge_state=3)
    for bad in (0, 1, 2, 6, 99, -1):
        yield "charge_state", a.ReportChargeRequest(task_id=ID, fence=1, charge_state=bad)
    for bad in BAD_UUIDS:
        yield "task_id", t.SettleRefundRequest(task_id=bad, outcome=3)
    for bad in BAD_UUIDS[1:]:
        yield "request_id", t.SettleRefundRequest(task_id=ID, outcome=3, request_id=bad)
    for bad in (0, 1, 2, 5, 99, -1):
        yield "outcome", t.SettleRefundRequest(task_id=ID, outcome=bad)
    for bad in (-1, -(2**63)):
        yield "amount", t.SettleRefundRequest(task_id=ID, outcome=3, amount=bad)
    for bad in ("ä" * 129, "a\0"):
        yield "currency", t.SettleRefundRequest(task_id=ID, outcome=3, currency=bad)
    for bad in ("ä" * 501, "a\0"):
        yield "note", t.SettleRefundRequest(task_id=ID, outcome=4, note=bad)
    for bad in (5, 99, -1):
        yield "refund_state", t.ListTasksRequest(refund_state=bad)
    for bad in (0, 5, 99, -1):
        yield "group_by", c.SummarizeCancellationsRequest(group_by=bad)
    for bad in BAD_TIMES:
        yield "start_time", c.SummarizeCancellationsRequest(group_by=1, start_time=bad)
        yield "end_time", c.SummarizeCancellationsRequest(group_by=1, end_time=bad)


def _cases_of_tasks():
    for cancel, field in CANCELS:
        for bad in BAD_UUIDS if field in ("task_id", "group_id") else BAD_NAMES:
            yield field, cancel(**{field: bad})
        for bad in BAD_UUIDS[1:]:
            yield "request_id", cancel(**{field: ID}, request_id=bad)
        for name, size in LONG.items():
            yield name, cancel(**{field: ID, name: "ä" * size})
            yield name, cancel(**{field: ID, name: "a\0"})
        for bad in spans(0, 3600):
            yield "grace_period", cancel(**{field: ID}, grace_period=bad)
    for bad in (0, 1, -1):
        early = c.CancelTaskRequest(task_id=ID, allow_missing=True, expected_version=bad)
        yield "expected_version", early
    for bad in BAD_UUIDS:
        yield "task_id", c.WatchTaskRequest(task_id=bad)
        yield "cancellation_id", c.GetCancellationRequest(cancellation_id=bad)
        yield "task_id", c.ListCancellationsRequest(task_id=bad)
        yield "group_id", c.ListCancellationsRequest(group_id=bad)
        yield "task_id", t.GetTaskRequest(task_id=bad)
        yield "group_id", t.GetGroupRequest(group_id=bad)
        yield "task_id", t.CreateTaskRequest(task_id=bad)
        yield "group_id", t.CreateTaskRequest(group_id=bad)
        yield "group_id", t.CreateGroupRequest(group_id=bad)
        yield (
            "tasks[1].task_id",
            t.CreateGroupRequest(tasks=[t.CreateTaskRequest(), t.CreateTaskRequest(task_id=bad)]),
        )
        yield "task_id", a.StartTaskRequest(task_id=bad, agent_id="a")
        yield "task_id", a.FinishTaskRequest(task_id=bad, fence=1, outcome=1)
    for bad in BAD_UUIDS:
        for request in WITH_WEBHOOK_ID:
            yield "webhook_id", request(webhook_id=bad)
        yield "webhook_id", w.RedeliverRequest(webhook_id=bad, delivery_id="msg_1_1_1")
        yield (
            "webhook.webhook_id",
            w.UpdateWebhookRequest(webhook={"webhook_id": bad}, update_mask={"paths": ["name"]}),
        )
    for bad in ("", "msg_1_1", "msg_1_1_1 ", "msg_-1_1_1", "msg_1_1_x", "msg_1_" + "1" * 19 + "_1"):
        yield "delivery_id", w.RedeliverRequest(webhook_id=ID, delivery_id=bad)
    for bad in ("", "x", "http:///", "https://127.0.0.1/", "https://a.example:22/", "a" * 2049):
        yield "url", w.CreateWebhookRequest(url=bad)
    yield "page_size", w.ListWebhooksRequest(page_size=-1)
    yield "page_size", w.ListDeliveriesRequest(webhook_id=ID, page_size=-1)
    yield "state", w.ListDeliveriesRequest(webhook_id=ID, state=9)
    for bad in spans(0, 30 * 86_400):
        yield "overlap", w.RotateSecretRequest(webhook_id=ID, overlap=bad)
    for bad in BAD_UUIDS[1:]:
        yield "filter.group_id", c.WatchTasksRequest(filter={"group_id": bad})
        yield "filter.group_id", t.ListTasksRequest(filter={"group_id": bad})
    for bad in BAD_NAMES:
        yield "agent_id", a.StartTaskRequest(task_id=ID, agent_id=bad)
        yield "agent_id", a.HeartbeatRequest(agent_id=bad)
        yield "key_id", k.RevokeKeyRequest(key_id=bad)
        yield "key_id", k.RotateKeyRequest(key_id=bad)
        yield (
            "tenant",
            k.CreateKeyRequest(tenant=bad, environment="sandbox", scopes=["tasks:read"]),
        )
    for bad in BAD_NAMES[1:]:
        yield "filter.agent_id", c.WatchTasksRequest(filter={"agent_id": bad})
        yield "filter.agent_id", t.ListTasksRequest(filter={"agent_id": bad})
    for bad in spans(1, 3600):
        yield "lease_duration", a.StartTaskRequest(task_id=ID, agent_id="a", lease_duration=bad)
        yield "lease_duration", a.HeartbeatRequest(agent_id="a", lease_duration=bad)
    for bad in spans(1, 600):
        yield "heartbeat_interval", c.WatchTaskRequest(task_id=ID, heartbeat_interval=bad)
        yield "heartbeat_interval", c.WatchTasksRequest(heartbeat_interval=bad)
    for bad in (-1, -(2**31)):
        yield "page_size", t.ListTasksRequest(page_size=bad)
        yield "page_size", c.ListCancellationsRequest(page_size=bad)
        yield "page_size", k.ListKeysRequest(page_size=bad)
    for bad in (0, 7, 99, -1):
        yield "states[1]", t.ListTasksRequest(states=[1, bad])
    for bad in (5, 99, -1):
        yield "state", c.ListCancellationsRequest(state=bad)
    for bad in (0, 4, 99, -1):
        yield "outcome", a.FinishTaskRequest(task_id=ID, fence=1, outcome=bad)
    for bad in (0, -1, -(2**63)):
        yield "fence", a.FinishTaskRequest(task_id=ID, fence=bad, outcome=1)
    failed = a.FINISH_OUTCOME_FAILED
    for bad in ("ä" * 501, "a\0"):
        yield (
            "failure_message",
            a.FinishTaskRequest(task_id=ID, fence=1, outcome=failed, failure_message=bad),
        )
    for outcome in (1, 3):
        yield (
            "failure_message",
            a.FinishTaskRequest(task_id=ID, fence=1, outcome=outcome, failure_message="x"),
        )
    yield "after_version", c.WatchTaskRequest(task_id=ID, after_version=-1)
    for bad in ("x" * 129, "\0"):
        yield "merchant", t.CreateTaskRequest(merchant=bad)
        yield "tasks[0].merchant", t.CreateGroupRequest(tasks=[t.CreateTaskRequest(merchant=bad)])
        yield "reason", c.ListCancellationsRequest(reason=bad)
    for labels in (
        {str(n): "" for n in range(17)},
        {"": "x"},
        {"x" * 129: ""},
        {"x": "y" * 2049},
        {str(n): "y" * 2047 for n in range(16)} | {"0": "y" * 2048},
        {str(n): "🛒" * 1024 for n in range(9)},
        {"x\0": ""},
        {"x": "\0"},
    ):
        yield "labels", t.CreateTaskRequest(labels=labels)
    for request in (k.RevokeKeyRequest, k.RotateKeyRequest):
        yield "key_id", request(key_id="cmd_sandbox_0123456789abcdef_" + "0" * 64)
    for bad in spans(0, 30 * 86_400):
        yield "overlap", k.RotateKeyRequest(key_id="k", overlap=bad)
    for bad in BAD_TIMES:
        yield "start_time", c.ListCancellationsRequest(start_time=bad)
        yield "end_time", c.ListCancellationsRequest(end_time=bad)
        yield (
            "expire_time",
            k.CreateKeyRequest(
                tenant="t", environment="sandbox", scopes=["tasks:read"], expire_time=bad
            ),
        )


def _operators_cases():
    listing = (p.OperatorServiceListTasksRequest, p.ListAgentsRequest, p.ListOpenWatchesRequest)
    for request in (*listing, p.OperatorServiceWatchTasksRequest):
        for bad in BAD_NAMES[1:]:
            yield "tenant", request(tenant=bad)
        for bad in ("Sandbox", "x", "sandbox ", "a\0"):
            yield "environment", request(environment=bad)
    for request in listing:
        for bad in (-1, -(2**31)):
            yield "page_size", request(page_size=bad)
    for bad in (0, 7, 99, -1):
        yield "states[1]", p.OperatorServiceListTasksRequest(states=[1, bad])
    for bad in spans(1, 600):
        yield "heartbeat_interval", p.OperatorServiceWatchTasksRequest(heartbeat_interval=bad)


NAMES = {type(rpc.request): name for name, rpc in RPCS.items()}
CASES: dict[str, list] = {}
for _field, _request in (*_cases(), *_operators_cases()):
    CASES.setdefault(NAMES[type(_request)], []).append((_field, _request))


TABLES = (
    *("tasks", "groups", "checkouts", "carts", "orders", "order_checkouts"),
    *("events", "cancellations", "request_ids", "agents"),
)


def stored(shared, tenant: str) -> str:
    """Returns a digest of all that a tenant has in the store, and of all keys."""
    digest = hashlib.sha256()
    url = shared.store_url
    chosen = "(SELECT namespace_no FROM namespaces WHERE tenant = ?)"
    for table in TABLES:
        rows = execute(url, f"SELECT * FROM {table} WHERE namespace_no IN {chosen}", (tenant,))
        digest.update(repr(sorted(rows, key=repr)).encode())
    # When keys were last used is noted at any time.
    columns = KEY_COLUMNS.replace("last_use_time, ", "")
    digest.update(repr(execute(url, f"SELECT {columns} FROM keys ORDER BY key_id")).encode())
    return digest.hexdigest()


async def test_every_method_has_bad_input_here():
    taking = {name for name, rpc in RPCS.items() if rpc.request.DESCRIPTOR.fields}
    assert set(CASES) == taking


@pytest.mark.parametrize("method", CASES)
async def test_bad_input_is_named_and_changes_nothing(caller, shared, method):
    held = await caller.running(agent_id="a")
    await caller.cancel((await caller.create_group(1)).tasks[0].task_id, request_id=new_id())
    before = stored(shared, caller.tenant)
    rpc = RPCS[method]
    for field, request in CASES[method]:
        call = rpc.call(caller.channel, request.SerializeToString())
        refusal = await refused(call, "INVALID_REQUEST")
        assert list(refusal.fields) == [field], request
    assert stored(shared, caller.tenant) == before
    assert await caller.get(held.task_id) == held.task


async def test_all_that_is_wrong_is_named_at_once(caller):
    request = c.CancelTaskRequest(
        task_id="x", reason="r" * 129, request_id=NIL, grace_period=duration(-1)
    )
    refusal = await refused(caller.cancellations.CancelTask(request), "INVALID_REQUEST")
    assert list(refusal.fields) == ["task_id", "reason", "request_id", "grace_period"]


async def test_the_largest_input_is_fine(caller):
    held = await caller.running(
        merchant="ü" * 128, labels={f"{n:0128}": "🛒" * 475 for n in range(16)}
    )
    answer = await caller.cancel(
        held.task_id.upper(),
        grace=3600,
        reason="r" * 128,
        message="m" * 500,
        on_behalf_of="o" * 256,
        request_id=new_id(),
    )
    assert answer.task.cancel_message == "m" * 500


async def test_anothers_id_cannot_be_told_from_an_unknown_one(caller, stranger, shared, admin):
    made = await stranger.create_group(1)
    held = await stranger.start(made.tasks[0].task_id)
    answer = await stranger.cancel(held.task_id, grace=600)
    foreign = {
        "task_id": held.task_id,
        "group_id": made.group.group_id,
        "cancellation_id": answer.cancellation.cancellation_id,
    }
    fields = {"tenant": stranger.tenant, "environment": "production"}
    async with new_caller(shared, admin, **fields) as neighbour:
        before = stored(shared, stranger.tenant)
        for other in (caller, neighbour):
            for method, build in (
                ("CancelTask", lambda id: c.CancelTaskRequest(task_id=id["task_id"])),
                ("CancelGroup", lambda id: c.CancelGroupRequest(group_id=id["group_id"])),
                ("WatchTask", lambda id: c.WatchTaskRequest(task_id=id["task_id"])),
                ("WatchTasks", lambda id: c.WatchTasksRequest(filter={"group_id": id["group_id"]})),
                ("GetCancellation", lambda id: c.GetCancellationRequest(**just(id, "cancell"))),
                ("ListCancellations", lambda id: c.ListCancellationsRequest(**just(id, "task"))),
                ("ListCancellations", lambda id: c.ListCancellationsRequest(**just(id, "group"))),
                ("CreateTask", lambda id: t.CreateTaskRequest(group_id=id["group_id"])),
                ("GetTask", lambda id: t.GetTaskRequest(task_id=id["task_id"])),
                ("GetGroup", lambda id: t.GetGroupRequest(group_id=id["group_id"])),
                ("ListTasks", lambda id: t.ListTasksRequest(filter={"group_id": id["group_id"]})),
                ("StartTask", lambda id: a.StartTaskRequest(agent_id="a", **just(id, "task"))),
                (
                    "FinishTask",
                    lambda id: a.FinishTaskRequest(fence=1, outcome=1, **just(id, "task")),
                ),
            ):
                unknown = {field: new_id() for field in foreign}
                told = []
                for ids in (foreign, unknown):
                    data = build(ids).SerializeToString()
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await RPCS[method].call(other.channel, data)
                    text = repr(refusal_of(caught.value))
                    for field, id in ids.items():
                        text = text.replace(id, field)
                    told.append(text)
                assert told[0] == told[1]
                assert "NOT_FOUND" in told[0]
    assert stored(shared, stranger.tenant) == before


def just(ids: dict[str, str], kind: str) -> dict[str, str]:
    """Returns the id of this kind alone."""
    return {field: id for field, id in ids.items() if field.startswith(kind)}
