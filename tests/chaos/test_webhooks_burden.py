"""What events cost that nobody takes: to an endpoint that does not answer a hundred thousand are a
cursor that stands, and a cascade says them for little more than it costs by itself."""

import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from countermand.v1.cancellation_service_pb2 import CancelGroupRequest
from countermand.v1.webhook_service_pb2 import CreateWebhookRequest, ListDeliveriesRequest
from countermand.v1.webhook_service_pb2_grpc import WebhookServiceStub
from tests.support.caller import Caller, first_caller
from tests.support.ports import free_port
from tests.support.server import Server, started

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not FULL, reason="cancels 200,000 tasks; the full round does it"),
]

CASCADES, TASKS = 10, 10_000
MAX_MEBIBYTES = 5.0
MAX_CPU_RATIO = 1.3
# What SQLite may keep of a store that is larger by its outbox is a bound of its own, and memory is
# given back soon enough to be measured.
KNOBS = {
    "store.writer_cache_kib": 1024.0,
    "store.reader_cache_kib": 1024.0,
    "server.memory_interval": 0.2,
    # On a busy machine such a cascade takes long, which is not what is measured.
    "writer.max_commit": 60.0,
    "writer.commit_timeout": 120.0,
}


class Side:
    """A server, and what its cascades cost."""

    def __init__(self, server: Server, caller: Caller) -> None:
        self._server = server
        self.caller = caller
        self.cpu: list[float] = []
        self.memory: list[float] = []
        """After each cascade, in MiB."""

    async def cascade(self) -> None:
        group = (await self.caller.create_group(TASKS)).group
        before = self._cpu_seconds()
        request = CancelGroupRequest(group_id=group.group_id)
        await self.caller.cancellations.CancelGroup(request)
        self.cpu.append(self._cpu_seconds() - before)
        status = Path(f"/proc/{self._server.process.pid}/status").read_text()
        self.memory.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)

    def _cpu_seconds(self) -> float:
        # The number of a process's own clock, as clock_getcpuclockid(3) makes it on Linux.
        return time.clock_gettime(~self._server.process.pid << 3 | 2)

    @property
    def grown(self) -> float:
        """By how many MiB it grew since its first cascades."""
        return statistics.median(self.memory[-3:]) - statistics.median(self.memory[:3])


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[list[Side]]:
    """Two servers; of the second each event goes to an endpoint at which nobody listens."""
    async with AsyncExitStack() as stack:
        found = []
        for name in ("without", "with"):
            (tmp_path / name).mkdir()
            flag = "--allow-loopback-webhooks"
            server = await stack.enter_async_context(started(tmp_path / name, flag, knobs=KNOBS))
            found.append(Side(server, await stack.enter_async_context(first_caller(server))))
        yield found


async def test_a_hundred_thousand_events_that_nobody_takes_cost_little(sides: list[Side]) -> None:
    without, having = sides
    stub = WebhookServiceStub(having.caller.channel)
    url = f"http://127.0.0.1:{free_port()}/"
    made = await stub.CreateWebhook(CreateWebhookRequest(url=url))
    for _ in range(CASCADES):
        await without.cascade()
        await having.cascade()
    ratio = statistics.median(
        ours / bare for ours, bare in zip(having.cpu, without.cpu, strict=True)
    )
    print(
        f"a cascade's CPU: {ratio:.2f} times; memory: {having.grown:.1f}, {without.grown:.1f} MiB"
    )
    request = ListDeliveriesRequest(webhook_id=made.webhook.webhook_id)
    assert len((await stub.ListDeliveries(request)).deliveries) == 0
    assert having.grown - without.grown <= MAX_MEBIBYTES
    assert ratio <= MAX_CPU_RATIO
