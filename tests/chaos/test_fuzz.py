"""Requests and keys that no client of ours sends: each is refused in the API's words or served.

The short round has some thousands of them; the full one, with COUNTERMAND_CHAOS=full, a million,
and memory must not grow in its second half.
"""

import asyncio
import os
import random
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermand.rpc.method import LARGE
from tests.support.caller import Caller, first_caller
from tests.support.fuzz import Fuzzer
from tests.support.in_process import InProcess
from tests.support.inside import Inside, inside
from tests.support.process import mebibytes
from tests.support.refusals import refusal_of
from tests.support.server import Server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
CALLS = 800_000 if FULL else 4_000
EXAMPLES = 10_000 if FULL else 100
CALLS_OF_EXAMPLE = 5
GUIDED_CALLS = 100_000 if FULL else 1_000
CALLS_OVER_THE_WIRE = 50_000 if FULL else 500
AT_ONCE = 50
GROWN_MIB = 20.0
"""How much more memory than half-way there may be at the end."""
FAULT = "generated requests"


async def some_of_each(caller: Caller) -> list[str]:
    """Makes something of each kind. Returns the ids."""
    task = await caller.create()
    held = await caller.running()
    group = await caller.create_group(3)
    checkout = (await caller.new_checkout()).made
    order = (await caller.new_order()).made
    cancelled = await caller.cancel((await caller.create()).task_id)
    return [
        *(task.task_id, held.task_id, group.group.group_id, checkout.checkout_id),
        *(order.order_id, cancelled.cancellation.cancellation_id),
    ]


async def known(server: Inside) -> list[str]:
    async with server.caller() as caller:
        return await some_of_each(caller)


async def test_a_flood_of_them_in_process(tmp_path, chaos_report):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    async with inside(tmp_path) as server:
        calls = InProcess(server)
        fuzzer = Fuzzer(random.Random(seed), await known(server))
        reasons: Counter[str] = Counter()
        half = 0.0
        for number in range(0, CALLS, AT_ONCE):
            if number == CALLS // 2:
                half = mebibytes(os.getpid())
            some = (calls.call(*fuzzer.call(server.key)) for _ in range(AT_ONCE))
            reasons.update(await asyncio.gather(*some))
        grown = mebibytes(os.getpid()) - half
    print(f"{CALLS:,} calls, {grown:+.1f} MiB in the second half: {dict(reasons.most_common())}")
    chaos_report(FAULT, 1, CALLS, int(grown > GROWN_MIB))
    assert grown < GROWN_MIB
    # It would find little if all were refused for the same thing.
    assert reasons[""] > CALLS / 50
    assert reasons["INVALID_REQUEST"] > CALLS / 50
    assert len(reasons) > 10


def test_those_that_hypothesis_makes_small(tmp_path, chaos_report):
    async def play() -> None:
        async with inside(tmp_path) as server:
            calls, ids = InProcess(server), await known(server)
            loop = asyncio.get_running_loop()

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(st.randoms(use_true_random=False))
            def some(chance: random.Random) -> None:
                fuzzer = Fuzzer(chance, ids)
                for _ in range(CALLS_OF_EXAMPLE):
                    calling = calls.call(*fuzzer.call(server.key))
                    asyncio.run_coroutine_threadsafe(calling, loop).result()

            await asyncio.to_thread(some)

    asyncio.run(play())
    chaos_report(FAULT, 1, EXAMPLES * CALLS_OF_EXAMPLE, 0)


@pytest.mark.skipif(not find_spec("atheris"), reason="needs atheris, which has no wheel for here")
async def test_those_that_reach_new_lines_of_the_code(tmp_path, chaos_report):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.guided_fuzz",
        str(tmp_path),
        f"-runs={GUIDED_CALLS}",
        "-max_len=4096",
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    print(output.decode(errors="replace")[-3000:])
    chaos_report(FAULT, 1, GUIDED_CALLS, int(process.returncode != 0))
    assert process.returncode == 0


async def test_those_that_come_over_a_real_connection(tmp_path, chaos_report):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    server = await Server(tmp_path).start()
    async with (
        first_caller(server) as caller,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        fuzzer = Fuzzer(random.Random(seed), await some_of_each(caller))

        async def call() -> str:
            rpc = fuzzer.rpc()
            data = fuzzer.request(rpc)
            try:
                await rpc.call(channel, data, server.key)
            except grpc.aio.AioRpcError as error:
                too_large = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and len(data) > LARGE
                return "gRPC's own" if too_large else refusal_of(error).reason
            return ""

        reasons: Counter[str] = Counter()
        for _ in range(0, CALLS_OVER_THE_WIRE, AT_ONCE):
            reasons.update(await asyncio.gather(*(call() for _ in range(AT_ONCE))))
        assert await caller.create()
    assert await server.stop() == 0
    chaos_report(FAULT, 1, CALLS_OVER_THE_WIRE, reasons["INTERNAL"])
    assert not reasons["INTERNAL"]
    assert not [line for line in server.log if "Traceback" in line]
