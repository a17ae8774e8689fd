"""Hostile clients below the level of any method: a good one goes on as if they were not there.

The short round attacks for a moment each, and only sees to it that nothing fails; the full one,
with COUNTERMAND_CHAOS=full, for a minute, and times what a good client feels.
"""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.attacks import ATTACKS
from tests.support.caller import Caller, first_caller
from tests.support.process import mebibytes
from tests.support.server import Server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
SECONDS = 60.0 if FULL else 1.5
# The short round shares its cores with other tests, so there the bound only catches what hangs.
P99_SECONDS = 0.1 if FULL else 10.0
LEFT_MIB = 20.0
"""How much more memory than before may be left after an attack."""
WARM_UP = 200
"""How many tasks are cancelled before memory is looked at for the first time."""
COUNTED = 10_000 if FULL else 200
"""How many more are then cancelled in peace, to see what that alone takes: the store and its caches
grow with each."""
LEAVE_SECONDS = 60
"""How long the server has to give the memory back."""
LEAST_CANCELS = 5
"""How many cancels even the slowest machine manages meanwhile."""


@asynccontextmanager
async def attacked(server: Server, name: str) -> AsyncIterator[list[int]]:
    """Attacks from a process of its own. Leaves in the list how often it did what it does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.attacks",
        name,
        server.address,
        server.key,
        stdin=PIPE,
        stdout=PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    done: list[int] = []
    try:
        assert await process.stdout.readline() == b"under way\n"
        yield done
        output, _ = await process.communicate(b"")  # which ends its input
        done.append(int(output))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def cancels(caller: Caller, seconds: float, least: int) -> list[float]:
    """Creates tasks and cancels each. Returns how long the cancels took."""
    taken: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(taken) < least:
        task = await caller.create()
        begin = time.perf_counter()
        assert (await caller.cancel(task.task_id)).task.cancel_proof
        taken.append(time.perf_counter() - begin)
    return taken


def memory(server: Server) -> float:
    assert server.process is not None
    return mebibytes(server.process.pid)


async def memory_left(server: Server, expected: float) -> float:
    """Waits until the server has given memory back. Returns how much more it has than expected."""
    end = time.monotonic() + LEAVE_SECONDS
    while (left := memory(server) - expected) > LEFT_MIB:
        if time.monotonic() > end:
            break
        await asyncio.sleep(0.1)
    return left


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_good_client_goes_on_and_memory_comes_back(tmp_path, chaos_report, name):
    server = await Server(tmp_path, knobs={}).start()
    async with first_caller(server) as caller:
        await cancels(caller, 0, WARM_UP)
        warm = memory(server)
        await cancels(caller, 0, COUNTED)
        before = memory(server)
        async with attacked(server, name) as done:
            taken = sorted(await cancels(caller, SECONDS, LEAST_CANCELS))
            most = memory(server) - before
        left = await memory_left(server, before + (before - warm) * len(taken) / COUNTED)
    await server.kill()
    p50, p99 = (taken[int(len(taken) * part)] for part in (0.5, 0.99))
    print(
        f"{name}: {done[0]:,} times; of {len(taken):,} cancels meanwhile p50 {p50 * 1000:.1f} ms, "
        f"p99 {p99 * 1000:.1f} ms; memory {most:+.1f} MiB, then {left:+.1f} MiB"
    )
    chaos_report(f"abuse: {name}", 1, len(taken), (p99 > P99_SECONDS) + (left > LEFT_MIB))
    assert p99 < P99_SECONDS
    assert left < LEFT_MIB
