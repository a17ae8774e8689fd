"""Gives memory back to the system that the server has no use for any more.

What a thousand watches took is free when they have ended, but the allocator of glibc keeps it: the
process would stay as large as its worst hour made it.
"""

import asyncio
import ctypes
from typing import Final

INTERVAL: Final = 10.0
"""Seconds between two times."""


async def give_back() -> None:
    """Gives it back for ever, off the event loop; with another allocator there is nothing to do."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(INTERVAL)
        await asyncio.to_thread(trim, 0)
