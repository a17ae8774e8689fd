"""Somebody whose keys are limited asks for all that they may: a good tenant goes on beside it.

The bot has keys that write twice and read ten times a second. It sends the largest request that
each method allows, and strange ones, as fast as it is answered. The short round takes some seconds
and only sees to it that nothing fails; the full one, with COUNTERMAND_CHAOS=full, gives the server
a core of its own, goes on for five minutes, and holds what the good tenant feels to figures, beside
the same without the bot.
"""

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from countermand.v1.key_service_pb2 import CreateKeyRequest, KeyLimits
from tests.support.beside import beside, cancels, p99, peak
from tests.support.caller import SCOPES, Caller, first_caller, new_caller
from tests.support.process import mebibytes
from tests.support.server import Server, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
SECONDS = 300.0 if FULL else 20.0
PER_SECOND = 200 if FULL else 20
KEYS = 2
LIMITS = KeyLimits(writes_per_second=2, reads_per_second=10, watches_per_second=2, open_watches=10)
MAX_MORE_P99 = 0.05 if FULL else 5.0
MAX_WAIT = 0.6 if FULL else 20.0
MAX_LATE = 0.5 if FULL else 20.0
"""Seconds; the short round has other tests beside it."""
MAX_MEMORY, MAX_LEFT = 400.0, 20.0 if FULL else 200.0
"""MiB."""
SETTLING = 30.0 if FULL else 2.0
READY = 2.0 if FULL else 20.0
SCOPES_OF_BOT = tuple(scope for scope in SCOPES if scope not in ("keys:admin", "operator:read"))


async def deadlines(caller: Caller, late: list[float]) -> None:
    """Lets the deadline of a task pass, again and again, and notes how late each was judged."""
    while True:
        task = await caller.create()
        held = await caller.start(task.task_id)
        await caller.cancel(held.task_id, grace=1)
        found = await caller.ended(held.task_id)
        late.append((found.end_time.ToNanoseconds() - found.deadline_time.ToNanoseconds()) / 1e9)


async def keys_of_bot(admin: Caller) -> list[str]:
    """Makes the keys of one tenant that is limited."""
    request = CreateKeyRequest(tenant="bot", environment="sandbox", scopes=SCOPES_OF_BOT)
    request.limits.CopyFrom(LIMITS)
    return [(await admin.keys.CreateKey(request)).secret for _ in range(KEYS)]


def give_cores(server: Server) -> None:
    """Gives the server a core of its own, and all that calls it another."""
    cores = sorted(os.sched_getaffinity(0))
    if FULL and len(cores) > 1:
        assert server.process is not None
        for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores[:1])
        os.sched_setaffinity(0, cores[1:])


async def test_somebody_who_asks_for_all_that_limited_keys_allow_is_no_ones_burden(
    tmp_path: Path, chaos_report
):
    seed, late = random.randrange(10**6), list[float]()
    print(f"the bot's seed is {seed}")
    async with (
        started(tmp_path, knobs={}) as server,
        first_caller(server) as admin,
        new_caller(server, admin) as caller,
    ):
        assert server.process is not None
        cores = os.sched_getaffinity(0)
        give_cores(server)
        try:
            await cancels(caller, 2, PER_SECOND)
            calm = await cancels(caller, SECONDS / 5, PER_SECOND)
            before = mebibytes(server.process.pid)
            looking = asyncio.create_task(peak(server))
            judging = asyncio.create_task(deadlines(caller, late))
            keys = await keys_of_bot(admin)
            async with beside("greedy", server.address, str(seed), *keys) as done:
                taken = await cancels(caller, SECONDS, PER_SECOND)
            judging.cancel()
            looking.cancel()
            most = await looking
            await asyncio.sleep(SETTLING)
            left = mebibytes(server.process.pid) - before
        finally:
            os.sched_setaffinity(0, cores)
        await server.kill()
        begin = time.monotonic()
        await server.start()
        ready = time.monotonic() - begin
    print(
        f"p99 {p99(calm) * 1000:.1f} and {p99(taken) * 1000:.1f} ms of {len(taken)} cancels,"
        f" longest {calm[-1] * 1000:.0f} and {taken[-1] * 1000:.0f} ms,"
        f" deadlines up to {max(late):.2f} s late,"
        f" memory up to {most:.0f} MiB and {left:+.1f} at last,"
        f" ready again in {ready:.2f} s; {done}"
    )
    assert sum(count for answer, count in done.items() if answer.endswith(" OK"))
    broken = (
        (p99(taken) - p99(calm) > MAX_MORE_P99)
        + (taken[-1] > MAX_WAIT)
        + (max(late) > MAX_LATE)
        + (most > MAX_MEMORY)
        + (left > MAX_LEFT)
        + (ready > READY)
    )
    chaos_report("somebody with limited keys", 1, sum(done.values()), broken)
    assert not broken
