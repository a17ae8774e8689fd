"""A proxy on the loopback that cuts, delays and swallows what goes through it."""

import asyncio
import socket
import struct
from contextlib import suppress

CHUNK = 64 * 1024
RESET = struct.pack("ii", 1, 0)
"""Lingers not at all: a close is a reset."""


class Proxy:
    """Passes connections on to one address. Start it with `start`."""

    def __init__(self) -> None:
        self._target = ("", 0)
        self._listener: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""
        self.delay = 0.0
        """How many seconds all that passes is kept back, in each direction."""
        self.swallows = False
        """Whether all that comes is lost, without a word."""

    def start(self, target: str) -> None:
        """Begins to listen, and to pass on to a `host:port`."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.address = "{}:{}".format(*self._listener.getsockname())
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def close(self) -> None:
        """Ends it, and everything that goes through it."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
        while self._tasks:
            self.cut()
            await asyncio.wait(self._tasks, timeout=0.05)

    def cut(self) -> None:
        """Resets every connection, on both sides."""
        for writer in self._open:
            connection = writer.get_extra_info("socket")
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            connection, _ = listener.accept()
            task = asyncio.create_task(self._pass_on(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, connection: socket.socket) -> None:
        """Carries one connection in both directions until either side ends it."""
        here = await asyncio.open_connection(sock=connection)
        ends = [here[1]]
        self._open.add(here[1])
        with suppress(OSError):
            there = await asyncio.open_connection(*self._target)
            ends.append(there[1])
            self._open.add(there[1])
            await asyncio.gather(self._pump(here[0], there[1]), self._pump(there[0], here[1]))
        for end in ends:
            self._open.discard(end)
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if self.swallows:
                    continue
                if self.delay:
                    await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()
        sink.close()
