"""Requests and keys as only a broken or hostile client sends them.

Everything is drawn from one source of chance, so that a seeded `Random`, hypothesis and a
coverage-guided fuzzer can each be that source.
"""

import struct
from collections.abc import Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.support.raw import RPCS, Rpc

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
    FieldDescriptor.TYPE_FIXED64: FIXED64,
    FieldDescriptor.TYPE_SFIXED64: FIXED64,
    FieldDescriptor.TYPE_FLOAT: FIXED32,
    FieldDescriptor.TYPE_FIXED32: FIXED32,
    FieldDescriptor.TYPE_SFIXED32: FIXED32,
    FieldDescriptor.TYPE_STRING: LENGTH,
    FieldDescriptor.TYPE_BYTES: LENGTH,
    FieldDescriptor.TYPE_MESSAGE: LENGTH,
}
"""All others are varints."""
DEEPEST = 4
MAX_DEPTH = 300
"""How often a message is wrapped into another; protobuf bears a hundred."""

NUMBERS = (
    *(0, 1, 2, 3, 5, 99, 1000, 10_001, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63),
    *(2**64 + number for number in (-1, -2, -1000, -(2**31), -(2**63))),
    *(253_402_300_799, 253_402_300_800, 1_000_000_000, 2**70),
)
_TEXTS = (
    "",
    "0190a5c0-0000-7000-8000-000000000001",
    "0190A5C0-0000-7000-8000-00000000000A",
    "00000000-0000-0000-0000-000000000000",
    "0190a5c0-0000-7000-8000-00000000000١",
    "a",
    "a\0b",
    "\0",
    "\u202egro\u200f.\ufeff",
    "a\nb\r\n",
    "e\u0301" * 64,
    "💥" * 128,
    "x" * 128,
    "x" * 129,
    "x" * 501,
    "i" * 10_240,
    "cmd_sandbox_0123456789abcdef_" + "0" * 64,
    "'; DROP TABLE tasks; --",
    "%s%n{0}${x}",
    "../../etc/passwd",
    "tasks:read",
    "sandbox",
    "production",
    "*",
    "state",
    "config.product_tax_included",
    "a" * 8 + ".b" * 200,
    "AAAAAAAAAAAAAAAA",
)
_NO_TEXTS = (b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80" * 40)
"""What is not in UTF-8."""


class Fuzzer:
    """Makes what is asked of it, at random."""

    def __init__(self, chance: Random, known: Sequence[str] = ()) -> None:
        """`known` are ids that exist, so that not all is refused as unknown."""
        self._chance = chance
        self._texts = [text.encode() for text in (*_TEXTS, *known, *known, *known)]
        self._texts += _NO_TEXTS

    def rpc(self) -> Rpc:
        """Returns a method; seldom one that makes a key, since all keys are kept in memory."""
        rpc = self._chance.choice(_ALL)
        if rpc.name in ("CreateKey", "RotateKey") and self._chance.random() < 0.95:
            return self.rpc()
        return rpc

    def request(self, rpc: Rpc) -> bytes:
        """Returns what is sent as the request of this method."""
        kind = self._chance.random()
        if kind < 0.1:
            return self._chance.randbytes(self._chance.choice((0, 1, 2, 7, 60, 1000)))
        if kind < 0.12:
            return self._nested(rpc.request.DESCRIPTOR)
        valid = rpc.request.SerializeToString()
        if kind < 0.4:
            return self._mutated(valid + self._message(rpc.request.DESCRIPTOR))
        # The later value of a field counts, so the valid ones go first or last.
        wild = self._message(rpc.request.DESCRIPTOR)
        return wild + valid if kind < 0.7 else valid + wild

    def call(self, right: str) -> tuple[Rpc, bytes, str | None]:
        """Returns a method, and what is sent as its request and as the key."""
        rpc = self.rpc()
        return rpc, self.request(rpc), self.key_or(right)

    def key_or(self, right: str) -> str | None:
        """Returns what is sent as the key: mostly the right one, which lets in to all the rest."""
        return self._key(right) if self._chance.random() < 0.1 else right

    def _key(self, right: str) -> str | None:
        """Returns a key as gRPC hands it on: decoded as UTF-8, or as Latin-1."""
        kind = self._chance.random()
        if kind < 0.05:
            return None
        if kind < 0.4:
            data = self._mutated(right.encode())
        elif kind < 0.7:
            data = b"_".join(self._text() for _ in range(self._chance.randrange(6)))
        else:
            data = self._chance.randbytes(self._chance.choice((1, 40, 93, 8000)))
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def _text(self) -> bytes:
        return self._chance.choice(self._texts)

    def _number(self) -> int:
        if self._chance.random() < 0.8:
            return self._chance.choice(NUMBERS)
        return self._chance.getrandbits(self._chance.choice((8, 32, 64)))

    def _message(self, descriptor: Descriptor, depth: int = 0) -> bytes:
        """Returns some fields of a message, any of them more than once."""
        if not descriptor.fields:
            return b""
        fields = self._chance.choices(list(descriptor.fields), k=self._chance.choice(_FEW))
        if self._chance.random() < 0.02:
            fields = fields[:1] * self._chance.choice((17, 101, 1001)) if depth < 2 else []
        return b"".join(self._field(field, depth) for field in fields)

    def _field(self, field: Any, depth: int) -> bytes:
        number, right = field.number, WIRE_TYPES.get(field.type, VARINT)
        kind = self._chance.random()
        if kind < 0.03:
            number = self._chance.choice((0, 15, 1000, 19_000, 2**29 - 1, 2**32))
        if kind > 0.95:
            right = self._chance.randrange(8)
        return tag(number, right) + self._value(field, right, depth)

    def _value(self, field: Any, wire_type: int, depth: int) -> bytes:
        if wire_type == VARINT:
            return varint(self._number())
        if wire_type in (FIXED64, FIXED32):
            return self._chance.randbytes(8 if wire_type == FIXED64 else 4)
        if wire_type != LENGTH:
            return b""
        if field.message_type is None:
            data = self._text()
        elif depth < DEEPEST:
            data = self._message(field.message_type, depth + 1)
        else:
            data = b""
        lie = self._chance.choice((1, -1, 2**31, 2**64)) if self._chance.random() < 0.01 else 0
        return varint(max(0, len(data) + lie)) + data

    def _nested(self, descriptor: Descriptor) -> bytes:
        """Returns messages in one another, or groups, of any depth."""
        number = self._chance.choice([field.number for field in descriptor.fields] or [1])
        depth = self._chance.randrange(MAX_DEPTH)
        if self._chance.random() < 0.5:
            return tag(number, 3) * depth + tag(number, 4) * self._chance.choice((0, depth))
        data = b""
        for _ in range(depth):
            data = tag(number, LENGTH) + varint(len(data)) + data
        return data

    def _mutated(self, data: bytes) -> bytes:
        """Returns the data with some bytes changed, cut out, doubled or put in."""
        changed = bytearray(data)
        for _ in range(self._chance.choice((1, 1, 2, 8))):
            begin = self._chance.randrange(len(changed) + 1)
            end = begin + self._chance.choice((0, 1, 1, 4, 20))
            piece = self._chance.choice((b"", b"\0", b"\xff", bytes(changed[begin:end]) * 2))
            changed[begin:end] = piece if self._chance.random() < 0.7 else self._chance.randbytes(2)
        return bytes(changed)


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def varint(number: int) -> bytes:
    """Encodes a number as protobuf does, also one that is too large for it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes(found) + struct.pack("B", number)


_ALL = tuple(RPCS.values())
_FEW = (0, 1, 1, 2, 2, 3, 5, 12)
