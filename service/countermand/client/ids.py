"""Ids that a client makes, so that a call can be repeated safely."""

import os
import time
from uuid import UUID


def new_id() -> str:
    """Returns a fresh UUIDv7: random, and beginning with the time, which keeps a store's index
    small to write."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return str(UUID(int=number))
