"""Callers that call too often, and strangers that try keys: neither slows down a neighbour, nor
fills the memory or the log.

The short round makes 5,000 tries of keys, the full one, with COUNTERMAND_CHAOS=full, a million.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from countermand.core.errors import Reason, Refused
from countermand.rpc.guard.limits import CallLimits
from countermand.v1.key_service_pb2 import CreateKeyRequest, KeyLimits
from tests.support.caller import Caller, first_caller
from tests.support.knobs import PRODUCTION
from tests.support.process import mebibytes
from tests.support.raw import RPCS
from tests.support.server import Server, started

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800 if FULL else 120)]

LIMIT = 100 if FULL else 20
"""Writes per second of the key that floods, at ten times as many."""
ROUNDS, CANCELS = (8, 500) if FULL else (3, 150)
TRIES = 100_000 if FULL else 5_000
ADDRESSES = 1_000_000 if FULL else 20_000
AT_ONCE = 100
CALLS = PRODUCTION.calls
MAX_GROWTH = 8.0
"""MiB that the server may grow by while keys are tried: what Python keeps for the next call."""


@asynccontextmanager
async def calling(
    server: Server, key: str, per_second: int, until: str
) -> AsyncIterator[list[dict[str, float]]]:
    """Calls the server at this pace while the block runs, which begins with the first such answer.
    The list then has how often each answer came."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.support.flood", server.address, key, str(per_second)],
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    answers: list[dict[str, float]] = []
    while (line := (await process.stdout.readline()).decode().strip()) != until:
        assert line == "let_in"
    try:
        yield answers
    finally:
        process.stdin.close()
    out, _ = await process.communicate()
    answers.append(json.loads(out.splitlines()[-1]))  # after what else came for the first time


async def cancel_times(caller: Caller) -> list[float]:
    """Cancels one task after the other. Returns the seconds that each took, the shortest first."""
    created = await caller.create_group(CANCELS)
    times = []
    for task in created.tasks:
        begin = time.perf_counter()
        await caller.cancel(task.task_id)
        times.append(time.perf_counter() - begin)
    return sorted(times)


async def loud_key(caller: Caller) -> str:
    """Makes a key that may write LIMIT times a second."""
    limits = KeyLimits(writes_per_second=LIMIT)
    request = CreateKeyRequest(
        tenant="loud", environment="sandbox", scopes=["tasks:write"], limits=limits
    )
    return str((await caller.keys.CreateKey(request)).secret)


async def test_a_key_at_ten_times_its_limit_is_no_matter_to_its_neighbour(tmp_path, chaos_report):
    """The neighbour is timed beside a key that keeps to its limit, while another server is flooded
    so that the machine has the same to do; and beside the same key when it is that which floods."""
    calm, flooded = [], []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    async with (
        started(tmp_path / "one", knobs={}) as server,
        started(tmp_path / "other", knobs={}) as other,
        first_caller(server) as caller,
        first_caller(other) as stranger,
    ):
        key, elsewhere = await loud_key(caller), await loud_key(stranger)
        for _ in range(ROUNDS):
            async with (
                calling(other, elsewhere, 10 * LIMIT, "RATE_LIMITED"),
                calling(server, key, 9 * LIMIT // 10, "let_in") as answers,
            ):
                calm += await cancel_times(caller)
            (answer,) = answers
            # A caller that stood still for a moment may come with too much at once.
            assert answer.get("RATE_LIMITED", 0) <= answer["let_in"] / 10
            async with calling(server, key, 10 * LIMIT, "RATE_LIMITED") as answers:
                flooded += await cancel_times(caller)
            (answer,) = answers
            assert answer["let_in"] <= LIMIT * (answer["seconds"] + 1) + 1
            assert answer["longest_delay"] <= 1 / LIMIT
    p50, p99 = (
        [sorted(times)[int(len(times) * part)] * 1000 for times in (calm, flooded)]
        for part in (0.5, 0.99)
    )
    print(f"p50 {p50[0]:.1f} and {p50[1]:.1f} ms, p99 {p99[0]:.1f} and {p99[1]:.1f} ms")
    slower = p50[1] > 2 * p50[0] + 5 or p99[1] > 2 * p99[0] + 20
    chaos_report("a key at ten times its limit", ROUNDS, len(flooded), int(slower))
    assert not slower


async def test_keys_without_number_leave_bounded_memory_and_few_lines(tmp_path, chaos_report):
    rpc = RPCS["ListTasks"]
    data = rpc.request.SerializeToString()

    async def try_keys(channel: grpc.aio.Channel, count: int) -> None:
        for _ in range(count):
            key = f"cmd_sandbox_{secrets.token_hex(8)}_{secrets.token_hex(32)}"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rpc.call(channel, data, key)
            assert caught.value.code().name in ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED")

    begin = time.monotonic()
    async with started(tmp_path, knobs={}) as server:
        async with (
            first_caller(server) as caller,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            await asyncio.gather(*(try_keys(channel, 20) for _ in range(AT_ONCE)))
            before = mebibytes(server.process.pid)
            await asyncio.gather(*(try_keys(channel, TRIES // AT_ONCE) for _ in range(AT_ONCE)))
            growth = mebibytes(server.process.pid) - before
            assert await caller.create()  # a right key from the same address
        seconds = time.monotonic() - begin
        await server.stop()
    lines = sum("call refused" in line for line in server.log)
    print(f"{TRIES} keys: {growth:.1f} MiB, {lines} lines in {seconds:.0f} s")
    too_much = growth > MAX_GROWTH or lines > CALLS.max_lines_per_second * (seconds + 1) + 1
    chaos_report("keys tried at random", 1, TRIES, int(too_much))
    assert not too_much


def test_addresses_without_number_leave_bounded_memory(chaos_report):
    """Each tries one key; over a network so many addresses are not to be had."""
    limits = CallLimits(20, CALLS)
    wrong = Refused(Reason.API_KEY_INVALID, "the API key is not valid")
    most = 0
    for number in range(ADDRESSES):
        limits.failed_login(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", wrong)
        most = max(most, len(limits._addresses))
    too_many = most > CALLS.max_addresses + 1
    chaos_report("keys tried at random", 1, ADDRESSES, int(too_many))
    assert not too_many
