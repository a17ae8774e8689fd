"""Keeps the server from holding memory that it has no use for any more.

What a thousand watches took is free when they have ended, but the allocator of glibc keeps it: the
process would stay as large as its worst hour made it. With others there is nothing to do.
"""

import asyncio
import ctypes
import gc
from typing import Final

M_ARENA_MAX: Final = -8
"""From glibc's malloc.h."""


def share_heaps(max_heaps: int) -> None:
    """Lets all threads share so many heaps. Call it before there are threads."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, max_heaps)


async def give_back(interval: float) -> None:
    """Gives memory back to the system forever, each so many seconds, off the event loop."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(interval)
        await asyncio.to_thread(trim, 0)


def collect_less_often(max_young_objects: int) -> None:
    """Spares what lives long from being looked at by the garbage collector again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(max_young_objects, *gc.get_threshold()[1:])
