"""Webhooks, from a cancel to a receiver: a real server, a real receiver, and the library with which
integrators verify."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from standardwebhooks import Webhook as Library
from standardwebhooks import WebhookVerificationError

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import webhook_service_pb2 as pb
from countermand.v1 import webhook_service_pb2_grpc
from tests.support.caller import SCOPES, Caller, first_caller, new_caller, new_id
from tests.support.receivers import Received, Receiver, hang, receiving, status
from tests.support.refusals import refused
from tests.support.served_store import on_sqlite_alone
from tests.support.server import Server, run_to_the_end, started

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Hooks:
    """WebhookService with one key."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.stub = webhook_service_pb2_grpc.WebhookServiceStub(caller.channel)

    async def create(self, receiver: Receiver, *types: str) -> pb.CreateWebhookResponse:
        request = pb.CreateWebhookRequest(url=receiver.url, event_types=types)
        return await self.stub.CreateWebhook(request)

    async def get(self, webhook_id: str) -> pb.Webhook:
        return (await self.stub.GetWebhook(pb.GetWebhookRequest(webhook_id=webhook_id))).webhook

    async def set_state(self, webhook_id: str, state: int) -> pb.Webhook:
        request = pb.UpdateWebhookRequest(
            webhook={"webhook_id": webhook_id, "state": state}, update_mask={"paths": ["state"]}
        )
        return (await self.stub.UpdateWebhook(request)).webhook

    async def cancel(self, reason: str = "") -> str:
        """Cancels a new task. Returns its id."""
        task = await self.caller.create()
        await self.caller.cancellations.CancelTask(
            c.CancelTaskRequest(task_id=task.task_id, reason=reason)
        )
        return task.task_id

    async def until_state(self, webhook_id: str, state: int) -> pb.Webhook:
        while True:
            webhook = await self.get(webhook_id)
            if webhook.state == state:
                return webhook
            await asyncio.sleep(0.02)

    async def until_ended(self, webhook_id: str) -> pb.Delivery:
        """Returns the last delivery once it has ended."""
        while True:
            request = pb.ListDeliveriesRequest(webhook_id=webhook_id)
            found = (await self.stub.ListDeliveries(request)).deliveries
            if found and found[0].state != pb.DELIVERY_STATE_PENDING:
                return found[0]
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hooked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with started(tmp_path_factory.mktemp("hooked"), "--allow-loopback-webhooks") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def first(hooked: Server) -> AsyncIterator[Caller]:
    async with first_caller(hooked) as caller:
        yield caller


@pytest_asyncio.fixture(loop_scope="session")
async def hooks(hooked: Server, first: Caller) -> AsyncIterator[Hooks]:
    async with new_caller(hooked, first) as caller:
        yield Hooks(caller)


def said(requests: list[Received]) -> list[tuple[str, str]]:
    bodies = [json.loads(request.body) for request in requests]
    return [(body["type"], body["data"]["task_id"]) for body in bodies]


async def test_a_cancel_is_told_signed_and_once_and_the_library_verifies_it(hooks: Hooks) -> None:
    async with receiving() as receiver:
        made = await hooks.create(receiver)
        task_id = await hooks.cancel("fraud")
        requests = await receiver.until(2)
        assert sorted(said(requests)) == [
            ("cancellation.ended", task_id),
            ("task.cancelled", task_id),
        ]
        for request in requests:
            assert Library(made.secret).verify(request.body, request.headers)["data"]["reason"]
            assert request.headers["content-type"] == "application/json"
            with pytest.raises(WebhookVerificationError):
                Library(made.secret).verify(request.body + b" ", request.headers)
        webhook = await hooks.get(made.webhook.webhook_id)
        assert (webhook.state, webhook.missed_count) == (pb.WEBHOOK_STATE_ENABLED, 0)


async def test_while_a_secret_is_rotated_both_verify(hooks: Hooks) -> None:
    async with receiving() as receiver:
        made = await hooks.create(receiver, "task.cancelled")
        request = pb.RotateSecretRequest(webhook_id=made.webhook.webhook_id)
        rotated = await hooks.stub.RotateSecret(request)
        assert rotated.secret != made.secret
        await hooks.cancel()
        [request] = await receiver.until(1)
        for secret in (made.secret, rotated.secret):
            Library(secret).verify(request.body, request.headers)


async def test_a_failure_is_tried_again_with_the_same_id_and_body(hooks: Hooks) -> None:
    async with receiving(status(500)) as receiver:
        made = await hooks.create(receiver, "task.cancelled")
        await hooks.cancel()
        await receiver.until(1)
        receiver.answer = status(204)
        one, other = await receiver.until(2)  # After about 5 s.
        assert one.headers["webhook-id"] == other.headers["webhook-id"]
        assert one.body == other.body
        delivery = await hooks.until_ended(made.webhook.webhook_id)
        assert delivery.delivery_id == one.headers["webhook-id"]
        assert delivery.body.encode() == one.body
        assert delivery.state == pb.DELIVERY_STATE_SUCCEEDED
        assert [attempt.status for attempt in delivery.attempts] == [500, 204]


async def test_410_disables_and_tells_the_others_and_enabling_goes_on(hooks: Hooks) -> None:
    async with receiving(status(410)) as gone, receiving() as other:
        made = await hooks.create(gone, "task.cancelled")
        await hooks.create(other, "webhook.disabled")
        webhook_id = made.webhook.webhook_id
        task_id = await hooks.cancel()
        webhook = await hooks.until_state(webhook_id, pb.WEBHOOK_STATE_DISABLED)
        assert webhook.disable_reason == "gone"
        [request] = await other.until(1)
        assert json.loads(request.body)["data"]["webhook_id"] == webhook_id
        gone.answer = status(200)
        assert (await hooks.set_state(webhook_id, pb.WEBHOOK_STATE_ENABLED)).disable_reason == ""
        requests = await gone.until(2)
        assert said(requests) == [("task.cancelled", task_id)] * 2


async def test_a_test_and_a_redelivery_are_sent_at_once(hooks: Hooks) -> None:
    async with receiving() as receiver:
        made = await hooks.create(receiver, "task.failed")
        webhook_id = made.webhook.webhook_id
        sent = await hooks.stub.SendTest(pb.SendTestRequest(webhook_id=webhook_id))
        [first] = await receiver.until(1)
        assert first.headers["webhook-id"] == sent.delivery.delivery_id
        request = pb.RedeliverRequest(webhook_id=webhook_id, delivery_id=sent.delivery.delivery_id)
        await hooks.until_ended(webhook_id)  # It may still be on its way.
        await hooks.stub.Redeliver(request)
        _, again = await receiver.until(2)
        assert (again.headers["webhook-id"], again.body) == (
            first.headers["webhook-id"],
            first.body,
        )


async def test_of_twenty_endpoints_nineteen_hang_and_the_last_hears_within_a_second(
    hooks: Hooks,
) -> None:
    async with receiving(hang) as dead, receiving() as alive:
        for _ in range(19):
            await hooks.create(dead)
        await hooks.create(alive, "task.cancelled")
        for _ in range(5):
            await hooks.cancel()
        await dead.until(19)
        waited = []
        for number in (6, 7, 8):  # Others may hold the machine once meanwhile.
            begin = time.monotonic()
            await hooks.cancel()
            await alive.until(number)
            waited.append(time.monotonic() - begin)
        assert min(waited) < 1


async def test_after_a_kill_what_was_committed_is_delivered(tmp_path) -> None:
    async with (
        receiving(hang) as receiver,
        started(tmp_path, "--allow-loopback-webhooks") as server,
    ):
        async with first_caller(server) as caller:
            hooks = Hooks(caller)
            await hooks.create(receiver, "task.cancelled")
            task_ids = {await hooks.cancel() for _ in range(20)}
            await receiver.until(1)
        await server.kill()
        receiver.requests.clear()
        receiver.answer = status(204)
        await server.start("--allow-loopback-webhooks")
        while {task_id for _, task_id in said(receiver.requests)} != task_ids:
            receiver.came.clear()
            await receiver.came.wait()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://0x7f.1/"}, "url"),
        ({"url": "ftp://a.example/"}, "url"),
        ({"url": "https://a.example/", "name": "x" * 129}, "name"),
        ({"url": "https://a.example/", "event_types": ["task.exploded"]}, "event_types"),
        ({"url": "https://a.example/", "event_types": ["task.failed"] * 2}, "event_types"),
    ],
)
async def test_what_is_no_endpoint_is_refused_with_its_field(
    hooks: Hooks, fields: dict, field: str
) -> None:
    call = hooks.stub.CreateWebhook(pb.CreateWebhookRequest(**fields))
    assert list((await refused(call, "INVALID_REQUEST")).fields) == [field]
    assert not (await hooks.stub.ListWebhooks(pb.ListWebhooksRequest())).webhooks


async def test_in_production_loopback_and_plain_http_are_refused(
    hooked: Server, first: Caller
) -> None:
    async with (
        new_caller(hooked, first, environment="production") as caller,
        receiving() as receiver,
    ):
        await refused(Hooks(caller).create(receiver), "INVALID_REQUEST")


@pytest.mark.parametrize("paths", [[], ["*"], ["webhook_id"], ["name", "name"], ["url.x"]])
async def test_an_update_mask_names_what_can_be_changed(hooks: Hooks, paths: list) -> None:
    request = pb.UpdateWebhookRequest(
        webhook={"webhook_id": new_id()}, update_mask={"paths": paths}
    )
    await refused(hooks.stub.UpdateWebhook(request), "INVALID_REQUEST")


async def test_an_update_changes_what_it_names_alone(hooks: Hooks) -> None:
    async with receiving() as receiver:
        made = (await hooks.create(receiver, "task.failed")).webhook
        request = pb.UpdateWebhookRequest(
            webhook={"webhook_id": made.webhook_id, "name": "b", "url": "https://b.example/"},
            update_mask={"paths": ["name", "event_types"]},
        )
        changed = (await hooks.stub.UpdateWebhook(request)).webhook
        assert (changed.name, changed.url, list(changed.event_types)) == ("b", receiver.url, [])
        await refused(hooks.set_state(made.webhook_id, pb.WEBHOOK_STATE_FAILING), "INVALID_REQUEST")


async def test_another_tenants_endpoint_is_unknown(
    hooks: Hooks, hooked: Server, first: Caller
) -> None:
    async with receiving() as receiver, new_caller(hooked, first, scopes=SCOPES) as other:
        made = (await hooks.create(receiver)).webhook
        sent = await hooks.stub.SendTest(pb.SendTestRequest(webhook_id=made.webhook_id))
        stub = Hooks(other).stub
        id = made.webhook_id
        for call in (
            stub.GetWebhook(pb.GetWebhookRequest(webhook_id=id)),
            stub.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id=id)),
            stub.RotateSecret(pb.RotateSecretRequest(webhook_id=id)),
            stub.ListDeliveries(pb.ListDeliveriesRequest(webhook_id=id)),
            stub.SendTest(pb.SendTestRequest(webhook_id=id)),
            stub.UpdateWebhook(
                pb.UpdateWebhookRequest(webhook={"webhook_id": id}, update_mask={"paths": ["name"]})
            ),
        ):
            await refused(call, "WEBHOOK_NOT_FOUND")
        request = pb.RedeliverRequest(webhook_id=id, delivery_id=sent.delivery.delivery_id)
        await refused(stub.Redeliver(request), "DELIVERY_NOT_FOUND")


async def test_a_deleted_endpoint_is_sent_nothing_more(hooks: Hooks) -> None:
    async with receiving() as receiver, receiving() as other:
        made = (await hooks.create(receiver)).webhook
        await hooks.create(other, "task.cancelled")
        await hooks.stub.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id=made.webhook_id))
        await hooks.cancel()
        await other.until(1)
        assert receiver.requests == []
        call = hooks.stub.GetWebhook(pb.GetWebhookRequest(webhook_id=made.webhook_id))
        await refused(call, "WEBHOOK_NOT_FOUND")


async def test_lists_have_pages_and_no_secret(hooks: Hooks, hooked: Server) -> None:
    async with receiving() as receiver:
        made = [await hooks.create(receiver) for _ in range(3)]
        page = await hooks.stub.ListWebhooks(pb.ListWebhooksRequest(page_size=2))
        rest = await hooks.stub.ListWebhooks(
            pb.ListWebhooksRequest(page_size=2, page_token=page.next_page_token)
        )
        ids = [one.webhook_id for one in (*page.webhooks, *rest.webhooks)]
        assert ids == [one.webhook.webhook_id for one in made]
        assert rest.next_page_token == ""
        for one in made:
            assert one.secret not in str(page) + "\n".join(hooked.log)
        forged = pb.ListWebhooksRequest(page_token="AAAA")
        await refused(hooks.stub.ListWebhooks(forged), "PAGE_TOKEN_INVALID")


@on_sqlite_alone("its files are read")
async def test_secrets_are_sealed_in_the_store_and_a_server_without_their_key_does_not_start(
    tmp_path,
) -> None:
    (tmp_path / "served").mkdir()
    keys = tmp_path / "keys"
    keys.write_bytes(Fernet.generate_key())
    flags = ("--allow-loopback-webhooks", "--secrets-key", str(keys))
    async with receiving() as receiver, started(tmp_path / "served", *flags) as server:
        async with first_caller(server) as caller:
            made = await Hooks(caller).create(receiver, "task.cancelled")
            await Hooks(caller).cancel()
            [request] = await receiver.until(1)
            Library(made.secret).verify(request.body, request.headers)
        await server.stop()
        found = b"".join(file.read_bytes() for file in (tmp_path / "served").iterdir())
        assert made.secret.encode() not in found
        assert made.webhook.url.encode() in found
        status, _, said = await run_to_the_end(server.store)
        assert (status, "give --secrets-key" in said) == (1, True)
