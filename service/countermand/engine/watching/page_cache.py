"""The pages that watchers read from the store, which those who read the same share.

A watcher keeps but a few items of a page at a time, and none of it while its client takes nothing;
so the memory is bounded by the cache, whose least recently used pages go first. Whoever comes back
to a page that is gone reads it again, from its own place. So that this does not happen again and
again, pages are smaller while many watchers read.
"""

import asyncio
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from countermand.core.knobs import PagesKnobs
from countermand.core.records import Task
from countermand.engine.watching.entries import ENTRY_BYTES, Entry, weight
from countermand.store.lists import Trail

Item = TypeVar("Item", Entry, Task)
Key = tuple[Any, ...]
"""What is read, the namespace that it is of, and what else says which pages these are."""


class Page(NamedTuple, Generic[Item]):
    """What one reading found."""

    items: list[Item]
    cursors: list[int]
    """For each item, where to go on after it."""
    end: int
    """Where to go on after the page."""
    complete: bool
    """Whether there was nothing more at that moment."""
    seq: int = 0
    """The position of the log up to which the page has all there is."""
    time: int = 0
    """When that position was taken."""
    head: Any = None
    """What the reading said of the present."""
    trail: Trail | None = None


Read = Callable[[int, int, Trail | None], Awaitable[Page[Item]]]
"""Reads a page after a cursor, with at most so many items."""


class Slice(NamedTuple, Generic[Item]):
    """The next few items of a page."""

    items: list[Item]
    end: int
    """Where to go on after them."""
    page: Page[Item]
    whole: bool
    """Whether the page ends with them."""
    fresh: bool = False
    """Whether the page was read just now, for whoever asked."""

    @property
    def complete(self) -> bool:
        """Whether there was nothing more when the page was read."""
        return self.whole and self.page.complete


class _Kept:
    """A page in the cache, or a trail: what leads on from a page."""

    __slots__ = ("begin", "bytes", "end", "items", "kept", "owner")
    kept: Any

    def __init__(
        self, owner: "SharedPages[Any]", begin: int, end: int, kept: Page[Any] | Trail
    ) -> None:
        self.owner = owner
        self.begin = begin
        self.end = end
        self.kept = kept
        self.items = len(kept.items) if isinstance(kept, Page) else 0
        self.bytes = _cost(kept)

    def __lt__(self, other: "_Kept") -> bool:
        return self.begin < other.begin


class SharedPages(Generic[Item]):
    """The pages of one thing that watchers read. Close it, once for each time it was opened."""

    def __init__(self, cache: "PageCache", key: Key, read: Read[Item]) -> None:
        self._cache = cache
        self.key = key
        self._read: Read[Item] = read
        self._pages: list[_Kept] = []
        """In the order of their beginnings."""
        self._trail: _Kept | None = None
        self._reading = asyncio.Lock()
        self.readers = 0

    def held(self, cursor: int) -> Slice[Item] | None:
        """Returns the next items after a cursor, if they are in the cache."""
        at = bisect_right(self._pages, cursor, key=lambda kept: kept.begin) - 1
        if at < 0 or cursor >= self._pages[at].end:
            return None
        self._cache.touch(self._pages[at])
        return self._slice(self._pages[at].kept, cursor)

    async def read(self, cursor: int) -> Slice[Item]:
        """Returns the next items after a cursor, from the store unless another watcher read them
        meanwhile. Raises what the reading raises."""
        async with self._reading:
            held = self.held(cursor)
            if held is not None:
                return held
            page = await self._read(cursor, self._cache.page_size(), self._leading_on(cursor))
            self._keep(cursor, page)
        return self._slice(page, cursor)._replace(fresh=True)

    def close(self) -> None:
        """Says that one reader less needs the pages."""
        self._cache.leave(self.key, self)

    def drop(self, kept: _Kept) -> None:
        """Forgets what the cache gave up."""
        if kept is self._trail:
            self._trail = None
        else:
            self._pages.remove(kept)

    def all_kept(self) -> list[_Kept]:
        """Returns all that the cache has of this."""
        return [*self._pages, *([self._trail] if self._trail else [])]

    def _leading_on(self, cursor: int) -> Trail | None:
        if self._trail is None:
            return None
        trail: Trail = self._trail.kept
        return trail if trail.leads_on(cursor) else None

    def _keep(self, cursor: int, page: Page[Item]) -> None:
        if page.end > cursor:
            kept = _Kept(self, cursor, page.end, page)
            insort(self._pages, kept)
            self._cache.keep(kept)
        trail = page.trail
        if trail is None or (self._trail is not None and self._trail.kept is trail):
            return
        if self._trail is not None:
            self._cache.forget(self._trail)
        self._trail = _Kept(self, trail.begin, trail.end, trail)
        self._cache.keep(self._trail)

    def _slice(self, page: Page[Item], cursor: int) -> Slice[Item]:
        first = bisect_right(page.cursors, cursor)
        last = first + self._cache.max_batch
        whole = last >= len(page.items)
        end = page.end if whole else page.cursors[last - 1]
        return Slice(page.items[first:last], end, page, whole)


class PageCache:
    """All pages that watchers read, bounded in memory together."""

    def __init__(self, knobs: PagesKnobs) -> None:
        self._max_bytes = knobs.max_bytes
        self._page_size = knobs.page_size
        self.max_batch = knobs.max_batch
        self._shared: dict[Key, SharedPages[Any]] = {}
        self._kept: OrderedDict[_Kept, None] = OrderedDict()
        """The least recently used first."""
        self._bytes = 0
        self._items = 0
        self._readers = 0

    @property
    def bytes(self) -> int:
        """What all pages are taken to cost."""
        return self._bytes

    def open(self, key: Key, read: Read[Item]) -> SharedPages[Item]:
        """Begins to read; what has the same key reads the same."""
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = SharedPages(self, key, read)
        shared.readers += 1
        self._readers += 1
        return shared

    def leave(self, key: Key, shared: SharedPages[Any]) -> None:
        """Counts a reader less; what nobody reads any more is forgotten."""
        self._readers -= 1
        shared.readers -= 1
        if not shared.readers:
            del self._shared[key]
            for kept in shared.all_kept():
                self.forget(kept)

    def lose(self, namespace: int) -> None:
        """Forgets all pages of a namespace, whose log lost its end."""
        for kept in [kept for kept in self._kept if kept.owner.key[1] == namespace]:
            self.forget(kept)

    def page_size(self) -> int:
        """Returns how many items the next page may have, so that there is room for everybody's."""
        each = max(self._bytes // self._items if self._items else 0, ENTRY_BYTES)
        room = self._max_bytes // (each * max(self._readers, 1))
        return min(self._page_size, max(room, self.max_batch))

    def touch(self, kept: _Kept) -> None:
        """Notes that something was used."""
        self._kept.move_to_end(kept)

    def keep(self, kept: _Kept) -> None:
        """Keeps something, and gives up others for it."""
        self._kept[kept] = None
        self._bytes += kept.bytes
        self._items += kept.items
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            self.forget(next(iter(self._kept)))

    def forget(self, kept: _Kept) -> None:
        """Gives something up."""
        del self._kept[kept]
        self._bytes -= kept.bytes
        self._items -= kept.items
        kept.owner.drop(kept)


def _cost(kept: Page[Any] | Trail) -> int:
    if isinstance(kept, Trail):
        return kept.seqs.itemsize * len(kept.seqs)
    items = kept.items
    return sum(weight(one if isinstance(one, Task) else one.event.task) for one in items)
