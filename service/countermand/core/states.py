"""The words for states, as the API has them."""

from enum import StrEnum


class Word(StrEnum):
    """A word of a fixed set."""

    # Every lookup of a word in a table takes its hash, which enum computes in Python.
    __hash__ = str.__hash__


class TaskState(Word):
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


class CancelProof(Word):
    """How it is known that a CANCELLED task stopped."""

    NEVER_STARTED = "NEVER_STARTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    FORCED = "FORCED"
    AGENT_LOST = "AGENT_LOST"


class ChargeState(Word):
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


class RefundState(Word):
    """Whether money of a task is to go back."""

    NONE = "NONE"
    REQUIRED = "REQUIRED"
    REFUNDED = "REFUNDED"
    NOT_OWED = "NOT_OWED"

    @property
    def settled(self) -> bool:
        """Whether somebody decided."""
        return self in (RefundState.REFUNDED, RefundState.NOT_OWED)


class CancellationState(Word):
    """How a cancellation stands."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    TOO_LATE = "TOO_LATE"


class Disposition(Word):
    """What a cancel did to one task."""

    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"


class TargetKind(Word):
    """What kind of thing a cancel names."""

    TASK = "TASK"
    GROUP = "GROUP"
    CHECKOUT = "CHECKOUT"
    ORDER = "ORDER"


class SummaryKey(Word):
    """By what cancellations, or their tasks, are counted."""

    REASON = "REASON"
    STATE = "STATE"
    PROOF = "PROOF"
    REFUND = "REFUND"


class CheckoutState(Word):
    """Where a checkout stands."""

    OPEN = "OPEN"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    PARTIALLY_CANCELLED = "PARTIALLY_CANCELLED"
    COMPLETED = "COMPLETED"


class CartState(Word):
    """Where a cart stands."""

    ACTIVE = "ACTIVE"
    LOCKED = "LOCKED"
    CLOSED = "CLOSED"


class OrderState(Word):
    """Where an order stands."""

    OPEN = "OPEN"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    PARTIALLY_CANCELLED = "PARTIALLY_CANCELLED"
    CLOSED = "CLOSED"
