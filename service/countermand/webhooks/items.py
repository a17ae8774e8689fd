"""One notice on its way to one endpoint."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from countermand.core.webhooks import (
    MAX_ATTEMPTS,
    Attempt,
    Delivery,
    DeliveryState,
    Notice,
    Webhook,
)


class Outcome(NamedTuple):
    """What came of one try."""

    attempt: Attempt
    retry_after: int | None = None
    """How long the endpoint asked to be left alone, in microseconds."""

    @property
    def ok(self) -> bool:
        """Whether the endpoint took it."""
        return not self.attempt.error

    @property
    def gone(self) -> bool:
        """Whether the endpoint says that it is no more."""
        return self.attempt.status == 410


class Stage(Enum):
    """How far an item is."""

    WAITING = auto()
    FLYING = auto()
    OVER = auto()
    """Delivered, or given up, or not wanted."""


@dataclass(slots=True)
class Item:
    """One notice on its way."""

    notice: Notice
    stage: Stage = Stage.WAITING
    attempts: list[Attempt] = field(default_factory=list)
    attempt_count: int = 0
    failures: int = 0
    begin_time: int = 0
    """Since when it is tried: it is given up so long after that as is promised."""
    next_time: int = 0
    """Before when it is not tried."""
    tried_time: int = 0
    """When it was last tried."""
    is_probe: bool = False
    """Whether it is tried to find out whether the endpoint is back."""
    is_kept: bool = False
    """Whether it is a delivery of its own in the store, and the cursor is past it."""
    once: bool = False
    failed: bool = False
    """Whether it was given up."""

    @classmethod
    def of(cls, delivery: Delivery) -> "Item":
        """Returns the item of a delivery that waits."""
        return cls(
            delivery.notice,
            attempts=list(delivery.attempts),
            attempt_count=delivery.attempt_count,
            failures=delivery.failures,
            begin_time=delivery.begin_time,
            next_time=delivery.next_time or 0,
            is_kept=True,
            once=delivery.once,
        )

    def note(self, attempt: Attempt) -> None:
        """Keeps a try."""
        self.attempts = [*self.attempts, attempt][-MAX_ATTEMPTS:]
        self.attempt_count += 1

    def delivery(self, webhook: Webhook, now: int) -> Delivery:
        """Returns the item as it is stored."""
        over = self.stage is Stage.OVER
        state = DeliveryState.PENDING
        if over:
            state = DeliveryState.FAILED if self.failed else DeliveryState.SUCCEEDED
        return Delivery(
            webhook_id=webhook.webhook_id,
            notice=self.notice,
            state=state,
            attempts=tuple(self.attempts),
            attempt_count=self.attempt_count,
            failures=self.failures,
            begin_time=self.begin_time,
            next_time=None if over else self.next_time,
            end_time=now if over else None,
            once=self.once,
        )
