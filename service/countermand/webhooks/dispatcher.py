"""Has each endpoint served that is this process's to serve."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermand.core.knobs import WebhookKnobs
from countermand.core.outbox import read_trace
from countermand.core.records import SECOND
from countermand.core.webhook_commands import NoteOutcomes, Redeliver, SendTest
from countermand.core.webhook_rows import WebhookKey
from countermand.core.webhooks import Delivery, Webhook, WebhookState
from countermand.engine.clock import NANOSECONDS, Clock
from countermand.engine.listeners import Committed
from countermand.engine.vault import Vault
from countermand.engine.writer import Writer
from countermand.store.contract import Store, StoreFailed
from countermand.telemetry import conventions
from countermand.telemetry.measures import Measures
from countermand.telemetry.spans import AttributeValue, SpanKind
from countermand.telemetry.tracing import Tracing
from countermand.webhooks.claims import Claim, Claims, Served
from countermand.webhooks.courier import Courier, NotClaimed
from countermand.webhooks.items import Item, Outcome
from countermand.webhooks.purging import OutboxPurger
from countermand.webhooks.sender import Sender

log = logging.getLogger(__name__)

SANDBOX = "sandbox"


@dataclass(slots=True)
class _Endpoint:
    courier: Courier
    task: asyncio.Task[None]
    state: WebhookState
    claim: Claim


class Dispatcher:
    """Serves endpoints, each by a courier of its own, so that none waits for another: all of them
    where this process has the store to itself, else those that it has claimed."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        clock: Clock,
        vault: Vault,
        tracing: Tracing,
        measures: Measures,
        knobs: WebhookKnobs,
        *,
        allow_loopback: bool = False,
        make_sender: Callable[..., Sender] = Sender,
    ) -> None:
        """`allow_loopback` lets endpoints in sandbox be on this machine. `make_sender` makes what
        sends, once this runs."""
        self._store = store
        self._writer = writer
        self._clock = clock
        self._vault = vault
        self._tracing = tracing
        self._measures = measures
        self._knobs = knobs
        self._allow_loopback = allow_loopback
        self._make_sender = make_sender
        self._served: dict[int, dict[str, _Endpoint]] = {}
        """By namespace, and by the endpoint's id."""
        self._in_state: Counter[WebhookState] = Counter()
        self._claims = (
            None if store.claims is None else Claims(store.claims, knobs, self._hear_of_claims)
        )
        self._purger = OutboxPurger(store, writer, clock, measures, knobs)
        self._is_over = False
        """Whether nothing more is served, though commits may still come."""
        self._sender: Sender
        self._loopback_sender: Sender

    async def run(self) -> None:
        """Serves until cancelled."""
        self._sender = self._make_sender(self._knobs)
        self._loopback_sender = self._make_sender(self._knobs, loopback=True)
        self._writer.listen(self.hear)
        purging = asyncio.create_task(self._purger.run(), name="outbox purger")
        claiming: asyncio.Task[None] | None = None
        try:
            if self._claims is None:
                await self._begin()
            else:
                claiming = asyncio.create_task(self._claims.run(), name="claims of webhooks")
            await purging
        finally:
            self._is_over = True
            purging.cancel()
            served = [one for of_one in self._served.values() for one in of_one.values()]
            self._served.clear()
            for one in served:
                one.task.cancel()
            await asyncio.gather(*[one.task for one in served], return_exceptions=True)
            if claiming is not None:  # Now that nothing is sent any more, others may.
                claiming.cancel()
                await asyncio.gather(claiming, return_exceptions=True)
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
            key = (webhook.namespace, webhook.webhook_id)
            if self._found(key) is None:  # What was heard of it since is newer.
                self._serve(key, webhook.state, Claim())

    def _hear_of_claims(self, served: Sequence[Served]) -> None:
        """Takes what this process is to serve now, and what others have changed of it."""
        if self._is_over:
            return
        lost = {(namespace, id) for namespace, of_one in self._served.items() for id in of_one}
        for held, claim in served:
            key = (held.namespace, held.webhook_id)
            lost.discard(key)
            known = self._found(key)
            if known is not None and known.claim is not claim:
                self._drop(key)  # Another has served it in between.
            self._serve(key, held.state, claim).courier.hear_of_others(
                held.revision, held.last_notice
            )
        for key in lost:
            self._drop(key)

    def _found(self, key: WebhookKey) -> _Endpoint | None:
        return self._served.get(key[0], {}).get(key[1])

    def _forget(self, key: WebhookKey) -> None:
        of_one = self._served[key[0]]
        self._count(of_one.pop(key[1]).state, -1)
        if not of_one:
            del self._served[key[0]]

    def _drop(self, key: WebhookKey) -> None:
        """Serves an endpoint no more."""
        found = self._found(key)
        if found is not None:
            self._forget(key)
            found.task.cancel()

    def _serve(self, key: WebhookKey, state: WebhookState, claim: Claim) -> _Endpoint:
        """Returns what serves an endpoint, which may be new, and notes its state."""
        served = self._found(key)
        if served is None:
            courier = Courier(
                *key, self._store, self._writer, self._clock, self._send, self._knobs, claim
            )
            task = asyncio.create_task(courier.run(), name="courier")
            served = _Endpoint(courier, task, state, claim)
            self._served.setdefault(key[0], {})[key[1]] = served
            task.add_done_callback(lambda done: self._left(key, done))
            self._count(state, 1)
        elif served.state is not state:
            self._count(served.state, -1)
            self._count(state, 1)
            served.state = state
        return served

    def _left(self, key: WebhookKey, courier: asyncio.Task[None]) -> None:
        """Takes it that an endpoint is gone, if nobody has said so yet."""
        served = self._found(key)
        if served is not None and served.task is courier:
            self._forget(key)

    def _count(self, state: WebhookState, more: int) -> None:
        self._in_state[state] += more
        self._measures.webhooks_changed(state, self._in_state[state])

    def hear(self, committed: Committed) -> None:
        """Hears of every commit."""
        if self._is_over:
            return
        saves = committed.batch.saves
        for namespace in saves.outboxes:
            for served in self._served.get(namespace, {}).values():
                served.courier.hear_of_notices()
        changes = saves.webhooks
        if changes is None:
            return
        for key in changes.deleted:
            self._drop(key)
        for key, webhook in changes.webhooks.items():
            found = self._found(key)
            if found is None and self._claims is not None:
                self._claims.hasten()  # It may be new, and free.
                continue
            claim = Claim() if found is None else found.claim
            self._serve(key, webhook.state, claim).courier.hear_of_change(webhook)
        for command, answer in zip(committed.batch.commands, committed.batch.answers, strict=True):
            if isinstance(command, SendTest | Redeliver) and isinstance(answer, Delivery):
                self._tell(answer)
            elif isinstance(command, NoteOutcomes) and command.missed and answer is not None:
                self._measures.webhooks_missed(command.missed)
        for delivery in changes.deliveries.values():
            if delivery.end_time is not None:
                self._tell(delivery)

    def _tell(self, delivery: Delivery) -> None:
        found = self._found((delivery.notice.namespace, delivery.webhook_id))
        if found is not None:
            found.courier.hear_of_delivery(delivery)

    async def _send(self, webhook: Webhook, item: Item, claim: Claim) -> Outcome:
        """Raises NotClaimed, and sends nothing, if it may be another's to send."""
        now = self._clock.now()
        secrets = [self._vault.open(sealed) for sealed in webhook.live_secrets(now)]
        may_loop = self._allow_loopback and webhook.environment == SANDBOX
        sender = self._loopback_sender if may_loop else self._sender
        if not claim.is_good:
            raise NotClaimed
        outcome = await sender.send(webhook.url, item.notice, secrets, now)
        self._record(webhook, item, outcome)
        return outcome

    def _record(self, webhook: Webhook, item: Item, outcome: Outcome) -> None:
        """Counts a try, and records it as a child of the cancel that caused it, if that is
        sampled."""
        attempt = outcome.attempt
        end_time = attempt.time + attempt.duration
        by_itself = not item.once and item.begin_time == item.notice.time
        age = max(0, end_time - item.notice.time) / SECOND if outcome.ok and by_itself else None
        self._measures.webhook_tried(succeeded=outcome.ok, age=age)
        trace = read_trace(item.notice.trace)
        if trace is None:
            return
        attributes: dict[str, AttributeValue] = {
            conventions.WEBHOOK_ID: webhook.webhook_id,
            conventions.WEBHOOK_EVENT_TYPE: item.notice.type,
            conventions.WEBHOOK_ATTEMPT: item.attempt_count + 1,
            conventions.HTTP_METHOD: "POST",
        }
        if attempt.status:
            attributes[conventions.HTTP_STATUS_CODE] = attempt.status
        if not outcome.ok:
            attributes[conventions.ERROR_TYPE] = str(attempt.status or attempt.error)
        self._tracing.record_story(
            trace,
            conventions.WEBHOOK_SPAN,
            start_ns=attempt.time * NANOSECONDS,
            end_ns=end_time * NANOSECONDS,
            attributes=attributes,
            kind=SpanKind.CLIENT,
            failed=not outcome.ok,
        )
