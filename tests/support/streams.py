"""Calls by the thousand on bare HTTP/2, which cost next to nothing, may stay unread, and may be
dropped at any moment."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from google.protobuf.message import Message

from tests.support.http2 import (
    ACK,
    DATA,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    Http2,
    connected,
)

CANCEL = 8
WIDE = 1 << 30
STATUS = b"grpc-status"


class Stream:
    """One call, and what was answered to it until now."""

    __slots__ = ("_rest", "begun", "ended", "id", "messages", "status")

    def __init__(self, id: int) -> None:
        self.id = id
        self.messages: list[bytes] = []
        """What came, message by message, encoded."""
        self.begun = False
        """Whether the server has begun to answer, though nothing may be taken of it."""
        self.ended = False
        """Whether it is over, in whichever way."""
        self.status: int | None = None
        """The gRPC status, if the server ended it with one."""
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Takes the payload of a DATA frame."""
        data = self._rest + data
        while len(data) >= 5 and len(data) >= (end := 5 + int.from_bytes(data[1:5], "big")):
            self.messages.append(data[5:end])
            data = data[end:]
        self._rest = data

    def end(self, trailers: bytes) -> None:
        """Takes the trailers, which are written out: we allow the server no table."""
        self.ended = True
        _, name, value = trailers.partition(STATUS)
        if name:
            self.status = int(value[1 : 1 + value[0]])


class Streams:
    """The calls of one connection."""

    def __init__(self, connection: Http2, key: str) -> None:
        self._connection = connection
        self._key = key
        self._open: dict[int, Stream] = {}
        self._heard = asyncio.Event()
        self._closed = False

    def call(self, path: str, request: Message) -> Stream:
        """Sends a call with its one request."""
        id = self._connection.call(path, request.SerializeToString(), x_api_key=self._key)
        stream = self._open[id] = Stream(id)
        return stream

    def drop(self, stream: Stream) -> None:
        """Resets a call, as a client does that has lost interest."""
        if self._open.pop(stream.id, None) is not None:
            stream.ended = True
            self._connection.send(RST_STREAM, stream=stream.id, payload=struct.pack(">I", CANCEL))

    async def until(self, done: Callable[[], bool]) -> None:
        """Returns when this is so. Raises ConnectionError if the server hangs up before."""
        while not done():
            if self._closed:
                raise ConnectionError("the server closed the connection")
            self._heard.clear()
            await self._heard.wait()

    async def listen(self) -> None:
        """Takes what the server sends until it hangs up."""
        while (frame := await self._connection.read()) is not None:
            self._take(frame)
            self._heard.set()
        self._closed = True
        self._heard.set()

    def _take(self, frame: Frame) -> None:
        if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
            payload = frame.payload if frame.kind == PING else b""
            self._connection.send(frame.kind, ACK, payload=payload)
        stream = self._open.get(frame.stream)
        if stream is None:
            return
        stream.begun = True
        if frame.kind == DATA:
            stream.take(frame.payload)
        elif frame.kind == HEADERS and frame.flags & END_STREAM:
            stream.end(frame.payload)
        elif frame.kind == RST_STREAM:
            stream.ended = True
        if stream.ended:
            del self._open[stream.id]


@asynccontextmanager
async def streaming(
    address: str, key: str, *, window: int = WIDE, reads: bool = True
) -> AsyncIterator[Streams]:
    """Connects. Each call may be sent so much at once; without `reads`, nothing is ever taken."""
    async with connected(address) as connection:
        connection.begin(HEADER_TABLE_SIZE=0, INITIAL_WINDOW_SIZE=window)
        connection.send(WINDOW_UPDATE, payload=struct.pack(">I", WIDE))
        streams = Streams(connection, key)
        listening = asyncio.create_task(streams.listen()) if reads else None
        try:
            yield streams
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
