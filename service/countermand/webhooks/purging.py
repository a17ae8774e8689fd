"""Removes from the outbox what nobody needs any more, and drops what is too old to be sent."""

import asyncio
import logging

from countermand.core.errors import Refused
from countermand.core.knobs import WebhookKnobs
from countermand.core.webhook_commands import PurgeNotices
from countermand.core.webhooks import DELIVERY_RETENTION, LIFETIME
from countermand.engine.clock import Clock
from countermand.engine.writer import Writer
from countermand.store.contract import Store, StoreFailed
from countermand.telemetry.logs import fields
from countermand.telemetry.measures import Measures

log = logging.getLogger(__name__)


class OutboxPurger:
    """Purges the outbox of every namespace now and then, whether or not webhooks are delivered
    here: it is bounded although nobody delivers."""

    def __init__(
        self, store: Store, writer: Writer, clock: Clock, measures: Measures, knobs: WebhookKnobs
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._measures = measures
        self._knobs = knobs

    async def run(self) -> None:
        """Purges until cancelled."""
        while True:
            await asyncio.sleep(self._knobs.purge_interval)
            try:
                await self._purge()
            except (StoreFailed, Refused) as failure:
                log.warning("the outbox could not be purged", extra=fields(cause=str(failure)))
            except Exception:
                log.exception("the outbox could not be purged")

    async def _purge(self) -> None:
        before = self._clock.older_than(LIFETIME)
        ended = self._clock.older_than(DELIVERY_RETENTION)
        for namespace in await self._store.namespaces_with_notices():
            more = True
            while more:
                purged = await self._writer.submit(
                    PurgeNotices(0, namespace, before, ended, self._knobs.max_purged)
                )
                if purged.missed:
                    self._measures.webhooks_missed(purged.missed)
                more = purged.more
                await asyncio.sleep(self._knobs.purge_pause)
