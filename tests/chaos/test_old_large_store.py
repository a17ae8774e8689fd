"""A store of before the bounds holds what no request may say any more: it is served all the same.

Its checkouts are as large as a message was, one order lists 200 of them, many expire at one moment,
and many are old. It opens; all of them are read, cancelled, expired and purged; and who cancels
tasks of another tenant meanwhile hardly feels it. It is of the full round, with
COUNTERMAND_CHAOS=full.
"""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.support.beside import cancels, p99
from tests.support.caller import first_caller, new_caller
from tests.support.knobs import PRODUCTION
from tests.support.large_store import fill
from tests.support.server import started
from tests.support.stores import sqlite_store

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not FULL, reason="a gigabyte is written: COUNTERMAND_CHAOS=full has it"),
]

SECONDS, PER_SECOND = 20.0, 100
MAX_P99, MAX_WAIT = 0.3, 0.6
"""Seconds."""


async def test_a_store_of_before_the_bounds_is_served_and_its_neighbours_hardly_feel_it(
    tmp_path: Path, chaos_report
):
    path = tmp_path / "countermand.db"
    fill(path, time.time_ns() // 1000)
    begin = time.monotonic()
    store = sqlite_store(path, PRODUCTION.store)
    await store.open(time.time_ns() // 1000)
    await store.close()
    opening = time.monotonic() - begin
    async with (
        started(tmp_path, knobs={}) as server,
        first_caller(server) as admin,
        new_caller(server, admin) as caller,
    ):
        using = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.large_store", server.address, server.key),
            stdout=PIPE,
            cwd=Path(__file__).parents[2],
        )
        done = asyncio.create_task(using.communicate())
        taken = await cancels(caller, SECONDS, PER_SECOND)
        while not done.done():
            taken = sorted([*taken, *await cancels(caller, SECONDS, PER_SECOND)])
        output, _ = await done
    print(
        f"brought up to date in {opening:.1f} s; p99 {p99(taken) * 1000:.0f} ms"
        f" of {len(taken)} cancels, longest {taken[-1] * 1000:.0f} ms"
    )
    assert output == b"all of it was seen through\n"
    broken = (p99(taken) > MAX_P99) + (taken[-1] > MAX_WAIT)
    chaos_report("an old store of large checkouts", 1, len(taken), broken)
    assert not broken
