"""Metrics and traces by OTLP, over both protocols, to collectors that live and to those that do
not."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from countermand import __version__
from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import first_caller
from tests.support.knobs import SENDING
from tests.support.otlp import Collector, http_collector, numbers, otlp_collector
from tests.support.server import started

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLLECTORS = [("grpc", otlp_collector), ("http/protobuf", http_collector)]
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
CALLS = "rpc.server.call.duration"
CANCEL = "countermand.v1.CancellationService/CancelTask"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = (("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "a=b"))


@pytest.mark.parametrize(("protocol", "collecting"), COLLECTORS)
async def test_a_collector_gets_to_the_unit_what_was_done(
    protocol: str,
    collecting: Callable[[], AbstractAsyncContextManager[Collector]],
    tmp_path: Path,
):
    async with collecting() as collector:
        environment = {
            ENDPOINT: collector.endpoint,
            PROTOCOL: protocol,
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_TRACES_SAMPLER_ARG": "0",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-token=t",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        }
        async with (
            started(tmp_path, knobs=SENDING, **environment) as server,
            first_caller(server) as caller,
        ):
            tasks = [(await caller.create()).task_id for _ in range(20)]
            held = await caller.running()
            for task_id in tasks:
                await caller.cancel(task_id)
            await caller.cancellations.CancelTask(
                c.CancelTaskRequest(task_id=held.task_id), metadata=PARENT
            )
            await caller.finish(held, "CANCELLED")
            assert await server.stop() == 0  # the last ones are sent then
        last = collector.metrics[-1]
        found = numbers(last)
        assert (
            found[f"{CALLS}{{rpc.method={CANCEL},rpc.status_code=OK,rpc.system.name=grpc}}"] == 21
        )
        assert found["countermand.cancellations{target=TASK}"] == 21
        assert found["countermand.task.changes{state=CANCELLED}"] == 21
        assert found["countermand.task.changes{state=CANCELLING}"] == 1
        assert found["countermand.cancel.duration{proof=ACKNOWLEDGED}"] == 1
        assert found["countermand.cancel.duration{proof=NEVER_STARTED}"] == 20
        assert found["countermand.watches.max"] == 20_000
        assert found["process.cpu.time"] > 0
        assert len(collector.metrics) > 1
        resource = {pair.key: pair.value.string_value for pair in last.resource.attributes}
        assert resource["service.name"] == "shop"
        assert resource["service.version"] == __version__
        spans = [span for span in collector.spans if span.trace_id == TRACE]
        assert {span.name for span in spans} == {CANCEL, "countermand.tasks.ended"}
        assert {span.state for span in spans} == {"a=b"}  # also of what happened later
        assert all(sent["x-token"] == "t" for sent in collector.metadata)
        exemplars = exemplars_of(last, CALLS)
        assert exemplars == {TRACE}
        assert not any("metrics can be read" in line for line in server.log)


def exemplars_of(metrics: object, name: str) -> set[str]:
    """The traces of all exemplars of a histogram."""
    return {
        exemplar.trace_id.hex()
        for scope in metrics.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.histogram.data_points
        for exemplar in point.exemplars
    }


@pytest.mark.parametrize("variable", ["OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER"])
async def test_each_signal_can_be_left_out(variable: str, tmp_path: Path):
    async with otlp_collector() as collector:
        environment = {ENDPOINT: collector.endpoint, variable: "none"}
        async with (
            started(tmp_path, knobs=SENDING, **environment) as server,
            first_caller(server) as caller,
        ):
            task = await caller.create()
            request = c.CancelTaskRequest(task_id=task.task_id)
            await caller.cancellations.CancelTask(request, metadata=PARENT)
            assert await server.stop() == 0
        assert bool(collector.metrics) is (variable == "OTEL_TRACES_EXPORTER")
        assert bool(collector.spans) is (variable == "OTEL_METRICS_EXPORTER")


@pytest.fixture(params=["closed", "silent"])
async def dead(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A port that nobody listens at, or one at which nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        port = listening.getsockname()[1]
        if request.param == "closed":
            listening.close()
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_dead_collector_costs_nothing_but_its_data(
    protocol: str, dead: str, tmp_path: Path
):
    environment = {
        ENDPOINT: dead,
        PROTOCOL: protocol,
        "OTEL_METRIC_EXPORT_INTERVAL": "50",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_TRACES_SAMPLER": "always_on",
    }
    async with started(tmp_path, knobs={}, **environment) as server:
        async with first_caller(server) as caller:
            made = await asyncio.gather(*(caller.create() for _ in range(50)))
            begin = time.monotonic()
            await asyncio.gather(*(caller.cancel(task.task_id) for task in made))
            assert time.monotonic() - begin < 5
        begin = time.monotonic()
        assert await server.stop() == 0
        assert time.monotonic() - begin < 3  # one, on a machine of its own: see the knobs
    lines = [json.loads(line) for line in server.log if line.startswith("{")]
    assert not any("exception" in line for line in lines)


async def test_a_variable_that_is_wrong_costs_the_metrics_and_one_line(tmp_path: Path):
    preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    async with otlp_collector() as collector:
        environment = {ENDPOINT: collector.endpoint, preference: "delta"}
        async with started(tmp_path, **environment) as server:
            assert await server.stop() == 0
        assert collector.metrics == []
    (line,) = [line for line in server.log if "metrics are not sent" in line]
    assert f"{preference} must be cumulative: 'delta'" in line
