"""Webhook endpoints, what is to be sent to them, and what became of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from countermand.core.evolving import Record
from countermand.core.records import SECOND

HOUR = 3600 * SECOND
DAY = 24 * HOUR

MAX_WEBHOOKS = 100
"""How many a tenant may have, in both of its environments together."""

MAX_SECRETS = 2
"""How many secrets of an endpoint are live while it rotates them."""

SCHEDULE = tuple(
    SECOND * seconds for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long after each failed try the next one comes."""

LIFETIME = 76 * HOUR
"""How long after its commit a notice is delivered at the latest, or dropped and counted."""

FAILURES_THAT_HOLD_BACK = 4
"""After how many failed tries a notice holds back the later ones of its subject no more."""

FAILING_AFTER = HOUR
"""For how long every try must have failed before an endpoint counts as FAILING."""

DISABLED_AFTER = 5 * DAY
"""For how long every try must have failed before an endpoint is DISABLED."""

MAX_RETRY_AFTER = 24 * HOUR
"""How long an endpoint may ask to be left alone."""

DELIVERY_RETENTION = 30 * DAY
"""How long a delivery that has ended is kept."""

MAX_KEPT_DELIVERIES = 10_000
"""How many of those are kept of one endpoint."""

MAX_ATTEMPTS = 10
"""How many tries of a delivery are kept, the last ones: as many as it has by itself."""

WEBHOOK_DISABLED = "webhook.disabled"
WEBHOOK_TEST = "webhook.test"

EVENT_TYPES = (
    "task.cancelling",
    "task.cancelled",
    "task.completed",
    "task.failed",
    "task.refund_required",
    "task.refund_settled",
    "checkout.cancelled",
    "checkout.partially_cancelled",
    "order.cancelled",
    "order.partially_cancelled",
    "cancellation.ended",
    WEBHOOK_DISABLED,
    WEBHOOK_TEST,
)
"""The types of all notices."""


class WebhookState(StrEnum):
    """Whether an endpoint is sent anything."""

    ENABLED = "ENABLED"
    FAILING = "FAILING"
    """Every try failed for an hour: it is asked now and then whether it is back."""
    DISABLED = "DISABLED"


class DisableReason(StrEnum):
    """Why an endpoint is DISABLED."""

    NONE = ""
    REQUESTED = "requested"
    GONE = "gone"
    """It answered 410."""
    NO_SUCCESS = "no_success"
    """Every try failed for five days."""


class DeliveryState(StrEnum):
    """What became of a notice that could not be delivered at once."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Secret(NamedTuple):
    """One secret of an endpoint, as it is kept: sealed, if the operator has a key for that."""

    sealed: str
    expire_time: int | None = None
    """Until when it signs; None: until it is rotated."""


class Health(NamedTuple):
    """How the tries at an endpoint went of late."""

    last_success_time: int | None = None
    failing_since: int | None = None
    """When the first try failed after the last success; None if that was the last one."""
    probes: int = 0
    """How many probes in a row failed; 0 if it is not down."""
    next_time: int | None = None
    """Before when nothing is sent, by the steady clock."""
    disable_reason: DisableReason = DisableReason.NONE
    """Why it is to be DISABLED."""


NEW = Health()


@dataclass(frozen=True, kw_only=True)
class Webhook(Record):
    """One endpoint."""

    namespace: int
    environment: str
    webhook_id: str
    name: str
    url: str
    event_types: tuple[str, ...]
    """What is sent to it; all if there is none."""
    secrets: tuple[Secret, ...] = field(repr=False)
    """The newest first."""
    create_time: int = 0
    update_time: int = 0
    state: WebhookState = WebhookState.ENABLED
    disable_reason: DisableReason = DisableReason.NONE
    missed_count: int = 0
    """How many notices were dropped that it should have had."""
    cursor: int = 0
    """Up to which number all notices were dealt with: delivered, or kept as a delivery."""
    health: Health = NEW
    epoch: int = 0
    """Grows when its owner sets its state: what was seen of its health before counts no more."""
    claim: int = 0
    """Grows with each server that comes to serve it, where several may: what the one before it has
    seen counts no more. The store keeps it."""

    def wants(self, type: str) -> bool:
        """Whether it is sent notices of a type."""
        return not self.event_types or type in self.event_types

    def live_secrets(self, now: int) -> tuple[str, ...]:
        """Returns what signs at this time, sealed."""
        return tuple(
            secret.sealed
            for secret in self.secrets
            if secret.expire_time is None or now < secret.expire_time
        )


class Notice(NamedTuple):
    """One event of a tenant with endpoints, as it was committed."""

    namespace: int
    number: int
    """Its place in the namespace's outbox: they grow by one in the order of the commits."""
    type: str
    subject: str
    """What it is about: notices of one subject are delivered in order."""
    time: int
    body: str
    """What is sent: it is kept as it is, so that every try sends the same."""
    trace: str = ""
    """The span of the call that caused it, if it is sampled: what `write_trace` made of it."""

    @property
    def message_id(self) -> str:
        """The id that every try shows. It holds the time, so that a store which was restored from
        a backup gives no id to another event that it had given before."""
        return f"msg_{self.namespace}_{self.number}_{self.time:x}"


class Attempt(NamedTuple):
    """One try to deliver."""

    time: int
    duration: int
    """In microseconds."""
    status: int
    """The HTTP status of the answer; 0 if none came."""
    error: str
    """Why it failed; empty if it did not."""


DeliveryKey = tuple[int, str, int]
"""The namespace, the endpoint, and the number of the notice."""


@dataclass(frozen=True, kw_only=True)
class Delivery(Record):
    """A notice that one endpoint did not take at once, or that was asked for by hand."""

    webhook_id: str
    notice: Notice
    state: DeliveryState = DeliveryState.PENDING
    attempts: tuple[Attempt, ...] = ()
    """The last tries."""
    attempt_count: int = 0
    failures: int = 0
    """How many tries of the present schedule failed."""
    begin_time: int
    """Since when it is tried: since its commit, or since it was asked for again."""
    next_time: int | None = None
    """When the next try comes, by the steady clock; None once it has ended."""
    end_time: int | None = None
    once: bool = False
    """Whether it is tried once, and also at an endpoint that is DISABLED."""

    @property
    def key(self) -> DeliveryKey:
        """What it is kept under."""
        return self.notice.namespace, self.webhook_id, self.notice.number
