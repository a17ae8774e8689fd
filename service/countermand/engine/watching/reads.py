"""How a watch reads: at once or not at all, or with patience where several servers share a store.

There the database may fail over, and a watch that is open waits for it. One that begins does not:
its caller may find another server that can read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from countermand.core.errors import unavailable
from countermand.core.knobs import FollowerKnobs
from countermand.engine.watching.follower import Follower
from countermand.store.contract import StoreFailed

Result = TypeVar("Result")


class Reads:
    """Reads once, and raises what that raises."""

    async def begin(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Returns what a watch reads before it shows anything."""
        return await read()

    async def go_on(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Returns what a watch reads that is open."""
        return await read()


class PatientReads(Reads):
    """Reads again while the store is away, and shows nothing of one that was found again before it
    is known whether it lost commits."""

    def __init__(self, follower: Follower, knobs: FollowerKnobs) -> None:
        self._follower = follower
        self._knobs = knobs

    async def begin(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """See Reads."""
        found = await read()
        await self._wait_for(self._follower.settle())
        return found

    async def go_on(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """See Reads. Raises Refused when the store has been away for too long."""
        return await self._wait_for(self._read(read))

    async def _read(self, read: Callable[[], Awaitable[Result]]) -> Result:
        while True:
            try:
                found = await read()
            except StoreFailed:
                await asyncio.sleep(self._knobs.retry_interval)
            else:
                await self._follower.settle()
                return found

    async def _wait_for(self, reading: Awaitable[Result]) -> Result:
        try:
            async with asyncio.timeout(self._knobs.max_away):
                return await reading
        except TimeoutError:
            raise unavailable("the store is away; watch again") from None
