"""What keeps this server in step with the others on its store: the clock, and the keys.

It looks at a few rows many times a second. So what one server does to the keys counts on all of
them within a moment, and one that cannot look does not go by what it knew before: it refuses calls.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from countermand.core.knobs import MembershipKnobs
from countermand.core.records import SECOND
from countermand.engine.clock import Clock
from countermand.engine.keyring import Keyring
from countermand.store.contract import Seen, SharedState, StoreFailed
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


class Membership:
    """Looks at what the servers of one store share, and does what follows from it."""

    def __init__(
        self,
        shared: SharedState,
        clock: Clock,
        keyring: Keyring,
        knobs: MembershipKnobs,
        on_keys: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Calls `on_keys`, which must not raise, after the keys were read anew. `monotonic` returns
        seconds."""
        self._shared = shared
        self._clock = clock
        self._keyring = keyring
        self._knobs = knobs
        self._on_keys = on_keys
        self._monotonic = monotonic
        self._keys: int | None = None
        """Which change of the keys was the last that this server has read."""
        self._told_skew = False
        self._hear_renewal: Callable[[], None] = lambda: None
        self._seen_at = monotonic()
        self.skew = 0.0
        """By how many seconds the wall clock of this machine is ahead of the clock of all."""
        self.reaper = ""
        """The replica that last looked for what is due."""

    @property
    def age(self) -> float:
        """For how many seconds the others could not be seen."""
        return self._monotonic() - self._seen_at

    @property
    def reaps(self) -> bool:
        """Whether it was this server that last looked for what is due."""
        return self.reaper == self._shared.replica

    def listen_to_renewals(self, hear: Callable[[], None]) -> None:
        """Calls it for every renewal of all leases, which must not raise."""
        self._hear_renewal = hear

    async def run(self) -> None:
        """Looks forever. It ends only by being cancelled, or by an exception that is a fault."""
        while True:
            try:
                await self.look()
            except StoreFailed as failure:
                log.debug("the other servers could not be seen", extra=fields(cause=str(failure)))
            await asyncio.sleep(self._knobs.interval)

    async def look(self) -> None:
        """Looks once. Raises StoreFailed."""
        begin = self._monotonic()
        seen = await self._shared.look(self._clock.steady())
        self._follow(seen)
        if seen.keys != self._keys:
            await self._keyring.load()
            self._keys = seen.keys
            self._on_keys()
        # What was seen is as old as the question.
        self._seen_at = begin
        self._keyring.trust_until(begin + self._knobs.max_keys_age)

    def _follow(self, seen: Seen) -> None:
        self.reaper = seen.reaper
        if seen.renewed:
            log.info("renewed every lease, since no agent could")
            self._hear_renewal()
        behind = seen.time - self._clock.steady()
        if behind > self._knobs.max_behind * SECOND:
            self._clock.go_on_from(seen.time)
            log.info("went on with the clock of the others", extra=fields(seconds=behind / SECOND))
        self.skew = (self._clock.now() - self._clock.steady()) / SECOND
        is_off = abs(self.skew) > self._knobs.max_skew
        if is_off and not self._told_skew:
            log.warning(
                "the clock of this machine is not that of the others",
                extra=fields(seconds=round(self.skew, 3)),
            )
        self._told_skew = is_off
