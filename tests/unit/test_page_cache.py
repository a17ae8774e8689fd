"""The pages that watchers share: read once for all, bounded in memory, and smaller in a crowd."""

import asyncio
from array import array
from collections.abc import Sequence

import pytest

from countermand.core.commands import Command
from countermand.core.errors import Reason, Refused
from countermand.core.knobs import PagesKnobs
from countermand.core.log import Event
from countermand.engine.watching.entries import ENTRY_BYTES, Entry
from countermand.engine.watching.page_cache import Page, PageCache, SharedPages, Slice
from countermand.store.lists import Trail
from tests.support.ask import create, uid
from tests.support.world import World

SIZE = 8


class Log:
    """A log of some entries, and what was read of it."""

    def __init__(self, *commands: Command) -> None:
        world = World()
        world.do_all(*(commands or [create(uid(number)) for number in range(1, 41)]))
        self.events: list[Event] = world.events
        self.readings: list[tuple[int, int]] = []
        self.trails: list[Trail | None] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, after: int, limit: int, trail: Trail | None) -> Page[Entry]:
        self.readings.append((after, limit))
        self.trails.append(trail)
        await self.gate.wait()
        found = [Entry(event) for event in self.events if event.seq > after][:limit]
        end = found[-1].event.seq if found else after
        complete = end == len(self.events)
        trail = trail or Trail(after, len(self.events), array("q", range(after + 1, 41)))
        return Page(
            found,
            [entry.event.seq for entry in found],
            end,
            complete,
            seq=end,
            trail=None if complete else trail,
        )

    def open(self, cache: PageCache, key: str = "log") -> SharedPages[Entry]:
        return cache.open((key, 0), self.read)


@pytest.fixture
async def log() -> Log:
    return Log()


def _cache(entries: int = 1000, max_batch: int = 4) -> PageCache:
    return PageCache(
        PagesKnobs(max_bytes=entries * ENTRY_BYTES, page_size=SIZE, max_batch=max_batch)
    )


async def _next(pages: SharedPages[Entry], cursor: int) -> Slice[Entry]:
    return pages.held(cursor) or await pages.read(cursor)


async def _all(pages: SharedPages[Entry], cursor: int = 0) -> list[Entry]:
    """Reads to the end, a few at a time as a watcher does."""
    found: list[Entry] = []
    while True:
        part = await _next(pages, cursor)
        found += part.items
        cursor = part.end
        if part.complete:
            return found


def _seqs(entries: Sequence[Entry]) -> list[int]:
    return [entry.event.seq for entry in entries]


@pytest.mark.parametrize("max_batch", [1, 3, 4, 100])
async def test_a_reader_is_given_a_few_items_at_a_time_from_any_place(
    log: Log, max_batch: int
) -> None:
    cache = _cache(max_batch=max_batch)
    for cursor in range(41):
        pages = log.open(cache)
        part = await _next(pages, cursor)
        assert len(part.items) <= max_batch
        assert _seqs(await _all(pages, cursor)) == list(range(cursor + 1, 41))
        pages.close()


async def test_those_who_read_the_same_share_each_reading_and_each_entry(log: Log) -> None:
    cache = _cache()
    pages = [log.open(cache) for _ in range(20)]
    found = await asyncio.gather(*[_all(each) for each in pages])
    assert [_seqs(entries) for entries in found] == [list(range(1, 41))] * 20
    assert all(one is other for one, other in zip(found[0], found[19], strict=True))
    assert log.readings == [(after, SIZE) for after in range(0, 40, SIZE)]


async def test_who_begins_elsewhere_falls_into_step_with_the_others(log: Log) -> None:
    cache = _cache()
    pages = [log.open(cache) for _ in range(5)]
    cursors = (6, 3, 0, 20, 39)
    found = [await _all(each, cursor) for each, cursor in zip(pages, cursors, strict=True)]
    assert [_seqs(entries) for entries in found] == [list(range(c + 1, 41)) for c in cursors]
    assert len(log.readings) == 5 + 1 + 1


async def test_what_another_reads_is_waited_for_and_not_read_again(log: Log) -> None:
    cache = _cache()
    log.gate.clear()
    one, other = log.open(cache), log.open(cache)
    waiting = [asyncio.create_task(each.read(0)) for each in (one, other)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # Whoever reads may leave; the other reads then.
    log.gate.set()
    part = await waiting[1]
    assert (_seqs(part.items), part.fresh) == ([1, 2, 3, 4], True)
    assert len(log.readings) == 2


async def test_only_who_read_it_now_is_told_that_the_page_is_fresh(log: Log) -> None:
    cache = _cache()
    log.gate.clear()
    one, other = log.open(cache), log.open(cache)
    waiting = [asyncio.create_task(each.read(38)) for each in (one, other)]
    await asyncio.sleep(0)
    log.gate.set()
    first, second = await asyncio.gather(*waiting)
    assert (first.complete, first.fresh) == (True, True)
    assert (second.complete, second.fresh) == (True, False)


async def test_the_least_recently_used_pages_go_first_and_are_read_again(log: Log) -> None:
    cache = _cache(entries=2 * SIZE + 1)
    pages = log.open(cache)
    for cursor in (0, SIZE):
        await pages.read(cursor)
    assert pages.held(0) is not None
    await pages.read(2 * SIZE)
    assert pages.held(0) is not None
    assert pages.held(SIZE) is None
    assert cache.bytes <= (2 * SIZE + 1) * ENTRY_BYTES
    assert _seqs(await _all(pages)) == list(range(1, 41))


@pytest.mark.parametrize("entries", [1, 2, SIZE, 2 * SIZE])
async def test_everybody_gets_on_however_little_room_there_is_and_whoever_takes_it(
    log: Log, entries: int
) -> None:
    cache = _cache(entries)
    others = [Log() for _ in range(10)]
    pages = [one.open(cache, f"log {number}") for number, one in enumerate(others)]
    cursors = [0] * 10
    found: list[list[Entry]] = [[] for _ in range(10)]
    while min(cursors) < 40:  # in turn, so that each time another's page is the oldest
        for number, each in enumerate(pages):
            part = await _next(each, cursors[number])
            found[number] += part.items
            cursors[number] = part.end
            assert cache.bytes <= max(entries, SIZE) * ENTRY_BYTES + 40 * 8
    assert [_seqs(each) for each in found] == [list(range(1, 41))] * 10


async def test_pages_are_smaller_while_many_read_so_that_none_is_given_up_untaken() -> None:
    cache = _cache(entries=40)
    logs = [Log() for _ in range(20)]
    pages = [one.open(cache, f"log {number}") for number, one in enumerate(logs)]
    cursors = [0] * 20
    while min(cursors) < 40:
        for number, each in enumerate(pages):
            cursors[number] = (await _next(each, cursors[number])).end
    for one in logs:
        assert one.readings == [(after, 4) for after in range(0, 40, 4)]
    for each in pages[1:]:
        each.close()
    await pages[0].read(0)
    assert logs[0].readings[-1] == (0, SIZE)


async def test_what_nobody_reads_any_more_takes_no_room(log: Log) -> None:
    cache = _cache()
    one, other, third = log.open(cache), log.open(cache), Log().open(cache, "another")
    await one.read(0)
    await third.read(0)
    one.close()
    assert cache.bytes > SIZE * ENTRY_BYTES
    other.close()
    assert 0 < cache.bytes < 2 * SIZE * ENTRY_BYTES
    third.close()
    assert cache.bytes == 0
    again = log.open(cache)
    assert again.held(0) is None


async def test_a_trail_leads_on_from_page_to_page_and_counts_for_its_room(log: Log) -> None:
    cache = _cache()
    pages = log.open(cache)
    await pages.read(0)
    assert cache.bytes == SIZE * ENTRY_BYTES + 40 * 8
    await _all(pages)
    first, *rest = log.trails
    assert first is None
    assert len({id(trail) for trail in rest}) == 1
    assert cache.bytes == 40 * ENTRY_BYTES + 40 * 8


async def test_a_reading_that_fails_fails_for_who_asked_and_the_next_reads_again(log: Log) -> None:
    cache = _cache()
    refusals = [Refused(Reason.RESUME_TOKEN_EXPIRED, "too old")]

    async def read(after: int, limit: int, trail: Trail | None) -> Page[Entry]:
        if refusals:
            raise refusals.pop()
        return await log.read(after, limit, trail)

    one, other = cache.open("log", read), cache.open("log", read)
    failed, part = await asyncio.gather(one.read(0), other.read(0), return_exceptions=True)
    assert isinstance(failed, Refused)
    assert isinstance(part, Slice)
    assert _seqs(part.items) == [1, 2, 3, 4]


async def test_a_page_without_items_leads_to_its_end(log: Log) -> None:
    cache = _cache()

    async def read(after: int, limit: int, trail: Trail | None) -> Page[Entry]:
        return Page([], [], after + 10, after >= 20, seq=after + 10)

    pages: SharedPages[Entry] = cache.open("hidden", read)
    ends = [(await _next(pages, cursor)).end for cursor in (0, 5, 10, 25)]
    assert ends == [10, 10, 20, 35]


async def test_labels_count_for_what_they_take() -> None:
    labels = {f"{number:0128}": "x" * 128 for number in range(16)}
    log = Log(*[create(uid(number), labels=labels) for number in range(1, 41)])
    cache = _cache(entries=2 * SIZE)
    pages = log.open(cache)
    await _all(pages)
    assert len(pages.all_kept()) == 1
    assert cache.bytes > 3 * SIZE * ENTRY_BYTES


async def test_pages_of_large_tasks_have_fewer_of_them() -> None:
    labels = {f"{number:0128}": "x" * 1000 for number in range(16)}
    logs = [Log(*[create(uid(number), labels=labels) for number in range(1, 41)]) for _ in range(3)]
    cache = _cache(entries=8 * SIZE)
    pages = [one.open(cache, f"log {number}") for number, one in enumerate(logs)]
    for each in pages:
        await _all(each)
    assert logs[0].readings[0] == (0, SIZE)
    assert logs[2].readings[-1] == (36, 4)
