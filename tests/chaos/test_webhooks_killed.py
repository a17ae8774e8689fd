"""kill -9 at random while things change and receivers misbehave in every way: each committed event
arrives at least once, alike each time and in order, and nothing that was not committed does.

The short round kills three times; the full one, with COUNTERMAND_CHAOS=full, a hundred times, and
as often one of three servers on PostgreSQL, or freezes it.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path

import grpc
import pytest

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from countermand.v1 import webhook_service_pb2 as w
from countermand.v1.webhook_service_pb2_grpc import WebhookServiceStub
from tests.support.caller import first_caller, new_id, span
from tests.support.knobs import drawn_values_but
from tests.support.receivers import Answer, Received, Receiver, drip, hang, receiving, status
from tests.support.server import Server, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
KILLS, SECONDS = (100, 3.0) if FULL else (3, 1.0)
SEED = int(os.environ.get("COUNTERMAND_SEED", random.SystemRandom().randrange(10**8)))
FLAG = "--allow-loopback-webhooks"


def in_turn(*answers: Answer) -> Answer:
    """Answers in one way after the other."""
    turns = cycle(answers)

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        await next(turns)(request, writer)

    return answer


BEHAVIOURS = {
    "good": status(204),
    "fails": status(500),
    "hangs": hang,
    "drips": drip,
    "redirects": status(302, "location: http://127.0.0.1:1/"),
    "500, then 200": in_turn(status(500), status(200)),
    "gone": status(410),
    "429": in_turn(status(429, "retry-after: 1"), status(200), status(200)),
}


class Traffic:
    """Tasks that are created, run and cancelled, for as long as the server answers."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.known: set[str] = set()
        """All tasks that somebody tried to create."""

    async def run(self, caller) -> None:
        while True:
            task_id = new_id()
            self.known.add(task_id)
            try:
                await caller.tasks.CreateTask(t.CreateTaskRequest(task_id=task_id), timeout=5)
                if self.chance.random() < 0.7:
                    started = await caller.agents.StartTask(
                        a.StartTaskRequest(
                            task_id=task_id, agent_id="a", lease_duration=span(3600)
                        ),
                        timeout=5,
                    )
                    await self._cancel(caller, task_id)
                    await caller.agents.FinishTask(
                        a.FinishTaskRequest(task_id=task_id, fence=started.fence, outcome=3),
                        timeout=5,
                    )
                else:
                    await self._cancel(caller, task_id)
            except grpc.aio.AioRpcError:
                return

    async def _cancel(self, caller, task_id: str) -> None:
        request = c.CancelTaskRequest(task_id=task_id, grace_period=span(3600))
        await caller.cancellations.CancelTask(request, timeout=5)


async def wanted_events(caller, known: set[str]) -> Counter[tuple[str, str]]:
    """Returns the type and task of each event that the store's tasks account for."""
    found: Counter[tuple[str, str]] = Counter()
    for task in await caller.all_tasks(page_size=1000):
        assert task.task_id in known
        name = task_pb2.TaskState.Name(task.state).removeprefix("TASK_STATE_").lower()
        if name == "cancelling" or (name == "cancelled" and task.agent_id):
            found["task.cancelling", task.task_id] += 1
        if name == "cancelled":
            found["task.cancelled", task.task_id] += 1
            found["cancellation.ended", task.task_id] += 1
    return found


def taken(requests: list[Received], answered: int = 0) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for body in {request.headers["webhook-id"]: request.body for request in requests}.values():
        said = json.loads(body)
        found[said["type"], said["data"]["task_id"]] += 1
    return found


async def test_each_event_arrives_once_at_least_alike_and_in_order(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    knobs = drawn_values_but("webhooks.") | {"webhooks.timeout": 1.0}
    traffic = Traffic(chance)
    async with AsyncExitStack() as stack:
        receivers = {
            name: await stack.enter_async_context(receiving(answer))
            for name, answer in BEHAVIOURS.items()
        }
        server = await stack.enter_async_context(started(tmp_path, FLAG, knobs=knobs))
        webhook_ids = []
        async with first_caller(server) as caller:
            for receiver in receivers.values():
                made = await WebhookServiceStub(caller.channel).CreateWebhook(
                    w.CreateWebhookRequest(url=receiver.url)
                )
                webhook_ids.append(made.webhook.webhook_id)
        for _ in range(KILLS):
            async with first_caller(server) as caller:
                lanes = [asyncio.create_task(traffic.run(caller)) for _ in range(8)]
                await asyncio.sleep(chance.uniform(0.2, 1) * SECONDS)
                await server.kill()
                await asyncio.gather(*lanes)
            await server.start(FLAG)
        for receiver in receivers.values():
            receiver.answer = status(204)
        async with first_caller(server) as caller:
            wanted = await wanted_events(caller, traffic.known)
            await _settle(WebhookServiceStub(caller.channel), webhook_ids)
            await _judge_all(receivers, wanted)


async def _judge_all(receivers: dict[str, Receiver], wanted: Counter[tuple[str, str]]) -> None:
    """Waits until every receiver has all that is wanted, and holds it to the promises."""
    for name, receiver in receivers.items():
        async with asyncio.timeout(60):
            while not wanted <= taken(receiver.requests):
                receiver.came.clear()
                await receiver.came.wait()
        _judge(name, receiver.requests, wanted)
    assert wanted


CLAIMS = {
    "webhooks.timeout": 1.0,
    "webhooks.claim_duration": 3.0,
    "webhooks.claim_margin": 1.0,
    "webhooks.claim_interval": 0.5,
}
"""Shorter than in production, so that a server that is frozen loses its endpoints soon."""


@pytest.mark.skipif(not FULL, reason="takes minutes; the full round does it")
async def test_three_servers_share_the_endpoints_through_kills_and_freezes(
    tmp_path: Path, database: str
) -> None:
    chance = random.Random(SEED)
    traffic = Traffic(chance)
    async with AsyncExitStack() as stack:
        receivers = {
            name: await stack.enter_async_context(receiving(answer))
            for name, answer in BEHAVIOURS.items()
        }
        servers = []
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            server = Server(folder, knobs=drawn_values_but("webhooks.") | CLAIMS)
            server.store_url = database
            stack.push_async_callback(server.kill)
            servers.append(await server.start(FLAG))
            server.key = servers[0].key
        webhook_ids = []
        async with first_caller(servers[0]) as caller:
            for receiver in receivers.values():
                made = await WebhookServiceStub(caller.channel).CreateWebhook(
                    w.CreateWebhookRequest(url=receiver.url)
                )
                webhook_ids.append(made.webhook.webhook_id)
        for _ in range(KILLS):
            victim = chance.choice(servers)
            lanes = [asyncio.create_task(_drive(traffic, server)) for server in servers]
            await asyncio.sleep(chance.uniform(0.2, 1) * SECONDS)
            if chance.random() < 0.5:
                await victim.kill()
                await victim.start(FLAG)
            else:
                victim.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(chance.uniform(0.2, 1.5) * CLAIMS["webhooks.claim_duration"])
                victim.process.send_signal(signal.SIGCONT)
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        for server in servers:  # So nothing that was asked for is done after it is counted.
            await server.kill()
        for server in servers:
            await server.start(FLAG)
        for receiver in receivers.values():
            receiver.answer = status(204)
        async with first_caller(servers[0]) as caller:
            wanted = await wanted_events(caller, traffic.known)
            await _settle(WebhookServiceStub(caller.channel), webhook_ids)
            await _judge_all(receivers, wanted)


async def _drive(traffic: Traffic, server: Server) -> None:
    """Calls a server, and once more as soon as it is there again."""
    while True:
        async with first_caller(server) as caller:
            await asyncio.gather(*[traffic.run(caller) for _ in range(3)])
        await asyncio.sleep(0.1)


async def test_who_was_frozen_sends_nothing_more_once_another_delivers(
    tmp_path: Path, database: str
) -> None:
    knobs = drawn_values_but("webhooks.") | CLAIMS
    first, second = Server(tmp_path, knobs=knobs), Server(tmp_path, knobs=knobs)
    first.store_url = second.store_url = database
    async with AsyncExitStack() as stack:
        for server in (first, second):
            stack.push_async_callback(server.kill)
        await first.start(FLAG)
        receiver = await stack.enter_async_context(receiving())
        async with first_caller(first) as caller:
            stub = WebhookServiceStub(caller.channel)
            request = w.CreateWebhookRequest(url=receiver.url, event_types=["task.cancelled"])
            await stub.CreateWebhook(request)
            await caller.cancel((await caller.create()).task_id)
            await receiver.until(1)  # So it is the first one's.
        await second.start(FLAG)
        second.key = first.key
        async with first_caller(second) as caller:
            first.process.send_signal(signal.SIGSTOP)
            for _ in range(5):
                await caller.cancel((await caller.create()).task_id)
            await receiver.until(6)
            first.process.send_signal(signal.SIGCONT)
            await caller.cancel((await caller.create()).task_id)
            await receiver.until(7)
        assert await second.stop() == 0
        async with first_caller(first) as caller:  # It goes on as soon as the other one has left.
            await caller.cancel((await caller.create()).task_id)
            await receiver.until(8)
        ids = [request.headers["webhook-id"] for request in receiver.requests]
        assert len(set(ids)) == len(ids) == 8


async def _patiently(call, request) -> None:
    """Calls again while another server writes for the tenant, as clients do."""
    while True:
        try:
            await call(request)
            return
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(0.1)


async def _settle(stub: WebhookServiceStub, webhook_ids: list[str]) -> None:
    """Enables every endpoint, and sends again at once what waits for its next try."""
    for webhook_id in webhook_ids:
        await _patiently(
            stub.UpdateWebhook,
            w.UpdateWebhookRequest(
                webhook={"webhook_id": webhook_id, "state": w.WEBHOOK_STATE_ENABLED},
                update_mask={"paths": ["state"]},
            ),
        )
        token = ""
        while True:
            page = await stub.ListDeliveries(
                w.ListDeliveriesRequest(
                    webhook_id=webhook_id, state="DELIVERY_STATE_PENDING", page_token=token
                )
            )
            for delivery in page.deliveries:
                await _patiently(
                    stub.Redeliver,
                    w.RedeliverRequest(webhook_id=webhook_id, delivery_id=delivery.delivery_id),
                )
            token = page.next_page_token
            if not token:
                break


def _judge(name: str, requests: list[Received], wanted: Counter[tuple[str, str]]) -> None:
    """Holds what a receiver saw to the promises."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for request in requests:
        bodies[request.headers["webhook-id"]].add(request.body)
    assert all(len(alike) == 1 for alike in bodies.values()), name
    seen = taken(requests)
    seen = Counter({one: n for one, n in seen.items() if one[0] != "webhook.disabled"})
    assert seen == wanted, (name, SEED)
    first: dict[str, list[int]] = defaultdict(list)
    ids: set[str] = set()
    for request in requests:
        said = json.loads(request.body)
        if said["type"].startswith("task.") and request.headers["webhook-id"] not in ids:
            ids.add(request.headers["webhook-id"])
            first[said["data"]["task_id"]].append(said["data"]["version"])
    assert all(versions == sorted(versions) for versions in first.values()), (name, SEED)
