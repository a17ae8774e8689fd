"""How long a commit takes to the watches on another server, whatever becomes of the hints.

It takes a quiet machine, and prints what it measured: run it with `-s`.
"""

import asyncio
import os
import random
import time
from typing import Any

import pytest

from countermand.core.log import TaskFilter
from tests.support.ask import NS, create, uid
from tests.support.engine import HOUR
from tests.support.knobs import PRODUCTION
from tests.support.postgres import Cluster
from tests.support.postgres_proxy import proxy_to
from tests.support.replicas import Replica, postgres_replicas
from tests.support.waiting import until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(
        os.environ.get("COUNTERMAND_CHAOS") != "full",
        reason="takes a quiet machine: COUNTERMAND_CHAOS=full",
    ),
]

COMMITS = 500
MILLISECOND = 0.001
GOALS = {"heard": (5, 100)} | dict.fromkeys(("lost", "late", "twice", "frozen"), (250, 250))
"""What becomes of the hints: within how many milliseconds half of the commits are to be shown, and
all but a hundredth."""


async def _latencies(writing: Replica, watching: Replica) -> list[float]:
    """Returns the milliseconds from each commit on one server to its message on another."""
    committed: dict[str, float] = {}
    draw = random.Random(1)

    def note(done: Any) -> None:
        for event in done.batch.saves.events:
            committed[event.task.task_id] = time.perf_counter()

    writing.writer.listen(note)
    synced = asyncio.Event()

    async def watch() -> list[float]:
        found: list[float] = []
        async for message in watching.following(watching.watch.tasks, NS, TaskFilter(), None, HOUR):
            if str(message.kind) == "SYNCED":
                synced.set()
            elif str(message.kind) == "CHANGE":
                now = time.perf_counter()
                # It may be shown before the server that committed it has heard of its commit.
                found.append((now - committed.get(message.task.task_id, now)) / MILLISECOND)
                if len(found) == COMMITS:
                    break
        return found

    watched = asyncio.create_task(watch())
    await synced.wait()
    for number in range(COMMITS):
        await writing.do(create(uid(0x10000 + number)))
        await asyncio.sleep(draw.uniform(0, 0.06))
    async with asyncio.timeout(10):
        return sorted(await watched)


@pytest.mark.parametrize("hints", GOALS)
async def test_a_commit_is_shown_on_another_server_soon(cluster: Cluster, hints: str) -> None:
    with cluster.database() as url, proxy_to(cluster.port) as proxy:
        through = url.replace(f":{cluster.port}/", f":{proxy.port}/")
        other = url if hints == "heard" else through
        async with postgres_replicas([url, other], PRODUCTION) as (writing, watching):
            if hints != "heard":
                await until(lambda: any(said.startswith("LISTEN") for said in proxy.statements))
                proxy.hints = hints
            found = await _latencies(writing, watching)
    half, nearly_all = found[COMMITS // 2], found[COMMITS * 99 // 100]
    print(
        f"\nhints {hints}: p50 {half:.1f} ms, p99 {nearly_all:.1f} ms, longest {found[-1]:.1f} ms"
    )
    max_half, max_nearly_all = GOALS[hints]
    assert half <= max_half
    assert nearly_all <= max_nearly_all
