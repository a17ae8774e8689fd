"""Serves one endpoint: reads what lies ahead, sends it, and writes down what came of it."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from countermand.core.knobs import WebhookKnobs
from countermand.core.records import SECOND
from countermand.core.webhooks import Attempt, Delivery, Webhook
from countermand.engine.clock import Clock
from countermand.engine.writer import Writer
from countermand.store.contract import Store
from countermand.telemetry.logs import fields
from countermand.webhooks.claims import Claim
from countermand.webhooks.items import Item, Outcome
from countermand.webhooks.queue import EndpointQueue

log = logging.getLogger(__name__)

Send = Callable[[Webhook, Item, Claim], Awaitable[Outcome]]
"""Sends an item to an endpoint. Raises NotClaimed, and sends nothing, if the claim is not good."""


class NotClaimed(Exception):
    """Nothing was sent: another may serve the endpoint by now."""


class Courier:
    """Serves one endpoint for as long as there is one, and it is ours."""

    def __init__(
        self,
        namespace: int,
        webhook_id: str,
        store: Store,
        writer: Writer,
        clock: Clock,
        send: Send,
        knobs: WebhookKnobs,
        claim: Claim,
    ) -> None:
        """It sends while the claim is good."""
        self._key = (namespace, webhook_id)
        self._store = store
        self._writer = writer
        self._clock = clock
        self._send = send
        self._knobs = knobs
        self._claim = claim
        self._wake = asyncio.Event()
        self._queue: EndpointQueue | None = None
        self._flights: set[asyncio.Task[None]] = set()
        self._may_have_more = True
        """Whether the outbox may have notices that were not read yet."""
        self._revision: int | None = None
        """Which change of the endpoint by others was the last that was read; None: none was."""
        self._is_held_back = False
        """Whether it waits for its claim to be good again."""
        self._may_be_stale = False
        """Whether others have changed the endpoint since it was read."""
        self._changed: list[Callable[[EndpointQueue], None]] = []
        """What happened while the endpoint was read from the store."""

    def hear_of_notices(self) -> None:
        """Notes that there are new notices. With each commit somebody calls this: an endpoint that
        has no room for more, or is not sent any, goes on with what it waits for."""
        self._may_have_more = True
        if self._queue is None or self._queue.read_after() is not None:
            self._wake.set()

    def hear_of_others(self, revision: int, last_notice: int) -> None:
        """Takes how far the endpoint and its outbox are in the store, whoever wrote them; and that
        the claim may be good again."""
        if self._revision is not None and revision != self._revision:
            self._may_be_stale = True
            self._wake.set()
        self._revision = revision
        queue = self._queue
        if queue is None or queue.waits_for(last_notice):
            self.hear_of_notices()
        if self._is_held_back and self._claim.is_good:
            self._wake.set()

    def hear_of_change(self, webhook: Webhook) -> None:
        """Takes the endpoint as it was committed."""
        self._apply(lambda queue: queue.change(webhook))

    def hear_of_delivery(self, delivery: Delivery) -> None:
        """Takes a delivery that was asked for by hand, or ended by others."""
        if delivery.end_time is None:
            self._apply(lambda queue: queue.keep(delivery))
        else:
            self._apply(lambda queue: queue.forget(delivery.notice.number))

    def _apply(self, change: Callable[[EndpointQueue], None]) -> None:
        if self._queue is None:
            self._changed.append(change)
        else:
            change(self._queue)
        self._may_have_more = True
        self._wake.set()

    async def run(self) -> None:
        """Serves the endpoint until that is removed. A fault costs a moment, and what was under way
        is sent again."""
        while True:
            try:
                if not await self._serve():
                    return
            except Exception:
                log.exception("a webhook could not be served; trying again")
                await asyncio.sleep(self._knobs.retry_interval)
            finally:
                self._queue = None
                for flight in self._flights:
                    flight.cancel()
                await asyncio.gather(*self._flights, return_exceptions=True)
                self._flights.clear()

    async def _serve(self) -> bool:
        """Returns whether to begin anew; if not, the endpoint is gone."""
        self._changed.clear()
        self._may_be_stale = False
        webhook = await self._store.webhook(*self._key)
        if webhook is None:
            return False
        pending = await self._store.pending_deliveries(*self._key, self._knobs.max_loaded)
        queue = EndpointQueue(webhook, pending, self._knobs, random.random)
        # Nothing is awaited from here on until the queue hears of what happens.
        for change in self._changed:
            change(queue)
        self._changed.clear()
        self._queue = queue
        self._may_have_more = True
        while True:
            self._wake.clear()
            if self._may_be_stale and not await self._read_again(queue):
                return False
            await self._read_ahead(queue)
            now = self._clock.steady()
            self._is_held_back = not self._claim.is_good
            if not self._is_held_back:
                for item in queue.take(now):
                    self._fly(queue, item)
            if not await self._flush(queue, now):
                return False
            if self._may_have_more and queue.read_after() is not None:
                continue
            if queue.is_to_be_read_again:
                return True
            await self._sleep(None if self._is_held_back else queue.next_time())

    async def _read_again(self, queue: EndpointQueue) -> bool:
        """Takes what others have changed. Returns whether the endpoint is still there."""
        self._may_be_stale = False
        before = queue.known_deliveries
        webhook = await self._store.webhook(*self._key)
        if webhook is None:
            return False
        pending = await self._store.pending_deliveries(*self._key, self._knobs.max_loaded)
        queue.merge(webhook, pending, before)
        return True

    async def _read_ahead(self, queue: EndpointQueue) -> None:
        after = queue.read_after()
        if after is None or not self._may_have_more:
            return
        self._may_have_more = False
        limit = self._knobs.max_ahead
        notices = await self._store.notices(self._key[0], after, limit)
        self._may_have_more |= len(notices) == limit
        queue.add(notices)

    def _fly(self, queue: EndpointQueue, item: Item) -> None:
        flight = asyncio.create_task(self._deliver(queue, item), name="webhook")
        self._flights.add(flight)
        flight.add_done_callback(self._flights.discard)

    async def _deliver(self, queue: EndpointQueue, item: Item) -> None:
        try:
            outcome = await self._send(queue.webhook, item, self._claim)
        except NotClaimed:
            queue.put_back(item)
            self._wake.set()
            return
        except Exception:
            log.exception("a webhook could not be sent")
            outcome = Outcome(Attempt(self._clock.now(), 0, 0, "internal error"))
        queue.done(item, outcome, self._clock.steady())
        self._wake.set()

    async def _flush(self, queue: EndpointQueue, now: int) -> bool:
        """Writes down what happened. Returns whether the endpoint is still there, and ours."""
        command = queue.flush(now, self._claim.number)
        if command is None:
            return True
        before = queue.webhook.state
        webhook: Webhook | None = await self._writer.submit(command)
        if webhook is None:
            return False
        queue.written(webhook)
        if webhook.state is not before:
            log.info(
                "a webhook changed its state",
                extra=fields(
                    webhook_id=webhook.webhook_id,
                    state=webhook.state,
                    reason=webhook.disable_reason,
                ),
            )
        self._wake.set()
        return True

    async def _sleep(self, until: int | None) -> None:
        seconds = self._knobs.max_sleep
        if until is not None:
            seconds = min(seconds, max(0, until - self._clock.steady()) / SECOND)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
