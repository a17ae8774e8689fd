"""Waiting for what nothing signals."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Returns once something holds, such as that a file is there. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
