"""A good client beside somebody else: how long its cancels take, and what the server takes."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from tests.support.caller import Caller
from tests.support.process import mebibytes
from tests.support.server import Server


@asynccontextmanager
async def beside(module: str, *arguments: str) -> AsyncIterator[dict[str, int]]:
    """Lets an enemy go on while the block runs: a module of tests.support that writes a line when
    it is under way. Leaves in the dict how often it did what."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.support.{module}", *arguments),
        stdin=PIPE,
        stdout=PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    done: dict[str, int] = {}
    try:
        assert await process.stdout.readline() == b"under way\n"
        yield done
        output, _ = await process.communicate(b"")
        done |= json.loads(output)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def cancels(caller: Caller, seconds: float, per_second: int) -> list[float]:
    """Cancels so many tasks a second, each when it is due. Returns how long each took, the shortest
    first, with the repeats of those that gRPC refused since too many waited."""
    taken: list[float] = []

    async def one() -> None:
        task = await repeated(caller.create)
        called = time.perf_counter()
        await repeated(lambda: caller.cancel(task.task_id, request_id=task.task_id))
        taken.append(time.perf_counter() - called)

    begin = time.monotonic()
    async with asyncio.TaskGroup() as calls:
        for number in range(int(seconds * per_second)):
            await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            calls.create_task(one())
    return sorted(taken)


async def repeated(call: Callable[[], Awaitable[Any]]) -> Any:
    """Calls until it is let in."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(0.1)


def p99(taken: list[float]) -> float:
    """Returns what 99 of 100 took at most, in seconds."""
    return taken[int(len(taken) * 0.99)]


async def peak(server: Server) -> float:
    """Looks at the memory until it is cancelled. Returns the most that there was, in MiB."""
    assert server.process is not None
    most = 0.0
    try:
        while True:
            most = max(most, mebibytes(server.process.pid))
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return most
