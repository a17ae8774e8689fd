"""Strangers who send all that they may, at once: a good client goes on, and nothing grows.

300 connections that stop at each byte of a call, 10 that send all but the last byte of large
messages, and floods of health, reflection, unknown methods, wrong keys, bytes that are no text, and
traces that are to be sampled. The short round takes a few seconds and only sees to it that nothing
fails; the full one, with COUNTERMAND_CHAOS=full, times what a good client feels, beside the same
without the enemy.
"""

import asyncio
import os
import time
from pathlib import Path

import pytest

from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.beside import beside, cancels, p99, peak
from tests.support.caller import Caller, first_caller
from tests.support.knobs import PRODUCTION
from tests.support.otlp import Collector, otlp_collector
from tests.support.process import mebibytes
from tests.support.server import started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
SECONDS = 120.0 if FULL else 5.0
PER_SECOND = 200 if FULL else 20
MORE_P99 = 0.02 if FULL else 5.0
MAX_GROWTH = 64.0 if FULL else 128.0
"""MiB; the short round has other tests beside it, and reads less often than is sent."""
MAX_LINES = PRODUCTION.calls.max_lines_per_second
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e47{:02x}-00f067aa0ba902b7-01"
KINDS = {"health", "reflection", "unknown methods", "wrong keys", "metadata", "sampled traces"}


async def spans_arrive(collector: Collector, caller: Caller) -> None:
    """Makes calls that are to be sampled, and waits for the span of each. Raises AssertionError."""
    sent = [TRACE.format(number) for number in range(20)]
    for trace in sent:
        await caller.tasks.CreateTask(CreateTaskRequest(), metadata=(("traceparent", trace),))
    ids = {trace.split("-")[1] for trace in sent}
    await collector.wait_for(lambda spans: ids <= {span.trace_id for span in spans}, 30)


async def test_strangers_who_send_all_that_they_may_cost_a_good_client_nothing(
    tmp_path: Path, chaos_report
):
    environment = {"OTEL_TRACES_SAMPLER_ARG": "0", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    async with (
        otlp_collector() as collector,
        started(
            tmp_path, knobs={}, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **environment
        ) as server,
        first_caller(server) as caller,
    ):
        assert server.process is not None
        await cancels(caller, 1, PER_SECOND)
        calm = await cancels(caller, SECONDS, PER_SECOND)
        before, lines = mebibytes(server.process.pid), len(server.log)
        looking = asyncio.create_task(peak(server))
        begin = time.monotonic()
        async with beside("enemy", server.address) as done:
            taken = await cancels(caller, SECONDS, PER_SECOND)
            await spans_arrive(collector, caller)
        looking.cancel()
        growth = await looking - before
        seconds = time.monotonic() - begin
        written = sum('"left_out"' in line for line in server.log[lines:])
        begin = time.monotonic()
        assert await server.stop() == 0
        left = time.monotonic() - begin
    longer = p99(taken) - p99(calm)
    print(
        f"p99 {p99(calm) * 1000:.1f} and {p99(taken) * 1000:.1f} ms of {len(taken)} cancels,"
        f" memory {growth:+.1f} MiB, {written} lines in {seconds:.0f} s, left in {left:.1f} s;"
        f" {done}"
    )
    assert set(done) >= KINDS
    broken = (longer > MORE_P99) + (growth > MAX_GROWTH) + (written > MAX_LINES * (seconds + 2))
    chaos_report("strangers without a key", 1, sum(done.values()), broken)
    assert not broken
