"""What the hub keeps of one topic: a stretch of the log, and who waits for more of it."""

import asyncio
from bisect import bisect_right

from countermand.engine.watching.entries import Entry, weight

UNKNOWN = 1 << 63
"""Above every place of a log: where a topic begins that has heard nothing yet."""


class Stretch:
    """The recent entries of one topic, and who waits for the next."""

    __slots__ = ("bytes", "entries", "floor", "outdated", "seqs", "waiters", "watchers")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.seqs: list[int] = []
        self.bytes = 0
        """What the entries are taken to cost."""
        self.floor = UNKNOWN
        """The place above which every entry of the topic is here."""
        self.watchers = 0
        self.outdated = 0
        """How many of the oldest ages of the hub are of entries that were outdated."""
        self.waiters: dict[asyncio.Future[None], None] = {}
        """In the order in which they are woken: who waited first is told first."""

    def append(self, entry: Entry, seq: int) -> None:
        if self.floor == UNKNOWN:
            self.floor = seq - 1
        self.entries.append(entry)
        self.seqs.append(seq)

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def give_up(self, count: int) -> None:
        self.floor = max(self.floor, self.seqs[count - 1])
        del self.entries[:count]
        del self.seqs[:count]

    def outdate(self, seq: int) -> int:
        """Gives up what is not above a place, since others committed up to there. Returns how many
        bytes that was."""
        count = bisect_right(self.seqs, seq)
        freed = sum(weight(entry.event.task) for entry in self.entries[:count])
        self.bytes -= freed
        self.outdated += count
        del self.entries[:count]
        del self.seqs[:count]
        self.floor = seq if self.floor == UNKNOWN else max(self.floor, seq)
        return freed

    def give_up_through(self, seq: int) -> None:
        """Gives up all, and what it may not have been given, up to a place."""
        self.floor = seq
        self.bytes = self.outdated = 0
        self.entries.clear()
        self.seqs.clear()
