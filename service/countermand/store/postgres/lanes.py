"""The threads that read from the server."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.postgres.generation import Generations
from countermand.store.postgres.session import SnapshotSession
from countermand.store.postgres.worker import Worker

Result = TypeVar("Result")


class ReaderLane:
    """See countermand.store.sql.reader_pool.Lane."""

    def __init__(self, generations: Generations, knobs: StoreKnobs) -> None:
        self._close_timeout = knobs.postgres.close_timeout
        self._worker = Worker("store-reader")
        self.session = SnapshotSession(generations, knobs)

    async def open(self) -> None:
        """Starts the thread, with a connection. Raises StoreRefused."""
        try:
            await self._worker.run(self._connect)
        except (StoreFailed, RuntimeError) as error:  # or no thread is left
            raise StoreRefused(f"cannot open the store: {error}") from error

    def _connect(self) -> None:
        self.session.begin_snapshot()
        self.session.end_snapshot()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Returns what the function does on the thread, behind all that was handed to it before."""
        return await self._worker.run(work)

    async def close(self) -> None:
        """Ends the thread. It may be called twice, and after it could not be opened."""
        with suppress(TimeoutError, ValueError):  # It hangs, and ends with the process; or closed.
            async with asyncio.timeout(self._close_timeout):
                await self._worker.run(self.session.close)
        await self._worker.close(self._close_timeout)
