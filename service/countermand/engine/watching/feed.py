"""What a watch is given: pages of the store until it has caught up, then what the hub hears of.

It waits in no other place, so here is what interrupts a wait: that the watch is ended from outside,
and that a heartbeat is due.
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, Generic, NamedTuple

from countermand.engine.watching.entries import Entry
from countermand.engine.watching.hub import Subscription
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.page_cache import Item, SharedPages, Slice


class Silence:
    """How long a watch has said nothing, and when it must say that it is alive."""

    __slots__ = ("_interval", "_loop", "due")

    def __init__(self, interval: float) -> None:
        """The interval is in seconds."""
        self._loop = asyncio.get_running_loop()
        self._interval = interval
        self.due = inf
        """When the next heartbeat is due, in the loop's time; never before the first message."""

    @property
    def is_too_long(self) -> bool:
        """Whether a heartbeat is due."""
        return self._loop.time() >= self.due

    def end(self) -> None:
        """Begins anew, since something was said."""
        self.due = self._loop.time() + self._interval


class Pages(Generic[Item]):
    """One watch's way through pages that it shares with others. Close it."""

    def __init__(self, watcher: Watcher, silence: Silence, shared: SharedPages[Item]) -> None:
        self._watcher = watcher
        self._silence = silence
        self._shared: SharedPages[Item] = shared
        self._reading: asyncio.Task[Slice[Item]] | None = None

    async def next(self, cursor: int) -> Slice[Item] | None:
        """Returns what comes after a cursor, or None when a heartbeat is due before: ask again.

        Raises what the reading raises, and the refusal with which the watch was ended.
        """
        if self._reading is None:
            held = self._shared.held(cursor)
            if held is not None:
                return held
            self._reading = asyncio.create_task(self._shared.read(cursor))
        if not await self._watcher.wait_for(self._reading, self._silence.due):
            return None
        found: Slice[Item] = self._reading.result()
        self._reading = None
        return found

    @property
    def is_reading(self) -> bool:
        """Whether a reading is under way that `next` waits for."""
        return self._reading is not None

    def close(self) -> None:
        """Ends the way, and a reading that is under way."""
        self._shared.close()
        reading = self._reading
        if reading is not None and not reading.cancel() and not reading.cancelled():
            reading.exception()  # Nobody waits for it any more, so nobody is told.


class Part(NamedTuple):
    """The entries that come next. A page may have none."""

    entries: list[Entry]
    seq: int
    """The position of the log up to which these are all there are."""
    time: int
    """When that position was taken."""
    complete: bool
    """Whether there was nothing more at that moment."""
    head: Any = None
    """What the reading said of the present, if it is from one."""


class Feed:
    """One watch's way along the log. Use it in a `with`."""

    def __init__(
        self,
        watcher: Watcher,
        silence: Silence,
        subscription: Subscription,
        open_pages: Callable[[], SharedPages[Entry]],
        cursor_of: Callable[[Entry], int],
    ) -> None:
        """The hub goes on after an entry's place in the log, pages after its cursor."""
        self._watcher = watcher
        self._silence = silence
        self._subscription = subscription
        self._open_pages = open_pages
        self._cursor_of = cursor_of
        self._pages: Pages[Entry] | None = None
        self._alarms = self._alarms_before = 0
        """How many alarms the last reading that was complete had before it."""
        self._seq = self._cursor = 0
        self.must_read = False
        """Whether only the log can say what comes next, since something is over."""

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self._leave_pages()

    def begin(self, seq: int, cursor: int) -> None:
        """Goes on after a place in the log, which is after this cursor in pages."""
        self._seq, self._cursor = seq, cursor

    async def next(self) -> Part | None:
        """Returns what comes next as soon as there is something, or None when a heartbeat is due.

        Raises what a reading raises, and the refusal with which the watch was ended.
        """
        while True:
            self._watcher.check()
            entries = self._from_hub()
            if entries is None:
                return await self._from_pages()
            self._leave_pages()
            if entries:
                self._seq, self._cursor = entries[-1].event.seq, self._cursor_of(entries[-1])
                return Part(entries, self._seq, entries[-1].event.time, self.has_all)
            if not await self._watcher.wait(self._subscription, self._silence.due):
                return None

    @property
    def has_all(self) -> bool:
        """Whether it is known that nothing has come that was not given."""
        return self._from_hub() == []

    def _from_hub(self) -> list[Entry] | None:
        if self.must_read or self._alarms != self._subscription.alarms:
            return None
        return self._subscription.after(self._seq)

    async def _from_pages(self) -> Part | None:
        if self._pages is None:
            self._pages = Pages(self._watcher, self._silence, self._open_pages())
        if not self._pages.is_reading:
            self._alarms_before = self._subscription.alarms
        found = await self._pages.next(self._cursor)
        if found is None:
            return None
        self._cursor = found.end
        page = found.page
        if found.whole:
            self._seq, time = page.seq, page.time
        else:
            self._seq, time = found.items[-1].event.seq, found.items[-1].event.time
        if found.complete and found.fresh:
            self._subscription.was_read(self._seq)
            self._alarms = self._alarms_before
        return Part(found.items, self._seq, time, found.complete, page.head)

    def _leave_pages(self) -> None:
        pages, self._pages = self._pages, None
        if pages is not None:
            pages.close()
