"""Traces over the wire: one trace id tells the whole story of a cancel."""

import json
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import Caller, Held, everything, first_caller, new_id, span
from tests.support.knobs import DRAWN_VALUES, SENDING
from tests.support.otlp import CollectedSpan, Collector, otlp_collector
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANCEL = "countermand.v1.CancellationService/CancelTask"
ENDED = "countermand.tasks.ended"


class Parent:
    """The span of somebody who calls."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.trace_id, self.span_id = secrets.token_hex(16), secrets.token_hex(8)
        flags = "01" if sampled else "00"
        self.metadata = (("traceparent", f"00-{self.trace_id}-{self.span_id}-{flags}"),)


def exporting(collector: Collector, **more: str) -> dict[str, str]:
    """The environment of a server that sends its spans there soon."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_TRACES_SAMPLER_ARG": "0",  # only what a caller samples
        **more,
    }


@asynccontextmanager
async def serving(
    folder: Path, knobs: Mapping[str, float] = SENDING, **environment: str
) -> AsyncIterator[tuple[Server, Caller]]:
    server = await Server(folder, knobs=knobs, **environment).start()
    try:
        async with first_caller(server) as caller:
            yield server, caller
    finally:
        await server.kill()


async def cancel(caller: Caller, task_id: str, parent: Parent, grace: float = 600):
    request = c.CancelTaskRequest(task_id=task_id, grace_period=span(grace))
    return await caller.cancellations.CancelTask(request, metadata=parent.metadata)


async def acknowledge(caller: Caller, held: Held) -> None:
    """The agent's word, in an unsampled trace of its own."""
    request = a.FinishTaskRequest(
        task_id=held.task_id, fence=held.fence, outcome=a.FINISH_OUTCOME_CANCELLED
    )
    await caller.agents.FinishTask(request, metadata=Parent(sampled=False).metadata)


async def the_span(collector: Collector, name: str, trace_id: str = "") -> CollectedSpan:
    """Waits for the one span of this name, of this trace if one is given."""

    def matching(spans):
        return [s for s in spans if s.name == name and trace_id in ("", s.trace_id)]

    (found,) = matching(await collector.wait_for(matching))
    return found


async def the_cancels_span(collector: Collector, parent: Parent) -> CollectedSpan:
    server_span = await the_span(collector, CANCEL, parent.trace_id)
    assert server_span.kind == "SERVER"
    assert server_span.parent_id == parent.span_id
    return server_span


async def test_one_trace_tells_the_whole_story_of_a_cancel(tmp_path):
    parent = Parent()
    async with otlp_collector() as collector, serving(tmp_path, **exporting(collector)) as found:
        _, caller = found
        held = await caller.running()
        answer = await cancel(caller, held.task_id, parent)
        assert answer.cancellation.trace_id == parent.trace_id
        await acknowledge(caller, held)

        accepted = await the_cancels_span(collector, parent)
        assert accepted.status == "UNSET"
        assert accepted.attributes["rpc.method"] == CANCEL
        commit = await the_span(collector, "countermand.commit")
        assert commit.links == [(parent.trace_id, accepted.span_id)]
        assert accepted.start_ns <= commit.start_ns <= commit.end_ns <= accepted.end_ns
        story = await the_span(collector, ENDED)
        assert (story.trace_id, story.parent_id) == (parent.trace_id, accepted.span_id)
        assert story.attributes["countermand.task_id"] == held.task_id
        assert story.attributes["countermand.ended.acknowledged"] == 1
        cancellation_id = answer.cancellation.cancellation_id
        assert story.attributes["countermand.cancellation_id"] == cancellation_id
        assert story.resource["service.name"] == "countermand"
        # Nothing else: what nobody sampled is not sent.
        names = sorted(found.name for found in collector.spans)
        assert names == sorted([CANCEL, "countermand.commit", ENDED])


async def test_the_tracestate_of_a_caller_is_kept_in_the_whole_story(tmp_path):
    """Also when it was sent in parts, and after a restart."""
    parent = Parent()
    parts = (("tracestate", "rojo=00f067aa0ba902b7"), ("tracestate", "congo=t61rcWkgMzE"))
    parent.metadata += parts
    async with otlp_collector() as collector, serving(tmp_path, **exporting(collector)) as found:
        server, caller = found
        held = await caller.running(lease=600)
        await cancel(caller, held.task_id, parent)
        accepted = await the_cancels_span(collector, parent)
        commit = await the_span(collector, "countermand.commit")
        await server.kill()
        await server.start()
        await acknowledge(caller, held)
        story = await the_span(collector, ENDED)
    state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    assert [accepted.state, story.state, commit.state] == [state, state, ""]
    assert story.parent_id == accepted.span_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20000"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem"),
    ],
)
async def test_a_server_starts_without_traces_where_a_variable_is_wrong(tmp_path, name, value):
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_BSP_MAX_QUEUE_SIZE": "10000",
        name: value,
    }
    async with serving(tmp_path, **environment) as (server, caller):
        await caller.create()
        assert await server.stop() == 0
    first = next(json.loads(line) for line in server.log if "traces are off" in line)
    assert (first["level"], "exception" in first) == ("WARNING", False)
    assert first["event"].startswith(f"traces are off: {name} ")
    assert sum("traces are off" in line for line in server.log) == 1


@pytest.mark.parametrize("how", ["acknowledged", "forced"])
async def test_the_story_goes_on_after_a_kill_and_a_restart(tmp_path, how):
    parent = Parent()
    async with otlp_collector() as collector, serving(tmp_path, **exporting(collector)) as found:
        server, caller = found
        held = await caller.running(lease=600)
        grace = 600 if how == "acknowledged" else 1
        answer = await cancel(caller, held.task_id, parent, grace)
        accepted = await the_cancels_span(collector, parent)
        await server.kill()
        await server.start()
        if how == "acknowledged":
            await acknowledge(caller, held)
        else:
            await caller.ended(held.task_id)

        story = await the_span(collector, ENDED)
        assert (story.trace_id, story.parent_id) == (parent.trace_id, accepted.span_id)
        assert story.attributes[f"countermand.ended.{how}"] == 1
        cancellation = await caller.cancellation(answer.cancellation.cancellation_id)
        assert cancellation.trace_id == parent.trace_id


async def test_the_end_of_a_task_that_came_after_its_cancel_is_a_child_of_the_cancel(tmp_path):
    parent, task_id = Parent(), new_id()
    async with otlp_collector() as collector, serving(tmp_path, **exporting(collector)) as found:
        _, caller = found
        request = c.CancelTaskRequest(task_id=task_id, allow_missing=True)
        answer = await caller.cancellations.CancelTask(request, metadata=parent.metadata)
        accepted = await the_cancels_span(collector, parent)
        await caller.create(task_id=task_id)
        story = await the_span(collector, ENDED)
        assert (story.trace_id, story.parent_id) == (parent.trace_id, accepted.span_id)
        cancellation_id = answer.cancellation.cancellation_id
        assert story.attributes["countermand.cancellation_id"] == cancellation_id
        assert story.attributes["countermand.cancellation_state"] == "SUCCEEDED"
        assert story.attributes["countermand.ended.never_started"] == 1


async def test_an_end_by_force_is_a_child_of_the_cancel(tmp_path):
    parent = Parent()
    async with otlp_collector() as collector, serving(tmp_path, **exporting(collector)) as found:
        _, caller = found
        held = await caller.running()
        await cancel(caller, held.task_id, parent, grace=0)
        accepted = await the_cancels_span(collector, parent)
        story = await the_span(collector, ENDED)
        assert (story.trace_id, story.parent_id) == (parent.trace_id, accepted.span_id)
        assert story.attributes["countermand.ended.forced"] == 1


async def test_a_watch_is_a_short_span_at_its_opening_and_one_at_its_close(tmp_path):
    parent = Parent()
    async with otlp_collector() as collector, serving(tmp_path, **exporting(collector)) as found:
        _, caller = found
        held = await caller.running()
        request = c.WatchTaskRequest(task_id=held.task_id)
        watch = caller.cancellations.WatchTask(request, metadata=parent.metadata)
        await watch.read()
        name = "countermand.v1.CancellationService/WatchTask"
        opened = await the_span(collector, name, parent.trace_id)  # while it goes on
        assert opened.parent_id == parent.span_id
        await caller.finish(held)
        await everything(watch)
        closed = await collector.wait_for(
            lambda spans: [s for s in spans if s.parent_id == opened.span_id]
        )
        (close,) = [s for s in closed if s.parent_id == opened.span_id]
        assert close.attributes["countermand.watch.messages"] == 2


async def test_a_refused_call_says_so(tmp_path):
    parent = Parent()
    async with otlp_collector() as collector, serving(tmp_path, **exporting(collector)) as found:
        _, caller = found
        held = await caller.running()
        await caller.finish(held)
        with pytest.raises(Exception, match="already ended"):
            await cancel(caller, held.task_id, parent)
        refusal = await the_cancels_span(collector, parent)
        assert refusal.attributes["rpc.status_code"] == "FAILED_PRECONDITION"
        assert refusal.attributes["error.type"] == "TASK_ALREADY_COMPLETED"
        assert refusal.status == "UNSET"  # the caller's fault is no fault of the server


async def test_the_trace_id_is_set_and_the_callers_also_when_unsampled(shared, caller):
    parent = Parent(sampled=False)
    answer = await cancel(caller, (await caller.create()).task_id, parent)
    assert answer.cancellation.trace_id == parent.trace_id
    for traceparent in ("", "x", f"00-{'0' * 32}-{'1' * 16}-01", f"ff-{'1' * 32}-{'1' * 16}-01"):
        request = c.CancelTaskRequest(task_id=(await caller.create()).task_id)
        metadata = (("traceparent", traceparent),)
        answer = await caller.cancellations.CancelTask(request, metadata=metadata)
        trace_id = answer.cancellation.trace_id
        assert len(trace_id) == 32
        assert int(trace_id, 16)
        assert trace_id != "1" * 32
        found = await caller.cancellation(answer.cancellation.cancellation_id)
        assert found.trace_id == trace_id


async def test_nothing_is_sent_for_what_is_not_sampled(tmp_path):
    async with otlp_collector() as collector:
        async with serving(tmp_path, **exporting(collector)) as (server, caller):
            held = await caller.running()
            await cancel(caller, held.task_id, Parent(sampled=False))
            await acknowledge(caller, held)
            assert await server.stop() == 0  # which would send what is left
        assert collector.spans == []


async def test_without_an_endpoint_nothing_is_sent(tmp_path):
    async with (
        otlp_collector() as collector,
        serving(tmp_path, OTEL_TRACES_SAMPLER="always_on") as (server, caller),
    ):
        await cancel(caller, (await caller.create()).task_id, Parent())
        assert await server.stop() == 0
        assert collector.spans == []


async def test_what_is_left_is_sent_when_the_server_stops(tmp_path):
    parent = Parent()
    async with otlp_collector() as collector:
        environment = exporting(collector, OTEL_BSP_SCHEDULE_DELAY="60000")
        async with serving(tmp_path, **environment) as (server, caller):
            await cancel(caller, (await caller.create()).task_id, parent)
            assert await server.stop() == 0
        assert [s.trace_id for s in collector.named(CANCEL)] == [parent.trace_id]


async def test_a_dead_collector_harms_nothing(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and never listened on
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_TRACES_SAMPLER": "always_on",
            "OTEL_BSP_SCHEDULE_DELAY": "10",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        async with serving(tmp_path, DRAWN_VALUES, **environment) as (server, caller):
            for _ in range(50):
                held = await caller.running()
                await cancel(caller, held.task_id, Parent())
                await acknowledge(caller, held)
            assert await server.stop() == 0
