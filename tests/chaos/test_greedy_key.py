"""A key at ten times its limit is put off, and told for how long; its neighbour does not notice.
Nor do a million keys that nobody has leave anything in memory.

The short round does it for moments, the full one, with COUNTERMAND_CHAOS=full, for longer.
"""

import asyncio
import os
import secrets
import time
from contextlib import suppress

import grpc
import pytest

from countermand.core.errors import Reason, Refused
from countermand.rpc.limits import MOST_ADDRESSES, CallLimits
from countermand.v1 import task_service_pb2 as t
from countermand.v1.key_service_pb2 import KeyLimits
from tests.support.caller import Caller, new_caller
from tests.support.inside import inside
from tests.support.memory import mebibytes
from tests.support.refusals import refusal_of
from tests.support.server import Server, Stubs

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
FAULT = "a greedy key"
LIMIT = 50
TIMES = 10
ROUNDS = 20 if FULL else 3
CANCELS = 100 if FULL else 20
"""How many cancels of the neighbour each round times."""
# The short round shares its cores with other tests, so there the bound only catches what hangs.
NOISE_SECONDS = 0.02 if FULL else 10.0
STRANGE_KEYS = 1_000_000 if FULL else 20_000
GROWN_MIB = 20.0


async def flood(key: Caller, stop: asyncio.Event) -> tuple[int, list[float | None]]:
    """Calls ten times as often as the limit allows. Returns how many calls were let in, and what
    the refused were told to wait."""
    let_in, delays = 0, []
    calls: set[asyncio.Task[object]] = set()

    async def call() -> None:
        nonlocal let_in
        try:
            await key.tasks.CreateTask(t.CreateTaskRequest(), timeout=60)
            let_in += 1
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            assert refusal.reason == "RATE_LIMITED"
            delays.append(refusal.retry_seconds)

    while not stop.is_set():
        calling = asyncio.create_task(call())
        calls.add(calling)
        calling.add_done_callback(calls.discard)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1 / (TIMES * LIMIT))
    await asyncio.gather(*calls)
    return let_in, delays


async def cancels(caller: Caller) -> list[float]:
    """Returns how long each of some cancels took."""
    taken = []
    for _ in range(CANCELS):
        task = await caller.create()
        begin = time.perf_counter()
        await caller.cancel(task.task_id)
        taken.append(time.perf_counter() - begin)
    return taken


async def test_it_is_put_off_and_its_neighbour_is_not(server: Server, stubs: Stubs, chaos_report):
    calm: list[float] = []
    meanwhile: list[float] = []
    async with (
        new_caller(server, stubs, limits=KeyLimits(writes_per_second=LIMIT)) as greedy,
        new_caller(server, stubs) as neighbour,
    ):
        await cancels(neighbour)
        for _ in range(ROUNDS):  # in turns, so that both meet the same noise
            calm += await cancels(neighbour)
            stop, begin = asyncio.Event(), time.monotonic()
            flooding = asyncio.create_task(flood(greedy, stop))
            meanwhile += await cancels(neighbour)
            stop.set()
            let_in, delays = await flooding
            assert let_in <= LIMIT * (1 + time.monotonic() - begin) + 1
            assert all(delay and delay <= 1 / LIMIT + 0.001 for delay in delays)
    before, after = (sorted(taken)[int(len(taken) * 0.99)] for taken in (calm, meanwhile))
    print(f"p99 of the neighbour's cancels: {before * 1000:.1f} ms, then {after * 1000:.1f} ms")
    chaos_report(FAULT, 1, len(calm + meanwhile), int(after > before + NOISE_SECONDS))
    assert after < before + NOISE_SECONDS


async def test_keys_that_nobody_has_leave_nothing_in_memory(tmp_path, chaos_report):
    async with inside(tmp_path) as server:
        limits = CallLimits(1000)
        half = 0.0
        for number in range(STRANGE_KEYS):
            if number == STRANGE_KEYS // 2:
                half = mebibytes(os.getpid())
            key = f"cmd_sandbox_{secrets.token_hex(8)}_{secrets.token_hex(32)}"
            with pytest.raises(Refused) as caught:
                server.app.keyring.authenticate(key)
            address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            refusal = limits.failed_login(address, caught.value)
            assert refusal.reason in (Reason.API_KEY_INVALID, Reason.RATE_LIMITED)
        grown = mebibytes(os.getpid()) - half
        assert len(server.app.keyring) == 1
    chaos_report(FAULT, 1, STRANGE_KEYS, int(grown > GROWN_MIB))
    assert len(limits._addresses) <= MOST_ADDRESSES + 1
    assert grown < GROWN_MIB
