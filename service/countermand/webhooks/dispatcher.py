"""Has each endpoint served, and what nobody needs any more removed."""

import asyncio
import logging
from dataclasses import dataclass

from countermand.core.errors import Refused
from countermand.core.knobs import WebhookKnobs
from countermand.core.outbox import read_trace
from countermand.core.webhook_commands import PurgeNotices, Redeliver, SendTest
from countermand.core.webhooks import DELIVERY_RETENTION, LIFETIME, Delivery, Webhook
from countermand.engine.clock import NANOSECONDS, Clock
from countermand.engine.listeners import Committed
from countermand.engine.vault import Vault
from countermand.engine.writer import Writer
from countermand.store.contract import Store, StoreFailed
from countermand.telemetry.logs import fields
from countermand.telemetry.tracing import Tracing
from countermand.webhooks.courier import Courier
from countermand.webhooks.items import Item, Outcome
from countermand.webhooks.sender import Sender

log = logging.getLogger(__name__)

SANDBOX = "sandbox"
Key = tuple[int, str]


@dataclass(slots=True)
class _Served:
    courier: Courier
    task: asyncio.Task[None]


class Dispatcher:
    """Serves all endpoints, each by a courier of its own, so that none waits for another."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        clock: Clock,
        vault: Vault,
        tracing: Tracing,
        knobs: WebhookKnobs,
        *,
        allow_loopback: bool = False,
    ) -> None:
        """`allow_loopback` lets endpoints in sandbox be on this machine."""
        self._store = store
        self._writer = writer
        self._clock = clock
        self._vault = vault
        self._tracing = tracing
        self._knobs = knobs
        self._allow_loopback = allow_loopback
        self._served: dict[Key, _Served] = {}
        self._is_over = False
        """Whether nothing more is served, though commits may still come."""
        self._sender: Sender
        self._loopback_sender: Sender

    async def run(self) -> None:
        """Serves until cancelled."""
        self._sender = Sender(self._knobs)
        self._loopback_sender = Sender(self._knobs, loopback=True)
        self._writer.listen(self._hear)
        try:
            await self._begin()
            while True:
                await asyncio.sleep(self._knobs.purge_interval)
                await self._purge()
        finally:
            self._is_over = True
            served = list(self._served.values())
            self._served.clear()
            for one in served:
                one.task.cancel()
            await asyncio.gather(*[one.task for one in served], return_exceptions=True)
            await self._sender.close()
            await self._loopback_sender.close()

    async def _begin(self) -> None:
        while True:
            try:
                webhooks = await self._store.webhooks(None)
                break
            except StoreFailed:
                log.exception("the webhooks cannot be read; trying again")
                await asyncio.sleep(self._knobs.retry_interval)
        for webhook in webhooks:
            self._serve((webhook.namespace, webhook.webhook_id))

    def _serve(self, key: Key) -> None:
        if key in self._served:
            return
        courier = Courier(*key, self._store, self._writer, self._clock, self._send, self._knobs)
        task = asyncio.create_task(courier.run(), name="courier")
        self._served[key] = _Served(courier, task)

    def _hear(self, committed: Committed) -> None:
        """Hears of every commit."""
        if self._is_over:
            return
        saves = committed.batch.saves
        if saves.outboxes:
            for (namespace, _), served in self._served.items():
                if namespace in saves.outboxes:
                    served.courier.hear_of_notices()
        changes = saves.webhooks
        if changes is None:
            return
        for key in changes.deleted:
            found = self._served.pop(key, None)
            if found is not None:
                found.task.cancel()
        for key, webhook in changes.webhooks.items():
            self._serve(key)
            self._served[key].courier.hear_of_change(webhook)
        for command, answer in zip(committed.batch.commands, committed.batch.answers, strict=True):
            if isinstance(command, SendTest | Redeliver) and isinstance(answer, Delivery):
                self._tell(answer)
        for delivery in changes.deliveries.values():
            if delivery.end_time is not None:
                self._tell(delivery)

    def _tell(self, delivery: Delivery) -> None:
        found = self._served.get((delivery.notice.namespace, delivery.webhook_id))
        if found is not None:
            found.courier.hear_of_delivery(delivery)

    async def _send(self, webhook: Webhook, item: Item) -> Outcome:
        now = self._clock.now()
        secrets = [self._vault.open(sealed) for sealed in webhook.live_secrets(now)]
        may_loop = self._allow_loopback and webhook.environment == SANDBOX
        sender = self._loopback_sender if may_loop else self._sender
        outcome = await sender.send(webhook.url, item.notice, secrets, now)
        self._record(webhook, item, outcome)
        return outcome

    def _record(self, webhook: Webhook, item: Item, outcome: Outcome) -> None:
        """Records a try as a child of the cancel that caused it, if that is sampled."""
        trace = read_trace(item.notice.trace)
        if trace is None:
            return
        attempt = outcome.attempt
        self._tracing.record_story(
            trace,
            "countermand.webhook.delivery",
            start_ns=attempt.time * NANOSECONDS,
            end_ns=(attempt.time + attempt.duration) * NANOSECONDS,
            attributes={
                "countermand.webhook_id": webhook.webhook_id,
                "countermand.event_type": item.notice.type,
                "countermand.attempt": item.attempt_count + 1,
                "http.response.status_code": attempt.status,
                "error.type": attempt.error,
            },
        )

    async def _purge(self) -> None:
        """Removes what every endpoint has dealt with, and drops what is too old."""
        before = self._clock.older_than(LIFETIME)
        ended = self._clock.older_than(DELIVERY_RETENTION)
        try:
            for namespace in await self._store.namespaces_with_notices():
                more = True
                while more:
                    purged = await self._writer.submit(
                        PurgeNotices(0, namespace, before, ended, self._knobs.max_purged)
                    )
                    more = purged.more
                    await asyncio.sleep(self._knobs.purge_pause)
        except (StoreFailed, Refused) as failure:
            log.warning("the outbox could not be purged", extra=fields(cause=str(failure)))
        except Exception:
            log.exception("the outbox could not be purged")
