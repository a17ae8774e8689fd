"""How many tasks stand in each state: counted when somebody asks, and only as often as is cheap.

To keep these counts with every commit would cost each cancel something. To count takes time that
grows with the store, so a count is answered again until a multiple of that time is over.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from countermand.core.knobs import TaskCountKnobs
from countermand.core.states import TaskState
from countermand.engine.clock import Clock
from countermand.store.contract import Store


class Counted(NamedTuple):
    """One count."""

    counts: Mapping[TaskState, int]
    time: int
    """When it ended."""


class TaskCounts:
    """Counts all tasks, stretch by stretch, so that it keeps no reading waiting for long."""

    def __init__(self, store: Store, clock: Clock, knobs: TaskCountKnobs) -> None:
        self._store = store
        self._clock = clock
        self._knobs = knobs
        self._last: Counted | None = None
        self._fresh_until = 0
        self._counting: asyncio.Task[None] | None = None

    async def get(self) -> Counted | None:
        """Returns the last count; None while the first one takes longer than a caller waits.

        Raises StoreFailed.
        """
        if self._counting is None and self._clock.steady() >= self._fresh_until:
            self._counting = asyncio.create_task(self._count(), name="count")
            self._counting.add_done_callback(self._end)
        if self._counting is not None:
            counting = self._counting
            await asyncio.wait([counting], timeout=self._knobs.patience)
            if counting.done() and not counting.cancelled():
                counting.result()
        return self._last

    async def _count(self) -> None:
        begin = self._clock.steady()
        counts: Counter[TaskState] = Counter()
        after: int | None = 0
        while after is not None:
            page = await self._store.count_tasks(after)
            counts.update(page.counts)
            after = page.next_number
        end = self._clock.steady()
        self._last = Counted(counts, self._clock.now())
        self._fresh_until = end + self._knobs.rest * (end - begin)

    def _end(self, counting: asyncio.Task[None]) -> None:
        self._counting = None
        if not counting.cancelled():
            counting.exception()  # Whoever still waits is told.
