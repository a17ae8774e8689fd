"""What is held of one endpoint: what lies ahead of its cursor, a little at a time, and deliveries.

It is pure: it is given what the store has, and what others changed of that.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from countermand.core.knobs import WebhookKnobs
from countermand.core.webhooks import Delivery, Notice, Webhook, WebhookState
from countermand.webhooks.items import Item, Stage
from countermand.webhooks.schedule import Schedule


class EndpointItems:
    """The notices of one endpoint that are held in memory."""

    def __init__(
        self,
        webhook: Webhook,
        pending: Iterable[Delivery],
        knobs: WebhookKnobs,
        random: Callable[[], float],
    ) -> None:
        """`random` returns numbers from 0 to below 1."""
        self.webhook = webhook
        self._knobs = knobs
        self._schedule = Schedule(knobs.jitter, random)
        self._health = webhook.health
        self._kept = {one.notice.number: Item.of(one) for one in pending}
        self._left_out = len(self._kept) >= knobs.max_loaded
        self._ahead: dict[int, Item] = {}
        self._read_to = webhook.cursor
        self._cursor = webhook.cursor
        self._failed: set[int] = set()
        """Which notices failed since the last success."""
        self._dirty: dict[int, Item] = {}
        """The deliveries that are to be saved."""
        self._missed = 0
        self._rest = 0
        """Until when the endpoint asked to be left alone."""
        self._flying = 0
        self._tests = 0
        """How many of those are tests."""

    @property
    def is_disabled(self) -> bool:
        """Whether only tests are sent."""
        return self.webhook.state is WebhookState.DISABLED or bool(self._health.disable_reason)

    @property
    def is_down(self) -> bool:
        """Whether the endpoint is only asked now and then whether it is back."""
        many = len(self._failed) >= self._knobs.failures_until_down
        return self._health.failing_since is not None and (many or self._health.probes > 0)

    @property
    def is_to_be_read_again(self) -> bool:
        """Whether the store has deliveries that had no room here, and now there is room."""
        return self._left_out and not self._kept and not self._flying

    def read_after(self) -> int | None:
        """Returns the number after which to read more notices; None if there is no room."""
        if self.is_disabled or len(self._ahead) >= self._knobs.max_ahead:
            return None
        return None if self.is_down and self._ahead else self._read_to

    def waits_for(self, number: int) -> bool:
        """Whether a notice with this number is to be read."""
        after = self.read_after()
        return after is not None and after < number

    def add(self, notices: Iterable[Notice]) -> None:
        """Takes notices that lie ahead, in order. What is not wanted is over at once."""
        for notice in notices:
            if notice.number <= self._read_to:
                continue
            self._read_to = notice.number
            own = notice.subject == f"webhook:{self.webhook.webhook_id}"
            wanted = self.webhook.wants(notice.type) and not own
            stage = Stage.WAITING if wanted else Stage.OVER
            self._ahead[notice.number] = Item(notice, stage, begin_time=notice.time)

    def keep(self, delivery: Delivery) -> None:
        """Takes a delivery that was asked for by hand."""
        number = delivery.notice.number
        known = self._kept.get(number)
        if known is not None and known.stage is Stage.FLYING:
            return
        if known is None and len(self._kept) >= self._knobs.max_loaded:
            self._left_out = True
            return
        ahead = self._ahead.get(number)
        if ahead is not None and ahead.stage is Stage.WAITING:
            ahead.stage = Stage.OVER  # It is the same, and goes on as the other one.
        self._kept[number] = Item.of(delivery)

    def forget(self, number: int) -> None:
        """Forgets a delivery that was ended by others."""
        self._kept.pop(number, None)

    def change(self, webhook: Webhook) -> None:
        """Takes what its owner, or a purge, made of the endpoint."""
        if webhook.epoch != self.webhook.epoch:
            self._health = webhook.health
            self._rest = 0
            self._failed.clear()
            for item in self._items():
                item.next_time = 0
        self.webhook = webhook
        self._cursor = max(self._cursor, webhook.cursor)
        self._read_to = max(self._read_to, webhook.cursor)
        for number in [number for number in self._ahead if number <= webhook.cursor]:
            del self._ahead[number]

    @property
    def known_deliveries(self) -> set[int]:
        """The numbers of the deliveries that are here."""
        return self._kept.keys() | self._dirty.keys()

    def merge(self, webhook: Webhook, pending: Sequence[Delivery], before: set[int]) -> None:
        """Takes the endpoint and its deliveries as others left them in the store; `before` are the
        deliveries that were known here before they were read."""
        self.change(webhook)
        waiting = {one.notice.number: one for one in pending}
        for number, delivery in waiting.items():
            known = self._kept.get(number)
            begun_anew = known is not None and delivery.begin_time > known.begin_time
            if begun_anew or (known is None and number not in before):
                self.keep(delivery)
        if len(pending) >= self._knobs.max_loaded:
            return  # There are more, which were not read.
        for number in before & self._kept.keys() - waiting.keys() - self._dirty.keys():
            if self._kept[number].stage is Stage.WAITING:
                self.forget(number)

    def _items(self, *, ahead: bool = True) -> Iterator[Item]:
        """Yields all that is not over, in the order of the commits; `ahead` of the cursor, too."""
        kept = sorted(self._kept.values(), key=lambda item: item.notice.number)
        for item in chain(kept, self._ahead.values() if ahead else ()):
            if item.stage is not Stage.OVER:
                yield item
