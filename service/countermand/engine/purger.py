"""The purger: removes what is older than the retention, so that the store stays bounded."""

import asyncio
import logging

from countermand.core.answers import Purged
from countermand.core.commands import Purge
from countermand.core.errors import Reason, Refused
from countermand.core.knobs import PurgerKnobs
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
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)

HOUR = DAY // 24


class Purger:
    """Looks through what is old in rounds, and removes it through the writer in small batches."""

    def __init__(self, writer: Writer, clock: Clock, retention: int, knobs: PurgerKnobs) -> None:
        """The retention is in microseconds."""
        self._writer = writer
        self._clock = clock
        self._retention = retention
        self._told_hours = 0
        self._passed = 0
        """How much could not be removed in the last round."""
        self._knobs = knobs

    async def run(self) -> None:
        """Purges forever. It ends only by being cancelled, or by an exception that is a fault."""
        while True:
            await self.purge()
            await asyncio.sleep(self._knobs.interval)

    async def purge(self) -> None:
        """Does one round: removes all that is old by now, what holds others after them."""
        longest = MAX_OWED_RETENTIONS * self._retention
        old = Old(self._clock.older_than(self._retention), self._clock.older_than(longest))
        self._clock.forget(longest)
        self._tell_delay(old.before)
        passed_before, self._passed = self._passed, 0
        removed = {f"{kind.lower()}s": await self._remove(kind, old) for kind in Leftover}
        if self._passed and not passed_before:
            log.error("some of what is old cannot be removed", extra=fields(passed_by=self._passed))
        if any(removed.values()):
            log.info("what was old is removed", extra=fields(**removed))

    def _tell_delay(self, before: int) -> None:
        """Says how much longer than the retention what is old is kept, when that has changed."""
        hours = max(0, self._clock.now() - self._retention - before) // HOUR
        if hours != self._told_hours:
            self._told_hours = hours
            log.warning(
                "what is old is kept for longer, since the clock leapt or no server ran",
                extra=fields(hours=hours),
            )

    async def _remove(self, kind: Leftover, old: Old) -> int:
        """Removes what is old of one kind, but for what fails. Returns how many there were.

        After a failure its batches grow smaller until what fails stands alone in one.
        """
        removed, limit, after = 0, self._knobs.max_batch, Spot()
        while True:
            search = search_old(kind, old, after, limit, self._knobs.max_bytes)
            try:
                purged = await self._submit(search)
            except Refused:  # What fails is not the disk.
                if limit > 1:
                    limit = max(1, limit // 2)
                    continue
                purged = await self._submit(search, passes_by=True)
                self._passed += 1
                if purged.after == after:  # It cannot be told from what comes behind it.
                    return removed
            else:
                limit = min(2 * limit, self._knobs.max_batch)
            removed += purged.removed
            await asyncio.sleep(self._knobs.pause)
            if purged.after is None:
                return removed
            after = purged.after

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
