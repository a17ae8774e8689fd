"""Keeps the server from holding memory that it has no use for any more.

What a thousand watches took is free when they have ended, but the allocator of glibc keeps it: the
process would stay as large as its worst hour made it. With others there is nothing to do.
"""

import asyncio
import ctypes
from typing import Final

INTERVAL: Final = 10.0
"""Seconds between two times that memory is given back."""
M_ARENA_MAX: Final = -8
"""From glibc's malloc.h."""
ARENAS: Final = 2
"""How many heaps all threads share. By default each has its own, and each has its holes: measured,
200,000 watches that came and went then left 5.5 MiB, and 3.5 with two."""


def share_heaps() -> None:
    """Lets threads share their heaps. Call it before there are threads."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)


async def give_back() -> None:
    """Gives memory back to the system for ever, off the event loop."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(INTERVAL)
        await asyncio.to_thread(trim, 0)
