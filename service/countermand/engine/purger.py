"""The purger: removes what is older than the retention, so that the store stays bounded."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field

from countermand.core.answers import Purged
from countermand.core.commands import Purge
from countermand.core.errors import Reason, Refused
from countermand.core.knobs import PurgerKnobs
from countermand.core.records import SECOND
from countermand.core.retention import (
    DAY,
    MAX_OWED_RETENTIONS,
    Leftover,
    Old,
    Search,
    Spot,
    search_old,
)
from countermand.engine.clock import Clock
from countermand.engine.writer import Writer
from countermand.store.contract import Store, StoreFailed
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)

HOUR = DAY // 24
BEGIN = Spot()


@dataclass(slots=True)
class _Progress:
    """How far the purge of one namespace has come: through all kinds, what holds others last."""

    limit: int
    kinds: list[Leftover] = field(default_factory=lambda: list(Leftover))
    """Those that are left; the first is under way."""
    after: Spot = BEGIN

    def go_on(self, after: Spot | None) -> None:
        """Goes on behind that row, or with the next kind."""
        if after is None:
            del self.kinds[0]
        self.after = after or BEGIN


class Purger:
    """Looks for what is old, and removes it through the writer in small batches.

    Namespaces take turns, a batch each: however much of one is old, the others' goes as soon.
    """

    def __init__(
        self, store: Store, writer: Writer, clock: Clock, retention: int, knobs: PurgerKnobs
    ) -> None:
        """The retention is in microseconds."""
        self._store = store
        self._writer = writer
        self._clock = clock
        self._retention = retention
        self._own_retention = retention
        self._told_hours = 0
        self._knobs = knobs
        self._old = Old(0, 0)
        self._under_way: dict[int, _Progress] = {}
        """By namespace, in the order of their turns."""
        self._removed: Counter[Leftover] = Counter()
        """What went since that was said last."""
        self._passed = 0
        """How much could not be removed since then."""
        self._failing = False
        """Whether something could not be, the last time that it was said."""

    async def run(self) -> None:
        """Purges forever. It ends only by being cancelled, or by an exception that is a fault."""
        while True:
            if await self._is_our_round():
                await self._look()
            end = self._clock.steady() + self._knobs.interval * SECOND
            while self._under_way:
                await self._take_turns()
                if self._clock.steady() >= end:
                    break  # What has grown old meanwhile does not wait for who has the most.
            if not self._under_way:
                self._say_what_went()
                await asyncio.sleep(self._knobs.interval)

    async def purge(self) -> None:
        """Does one round: removes all that is old by now, what holds others after them."""
        await self._look()
        while self._under_way:
            await self._take_turns()
        self._say_what_went()

    async def _is_our_round(self) -> bool:
        """Whether this server is to look for what is old. Of several on a store one does it, by the
        longest retention of all of them: what one keeps, no other may remove."""
        shared = self._store.shared
        if shared is None:
            return True
        try:
            longest = await shared.take_purge(self._knobs.interval, self._own_retention)
        except StoreFailed as failure:
            log.warning("purging failed", extra=fields(reason=str(failure)))
            return False
        if longest is None:
            return False
        if longest != self._retention and longest > self._own_retention:
            days = round(longest / DAY, 1)
            log.warning("another server keeps what is old for longer", extra=fields(days=days))
        self._retention = longest
        return True

    async def _look(self) -> None:
        """Looks for namespaces in which something is old. Tries again while the store fails."""
        longest = MAX_OWED_RETENTIONS * self._retention
        self._old = Old(self._clock.older_than(self._retention), self._clock.older_than(longest))
        self._clock.forget(longest)
        self._tell_delay(self._old.before)
        while True:
            try:
                found = await self._store.namespaces_with_old(self._old)
                break
            except StoreFailed as failure:
                log.warning("purging failed", extra=fields(reason=str(failure)))
                await asyncio.sleep(self._knobs.retry_interval)
        for namespace in found:
            self._under_way.setdefault(namespace, _Progress(self._knobs.max_batch))

    def _tell_delay(self, before: int) -> None:
        """Says how much longer than the retention what is old is kept, when that has changed."""
        hours = max(0, self._clock.now() - self._retention - before) // HOUR
        if hours != self._told_hours:
            self._told_hours = hours
            log.warning(
                "what is old is kept for longer, since the clock leapt or no server ran",
                extra=fields(hours=hours),
            )

    async def _take_turns(self) -> None:
        """Gives each namespace a batch."""
        for namespace, progress in list(self._under_way.items()):
            await self._remove(namespace, progress)
            if not progress.kinds:
                del self._under_way[namespace]

    async def _remove(self, namespace: int, progress: _Progress) -> None:
        """Removes the next of what is old in a namespace, but for what fails.

        After a failure its batches grow smaller until what fails stands alone in one.
        """
        kind, max_bytes = progress.kinds[0], self._knobs.max_bytes
        search = search_old(kind, self._old, namespace, progress.after, progress.limit, max_bytes)
        try:
            purged = await self._submit(search)
        except Refused:  # What fails is not the disk.
            if progress.limit > 1:
                progress.limit = max(1, progress.limit // 2)
                return
            purged = await self._submit(search, passes_by=True)
            self._passed += 1
        else:
            progress.limit = min(2 * progress.limit, self._knobs.max_batch)
        self._removed[kind] += purged.removed
        # What stands where it stood cannot be told from what comes behind it.
        progress.go_on(None if purged.after == progress.after else purged.after)
        # Only what was work for the writer needs a pause for others behind it.
        await asyncio.sleep(self._knobs.pause if purged.removed or purged.after else 0)

    async def _submit(self, search: Search, *, passes_by: bool = False) -> Purged:
        """Purges. Tries again for as long as the store refuses it; raises Refused: INTERNAL."""
        while True:
            try:
                purged: Purged = await self._writer.submit(Purge(0, search, passes_by))
            except Refused as refusal:
                if refusal.reason is Reason.INTERNAL and not passes_by:
                    raise
                log.warning("purging failed", extra=fields(reason=refusal.reason))
                await asyncio.sleep(self._knobs.retry_interval)
            else:
                return purged

    def _say_what_went(self) -> None:
        if self._passed and not self._failing:
            log.error("some of what is old cannot be removed", extra=fields(passed_by=self._passed))
        self._failing = self._passed > 0
        if self._removed.total():
            removed = {f"{kind.lower()}s": self._removed[kind] for kind in Leftover}
            log.info("what was old is removed", extra=fields(**removed))
        self._removed.clear()
        self._passed = 0
