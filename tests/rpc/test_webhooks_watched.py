"""What traces and metrics say of webhooks: each request is a child of the cancel that caused it,
and counted once."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from countermand.v1 import webhook_service_pb2 as pb
from countermand.v1.webhook_service_pb2_grpc import WebhookServiceStub
from tests.rpc.test_tracing import CANCEL, Parent, cancel, exporting
from tests.support.caller import Caller, first_caller, new_caller
from tests.support.otlp import CollectedSpan, Collector, otlp_collector
from tests.support.receivers import Receiver, receiving, status
from tests.support.scrape import Scrape, scrape
from tests.support.server import Server, started

pytestmark = pytest.mark.asyncio(loop_scope="session")

DELIVERY = "countermand.webhook.delivery"
FLAGS = ("--allow-loopback-webhooks", "--metrics-listen", "127.0.0.1:0")


class Watched(NamedTuple):
    """A server whose traces and metrics are read."""

    collector: Collector
    server: Server
    first: Caller

    async def spans(self, count: int, parent: Parent) -> list[CollectedSpan]:
        """Returns the deliveries of a trace, once there are so many."""

        def found(spans) -> list[CollectedSpan]:
            return [one for one in spans if (one.name, one.trace_id) == (DELIVERY, parent.trace_id)]

        return found(await self.collector.wait_for(lambda spans: len(found(spans)) >= count))

    async def scraped(self, outcome: str, count: float) -> Scrape:
        """Returns a scrape in which so many requests came to this."""
        while True:
            found = await scrape(self.server)
            if found.of("countermand_webhook_attempts_total", outcome=outcome) >= count:
                return found
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    async with (
        otlp_collector() as collector,
        started(folder, *FLAGS, **exporting(collector, OTEL_METRICS_EXPORTER="none")) as server,
        first_caller(server) as first,
    ):
        yield Watched(collector, server, first)


@pytest_asyncio.fixture(loop_scope="session")
async def caller(watched: Watched) -> AsyncIterator[Caller]:
    async with new_caller(watched.server, watched.first) as caller:
        yield caller


async def create(caller: Caller, receiver: Receiver, *types: str) -> str:
    request = pb.CreateWebhookRequest(url=receiver.url, event_types=types)
    return (await WebhookServiceStub(caller.channel).CreateWebhook(request)).webhook.webhook_id


async def test_each_delivery_is_a_child_of_its_cancel_also_of_what_came_later(
    watched: Watched, caller: Caller
) -> None:
    parent = Parent()
    async with receiving() as good, receiving(status(500)) as bad:
        heard = await create(caller, good)
        unheard = await create(caller, bad, "task.cancelling")
        held = await caller.running(lease=600)
        await cancel(caller, held.task_id, parent)
        # Of its end another call says, in a trace of its own that nobody samples.
        await caller.finish(held, "CANCELLED")
        spans = await watched.spans(4, parent)
    (accepted,) = [
        one for one in watched.collector.named(CANCEL) if one.trace_id == parent.trace_id
    ]
    assert {one.parent_id for one in spans} == {accepted.span_id}
    assert {one.kind for one in spans} == {"CLIENT"}
    told = {
        (one.attributes["countermand.webhook_id"], one.attributes["countermand.event_type"]): one
        for one in spans
    }
    assert set(told) == {
        (heard, "task.cancelling"),
        (heard, "task.cancelled"),
        (heard, "cancellation.ended"),
        (unheard, "task.cancelling"),
    }
    taken, refused = told[heard, "task.cancelled"], told[unheard, "task.cancelling"]
    assert (taken.status, taken.attributes["http.response.status_code"]) == ("UNSET", 204)
    assert "error.type" not in taken.attributes
    assert (refused.status, refused.attributes["error.type"]) == ("ERROR", "500")
    assert refused.attributes["countermand.attempt"] == 1


async def test_what_is_not_sampled_leaves_no_span_of_its_delivery(
    watched: Watched, caller: Caller
) -> None:
    unseen, seen = Parent(sampled=False), Parent()
    async with receiving() as receiver:
        await create(caller, receiver, "task.cancelled")
        for parent in (unseen, seen):
            task = await caller.create()
            await cancel(caller, task.task_id, parent)
        await watched.spans(1, seen)
        await receiver.until(2)
    assert not [one for one in watched.collector.spans if one.trace_id == unseen.trace_id]


async def test_requests_are_counted_by_outcome_and_endpoints_by_state(
    watched: Watched, caller: Caller
) -> None:
    before = await scrape(watched.server)
    async with receiving() as good, receiving(status(410)) as gone:
        heard = await create(caller, good, "task.cancelled")
        await create(caller, gone, "task.cancelled")
        enabled = before.of("countermand_webhook_endpoints", state="ENABLED")
        now = await scrape(watched.server)
        assert now.of("countermand_webhook_endpoints", state="ENABLED") == enabled + 2
        task = await caller.create()
        await caller.cancel(task.task_id)
        failed = before.of("countermand_webhook_attempts_total", outcome="failed")
        await watched.scraped("failed", failed + 1)
        await good.until(1)
        stub = WebhookServiceStub(caller.channel)
        await stub.SendTest(pb.SendTestRequest(webhook_id=heard))
        await good.until(2)

        async def told() -> dict[str, float]:
            grown = (await scrape(watched.server)).grown(before)
            names = ("attempts_total", "age_seconds_count", "missed_total", "endpoints")
            return {
                name.removeprefix("countermand_webhook_"): value
                for name, value in grown.items()
                if any(name.partition("{")[0].endswith(end) for end in names)
            }

        wanted = {
            "attempts_total{outcome=failed}": 1,
            "attempts_total{outcome=succeeded}": 2,
            # A test has no commit behind it.
            "delivery_age_seconds_count": 1,
            "endpoints{state=ENABLED}": 1,
            "endpoints{state=DISABLED}": 1,
        }
        found: dict[str, float] = {}
        async with asyncio.timeout(10):
            while found != wanted:
                found = await told()
        await stub.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id=heard))
        assert (await told()).get("endpoints{state=ENABLED}") is None
