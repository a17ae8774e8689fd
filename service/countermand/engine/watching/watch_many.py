"""Watches of many tasks: a snapshot of each, then every version of each, and when that ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from countermand.core.log import Event, TaskFilter
from countermand.core.records import Target, Task
from countermand.engine.watching.entries import Entry
from countermand.engine.watching.feed import Feed, Pages, Part, Silence
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.messages import Kind, Message, change
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.page_cache import Page, PageCache, SharedPages
from countermand.engine.watching.places import Place, expect_kept, expect_place
from countermand.engine.watching.reads import Reads
from countermand.engine.watching.topics import filter_topic
from countermand.store.contract import Bookmark, Store
from countermand.store.lists import Trail


class Asked(NamedTuple):
    """What a watch is of, and who watches."""

    watcher: Watcher
    silence: Silence
    namespace: int
    chosen: TaskFilter

    @property
    def targets(self) -> tuple[Target, ...]:
        """The holders that the filter names."""
        return self.chosen.targets(self.namespace)


class WatchMany:
    """What every watch of many tasks uses."""

    def __init__(self, store: Store, hub: Hub, cache: PageCache, reads: Reads) -> None:
        self._store = store
        self._hub = hub
        self._cache = cache
        self._reads = reads

    async def follow(
        self,
        watcher: Watcher,
        silence: Silence,
        namespace: int,
        chosen: TaskFilter,
        place: Place | None,
    ) -> AsyncGenerator[Message, None]:
        """Follows what a filter chooses, from the beginning or from a place. Raises Refused."""
        asked = Asked(watcher, silence, namespace, chosen)
        topic = filter_topic(namespace, chosen)
        with self._hub.subscribe(topic, asked.targets) as subscription:
            mark = await self._reads.begin(lambda: self._store.bookmark(namespace, chosen))
            expect_kept(mark, mark.seq)
            subscription.was_read(mark.seq)
            if place is None:
                place = Place(mark.seq, mark.time, 0, mark.last_number)
            else:
                await expect_place(self._store, namespace, place, mark)
            told = place.snapshot_after is not None
            if told:
                over = mark.over and place.seq == mark.seq
                async with aclosing(self._snapshot(asked, place, over=over)) as beginning:
                    async for message in beginning:
                        watcher.check()
                        yield message
                if over:
                    return
            with Feed(
                watcher, silence, subscription, lambda: self._open_log(asked), _position
            ) as feed:
                feed.begin(place.seq, place.seq)
                feed.must_read = mark.over
                here = Place(place.seq, place.time)
                async with aclosing(self._changes(asked, feed, here, told=told)) as changes:
                    async for message in changes:
                        yield message

    async def _snapshot(
        self, asked: Asked, place: Place, *, over: bool
    ) -> AsyncGenerator[Message, None]:
        """Tells the tasks as they were at a place, from another between them on, and SYNCED."""
        pages = Pages(asked.watcher, asked.silence, self._open_snapshot(asked, place))
        try:
            after, complete = place.snapshot_after or 0, False
            while not complete:
                found = await pages.next(after)
                if found is None:
                    yield Message(Kind.HEARTBEAT, None, place=place)
                    continue
                for task in found.items:
                    place = place._replace(snapshot_after=task.number)
                    yield Message(Kind.SNAPSHOT, task, place=place)
                after, complete = found.end, found.complete
                place = place._replace(snapshot_after=after)
                if asked.silence.is_too_long:
                    yield Message(Kind.HEARTBEAT, None, place=place)
        finally:
            pages.close()
        yield Message(Kind.SYNCED, None, over, place=Place(place.seq, place.time))

    async def _changes(
        self, asked: Asked, feed: Feed, here: Place, *, told: bool
    ) -> AsyncGenerator[Message, None]:
        """Tells what comes after a place, and begins at once if nothing was told before."""
        while True:
            part = await feed.next() if told or not feed.has_all else None
            if part is None:
                # It goes on also while nothing happens here, so that its token does not grow old.
                if feed.has_all:
                    here = max(here, Place(*self._hub.end(asked.namespace)))
                yield Message(Kind.HEARTBEAT, None, place=here)
                told = True
                continue
            here = Place(part.seq, part.time)
            if isinstance(part.head, Bookmark) and part.head.over:
                feed.must_read = True  # The page may have told the end, and the hub has no other.
            chosen, over = _chosen_until_over(asked, part)
            for number, entry in enumerate(chosen, start=1):
                asked.watcher.check()
                last = over and number == len(chosen)
                yield change(entry, last=last, place=_place(entry.event))
            if not chosen and (over or not told or asked.silence.is_too_long):
                yield Message(Kind.HEARTBEAT, None, over, place=here)
            told = True
            if over:
                return

    def _open_snapshot(self, asked: Asked, place: Place) -> SharedPages[Task]:
        mark = Bookmark(place.seq, place.snapshot_last, over=False, time=place.time)

        async def read(after: int, limit: int, _: Trail | None) -> Page[Task]:
            page = await self._reads.go_on(
                lambda: self._store.snapshot(asked.namespace, asked.chosen, mark, after, limit)
            )
            end = mark.last_number if page.next_number is None else page.next_number
            numbers = [task.number for task in page.tasks]
            return Page(page.tasks, numbers, end, complete=page.next_number is None)

        key = ("snapshot", asked.namespace, asked.chosen, mark)
        return self._cache.open(key, read)

    def _open_log(self, asked: Asked) -> SharedPages[Entry]:
        async def read(after: int, limit: int, trail: Trail | None) -> Page[Entry]:
            page = await self._reads.go_on(
                lambda: self._store.log(asked.namespace, asked.chosen, after, limit, trail)
            )
            expect_kept(page.mark, after)
            return Page(
                items=[Entry(event) for event in page.events],
                cursors=[event.seq for event in page.events],
                end=page.through,
                complete=page.through >= page.mark.seq,
                seq=page.through,
                time=page.time,
                head=page.mark,
                trail=page.trail,
            )

        key = ("log", asked.namespace, asked.chosen)
        return self._cache.open(key, read)


def _chosen_until_over(asked: Asked, part: Part) -> tuple[list[Entry], bool]:
    """Returns the entries that a watch tells, up to its end, and whether that has come."""
    if isinstance(part.head, Bookmark):  # A reading has chosen already.
        return part.entries, part.complete and part.head.over
    chosen = []
    for entry in part.entries:
        if entry.event.chosen_by(asked.chosen):
            chosen.append(entry)
        if not entry.event.over.isdisjoint(asked.targets):
            return chosen, True
    return chosen, False


def _place(event: Event) -> Place:
    return Place(event.seq, event.time)


def _position(entry: Entry) -> int:
    return entry.event.seq
