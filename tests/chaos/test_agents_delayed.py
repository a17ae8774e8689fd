"""Agents that keep asking while the server is suspended, its disk is slow, or a request keeps it
busy: none is lost, and one that falls silent is.

Their leases are a second, the shortest there are, and each is renewed after a third of it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from countermand.v1.task_service_pb2 import CreateGroupRequest, CreateTaskRequest
from tests.support.caller import FAILED, RUNNING, Caller, Held, first_caller, new_id
from tests.support.injected import files_of, injected, needs_strace
from tests.support.server import Server, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
AGENTS = 8
LEASE = 1.0
ROUNDS = 10 if FULL else 1


class Agent:
    """Holds one task, and renews its lease in time."""

    def __init__(self, caller: Caller, name: str) -> None:
        self.caller = caller
        self.name = name
        self.held: Held | None = None
        self.oks = 0
        self.late = False
        """Whether it did not ask in time itself, as on a machine that has no time for it."""
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        """Asks a third of its lease after each OK, until it is stopped."""
        loop = asyncio.get_running_loop()
        self.held = await self.caller.running(self.name, lease=LEASE)
        while not self.stopped.is_set():
            answered = loop.time()
            await asyncio.sleep(LEASE / 3)
            self.late |= loop.time() - answered > 0.6 * LEASE
            await self.caller.heartbeat(self.name, lease=LEASE)
            self.oks += 1

    async def state(self) -> int:
        assert self.held is not None
        return (await self.caller.get(self.held.task_id)).state


@asynccontextmanager
async def agents_of(server: Server) -> AsyncIterator[list[Agent]]:
    """Agents that ask, all the time."""
    async with first_caller(server) as caller:
        agents = [Agent(caller, f"agent-{number}") for number in range(AGENTS)]
        async with asyncio.TaskGroup() as group:
            for agent in agents:
                group.create_task(agent.run())
            await each_has(agents, 2)
            yield agents
            for agent in agents:
                agent.stopped.set()


async def each_has(agents: list[Agent], more: int) -> None:
    """Returns when each agent has so many more OKs: nothing signals that, so it looks."""
    goals = [agent.oks + more for agent in agents]
    while any(agent.oks < goal for agent, goal in zip(agents, goals, strict=True)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def lost_in_time(agents: list[Agent]) -> list[str]:
    """Returns which agents lost their task though they asked in time; some must have."""
    in_time = [agent for agent in agents if not agent.late]
    if not in_time:
        pytest.skip("this machine is too busy for agents to ask in time")
    return [agent.name for agent in in_time if await agent.state() != RUNNING]


def send(server: Server, number: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(number)


@pytest.mark.parametrize("seconds", [0.2, 0.9, 2.5])
async def test_a_suspension_costs_no_agent_its_task(tmp_path, chaos_report, seconds):
    async with started(tmp_path) as server, agents_of(server) as agents:
        for _ in range(ROUNDS):
            send(server, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            send(server, signal.SIGCONT)
            await each_has(agents, 4)
        lost = await lost_in_time(agents)
        told = any("the process was suspended" in line for line in server.log)
        chaos_report("frozen process", ROUNDS, sum(agent.oks for agent in agents), len(lost))
        assert lost == []
        assert told or seconds < 0.5


@pytest.mark.parametrize("seconds", [0.25, 0.6, 2.5])
async def test_a_slow_sync_costs_no_agent_its_task(tmp_path, chaos_report, seconds):
    needs_strace()
    async with started(tmp_path) as server, agents_of(server) as agents:
        slow = f"fdatasync:delay_enter={int(seconds * 1_000_000)}:when=2+5"
        async with injected(server, slow, files=files_of(tmp_path)):
            await each_has(agents, 4 * ROUNDS)
        lost = await lost_in_time(agents)
        chaos_report("slow disk", ROUNDS, sum(agent.oks for agent in agents), len(lost))
        assert lost == []


async def test_large_requests_cost_no_agent_its_task_and_renew_nobodys_lease(
    tmp_path, chaos_report
):
    """A silent agent of the same time is found lost while they go on.

    By the knobs of production: with three rows a statement, such a request takes many seconds.
    """
    tasks = [CreateTaskRequest() for _ in range(10_000)]
    async with started(tmp_path, knobs={}) as server, agents_of(server) as agents:
        caller, *_ = (agent.caller for agent in agents)
        silent = await caller.running("silent", lease=LEASE)
        loop, going = asyncio.get_running_loop(), True
        begin, found = loop.time(), 0.0

        async def press() -> None:
            while going:
                request = CreateGroupRequest(group_id=new_id(), tasks=tasks)
                await caller.tasks.CreateGroup(request, timeout=120)

        pressing = [asyncio.create_task(press()) for _ in range(2)]
        while (await caller.get(silent.task_id)).state != FAILED:
            await asyncio.sleep(0.05)
            assert loop.time() - begin < 60
        found = loop.time() - begin
        await each_has(agents, 2)
        going = False
        await asyncio.gather(*pressing)
        lost = await lost_in_time(agents)
        print(f"the silent agent was found lost after {found:.1f} s")
        chaos_report("large requests", 1, sum(agent.oks for agent in agents), len(lost))
        assert lost == []
        assert not any("the process was suspended" in line for line in server.log)
