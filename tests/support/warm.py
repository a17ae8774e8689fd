"""Starts programs of ours without their imports: one process has these, and forks for each program.

`countermand` imports for half a second, and the tests start it a thousand times. A program that is
started here differs in nothing else from `python -m countermand …`: it has a process, an
environment and standard streams of its own. What an environment changes at the start of Python is
not for it; `start` runs such a program as anybody would.
"""

import asyncio
import atexit
import gc
import json
import os
import random
import select
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from runpy import run_module
from typing import Any, NoReturn

import typer.main

from countermand.app.standard_streams import open_closed_streams
from countermand.core import knobs as production
from tests.support.knobs import changed

PARTS = (
    *("countermand.cli.main", "countermand.app.composition", "countermand.rpc.server"),
    *("countermand.cli.delivering", "typer._adapters", "uvloop"),  # what commands import when run
)
PROGRAM = ("countermand",)
READ_AT_THE_START = ("PYTHON", "LD_", "LC_", "LANG", "GRPC_", "MALLOC_")
"""With what the names of variables begin that count before a program runs."""
MAX_MESSAGE = 1024 * 1024


class Process:
    """A program that runs, as asyncio.subprocess.Process shows one, with both outputs as pipes."""

    def __init__(self, news: socket.socket) -> None:
        """`news` has its id, and then its end."""
        self._news = news
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.pid = 0
        self.returncode: int | None = None
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()

    async def follow(self, stdout: int | None, stderr: int | None) -> None:
        """Waits until it runs, and reads what it writes to these pipes."""
        for descriptor, reader in ((stdout, self.stdout), (stderr, self.stderr)):
            if descriptor is None:
                reader.feed_eof()
                continue
            await self._loop.connect_read_pipe(
                lambda reader=reader: asyncio.StreamReaderProtocol(reader),
                os.fdopen(descriptor, "rb", 0),
            )
        self.pid = int(await self._loop.sock_recv(self._news, 64))
        self._loop.add_reader(self._news, self._end)

    def _end(self) -> None:
        self._loop.remove_reader(self._news)
        with self._news:
            self.returncode = int(self._news.recv(64))
        self._ended.set()

    async def wait(self) -> int | None:
        await self._ended.wait()
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        out, err = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return out, err

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __del__(self) -> None:
        self._news.close()


async def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    knobs: Mapping[str, float] | None = None,
    streams: Mapping[int, int | None] | None = None,
    program: Sequence[str] = PROGRAM,
) -> Any:
    """Starts `countermand` with these arguments, as a process with both outputs as pipes.

    `program` may be another module that runs it, with arguments of its own before these.
    `streams` has other descriptors for some of its standard streams, or None for one that is
    closed when it starts; it goes with the usual environment alone.
    """
    streams = streams or {}
    if any(_own(name, environment) for name in {*environment, *os.environ}):
        tuned = ["tests.support.tuned", json.dumps(knobs)] if knobs else []
        command = [sys.executable, "-m", *tuned, *program, *arguments]
        return await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=PIPE, env=environment
        )
    order = {"arguments": list(arguments), "environment": dict(environment), "knobs": knobs}
    order |= {"program": list(program), "folder": str(Path.cwd())}
    order |= {"closed": [n for n in streams if streams[n] is None]}
    news, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    news.setblocking(False)
    read, given = {}, {}
    for number in range(3):
        if (descriptor := streams.get(number)) is not None:
            given[number] = os.dup(descriptor)
        elif number == 0 or number in streams:
            given[number] = os.open(os.devnull, os.O_RDWR)
        else:
            read[number], given[number] = os.pipe()
    try:
        sent = [theirs.fileno(), *given.values()]
        socket.send_fds(_forker(os.getpid()), [json.dumps(order).encode()], sent)
    finally:
        for descriptor in given.values():
            os.close(descriptor)
        theirs.close()
    process = Process(news)
    await process.follow(read.get(1), read.get(2))
    return process


def _own(name: str, environment: Mapping[str, str]) -> bool:
    """Whether the program is to have another value of a variable that Python reads at its start."""
    return name.startswith(READ_AT_THE_START) and environment.get(name) != os.environ.get(name)


@cache
def _forker(_: int) -> socket.socket:
    """Returns the way to the process that forks, which is started once for each that tests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    atexit.register(ours.close)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_MESSAGE)
    with theirs:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), theirs.fileno())],
        )
    return ours


def fork_for(orders: socket.socket) -> dict[str, Any]:
    """Forks for each order that comes, and tells of each end. Returns in a child, with its order;
    it leaves when there are no more orders."""
    ends: dict[int, tuple[int, socket.socket]] = {}
    poller = select.poll()
    poller.register(orders, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor in ends:
                poller.unregister(descriptor)
                pid, news = ends.pop(descriptor)
                os.close(descriptor)
                with news, suppress(OSError):  # who started it may be gone
                    news.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                continue
            data, given, _, _ = socket.recv_fds(orders, MAX_MESSAGE, 4)
            if not data:
                _leave()
            order: dict[str, Any] = json.loads(data)
            pid = os.fork()
            if not pid:
                for number, descriptor in enumerate(given[1:]):
                    os.dup2(descriptor, number)
                os.closerange(3, 1024)
                return order
            news = socket.socket(fileno=given[0])
            news.send(b"%d" % pid)
            for descriptor in given[1:]:
                os.close(descriptor)
            end = os.pidfd_open(pid)
            ends[end] = pid, news
            poller.register(end, select.POLLIN)


def _leave() -> NoReturn:
    os._exit(0)


def become(order: Mapping[str, Any]) -> None:
    """Makes a child what it would be if it had been started by itself."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    time.tzset()
    random.seed()
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1)  # noqa: SIM115
    for number in order["closed"]:
        name = ("stdin", "stdout", "stderr")[number]
        getattr(sys, name).close()
        setattr(sys, name, None)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    open_closed_streams()  # as countermand.cli does when it is imported
    sys.argv = [*order["program"], *order["arguments"]]
    if order["knobs"]:
        tuned, usual = changed(order["knobs"]), production.Knobs
        for module in list(sys.modules.values()):
            if getattr(module, "Knobs", None) is usual:
                module.Knobs = lambda: tuned  # type: ignore[attr-defined]


def remember_usage() -> None:
    """Puts together what the commands take, which each program would do anew."""
    typer.main.get_command = cache(typer.main.get_command)
    typer.main.get_command(import_module("countermand.cli.main").app)


if __name__ == "__main__":
    for part in PARTS:
        import_module(part)
    remember_usage()
    gc.freeze()  # A program that ends is not to look through all that it never touched.
    with socket.socket(fileno=int(sys.argv[1])) as given_orders:
        own_order = fork_for(given_orders)
        given_orders.detach()
    become(own_order)
    run_module(sys.argv[0], run_name="__main__", alter_sys=True)
