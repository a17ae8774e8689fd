"""Watches of both clients while the way to the server is cut, and while it is killed each second.

Every version of every task comes once, in order, to its end.
"""

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countermand.client import Agent, Client
from countermand.client import sync as threads
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_COMPLETED
from countermand.v1.cancellation_service_pb2 import WatchTaskResponse, WatchTasksResponse
from countermand.v1.task_pb2 import CANCEL_PROOF_ACKNOWLEDGED, TaskFilter
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.chaos.robustness.proxy import Proxy
from tests.support.server import Server, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
SECONDS = 60 if FULL else 4.5
TASKS = 60 if FULL else 30


async def cut_each_two_seconds(server: Server, proxy: Proxy) -> None:
    while True:
        await asyncio.sleep(2)
        proxy.cut()


async def restart_each_second(server: Server, proxy: Proxy) -> None:
    while True:
        await asyncio.sleep(1)
        await asyncio.shield(asyncio.ensure_future(restart(server)))


async def restart(server: Server) -> None:
    await server.kill()
    await server.start()


@asynccontextmanager
async def beside(work) -> AsyncIterator[None]:
    """Does this until the block ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)


class Seen:
    """The versions that one watch gave of each task, and whether it has shown all of them."""

    def __init__(self) -> None:
        self.all_shown = threading.Event()
        self.versions: dict[str, list[int]] = defaultdict(list)

    def take(self, message: WatchTaskResponse | WatchTasksResponse) -> None:
        if message.HasField("task"):
            self.versions[message.task.task_id].append(message.task.version)
        if len(self.versions) == TASKS:
            self.all_shown.set()


async def with_asyncio(address: str, key: str, group_id: str, task_id: str, both: list[Seen]):
    async def follow(messages, seen: Seen) -> None:
        async for message in messages:
            seen.take(message)

    async with Client(address, key, timeout=60) as client:
        await asyncio.gather(
            follow(client.watch_group(group_id), both[0]),
            follow(client.watch_task(task_id, 0), both[1]),
        )


async def with_threads(address: str, key: str, group_id: str, task_id: str, both: list[Seen]):
    def follow(messages, seen: Seen) -> None:
        for message in messages:
            seen.take(message)

    with threads.Client(address, key, timeout=60) as client:
        await asyncio.gather(
            asyncio.to_thread(follow, client.watch_group(group_id), both[0]),
            asyncio.to_thread(follow, client.watch_task(task_id, 0), both[1]),
        )


@pytest.mark.parametrize("follow", [with_asyncio, with_threads])
@pytest.mark.parametrize("fault", [cut_each_two_seconds, restart_each_second])
async def test_a_watch_misses_and_repeats_nothing(tmp_path: Path, chaos_report, follow, fault):
    proxy = Proxy()
    async with started(tmp_path) as server:
        proxy.start(server.address)
        try:
            found = await watched(server, proxy, follow, fault)
        finally:
            await proxy.close()
    versions = [each for seen in found for each in seen.versions.items()]
    wrong = [each for each in versions if each[1] != list(range(1, 4))]
    chaos_report(f"watches: {fault.__name__}", 1, TASKS, len(wrong), len(versions))
    assert wrong == []
    assert [len(seen.versions) for seen in found] == [TASKS, 1]


async def watched(server: Server, proxy: Proxy, follow, fault) -> list[Seen]:
    """What watches saw of tasks that start and end one by one meanwhile."""
    async with Client(server.address, server.key, timeout=60) as client:
        tasks = [CreateTaskRequest() for _ in range(TASKS)]
        made = await client.create_group(tasks, closed=True)
        ids = [task.task_id for task in made.tasks]
        group_id = made.group.group_id
        both = [Seen(), Seen()]
        way = (proxy.address, server.key)
        watching = asyncio.create_task(follow(*way, group_id, ids[-1], both))
        assert await asyncio.to_thread(both[0].all_shown.wait, 30)
        async with beside(fault(server, proxy)):
            for task_id in ids:
                started = await client.start_task(task_id, "agent-1")
                await asyncio.sleep(SECONDS / TASKS)
                await client.finish_task(task_id, started.fence, FINISH_OUTCOME_COMPLETED)
        if server.process is not None and server.process.returncode is not None:
            await server.start()
        await asyncio.wait_for(watching, 120)
        return both


async def test_an_agent_with_10000_tasks_of_a_cancelled_group_acknowledges_them_all(
    tmp_path: Path, chaos_report
):
    count = 10_000 if FULL else 2_000
    async with (
        started(tmp_path) as server,
        Client(server.address, server.key, timeout=60) as client,
        Agent(client, "agent-1") as agent,
    ):
        tasks = [CreateTaskRequest() for _ in range(count)]
        group_id = (await client.create_group(tasks)).group.group_id
        group = [task.task_id async for task in client.iter_tasks(_of(group_id))]
        running = asyncio.Semaphore(0)

        async def body(task_id: str) -> None:
            async with agent.task(task_id):
                running.release()
                await asyncio.Event().wait()

        bodies = [asyncio.create_task(body(task_id)) for task_id in group]
        for _ in group:
            await running.acquire()
        answer = await client.cancel_group(group_id)
        await asyncio.gather(*bodies)
        ended = (await client.get_cancellation(answer.cancellation.cancellation_id)).cancellation
        late = [each for each in ended.results if each.cancel_proof != CANCEL_PROOF_ACKNOWLEDGED]
        chaos_report("agents: 10,000 stops", 1, count, len(late))
        assert len(ended.results) == count
        assert late == []


def _of(group_id: str) -> TaskFilter:
    return TaskFilter(group_id=group_id)
