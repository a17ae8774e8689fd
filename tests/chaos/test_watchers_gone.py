"""Watches that are opened and dropped, in whichever way a client goes, leave nothing behind.

The short round has 10,800 of them; the full one, with COUNTERMAND_CHAOS=full, has 200,000.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack

import pytest

from tests.support.caller import first_caller
from tests.support.knobs import PRODUCTION
from tests.support.process import Usage, usage
from tests.support.server import Server
from tests.support.streams import Streams, streaming
from tests.support.watchers import PER_CONNECTION, Watcher

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
CONNECTIONS, TURNS = 4, 5
PER_ROUND = CONNECTIONS * TURNS * PER_CONNECTION
ROUNDS = 200_000 // PER_ROUND + 1 if FULL else 6
WARMING = 10 if FULL else 2
"""After so many rounds a server has all the memory that it needs for one."""
MAX_KIB = 5 * 1024
SPARE_SECONDS = 2
"""How much longer than its interval a server takes to give memory back."""


async def come_and_go(streams: Streams, task_ids: list[str], group_id: str) -> None:
    """Opens watches, again and again. Some go at once, some when they were served, and the last
    ones with their connection."""
    for turn in range(TURNS):
        watchers = [Watcher(task_ids, group_id) for _ in range(PER_CONNECTION // 2)]
        watchers += [Watcher(task_ids[:1]) for _ in range(PER_CONNECTION - len(watchers))]
        for watcher in watchers:
            watcher.watch(streams)
        hasty, patient = watchers[::3], [*watchers[1::3], *watchers[2::3]]
        for watcher in hasty:
            watcher.leave(streams)
        await streams.until(lambda: all(one.served or one.over for one in patient))  # noqa: B023
        assert all(watcher.served for watcher in patient)
        for watcher in patient if turn < TURNS - 1 else []:
            watcher.leave(streams)


async def one_round(server: Server, task_ids: list[str], group_id: str) -> Usage:
    """Opens and drops PER_ROUND watches. Returns what the server takes when all are gone."""
    sockets = usage(server).sockets
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as clients:
        for _ in range(CONNECTIONS):
            streams = await stack.enter_async_context(streaming(server.address, server.key))
            clients.create_task(come_and_go(streams, task_ids, group_id))
    async with asyncio.timeout(60):
        # Nothing signals that the server has noticed, so it looks.
        while usage(server).sockets > sockets:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return usage(server)


async def memory_at_rest(server: Server) -> int:
    """Returns the KiB that the server takes once it has given back what it has no use for."""
    seen = []
    end = time.monotonic() + PRODUCTION.server.memory_interval + SPARE_SECONDS
    while time.monotonic() < end:
        seen.append(usage(server).memory)
        await asyncio.sleep(0.1)
    return min(seen)


async def test_watches_that_were_dropped_leave_nothing_behind(server, chaos_report):
    async with first_caller(server) as caller:
        made = await caller.create_group(2)
        ids, group_id = [task.task_id for task in made.tasks], made.group.group_id
        early = [await one_round(server, ids, group_id) for _ in range(WARMING)]
        before = await memory_at_rest(server)
        late = [await one_round(server, ids, group_id) for _ in range(ROUNDS)]
        growth = await memory_at_rest(server) - before
        assert await caller.get(ids[0]) == made.tasks[0]
    left = sum(
        late[-1]._asdict()[what] > max(one._asdict()[what] for one in (*early, *late[:-1]))
        for what in ("files", "threads")
    )
    print(f"{PER_ROUND * ROUNDS:,} watches opened and dropped: memory grew by {growth:.0f} KiB")
    chaos_report("watches are dropped", ROUNDS, PER_ROUND * ROUNDS, left + (growth > MAX_KIB))
    assert growth < MAX_KIB
    assert not left
