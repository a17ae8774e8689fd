"""Ids: the UUIDs that we make, and the forms that we accept."""

import os
import re
from random import getrandbits
from uuid import UUID

ENVIRONMENTS = ("sandbox", "production")
SCOPES = (
    "tasks:read",
    "tasks:write",
    "tasks:run",
    "tasks:cancel",
    "checkouts:read",
    "checkouts:write",
    "orders:read",
    "orders:write",
    "webhooks:write",
    "refunds:write",
    "operator:read",
    "keys:admin",
)

NIL = "00000000-0000-0000-0000-000000000000"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


def parse_uuid(text: str) -> str | None:
    """Returns a UUID of 36 characters in lower case, or None if the text is not one, or is nil."""
    if _UUID.fullmatch(text) is None or text == NIL:
        return None
    return text.lower()


def is_name(text: str) -> bool:
    """Whether the text may be an agent's, a tenant's or another caller-made id."""
    return _NAME.fullmatch(text) is not None


class UuidMaker:
    """Makes UUIDv7s that grow, also within one millisecond and when the clock steps back.

    Source: RFC 9562, section 6.2, method 2: the 74 random bits count up by a random step.
    """

    def __init__(self) -> None:
        self._milliseconds = 0
        self._tail = 0

    def __call__(self, now: int) -> str:
        """Returns the next id, for this time."""
        milliseconds = now // 1000
        if milliseconds > self._milliseconds:
            self._milliseconds = milliseconds
            # One bit is left free, so that counting up has room for a whole millisecond.
            self._tail = int.from_bytes(os.urandom(10), "big") >> 7
        else:
            # Where it starts cannot be guessed; the steps need not cost a system call each.
            self._tail += 1 + getrandbits(32)
            if self._tail >> 74:
                self._milliseconds += 1
                self._tail = int.from_bytes(os.urandom(10), "big") >> 7
        high = self._tail >> 62
        low = self._tail & ((1 << 62) - 1)
        number = self._milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def time_of(uuid: str) -> int:
    """Returns the time in a UUIDv7, in microseconds."""
    return int(uuid[:8] + uuid[9:13], 16) * 1000


def uuid_at(microseconds: int) -> str:
    """Returns the smallest UUIDv7 of that time, for ranges over ids that we made."""
    milliseconds = min(max(microseconds // 1000, 0), (1 << 48) - 1)
    return str(UUID(int=milliseconds << 80))
