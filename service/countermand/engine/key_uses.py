"""How much of the limits of keys the servers of one store have used together.

Each counts for itself, and tells the others twice a second. So a limit holds for a key, however its
callers are spread: each server charges its own count with what others let in, and while more is
asked than the limit allows it lets in its share, by how much of that is asked of it. A sudden start
may get the limit once on each server, which is made up for within seconds.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermand.core.knobs import KeyUseKnobs
from countermand.store.contract import KeyUse, SharedState, StoreFailed
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)

Name = tuple[str, str]
"""A key, as it is counted, and the name of its limit."""
OPEN_WATCHES = "open_watches"


@dataclass(slots=True)
class _Count:
    """One limit of a key."""

    used: int = 0
    asked: int = 0
    noted: tuple[int, int] = (0, 0)
    """Both as they were last told."""
    noted_at: float = 0.0
    asked_before: int = 0
    """How much had been asked by the last exchange."""
    own_rate: float = 0.0
    others_rate: float = 0.0
    """How much was asked a second, of late: here, and of others."""
    owed: int = 0
    """What others let in that this server has not been charged with."""


class KeyUses:
    """What this server and the others let in for each key with a limit."""

    def __init__(self, knobs: KeyUseKnobs, clock: Callable[[], float] = time.monotonic) -> None:
        """The clock is in seconds."""
        self._knobs = knobs
        self._clock = clock
        self._counts: dict[Name, _Count] = {}
        self._seen: dict[tuple[Name, str], tuple[int, int, float]] = {}
        """What each other server told last, of all limits, and when."""
        self._forget_at = 0.0
        self._open_elsewhere: dict[str, int] = {}
        """How many watches of each key others have open."""
        self._exchanged_at: float | None = None

    def ask(self, name: Name) -> int:
        """Counts that something was asked of a limit. Returns what others let in meanwhile."""
        count = self._count(name)
        count.asked += 1
        owed, count.owed = count.owed, 0
        return owed

    def use(self, name: Name, tokens: int) -> None:
        """Counts what was let in."""
        self._count(name).used += tokens

    def share(self, name: Name, limit: int) -> float | None:
        """Returns how much of a limit this server lets in a second; None: all that it has."""
        count = self._count(name)
        others = count.others_rate
        if others < self._knobs.min_rate:
            return None
        own = max(count.own_rate, (count.asked - count.asked_before) / self._knobs.interval)
        return max(limit - others, limit * own / (own + others), limit / self._knobs.min_share)

    def opened(self, key: str, open_now: int) -> None:
        """Notes how many watches of a key are open here."""
        self._count((key, OPEN_WATCHES)).used = open_now

    def max_open(self, key: str, limit: int) -> int:
        """Returns how many watches of a key may be open here."""
        return max(limit - self._open_elsewhere.get(key, 0), limit // self._knobs.min_share)

    async def run(self, shared: SharedState, is_needed: Callable[[], bool]) -> None:
        """Exchanges counts with the others, until cancelled, while some key has a limit."""
        while True:
            if is_needed():
                try:
                    await self.exchange(shared)
                except StoreFailed as failure:
                    log.debug("uses of keys were not exchanged", extra=fields(cause=str(failure)))
            else:  # What is told from now on was used from now on.
                self._exchanged_at = self._clock()
            await asyncio.sleep(self._knobs.interval)

    async def exchange(self, shared: SharedState) -> None:
        """Tells the others what was used here, and hears what they used. Raises StoreFailed."""
        now = self._clock()
        uses = []
        for (key_id, kind), count in self._counts.items():
            is_open = kind == OPEN_WATCHES and count.used > 0
            is_old = now - count.noted_at >= self._knobs.max_age / 2
            if (count.used, count.asked) != count.noted or (is_open and is_old):
                count.noted, count.noted_at = (count.used, count.asked), now
                uses.append(KeyUse(key_id, kind, count.used, count.asked))
        self._hear(await shared.note_key_uses(uses, self._knobs.max_age))

    def _hear(self, found: Sequence[KeyUse]) -> None:
        now, before = self._clock(), self._exchanged_at
        self._exchanged_at = now
        asked: dict[Name, int] = {}
        watches: dict[str, int] = {}
        for use in found:
            name = (use.key_id, use.kind)
            told = (use.used, use.asked, now)
            last = self._seen.get((name, use.replica), (0, 0, now) if before is not None else told)
            self._seen[name, use.replica] = told
            if use.kind == OPEN_WATCHES:
                watches[use.key_id] = watches.get(use.key_id, 0) + use.used
                continue
            asked[name] = asked.get(name, 0) + max(0, use.asked - last[1])
            count = self._counts.get(name)
            if count is not None:
                count.owed += max(0, use.used - last[0])
        self._open_elsewhere = watches
        if now >= self._forget_at:
            oldest = now - self._knobs.max_idle
            self._seen = {one: told for one, told in self._seen.items() if told[2] > oldest}
            self._forget_at = now + self._knobs.max_idle
        # What was forgotten in the middle of a second would count as a hundred times as much.
        seconds = max(self._knobs.interval, now - before if before is not None else 0.0)
        for name, count in self._counts.items():
            others = asked.get(name, 0) / seconds
            count.others_rate = (count.others_rate + others) / 2
            own = (count.asked - count.asked_before) / seconds
            count.own_rate = (count.own_rate + own) / 2
            count.asked_before = count.asked

    def _count(self, name: Name) -> _Count:
        count = self._counts.get(name)
        if count is None:
            count = self._counts[name] = _Count()
        return count
