"""SIGKILL in the place of each of the first 300 write and sync calls of a store's life.

They make the file and its schema, then the first commits. After each, the store opens, is whole,
and has all that was answered. The short round takes a few of the calls; the full one takes all.
"""

import asyncio
import os
import re
import signal
from collections import Counter
from pathlib import Path

import grpc
import pytest

from tests.support.caller import first_caller
from tests.support.injected import files_of, needs_strace
from tests.support.inside import inside
from tests.support.ledger import Ledger, play
from tests.support.server import Server
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
CALLS = 300
CHOSEN = range(CALLS) if FULL else (2, 9, 60, 150, 220, 299)
KINDS = "pwrite64,fdatasync,fsync,ftruncate,unlink"


def tracer(folder: Path, *words: str) -> list[str]:
    # As a grandchild (-D) it leaves the server the child of the test, with its own exit status.
    return ["strace", "-D", "-f", "-q", "-e", f"trace={KINDS}", *files_of(folder), *words]


async def live(server: Server, ledger: Ledger) -> None:
    """Starts a server and plays until it dies, or to the end."""
    try:
        await server.start()
    except RuntimeError:
        return  # It died before it was ready.
    async with first_caller(server) as caller:
        try:
            await play(caller, ledger)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise


async def calls_of(folder: Path) -> list[tuple[str, int]]:
    """Returns the first calls of a server's life: the kind of each, and which of its kind it is."""
    folder.mkdir()
    server = Server(folder, makes_store=True)
    trace = folder / "trace"
    server.launcher = tracer(folder, "-o", str(trace))
    await live(server, Ledger())
    await server.kill()
    kinds = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
    seen: Counter[str] = Counter()
    found = []
    for kind in kinds[:CALLS]:
        seen[kind] += 1
        found.append((kind, seen[kind]))
    assert len(found) == CALLS
    return found


async def test_sigkill_in_the_place_of_any_call_loses_nothing(tmp_path, chaos_report):
    needs_strace()
    calls = await calls_of(tmp_path / "untroubled")
    told, broken = 0, []
    for number in CHOSEN:
        kind, nth = calls[number]
        folder = tmp_path / str(number)
        folder.mkdir()
        ledger = Ledger()
        server = Server(folder, makes_store=True)
        fault = f"inject={kind}:signal=SIGKILL:when={nth}"
        server.launcher = tracer(folder, "-o", "/dev/null", "-e", fault)
        await live(server, ledger)
        assert server.process is not None
        status = await asyncio.wait_for(server.process.wait(), 10)
        assert status == -signal.SIGKILL, (number, kind, nth)
        told += ledger.told
        async with inside(folder, name="countermand") as again, again.caller() as caller:
            broken += [f"{kind} {nth}: {one}" for one in await ledger.broken_promises(caller)]
        broken += [f"{kind} {nth}: {one}" for one in broken_rules(folder / "countermand.db")]
    chaos_report("SIGKILL at a system call", len(CHOSEN), told, len(broken))
    assert not broken
