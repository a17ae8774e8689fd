"""Why a call is refused. The words are the API's; which gRPC code each has is said in rpc."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from countermand.core.records import SECOND


class Reason(StrEnum):
    """The stable word for one kind of refusal, on which clients match."""

    API_KEY_MISSING = "API_KEY_MISSING"
    API_KEY_INVALID = "API_KEY_INVALID"
    SCOPE_MISSING = "SCOPE_MISSING"
    INVALID_REQUEST = "INVALID_REQUEST"
    TOO_MANY_TASKS = "TOO_MANY_TASKS"
    RESUME_TOKEN_INVALID = "RESUME_TOKEN_INVALID"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    TASK_NOT_FOUND = "TASK_NOT_FOUND"
    GROUP_NOT_FOUND = "GROUP_NOT_FOUND"
    CHECKOUT_NOT_FOUND = "CHECKOUT_NOT_FOUND"
    CART_NOT_FOUND = "CART_NOT_FOUND"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    CANCELLATION_NOT_FOUND = "CANCELLATION_NOT_FOUND"
    KEY_NOT_FOUND = "KEY_NOT_FOUND"
    WEBHOOK_NOT_FOUND = "WEBHOOK_NOT_FOUND"
    DELIVERY_NOT_FOUND = "DELIVERY_NOT_FOUND"
    TASK_EXISTS = "TASK_EXISTS"
    GROUP_EXISTS = "GROUP_EXISTS"
    CHECKOUT_EXISTS = "CHECKOUT_EXISTS"
    ORDER_EXISTS = "ORDER_EXISTS"
    REQUEST_ID_CONFLICT = "REQUEST_ID_CONFLICT"
    REFUND_NOT_REQUIRED = "REFUND_NOT_REQUIRED"
    REFUND_ALREADY_SETTLED = "REFUND_ALREADY_SETTLED"
    TOO_MANY_CHANGES = "TOO_MANY_CHANGES"
    TOO_MANY_ORDERS = "TOO_MANY_ORDERS"
    TASK_ALREADY_COMPLETED = "TASK_ALREADY_COMPLETED"
    TASK_ALREADY_FAILED = "TASK_ALREADY_FAILED"
    TASK_ALREADY_CANCELLED = "TASK_ALREADY_CANCELLED"
    TASK_NOT_PENDING = "TASK_NOT_PENDING"
    TASK_NOT_RUNNING = "TASK_NOT_RUNNING"
    CANCELLATION_REQUESTED = "CANCELLATION_REQUESTED"
    NOT_CANCELLING = "NOT_CANCELLING"
    GROUP_CLOSED = "GROUP_CLOSED"
    CHECKOUT_ALREADY_COMPLETED = "CHECKOUT_ALREADY_COMPLETED"
    CHECKOUT_ALREADY_CANCELLED = "CHECKOUT_ALREADY_CANCELLED"
    CART_CLOSED = "CART_CLOSED"
    CART_LOCKED = "CART_LOCKED"
    CART_NOT_LOCKED = "CART_NOT_LOCKED"
    ORDER_ALREADY_CANCELLED = "ORDER_ALREADY_CANCELLED"
    ORDER_FULFILLED = "ORDER_FULFILLED"
    ORDER_CLOSED = "ORDER_CLOSED"
    VERSION_MISMATCH = "VERSION_MISMATCH"
    FENCED = "FENCED"
    VERSION_AHEAD = "VERSION_AHEAD"
    VERSION_EXPIRED = "VERSION_EXPIRED"
    RESUME_TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_WEBHOOKS = "TOO_MANY_WEBHOOKS"
    TOO_MANY_WATCHERS = "TOO_MANY_WATCHERS"
    WATCHER_TOO_SLOW = "WATCHER_TOO_SLOW"
    STORE_FULL = "STORE_FULL"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    DRAINING = "DRAINING"
    INTERNAL = "INTERNAL"


class Violation(NamedTuple):
    """One wrong field of a request."""

    field: str
    """Its path, for example `tasks[3].task_id`."""
    description: str


class Resource(NamedTuple):
    """What a refusal is about."""

    kind: str
    """For example `task`."""
    name: str
    """Its id, as far as the caller gave one."""


class Refused(Exception):
    """A call that cannot be done. Nothing was changed by it."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        resource: Resource | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = violations
        self.resource = resource
        self.retry_after = retry_after
        """After how many seconds another try can succeed, if that is known exactly."""


def rfc3339(time: int) -> str:
    """Returns a time in microseconds as text, for messages and metadata."""
    seconds, microseconds = divmod(time, SECOND)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def invalid(field: str, description: str, reason: Reason = Reason.INVALID_REQUEST) -> Refused:
    """Returns the refusal of one wrong field."""
    return Refused(reason, f"{field}: {description}", violations=(Violation(field, description),))


def not_found(kind: str, name: str) -> Refused:
    """Returns the refusal for an id that this tenant and environment does not have."""
    return Refused(
        Reason(f"{kind.upper()}_NOT_FOUND"),
        f"there is no {kind} {name}",
        metadata={f"{kind}_id": name},
        resource=Resource(kind, name),
    )


def already_exists(kind: str, name: str) -> Refused:
    """Returns the refusal of an id that is taken."""
    return Refused(
        Reason(f"{kind.upper()}_EXISTS"),
        f"{kind} {name} already exists",
        metadata={f"{kind}_id": name},
        resource=Resource(kind, name),
    )


def unavailable(message: str = "the store cannot be written; try again") -> Refused:
    """Returns the refusal of a store that does not take commits. What was asked may be done."""
    return Refused(Reason.STORE_UNAVAILABLE, message)
