"""Every version of a task, once and in order, then the end: however many there are, from every
place, by one and by many, by the client and the command, while they are cut off and the server is
killed again and again.

The short round has up to 33 versions; the full one, with COUNTERMAND_CHAOS=full, also 1,000.
"""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from countermand.client import Client
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_COMPLETED
from countermand.v1.cancellation_service_pb2 import WatchType
from countermand.v1.task_pb2 import ChargeState
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.chaos.robustness.proxy import Proxy
from tests.support.choosing import with_knobs
from tests.support.command import Command, finish
from tests.support.server import Server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
VERSIONS = (2, 15, 16, 17, 33, 900) if FULL else (16, 33)
"""How many a task has before its watches begin."""
MISSED = 20
"""How many come while each watch is cut off."""
CUTS = 4 if FULL else 2
WATCHERS = 20 if FULL else 4
"""How many watch from each place."""
TASKS = 5
WORDS = (ChargeState.CHARGE_STATE_CAPTURED, ChargeState.CHARGE_STATE_VOIDED)
SECONDS = 300.0

pages = pytest.mark.parametrize(
    "server",
    [
        {"watching.pages.page_size": size, "watching.pages.max_batch": batch}
        for size, batch in ((64, 4), (1, 1), (3, 2))
    ],
    ids=["as served", "pages of 1", "pages of 3"],
    indirect=True,
)


class Agent:
    """Runs one task, and says often what became of its charge, through the deaths of servers."""

    def __init__(self, client: Client, task_id: str) -> None:
        self.client = client
        self.task_id = task_id
        self.version = 1
        self.fence = 0

    async def start(self) -> None:
        started = await self.client.start_task(
            self.task_id, "agent-1", lease_duration=timedelta(hours=1)
        )
        self.fence, self.version = started.fence, started.task.version

    async def report_until(self, version: int) -> None:
        while self.version < version:
            word = WORDS[self.version % 2]
            answer = await self.client.report_charge(self.task_id, self.fence, word)
            self.version = answer.task.version

    async def finish(self) -> None:
        answer = await self.client.finish_task(self.task_id, self.fence, FINISH_OUTCOME_COMPLETED)
        self.version = answer.task.version


class Ground:
    """A server, agents that call it, and watchers that reach it through a proxy."""

    def __init__(self, server: Server, client: Client, proxy: Proxy) -> None:
        self.server = server
        self.client = client
        self.proxy = proxy

    def watcher(self) -> Client:
        return Client(
            self.proxy.address, self.server.key, timeout=SECONDS, reconnect_timeout=SECONDS
        )

    async def play(self, agents: Sequence[Agent]) -> None:
        """Cuts all watches off while much happens, and kills the server meanwhile; then the end."""
        for _ in range(CUTS):
            self.proxy.swallows = True
            self.proxy.cut()
            await self._advance(agents, MISSED)
            await self.server.kill()
            await self.server.start()
            self.proxy.swallows = False
            self.proxy.cut()
            await self._advance(agents, 3)
        await asyncio.gather(*[agent.finish() for agent in agents])

    async def _advance(self, agents: Sequence[Agent], versions: int) -> None:
        goals = [agent.report_until(agent.version + versions) for agent in agents]
        await asyncio.gather(*goals)


@asynccontextmanager
async def ground_of(server: Server) -> AsyncIterator[Ground]:
    proxy = Proxy()
    proxy.start(server.address)
    try:
        async with Client(server.address, server.key, timeout=SECONDS) as client:
            yield Ground(server, client, proxy)
    finally:
        await proxy.close()


async def seen(ground: Ground, task_id: str, after: int, begun: Callable[[], None]) -> list[int]:
    """Returns the versions that a watch was told, up to its end."""
    versions = []
    async with ground.watcher() as client:
        async for message in client.watch_task(task_id, after):
            begun()
            assert message.last is (message.task.HasField("end_time"))
            versions.append(message.task.version)
    return versions


async def followed_by(
    count: int, watch: Callable[[Callable[[], None]], Awaitable[list[int]]]
) -> tuple[list["asyncio.Task[list[int]]"], asyncio.Event]:
    """Begins so many watches. Returns them, and what is set when each has been told something."""
    all_begun, begun = asyncio.Event(), set[int]()

    def note(number: int) -> None:
        begun.add(number)
        if len(begun) == count:
            all_begun.set()

    tasks = [
        asyncio.ensure_future(watch(lambda number=number: note(number)))  # type: ignore[misc]
        for number in range(count)
    ]
    return tasks, all_begun


@pages
@pytest.mark.parametrize("versions", VERSIONS)
async def test_every_version_is_told_over_cuts_and_kills_and_then_the_end(
    server: Server, chaos_report, versions: int
) -> None:
    async with ground_of(server) as ground:
        agent = Agent(ground.client, (await ground.client.create_task()).task.task_id)
        await agent.start()
        await agent.report_until(versions)
        afters = sorted({0, 1, versions // 2, max(versions - 17, 0), versions - 1})
        watches = []
        for after in afters:
            found, begun = await followed_by(
                WATCHERS, lambda note, after=after: seen(ground, agent.task_id, after, note)
            )
            watches += [(after, watch) for watch in found]
            await asyncio.wait_for(begun.wait(), 60)
        await ground.play([agent])
        told = [(after, await asyncio.wait_for(watch, SECONDS)) for after, watch in watches]
        again = [(after, await seen(ground, agent.task_id, after, int)) for after in afters]
    wrong = [
        (after, got)
        for after, got in told + again
        if got != list(range(after + 1, agent.version + 1))
    ]
    chaos_report("watches are cut off", CUTS, len(told), len(wrong), sum(len(v) for _, v in told))
    assert not wrong


async def seen_of_group(ground: Ground, group_id: str, begun: Callable[[], None]) -> list[int]:
    """Returns the versions of each task of a group in turn that a watch was told."""
    versions = defaultdict[str, list[int]](list)
    lasts = []
    async with ground.watcher() as client:
        async for message in client.watch_group(group_id):
            begun()
            lasts.append(message.last)
            if message.HasField("task"):
                versions[message.task.task_id].append(message.task.version)
    assert lasts == [False] * (len(lasts) - 1) + [True]
    return [version for _, told in sorted(versions.items()) for version in told]


@pages
async def test_every_version_of_a_group_is_told_over_cuts_and_kills_and_then_the_end(
    server: Server, chaos_report
) -> None:
    async with ground_of(server) as ground:
        made = await ground.client.create_group(
            [CreateTaskRequest() for _ in range(TASKS)], closed=True
        )
        watches, begun = await followed_by(
            WATCHERS, lambda note: seen_of_group(ground, made.group.group_id, note)
        )
        await asyncio.wait_for(begun.wait(), 60)
        agents = [Agent(ground.client, task.task_id) for task in made.tasks]
        await asyncio.gather(*[agent.start() for agent in agents])
        await ground.play(agents)
        told = await asyncio.wait_for(asyncio.gather(*watches), SECONDS)
    agents.sort(key=lambda agent: agent.task_id)
    expected = [version for agent in agents for version in range(1, agent.version + 1)]
    wrong = [versions for versions in told if versions != expected]
    chaos_report("watches are cut off", CUTS, len(told), len(wrong), sum(map(len, told)))
    assert not wrong


@with_knobs({"watching.pages.page_size": 2, "watching.pages.max_batch": 1}, of="server")
async def test_the_command_prints_every_version_over_cuts_and_kills(
    server: Server, chaos_report
) -> None:
    async with ground_of(server) as ground:
        agent = Agent(ground.client, (await ground.client.create_task()).task.task_id)
        await agent.start()
        command = Command(COUNTERMAND_SERVER=ground.proxy.address, COUNTERMAND_API_KEY=server.key)
        watch = await command.start("watch", agent.task_id, "--json")
        assert watch.stdout is not None
        first = json.loads(await asyncio.wait_for(watch.stdout.readline(), 60))
        await ground.play([agent])
        result = await asyncio.wait_for(finish(watch), SECONDS)
    messages = [first, *map(json.loads, result.out.splitlines())]
    versions = [int(message["task"]["version"]) for message in messages]
    wrong = versions != list(range(2, agent.version + 1))
    chaos_report("watches are cut off", CUTS, 1, wrong, len(versions))
    assert not wrong
    assert first["type"] == WatchType.Name(WatchType.WATCH_TYPE_SNAPSHOT)
    assert [message.get("last", False) for message in messages][-2:] == [False, True]
    assert result.status == 0
