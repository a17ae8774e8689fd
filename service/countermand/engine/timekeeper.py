"""The timekeeper: watches the wall clock, and keeps in the store how long servers ran."""

import asyncio
import logging
from collections.abc import Callable

from countermand.core.commands import NoteClock
from countermand.core.errors import Refused
from countermand.core.knobs import ClockKnobs
from countermand.core.records import SECOND
from countermand.engine.clock import Clock
from countermand.engine.writer import Writer
from countermand.store.contract import Store
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


class Timekeeper:
    """Looks at the wall clock once in a while. A leap is logged, and is in the store at once."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        clock: Clock,
        knobs: ClockKnobs,
        on_leap: Callable[[], None],
    ) -> None:
        """Calls `on_leap`, which must not raise, after each leap."""
        self._store = store
        self._writer = writer
        self._clock = clock
        self._knobs = knobs
        self._on_leap = on_leap
        self._noted = 0
        """How long servers had run by the last note, in microseconds."""
        self._owes_note = True
        self._loaded = False

    async def load(self) -> None:
        """Lets the clock go on with what the store has. Raises StoreFailed."""
        self._clock.remember(await self._store.clock_stretches())
        self._loaded = True
        leap = self._clock.take_leap()
        if leap:
            _log_leap("no server ran, or the wall clock leapt", leap)

    async def run(self) -> None:
        """Looks forever. It ends only by being cancelled, or by an exception that is a fault."""
        while True:
            await self.look()
            await asyncio.sleep(self._knobs.look_interval)

    async def look(self) -> None:
        """Looks once, and notes what a later server must know."""
        self._clock.look()
        leap = self._clock.take_leap()
        if leap:
            _log_leap("the wall clock leapt", leap)
            self._on_leap()
        since = self._clock.ran - self._noted
        if leap or self._owes_note or since >= self._knobs.note_interval * SECOND:
            await self.note()

    async def note(self) -> None:
        """Writes down how long servers ran. If the store refuses, the next look does it."""
        if not self._loaded:
            return  # What the store has is worth more than what this server knows.
        self._owes_note = True
        stretches = self._clock.stretches
        try:
            await self._writer.submit(NoteClock(0, stretches))
        except Refused:
            return
        self._noted, self._owes_note = stretches[-1].end, False


def _log_leap(event: str, leap: int) -> None:
    log.warning(event, extra=fields(seconds=round(leap / SECOND)))
