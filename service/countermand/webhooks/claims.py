"""Which endpoints this process serves, where several share a store: those that it has claimed.

A claim lasts for a while and is renewed long before that is over. It is judged by the monotonic
clock of this machine, from before it was asked for: so it ends here before it ends in the store,
where another may take it then. A process that was frozen, or cut off from the store, finds it over.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import NamedTuple
from uuid import uuid4

from countermand.core.knobs import WebhookKnobs
from countermand.core.webhook_rows import WebhookKey
from countermand.store.contract import Held, Holdings, StoreFailed, WebhookClaims
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


class Claim:
    """The right to send to one endpoint."""

    def __init__(
        self,
        number: int = 0,
        until: float = inf,
        clock: Callable[[], float] = time.monotonic,
        margin: float = 0.0,
    ) -> None:
        """It lasts until then, by the clock, and is good for sending until so long before."""
        self.number = number
        self.until = until
        self._clock = clock
        self._margin = margin

    @property
    def is_good(self) -> bool:
        """Whether something may be sent now."""
        return self.until == inf or self._clock() + self._margin <= self.until


class Served(NamedTuple):
    """An endpoint that is this process's to serve, and by what right."""

    held: Held
    claim: Claim


class Claims:
    """Claims endpoints for one process, and hears what others commit for them."""

    def __init__(
        self,
        store: WebhookClaims,
        knobs: WebhookKnobs,
        hear: Callable[[Sequence[Served]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hear` is called after each look, with all that is claimed at that moment."""
        self._store = store
        self._knobs = knobs
        self._hear = hear
        self._clock = clock
        self._by = str(uuid4())
        self._claims: dict[WebhookKey, Claim] = {}
        self._renew_at = -inf
        self._wake = asyncio.Event()
        self._is_away = False

    def hasten(self) -> None:
        """Has it look now: there is a new endpoint."""
        self._wake.set()

    async def run(self) -> None:
        """Claims until cancelled. Then its claims end."""
        try:
            while True:
                self._wake.clear()
                await self._look_safely()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._knobs.poll_interval):
                        await self._wake.wait()
        finally:
            with suppress(StoreFailed, TimeoutError):  # They end by themselves soon.
                async with asyncio.timeout(self._knobs.retry_interval):
                    await self._store.release(self._by)

    async def _look_safely(self) -> None:
        try:
            await self.look()
            self._is_away = False
        except StoreFailed as failure:
            if not self._is_away:  # One line, for however long it is.
                log.warning("webhooks cannot be claimed", extra=fields(cause=str(failure)))
            self._is_away = True
        except Exception:
            log.exception("webhooks cannot be claimed")
            await asyncio.sleep(self._knobs.retry_interval)

    async def look(self) -> None:
        """Renews what is due, takes what is free, and says what is there. Raises StoreFailed."""
        found = await self._store.holdings(self._by)
        if found.any_free or (found.held and self._renew_at <= self._clock()):
            claimed = await self._claim()
            found = await self._store.holdings(self._by)
            if any((held.namespace, held.webhook_id) not in claimed for held in found.held):
                self._renew_at = -inf  # Others looked at it just then.
        self._tell(found)

    async def _claim(self) -> set[WebhookKey]:
        begin, knobs = self._clock(), self._knobs
        claimed = await self._store.claim(
            self._by, knobs.claim_duration, knobs.max_claimed_namespaces
        )
        until = begin + knobs.claim_duration
        for namespace, webhook_id, number in claimed:
            claim = self._claims.get((namespace, webhook_id))
            if claim is None or claim.number != number:
                claim = Claim(number, until, self._clock, knobs.claim_margin)
                self._claims[namespace, webhook_id] = claim
            claim.until = until
        self._renew_at = begin + knobs.claim_interval
        return {(namespace, webhook_id) for namespace, webhook_id, _ in claimed}

    def _tell(self, found: Holdings) -> None:
        served = []
        for held in found.held:
            claim = self._claims.get((held.namespace, held.webhook_id))
            if claim is None or claim.number != held.claim:
                self._renew_at = -inf  # Nobody said for how long it is ours.
            else:
                served.append(Served(held, claim))
        self._claims = {(one.namespace, one.webhook_id): claim for one, claim in served}
        self._hear(served)
