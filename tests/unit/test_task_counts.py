"""Tasks are counted when somebody asks, and no more often than is cheap."""

import asyncio
from typing import Any

import pytest

from countermand.core.knobs import TaskCountKnobs
from countermand.core.records import SECOND
from countermand.core.states import TaskState
from countermand.engine.task_counts import TaskCounts
from countermand.store.contract import StoreFailed
from countermand.store.lists import CountPage
from tests.support.engine import HandClock

PENDING, RUNNING = TaskState.PENDING, TaskState.RUNNING


class Counting:
    """A store of two stretches, each of which takes a second to count."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.asked: list[int] = []
        self.failure: StoreFailed | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def count_tasks(self, after: int) -> CountPage:
        self.asked.append(after)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.clock.time += SECOND
        return (
            CountPage({PENDING: 2}, 5) if after == 0 else CountPage({PENDING: 1, RUNNING: 4}, None)
        )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def _counts(store: Any, patience: float = 10.0) -> TaskCounts:
    return TaskCounts(store, store.clock, TaskCountKnobs(rest=20, patience=patience))


async def test_a_count_is_the_sum_of_its_stretches_and_is_answered_again_for_twenty_times_as_long(
    clock: HandClock,
) -> None:
    store = Counting(clock)
    counts = _counts(store)
    first = await counts.get()
    assert first is not None
    assert (dict(first.counts), first.time) == ({PENDING: 3, RUNNING: 4}, clock.now())
    clock.time += 40 * SECOND - 1
    assert await counts.get() is first
    assert store.asked == [0, 5]
    clock.time += 1
    assert await counts.get() is not first
    assert store.asked == [0, 5, 0, 5]


async def test_those_who_ask_at_once_share_a_count_and_none_waits_longer_than_its_patience(
    clock: HandClock,
) -> None:
    store = Counting(clock)
    store.gate.clear()
    counts = _counts(store, patience=0.001)
    assert await asyncio.gather(counts.get(), counts.get()) == [None, None]
    assert store.asked == [0]
    store.gate.set()
    patient = _counts(store)
    assert (await patient.get()) is not None


async def test_a_count_that_fails_is_told_and_tried_again(clock: HandClock) -> None:
    store = Counting(clock)
    counts = _counts(store)
    store.failure = StoreFailed("the disk is gone")
    with pytest.raises(StoreFailed):
        await counts.get()
    store.failure = None
    assert (await counts.get()) is not None
