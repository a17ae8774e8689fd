"""What strangers may send, all of it at once: a program of its own.

`python -m tests.support.enemy ADDRESS` goes on until its standard input ends. It writes a line when
all is under way, and at the end, as JSON, how often it did each.
"""

import asyncio
import json
import os
import secrets
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvloop

from tests.support.attacks import again_and_again
from tests.support.http2 import ACK, DATA, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, Http2
from tests.support.http2 import connected as raw_connection

CHECK, HEALTH_WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LIST_TASKS = "/countermand.v1.TaskService/ListTasks"
CREATE_GROUP = "/countermand.v1.TaskService/CreateGroup"
NO_UTF8 = os.fsdecode(b"\xff\xfe\x80")
STOPPING, UNFINISHED, FLOODING = 300, 10, 4
"""How many connections do each."""
STREAMS = 20
PIECE = 16 * 1024
LARGE = 4 * 1024 * 1024
QUESTION = b"\x22\x24grpc.reflection.v1.ServerReflection"
"""A symbol, of which the answer has many files."""

done: Counter[str] = Counter()


def whole_call() -> bytes:
    """Returns what a connection with one call begins with, to be cut anywhere."""
    sent: list[bytes] = []

    class Sent:
        write = sent.append

    raw = Http2(None, Sent())  # type: ignore[arg-type]
    raw.begin()
    raw.call(LIST_TASKS, b"", x_api_key="cmd_sandbox_0123456789abcdef_" + "0" * 64)
    return b"".join(sent)


def stopping(address: str, number: int) -> Callable[[], Awaitable[None]]:
    """Stops at some byte of a call, and never says more."""
    call = whole_call()

    async def one() -> None:
        async with raw_connection(address) as raw:
            raw.write(call[: number * len(call) // STOPPING])
            done["stops at a byte"] += 1
            await raw.closed()

    return one


def unfinished(address: str, number: int) -> Callable[[], Awaitable[None]]:
    """Sends all but the last byte of large messages, as far as the server takes it."""
    path = (CREATE_GROUP, CHECK, HEALTH_WATCH, REFLECT)[number % 4]

    async def one() -> None:
        async with raw_connection(address) as raw:
            raw.begin(INITIAL_WINDOW_SIZE=2**31 - 1)
            reading = asyncio.create_task(stay(raw, "unfinished messages"))
            message = struct.pack(">BI", 0, LARGE) + b"\0" * (LARGE - 1)
            streams = [raw.open(path) for _ in range(STREAMS)]
            for begin in range(0, len(message), PIECE):
                for stream in streams:
                    raw.send(DATA, 0, stream, message[begin : begin + PIECE])
                await raw.flush()
            await reading

    return one


def flooding(address: str, number: int) -> Callable[[], Awaitable[None]]:
    """Calls again and again, in one of many ways, each as soon as the last was answered."""
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    ways: list[tuple[str, str, bytes, dict[str, str]]] = [
        ("health", CHECK, b"", {}),
        ("reflection", REFLECT, QUESTION, {}),
        ("unknown methods", f"/{NO_UTF8}/{NO_UTF8}", b"", {}),
        ("wrong keys", LIST_TASKS, b"", {"x_api_key": "cmd_sandbox_0123456789abcdef_0"}),
        ("metadata", LIST_TASKS, b"", {"x_note": NO_UTF8 * 100, "x_api_key": NO_UTF8}),
        ("sampled traces", LIST_TASKS, b"", {"traceparent": trace}),
    ]
    name, path, request, metadata = ways[number % len(ways)]

    async def one() -> None:
        async with raw_connection(address) as raw:
            raw.begin(INITIAL_WINDOW_SIZE=2**31 - 1)
            raw.send(WINDOW_UPDATE, payload=struct.pack(">I", 2**31 - 1 - 65_535))
            raw.send(SETTINGS, ACK)
            for _ in range(STREAMS):
                raw.call(path, request, **metadata)
            while (frame := await raw.read()) is not None:
                if frame.kind == PING and not frame.flags & ACK:
                    raw.send(PING, ACK, payload=frame.payload)
                elif frame.ends_stream or frame.kind == RST_STREAM:
                    done[name] += 1
                    raw.call(path, request, **metadata)
                    await raw.flush()

    return one


async def stay(raw: Http2, name: str) -> None:
    """Answers every PING until the connection ends, and counts what the server ends."""
    while (frame := await raw.read()) is not None:
        if frame.kind == PING and not frame.flags & ACK:
            raw.send(PING, ACK, payload=frame.payload)
        done[name] += frame.ends_stream


async def main(address: str) -> None:
    ways = [(stopping, STOPPING), (unfinished, UNFINISHED), (flooding, 6 * FLOODING)]
    attacking = [
        asyncio.create_task(again_and_again(way(address, number)))
        for way, count in ways
        for number in range(count)
    ]
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
    while len(done) < 6:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    print("under way", flush=True)
    await ended
    for task in attacking:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*attacking, return_exceptions=True)
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
