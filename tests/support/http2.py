"""A client that speaks HTTP/2 by hand, and so may stop to read, or to answer, where it likes."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
ACK = END_STREAM = 1
END_HEADERS = 4
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE = 1, 3, 4, 6


class Frame(NamedTuple):
    """What HTTP/2 is made of."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends_stream(self) -> bool:
        """Whether nothing more comes of a call."""
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)

    def settings(self) -> dict[int, int]:
        """Reads a SETTINGS frame."""
        return dict(struct.iter_unpack(">HI", self.payload))


class Http2:
    """One connection. It answers nothing by itself, not even a PING."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._next_stream = 1

    def write(self, data: bytes) -> None:
        """Sends what need not be a frame."""
        self._writer.write(data)

    def begin(self, **settings: int) -> None:
        """Sends the preface, with settings by their names here."""
        chosen = {globals()[name]: value for name, value in settings.items()}
        self.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in chosen.items()))

    def send(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        """Sends one frame."""
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        self.write(head + payload)

    def open(self, path: str, flags: int = END_HEADERS, **metadata: str) -> int:
        """Sends how a call begins. Returns the number of its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "test",
            "te": "trailers",
            "content-type": "application/grpc",
            **{name.replace("_", "-"): value for name, value in metadata.items()},
        }
        self.send(HEADERS, flags, stream, b"".join(map(literal, headers.items())))
        return stream

    def call(self, path: str, request: bytes = b"", **metadata: str) -> int:
        """Sends a call. Returns the number of its stream."""
        stream = self.open(path, **metadata)
        self.message(stream, request, END_STREAM)
        return stream

    def message(self, stream: int, message: bytes, flags: int = 0) -> None:
        """Sends a message of a call."""
        self.send(DATA, flags, stream, struct.pack(">BI", 0, len(message)) + message)

    async def flush(self) -> None:
        """Waits until most of what was sent is on its way."""
        await self._writer.drain()

    async def read(self) -> Frame | None:
        """Returns the next frame; None if the server has closed the connection."""
        try:
            head = await self._reader.readexactly(9)
            length = int.from_bytes(head[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            return Frame(kind, flags, stream, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def until(self, kind: int) -> Frame | None:
        """Returns the next frame of this kind; None if the connection ended without one."""
        while (frame := await self.read()) is not None and frame.kind != kind:
            pass
        return frame

    async def stay_alive(self) -> None:
        """Answers every PING, and takes nothing else, until the connection ends."""
        while (ping := await self.until(PING)) is not None:
            if not ping.flags & ACK:
                self.send(PING, ACK, payload=ping.payload)

    async def closed(self) -> list[Frame]:
        """Waits until the server closes the connection. Returns what it said before."""
        frames = []
        while (frame := await self.read()) is not None:
            frames.append(frame)
        return frames


def literal(header: tuple[str, str]) -> bytes:
    """Encodes a header as HPACK does without its tables. What is no UTF-8 stands in it as Python
    has it of the names of files: `os.fsdecode`."""
    parts = [text.encode("utf-8", "surrogateescape") for text in header]
    return b"\0" + b"".join(_length(len(part)) + part for part in parts)


def _length(number: int) -> bytes:
    if number < 127:
        return bytes([number])
    found, rest = b"\x7f", number - 127
    while rest >= 128:
        found += bytes([rest % 128 + 128])
        rest //= 128
    return found + bytes([rest])


@asynccontextmanager
async def connected(address: str, local: str | None = None) -> AsyncIterator[Http2]:
    """Opens a connection, from this address of this machine, and says nothing on it yet."""
    host, port = address.split(":")
    local_address = None if local is None else (local, 0)
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=local_address)
    try:
        yield Http2(reader, writer)
    finally:
        writer.close()
