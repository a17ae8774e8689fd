"""System calls of a running server that fail, hang or kill it, as strace injects them."""

import asyncio
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.waiting import until


@cache
def _cannot_trace() -> str | None:
    """Returns why strace cannot be used, or None."""
    if shutil.which("strace") is None:
        return "needs strace"
    tried = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "-e", "inject=getpid:error=EIO", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace does not work here: {tried.stderr.strip()}" if tried.returncode else None


def needs_strace() -> None:
    """Skips the test where system calls cannot be traced."""
    if reason := _cannot_trace():
        pytest.skip(reason)


def files_of(folder: Path, *endings: str) -> list[str]:
    """Returns the flags that choose calls on a store's files alone: by default on all of them, and
    on their folder."""
    name = str(folder / "countermand.db")
    paths = [name + ending for ending in endings or ("", "-wal", "-shm", "-journal")]
    return [word for path in [*paths, *([] if endings else [str(folder)])] for word in ("-P", path)]


@asynccontextmanager
async def injected(server: Server, *faults: str, files: Sequence[str]) -> AsyncIterator[None]:
    """Lets calls of a running server fail, such as `fdatasync:error=EIO`, until the end.

    A server that leaves while a call hangs is not gone before the end: see `has_left`.
    """
    assert server.process is not None
    command = ["strace", "-f", "-o", "/dev/null", "-p", str(server.process.pid), *files]
    for fault in faults:
        command += ["-e", f"inject={fault}"]
    traced = ",".join(fault.partition(":")[0] for fault in faults)
    tracer = await asyncio.create_subprocess_exec(
        *command, "-e", f"trace={traced}", stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    assert tracer.stderr is not None
    attached = await asyncio.wait_for(tracer.stderr.readline(), 10)
    assert b"attached" in attached, attached
    try:
        yield
    finally:
        # Asked to end, it would first wait for a call that hangs; what it traces lives on.
        if tracer.returncode is None:
            tracer.kill()
        await tracer.communicate()


async def has_left(server: Server) -> None:
    """Returns once the server has left, but for threads that hang in a call."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/stat")
    await until(lambda: not status.exists() or ") Z " in status.read_text(), seconds=120)
