"""The pages that watchers read from the store, bounded in memory together.

A watcher holds its page until its client took all of it, which may be never. So when all pages
together are too large, the oldest are taken back, and whoever held one reads on from its place. A
client that reads is done with its page long before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from countermand.core.knobs import PagesKnobs
from countermand.core.log import Event
from countermand.core.records import Task
from countermand.engine.hub import weight

Item = TypeVar("Item", Event, Task)


class Page(Generic[Item]):
    """What one reading found. Each item is gone once it was told."""

    def __init__(self, items: list[Item]) -> None:
        items.reverse()
        self._items: list[Item] = items
        self.taken_back = False
        """Whether some of it was given up untold, and must be read again."""

    def __iter__(self) -> Iterator[Item]:
        while self._items:
            yield self._items.pop()

    def __len__(self) -> int:
        return len(self._items)

    def take_back(self) -> None:
        """Gives up what was not told yet."""
        self.taken_back = bool(self._items)
        self._items.clear()


class Pages:
    """All pages that are held. The newest is never taken back, so that everybody gets on."""

    def __init__(self, knobs: PagesKnobs) -> None:
        self._max_bytes = knobs.max_bytes
        self._bytes = 0
        self._held: dict[Page[Event] | Page[Task], int] = {}
        """What each takes, the oldest first."""

    @contextmanager
    def hold(self, items: list[Item]) -> Iterator[Page[Item]]:
        """Gives a page with these items, and empties the list, lest that keeps them too."""
        page = Page(items)
        self._held[page] = sum(map(_weight, items))
        self._bytes += self._held[page]
        while self._bytes > self._max_bytes and len(self._held) > 1:
            self._forget(next(iter(self._held)))
        try:
            yield page
        finally:
            if page in self._held:
                self._forget(page)

    def _forget(self, page: Page[Event] | Page[Task]) -> None:
        page.take_back()
        self._bytes -= self._held.pop(page)


def _weight(item: Event | Task) -> int:
    return weight(item.task if isinstance(item, Event) else item)
