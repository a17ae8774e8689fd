"""The words for states, as the API has them."""

from enum import StrEnum


class TaskState(StrEnum):
    """Where a task stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Whether the state is terminal."""
        return self in ENDED_STATES


ENDED_STATES = frozenset({TaskState.CANCELLED, TaskState.COMPLETED, TaskState.FAILED})


class CancelProof(StrEnum):
    """How it is known that a CANCELLED task stopped."""

    NEVER_STARTED = "NEVER_STARTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    FORCED = "FORCED"
    AGENT_LOST = "AGENT_LOST"


class ChargeState(StrEnum):
    """How the taking of money for a task stands."""

    NONE = "NONE"
    BEGUN = "BEGUN"
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    VOIDED = "VOIDED"

    @property
    def may_hold_money(self) -> bool:
        """Whether money may have been taken, and not given back."""
        return self in (ChargeState.BEGUN, ChargeState.CAPTURED)


class CancellationState(StrEnum):
    """How a cancellation stands."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    TOO_LATE = "TOO_LATE"


class Disposition(StrEnum):
    """What a cancel did to one task."""

    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"


class TargetKind(StrEnum):
    """What kind of thing a cancel names."""

    TASK = "TASK"
    GROUP = "GROUP"
    CHECKOUT = "CHECKOUT"
    ORDER = "ORDER"


class SummaryKey(StrEnum):
    """By what cancellations are counted."""

    REASON = "REASON"
    STATE = "STATE"
    PROOF = "PROOF"


class CheckoutState(StrEnum):
    """Where a checkout stands."""

    OPEN = "OPEN"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    PARTIALLY_CANCELLED = "PARTIALLY_CANCELLED"
    COMPLETED = "COMPLETED"


class CartState(StrEnum):
    """Where a cart stands."""

    ACTIVE = "ACTIVE"
    LOCKED = "LOCKED"
    CLOSED = "CLOSED"


class OrderState(StrEnum):
    """Where an order stands."""

    OPEN = "OPEN"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    PARTIALLY_CANCELLED = "PARTIALLY_CANCELLED"
    CLOSED = "CLOSED"
