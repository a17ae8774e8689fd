"""HTTP receivers on loopback that behave as they are told, and count who connects."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]
"""Answers a request; what it leaves open is closed at the end."""


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    """Answers with a status."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(head).encode() + body)
        await writer.drain()

    return answer


async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def drip(request: Received, writer: asyncio.StreamWriter) -> None:
    """Answers a byte at a time, without an end."""
    for byte in b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def hang_up(request: Received, writer: asyncio.StreamWriter) -> None:
    """Closes the connection without a word."""
    writer.close()


def endless(head: str, piece: bytes) -> Answer:
    """Answers with a head, and then with the same piece over and over."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode())
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)  # It would let nobody else go on while all is taken.

    return answer


class Receiver:
    """One endpoint."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[Received] = []
        self.port = 0
        self.came = asyncio.Event()
        """Set when a request came; who waits clears it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await _read(reader)
                self.requests.append(request)
                self.came.set()
                await self.answer(request, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def until(self, count: int) -> list[Received]:
        """Returns the requests once so many came."""
        while len(self.requests) < count:
            self.came.clear()
            await self.came.wait()
        return self.requests


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in headers.items()}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(head[0].split(" ")[1], headers, body)


@asynccontextmanager
async def receiving(answer: Answer = status(204)) -> AsyncIterator[Receiver]:  # noqa: B008
    """A receiver on a free port of loopback."""
    receiver = Receiver(answer)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
