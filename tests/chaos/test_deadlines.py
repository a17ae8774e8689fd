"""Thousands of deadlines at one instant: each is kept, and cancels go on meanwhile.

The short round has a thousand of them; the full one, with COUNTERMAND_CHAOS=full, has 10,000 that
must end within a second, and a storm of 100,000.
"""

import asyncio
import os
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from countermand.core.commands import Command
from countermand.core.records import DEFAULT_GRACE, SECOND
from countermand.v1 import task_service_pb2 as t
from tests.support.ask import cancel, cancel_group, create, create_group, start, uid
from tests.support.caller import CANCELLING, Caller, first_caller
from tests.support.engine import HandClock, running
from tests.support.server import Server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
FAULT = "deadlines at one instant"
DUE = 10_000 if FULL else 1_000
STORM = 100_000 if FULL else 3_000
PROBES = 1_000 if FULL else 100
LEAST_PROBES = 100 if FULL else 1
# The short round shares its cores with other tests, so there the bounds only catch what hangs.
LATE_SECONDS = 1.0 if FULL else 15.0
PROBE_SECONDS = 0.2 if FULL else 5.0
LEASE = 24 * 3600 * SECOND
AGENT, PROBER = "agent", "prober"
START_SECONDS = 4
"""How long before its deadlines a server is started, so that it is ready when they come."""
TOGETHER = 1_000
"""How many commands of the filling commit together."""


def pieces(commands: Sequence[Command]) -> Iterator[Sequence[Command]]:
    for begin in range(0, len(commands), TOGETHER):
        yield commands[begin : begin + TOGETHER]


async def fill(
    folder: Path, *, tasks: int, group: bool = False, probes: int = 0, overdue: bool = False
) -> float:
    """Leaves tasks in the store of a server that is not running: all CANCELLING, with one
    cancellation or with one for each, and due at one instant; and some RUNNING ones for probes.

    Returns that instant.
    """
    begin, clock = time.time(), HandClock()
    doomed = [uid(number) for number in range(1, tasks + 1)]
    others = [uid(number) for number in range(tasks + 1, tasks + probes + 1)]
    creates = [create_group(*doomed)] if group else [create(id) for id in doomed]
    starts = [start(id, AGENT, lease=LEASE) for id in doomed]
    cancels = [cancel_group()] if group else [cancel(id) for id in doomed]
    clock.time = int(begin * SECOND)
    async with running(folder / "countermand.db", clock=clock) as engine:
        for some in pieces([*creates, *(create(id) for id in others)]):
            await engine.do(*some)
        for some in pieces([*starts, *(start(id, PROBER, lease=LEASE) for id in others)]):
            await engine.do(*some)
        half = time.time()
        due = begin - 60 if overdue else half + (half - begin) + START_SECONDS
        clock.time = int(due * SECOND) - DEFAULT_GRACE
        for some in pieces(cancels):
            await engine.do(*some)
    return due


async def all_ended(caller: Caller) -> float:
    """Returns the time at which a caller sees none of the CANCELLING tasks any more."""
    request = t.ListTasksRequest(filter={"agent_id": AGENT}, states=[CANCELLING], page_size=1)
    while (await caller.tasks.ListTasks(request)).tasks:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return time.time()


def ends(folder: Path) -> Counter[str]:
    """Returns how the tasks in the store stand, and how many each way."""
    with closing(sqlite3.connect(folder / "countermand.db")) as db:
        rows = db.execute("SELECT state, cancel_proof FROM tasks")
        return Counter(proof or state for state, proof in rows)


@asynccontextmanager
async def a_server_that_ran(folder: Path) -> AsyncIterator[Server]:
    """A server that was killed, and can be started again."""
    server = await Server(folder, knobs={}).start()  # what is measured is what is served
    await server.kill()
    try:
        yield server
    finally:
        await server.kill()


@pytest.mark.parametrize("group", [False, True], ids=["alone", "in one group"])
@pytest.mark.parametrize("overdue", [False, True], ids=["while it runs", "right after a restart"])
async def test_all_end_within_a_second_of_their_deadline(tmp_path, chaos_report, group, overdue):
    async with a_server_that_ran(tmp_path) as server:
        due = await fill(tmp_path, tasks=DUE, group=group, overdue=overdue)
        await server.start()
        ready = time.time()
        async with first_caller(server) as caller:
            ended = await all_ended(caller)
    late = ended - max(due, ready)
    print(f"{DUE:,} deadlines: the last was seen to be kept after {late:.2f} s")
    kept = ends(tmp_path) == {"FORCED": DUE}
    chaos_report(FAULT, 1, DUE, (late > LATE_SECONDS) + (not kept))
    assert kept
    assert 0 <= late < LATE_SECONDS


async def test_a_storm_of_deadlines_delays_no_cancel(tmp_path, chaos_report):
    async with a_server_that_ran(tmp_path) as server:
        due = await fill(tmp_path, tasks=STORM, probes=PROBES)
        await server.start()
        async with first_caller(server) as caller:
            await asyncio.sleep(due - time.time())  # the storm comes when it comes
            begin = time.perf_counter()
            storm = asyncio.create_task(all_ended(caller))
            seconds = await probe(caller, storm)
            await storm
            whole = time.perf_counter() - begin
    p50, p99 = (sorted(seconds)[int(len(seconds) * part)] for part in (0.5, 0.99))
    print(
        f"{STORM:,} deadlines were kept in {whole:.1f} s; of {len(seconds)} cancels meanwhile "
        f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    )
    kept = ends(tmp_path)["FORCED"] == STORM
    chaos_report(FAULT, 1, STORM + len(seconds), (p99 > PROBE_SECONDS) + (not kept))
    assert kept
    assert len(seconds) >= LEAST_PROBES
    assert p99 < PROBE_SECONDS


async def probe(caller: Caller, storm: asyncio.Task[float]) -> list[float]:
    """Cancels one task after the other while the storm lasts. Returns how long each took."""
    seconds = []
    for number in range(STORM + 1, STORM + PROBES + 1):
        begin = time.perf_counter()
        await caller.cancel(uid(number), grace=3600)
        seconds.append(time.perf_counter() - begin)
        if storm.done():
            break
    return seconds
