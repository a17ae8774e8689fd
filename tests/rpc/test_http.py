"""The API over HTTP and JSON, through Envoy as it is deployed: the platforms' own requests with
nothing but the host changed, and every operation of the OpenAPI document."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from openapi_schema_validator import OAS31Validator

from countermand.v1.key_service_pb2 import CreateKeyRequest, KeyLimits
from tests.support.caller import SCOPES, Caller, first_caller, new_id
from tests.support.gateway import Answer, Gateway, before, needed_envoy, serving
from tests.support.pages import PROJECT
from tests.support.ports import free_port
from tests.support.server import READY_SECONDS, Server, Stubs

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = json.loads((PROJECT / "docs/openapi.json").read_text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    needed_envoy()
    async with serving(tmp_path_factory.mktemp("http"), "--max-failed-logins", "1000") as server:
        authority = (server.folder / "ca.pem").read_bytes()
        server.credentials = grpc.ssl_channel_credentials(authority)
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(server: Server) -> AsyncIterator[Gateway]:
    async with before(server, f"127.0.0.1:{free_port()}") as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(server: Server) -> AsyncIterator[Caller]:
    async with first_caller(server) as caller:
        yield caller


class Shop:
    """A tenant: its key for HTTP, and calls by gRPC for what HTTP has not."""

    def __init__(self, admin: Caller, caller: Caller, key: str) -> None:
        self._admin = admin
        self.caller = caller
        self.key = key

    async def other_key(self, **fields: Any) -> str:
        """Makes one more key of the tenant."""
        wanted = {"tenant": self.caller.tenant, "environment": "sandbox", "scopes": SCOPES}
        made = await self._admin.keys.CreateKey(CreateKeyRequest(**{**wanted, **fields}))
        return made.secret


async def open_shop(server: Server, admin: Caller, tenant: str) -> Shop:
    request = CreateKeyRequest(tenant=tenant, environment="sandbox", scopes=SCOPES)
    made = await admin.keys.CreateKey(request)
    stubs: Stubs = server.connect(made.secret)
    return Shop(admin, Caller(stubs, tenant, made.key.key_id), made.secret)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(server: Server, admin: Caller) -> AsyncIterator[Shop]:
    shop = await open_shop(server, admin, "shop")
    yield shop
    await shop.caller.channel.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(server: Server, admin: Caller) -> AsyncIterator[Shop]:
    shop = await open_shop(server, admin, "stranger")
    yield shop
    await shop.caller.channel.close()


NUMBERS = count(1)


class Platform:
    """One platform's request, and what it is about."""

    def __init__(self, verb: str, path: str, scope: str, *, bearer: bool, body: Any) -> None:
        self.verb, self.path, self.scope, self.bearer, self.body = verb, path, scope, bearer, body

    async def made(self, shop: Shop, **fields: Any) -> str:
        """Creates what is to be cancelled. Returns its id."""
        own = f"own-{next(NUMBERS)}"
        if self.path.startswith("/checkout/"):
            return (await shop.caller.create()).task_id
        if self.path.startswith("/orders/"):
            return (await shop.caller.new_order(1, order_id=own, **fields)).made.order_id
        sale = await shop.caller.new_checkout(1, checkout_id=own, cart_id=f"cart-{own}", **fields)
        return str(sale.made.cart_id if "carts" in self.path else sale.made.checkout_id)

    async def cancel(self, gateway: Gateway, key: str, named: str) -> Answer:
        path = self.path.format(named)
        return await gateway.by(key, bearer=self.bearer).ask(self.verb, path, self.body)

    @property
    def unknown(self) -> str:
        return new_id() if self.path.startswith("/checkout/") else "nowhere"


SAID = {"reason": "customer_requested", "message": "never mind"}
PLATFORMS = {
    "task": Platform("DELETE", "/checkout/{}", "tasks:cancel", bearer=False, body=None),
    "checkout": Platform(
        "POST", "/v1/checkouts/{}/cancel", "checkouts:write", bearer=True, body=SAID
    ),
    "cart": Platform("POST", "/v1/carts/{}/cancel", "checkouts:write", bearer=True, body=SAID),
    "order": Platform(
        "POST", "/orders/{}/cancel", "orders:write", bearer=False, body={"reason": "fraud"}
    ),
}
EACH = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)


@EACH
async def test_a_platforms_cancel_answers_what_it_cancelled_and_refuses_a_second(
    gateway: Gateway, shop: Shop, platform: Platform
) -> None:
    named = await platform.made(shop)
    answer = await platform.cancel(gateway, shop.key, named)
    assert answer.status == 200
    assert answer.body["state"].endswith("_STATE_CANCELLED")
    assert answer.body["version"] == "2"
    assert named in answer.body.values()
    again = await platform.cancel(gateway, shop.key, named)
    assert again.status == 400
    assert again.body["code"] == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert again.reason in {
        "TASK_ALREADY_CANCELLED",
        "CHECKOUT_ALREADY_CANCELLED",
        "CART_NOT_LOCKED",
        "ORDER_ALREADY_CANCELLED",
    }


@EACH
async def test_a_platforms_cancel_is_refused_by_http_status_and_reason(
    gateway: Gateway, shop: Shop, stranger: Shop, platform: Platform
) -> None:
    named = await platform.made(shop)
    weak = await shop.other_key(scopes=["webhooks:write"])
    found = {
        "malformed": await platform.cancel(gateway, shop.key, "what%20is%20it"),
        "unknown": await platform.cancel(gateway, shop.key, platform.unknown),
        "foreign": await platform.cancel(gateway, stranger.key, named),
        "wrong key": await platform.cancel(gateway, "cmd_sandbox_no", named),
        "missing scope": await platform.cancel(gateway, weak, named),
    }
    said = {case: (answer.status, answer.reason) for case, answer in found.items()}
    assert said["malformed"] == (400, "INVALID_REQUEST")
    assert said["unknown"] == said["foreign"]
    assert said["unknown"][0] == 404
    assert said["unknown"][1].endswith("_NOT_FOUND")
    assert said["wrong key"] == (401, "API_KEY_INVALID")
    assert said["missing scope"] == (403, "SCOPE_MISSING")
    assert (await platform.cancel(gateway, shop.key, named)).status == 200


@EACH
async def test_a_key_above_its_limit_is_429_with_the_seconds_to_wait(
    gateway: Gateway, shop: Shop, platform: Platform
) -> None:
    limits = KeyLimits(writes_per_second=1)
    key = await shop.other_key(limits=limits)
    asked = [platform.cancel(gateway, key, platform.unknown) for _ in range(8)]
    refused = [answer for answer in await asyncio.gather(*asked) if answer.status == 429]
    assert refused
    assert {answer.reason for answer in refused} == {"RATE_LIMITED"}
    assert all(0 < answer.retry_seconds <= 8 for answer in refused)


async def test_a_call_without_a_key_is_401(gateway: Gateway) -> None:
    answer = await gateway.ask("GET", "/v1/tasks")
    assert (answer.status, answer.reason) == (401, "API_KEY_MISSING")


async def test_goods_that_have_left_and_a_closed_cart_are_400(gateway: Gateway, shop: Shop) -> None:
    order = await PLATFORMS["order"].made(shop, fulfillment_status="Shipped")
    refused = await PLATFORMS["order"].cancel(gateway, shop.key, order)
    assert (refused.status, refused.reason) == (400, "ORDER_FULFILLED")
    cart = await PLATFORMS["cart"].made(shop)
    await shop.caller.complete(cart.removeprefix("cart-"))
    refused = await PLATFORMS["cart"].cancel(gateway, shop.key, cart)
    assert (refused.status, refused.reason) == (400, "CART_CLOSED")


async def test_a_cancelled_checkout_and_order_are_answered_whole(
    gateway: Gateway, shop: Shop
) -> None:
    ours = gateway.by(shop.key)
    totals = [{"type": "total", "display_text": 'in "braces" \\ }{', "amount": "9007199254740993"}]
    checkout = {"checkout_id": "whole:1", "totals": totals, "currency": "EUR"}
    await ours.ask("POST", "/v1/checkouts", {"checkout": checkout})
    answer = await ours.ask("POST", "/v1/checkouts/whole:1/cancel", SAID)
    assert answer.body.items() >= checkout.items()
    assert answer.body["messages"][-1]["content"] == "Checkout cancelled: never mind"
    order = {"order_id": "whole:1", "total_price": "9.99", "customer": {"a": {"b": [1.5, None]}}}
    await ours.ask("POST", "/v1/orders", {"order": order})
    answer = await ours.ask("POST", "/orders/whole:1/cancel", {"reason": "fraud"})
    assert answer.body.items() >= {**order, "cancel_reason": "fraud"}.items()
    assert answer.body["buyer_accepts_marketing"] is False


async def test_a_watch_gives_a_line_for_each_version_and_ends_with_its_task(
    gateway: Gateway, shop: Shop
) -> None:
    held = await shop.caller.running()
    ours = gateway.by(shop.key)
    lines = ours.lines(f"/v1/tasks/{held.task_id}/watch")
    first = await asyncio.to_thread(next, lines)
    assert (first["type"], first["task"]["version"]) == ("WATCH_TYPE_SNAPSHOT", "2")
    cancelled = await ours.ask("DELETE", f"/checkout/{held.task_id}?reason=fraud")
    assert cancelled.body["state"] == "TASK_STATE_CANCELLING"
    second = await asyncio.to_thread(next, lines)
    assert (second["task"]["version"], second["last"]) == ("3", False)
    await shop.caller.finish(held, "CANCELLED")
    [third] = await asyncio.to_thread(list, lines)
    assert (third["task"]["state"], third["last"]) == ("TASK_STATE_CANCELLED", True)


async def test_a_watch_is_not_bound_by_the_time_of_a_call(server: Server, shop: Shop) -> None:
    task = await shop.caller.create()
    listen = f"127.0.0.1:{free_port()}"
    async with before(server, listen, **{"timeout: 35s": "timeout: 1s"}) as hasty:
        lines = hasty.by(shop.key).lines(f"/v1/tasks/{task.task_id}/watch?heartbeat_interval=1s")
        kinds = [(await asyncio.to_thread(next, lines))["type"] for _ in range(3)]
        assert kinds == ["WATCH_TYPE_SNAPSHOT", *["WATCH_TYPE_HEARTBEAT"] * 2]
        await asyncio.to_thread(lines.close)


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "code"),
    [
        ("GET", "/v1/tasks?nope=1", None, 400, 3),
        ("POST", "/v1/tasks", '{"labels": ', 400, 3),
        ("POST", "/v1/tasks", {"labels": 5}, 400, 3),
        ("GET", "/nowhere", None, 404, 12),
        ("PUT", "/v1/tasks", {}, 404, 12),
    ],
)
async def test_what_envoy_refuses_by_itself_has_the_form_of_an_error(
    gateway: Gateway, shop: Shop, verb: str, path: str, body: Any, status: int, code: int
) -> None:
    answer = await gateway.by(shop.key).ask(verb, path, body)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.body["message"]


async def test_an_id_with_the_word_of_a_method_is_named_by_an_escaped_colon(
    gateway: Gateway, shop: Shop
) -> None:
    await shop.caller.new_order(order_id="a:complete")
    answer = await gateway.by(shop.key).ask("GET", "/v1/orders/a%3Acomplete")
    assert answer.body["order"]["order_id"] == "a:complete"


def strict(schema: Any) -> Any:
    """The schema, without room for what it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: strict(value) for key, value in schema.items()}
    named = isinstance(inner.get("properties"), dict) and inner.get("type") == "object"
    return {"additionalProperties": False, **inner} if named else inner


STRICT = strict(DOCUMENT)


def check(schema: Any, value: Any) -> None:
    OAS31Validator({**schema, "components": STRICT["components"]}).validate(value)


class Reader:
    """A program that knows the document alone: it calls operations, and checks all by schemas."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._operations = {
            operation["operationId"]: (verb, path, operation)
            for path, verbs in STRICT["paths"].items()
            for verb, operation in verbs.items()
        }
        self.left = set(self._operations)
        """Those that were not called yet."""

    async def __call__(self, name: str, body: Any = None, **values: Any) -> Any:
        """Calls an operation with these values of path and query. `_` stands for a dot."""
        verb, path, operation = self._operations[name]
        query = []
        for parameter in operation["parameters"]:
            given = values.pop(parameter["name"].replace(".", "_"), None)
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", given)
            elif given is not None:
                query.append(f"{parameter['name']}={given}")
            if given is not None:
                check(parameter["schema"], given)
        assert not values
        if "requestBody" in operation:
            check(operation["requestBody"]["content"]["application/json"]["schema"], body)
        asked = f"{path}?{'&'.join(query)}" if query else path
        answer = await self._gateway.ask(verb.upper(), asked, body)
        assert answer.status == 200, answer.body
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        for message in answer.body if isinstance(answer.body, list) else [answer.body]:
            check(schema, message)
        self.left.discard(name)
        return answer.body


async def test_every_operation_of_the_document_answers_by_its_schema(
    server: Server, admin: Caller, gateway: Gateway
) -> None:
    shop = await open_shop(server, admin, "reader")
    call = Reader(gateway.by(shop.key))

    task = (await call("CreateTask", {"merchant": "m", "labels": {"a": "b"}}))["task"]["task_id"]
    group = await call("CreateGroup", {"tasks": [{}], "closed": True})
    group_id = group["group"]["group_id"]
    for name in ("one", "two", "three"):
        snapshot = {"checkout_id": name, "cart_id": f"cart-{name}", "buyer": {"email": "a@b.c"}}
        await call("CreateCheckout", {"checkout": snapshot, "tasks": [{}]})
    await call("CreateOrder", {"order": {"order_id": "o", "tags": ["x"]}, "tasks": [{}]})

    await call("GetTask", task_id=task)
    await call("GetTask2", task_id=task)
    await call("GetGroup", group_id=group_id)
    await call("ListTasks", filter_group_id=group_id, page_size=5, refund_state="REFUND_STATE_NONE")
    await call("GetCheckout", checkout_id="one")
    await call("ListCheckouts", state="CHECKOUT_STATE_OPEN")
    await call("GetCart", cart_id="cart-one")
    await call("ListCarts")
    await call("GetOrder", order_id="o")
    await call("ListOrders", page_size=1)

    update = {"checkout": {"currency": "EUR"}, "update_mask": "currency"}
    await call("UpdateCheckout", update, checkout_checkout_id="one")
    body = {"currency": "USD", "buyer": {"email": "d@e.f"}}
    updated = await call(
        "UpdateCheckout2", body, checkout_checkout_id="one", update_mask="currency,buyer.email"
    )
    assert updated["checkout"].items() >= {"currency": "USD", "version": "3"}.items()
    await call("UpdateOrder", {"order": {"note": "n"}}, order_order_id="o")
    updated = await call("UpdateOrder2", {"number": "7"}, order_order_id="o")
    assert updated["order"].items() >= {"note": "n", "number": "7", "version": "3"}.items()
    await call("ChangeCart", {"line_items": [{"id": "l"}]}, cart_id="another")
    await call("CompleteCheckout", {}, checkout_id="three")

    owed = await shop.caller.owed()
    settled = {"outcome": "REFUND_STATE_REFUNDED", "amount": "5", "currency": "EUR"}
    await call("SettleRefund", settled, task_id=owed.task_id)

    whole = await call("CancelTask2", {"reason": "fraud"}, task_id=task)
    other = await shop.caller.create()
    await call("CancelTask", task_id=other.task_id, reason="fraud", message="m")
    await call("CancelGroup", SAID, group_id=group_id)
    await call("CancelCheckout", SAID, checkout_id="one")
    await call("CancelCheckout2", SAID, cart_id="cart-two")
    await call("CancelOrder", {"reason": "fraud"}, order_id="o")

    assert len(await call("WatchTask", task_id=task, after_version="0")) == 2
    assert (await call("WatchTasks", filter_group_id=group_id))[-1]["last"]
    assert (await call("WatchCheckout", checkout_id="one"))[-1]["last"]
    assert (await call("WatchOrder", order_id="o", heartbeat_interval="5s"))[-1]["last"]

    await call("GetCancellation", cancellation_id=whole["cancellation"]["cancellation_id"])
    await call("ListCancellations", checkout_id="one", start_time="2020-01-01T00:00:00Z")
    await call("SummarizeCancellations", group_by="SUMMARY_KEY_REASON")
    assert call.left == set()
    await shop.caller.channel.close()


async def run(*arguments: str, **options: Any) -> Any:
    """Starts what `make http` starts."""
    command = (sys.executable, "-m", "deploy.envoy.run", *arguments)
    return await asyncio.create_subprocess_exec(
        *command, cwd=PROJECT, stdout=PIPE, stderr=PIPE, **options
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_command_starts_both_and_ends_both(
    tmp_path: Path, number: signal.Signals
) -> None:
    needed_envoy()
    listen = f"127.0.0.1:{free_port()}"
    place = ("--http-listen", listen, "--folder", str(tmp_path))
    store = f"sqlite:///{tmp_path / 'countermand.db'}"
    process = await run(*place, "--listen", "127.0.0.1:0", "--store", store)
    try:
        lines = [await asyncio.wait_for(process.stdout.readline(), READY_SECONDS) for _ in range(2)]
        assert lines[1].decode() == f"HTTP on http://{listen}\n"
        assert (await Gateway(listen).ask("GET", "/v1/tasks")).status == 401
    finally:
        process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), READY_SECONDS) == 0
    with pytest.raises(ConnectionRefusedError):
        await Gateway(listen).ask("GET", "/v1/tasks")


async def test_a_missing_envoy_is_said_in_one_line(tmp_path: Path) -> None:
    process = await run("--envoy", str(tmp_path / "envoy"), "--folder", str(tmp_path))
    _, errors = await asyncio.wait_for(process.communicate(), READY_SECONDS)
    assert process.returncode == 1
    assert errors.decode().count("\n") == 1
    assert "make envoy" in errors.decode()
