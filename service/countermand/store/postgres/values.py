"""Values as they are sent and as they come, in binary."""

import struct
from collections.abc import Callable
from typing import Any


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _double(value: bytes) -> float:
    found: float = struct.unpack("!d", value)[0]
    return found


_LOADERS: dict[int, Callable[[bytes], Any]] = {
    16: lambda value: value == b"\x01",  # boolean
    17: bytes,  # bytea
    20: _number,  # bigint
    21: _number,  # smallint
    23: _number,  # integer
    25: bytes.decode,  # text
    26: _number,  # oid
    19: bytes.decode,  # name
    114: bytes.decode,  # json
    701: _double,  # double precision
    1043: bytes.decode,  # varchar
    2950: bytes,  # uuid
}
"""How values come, by the oids of their types; statements answer no others."""


def sent(value: Any) -> bytes | None:
    """Returns a value as the server takes it in binary; a number is a bigint to it."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return value.to_bytes(8, "big", signed=True)
    raise TypeError(f"a parameter of a statement is a {type(value).__name__}")


def loaders(oids: list[int]) -> list[Callable[[bytes], Any]]:
    """Returns what makes values of what comes, by the oids of its types."""
    return [_LOADERS[oid] for oid in oids]
