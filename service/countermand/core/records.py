"""The records that the store keeps and the rules change."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from countermand.core.evolving import Record
from countermand.core.states import (
    CancelProof,
    CartState,
    ChargeState,
    CheckoutState,
    OrderState,
    RefundState,
    TargetKind,
    TaskState,
)

MAX_TASKS_PER_TARGET = 10_000
"""How many tasks one target may hold."""

SECOND = 1_000_000
"""One second, in the unit of all spans and times here."""

MAX_CHECKOUTS_PER_ORDER = 100
"""How many checkouts an order may list."""

MAX_ORDERS_PER_CHECKOUT = 100
"""How many orders may list one checkout: each of its tasks' ends is counted in all of them."""

MAX_VERSIONS = 1_000
"""At how many versions a task changes no more by what may be asked without end."""

MAX_HOLDER_VERSIONS = 10_000
"""At how many versions a checkout or order takes no more updates of its snapshot."""

MAX_LATE_REPORTS = 16
"""How often an agent may change what it says of the money of a task that has ended."""

DEFAULT_GRACE = 30 * SECOND
"""How long agents may take to wind down if the canceller does not say."""


class Target(NamedTuple):
    """What a cancel names, and what a task can be under."""

    kind: TargetKind
    namespace: int
    id: str


class Settlement(NamedTuple):
    """What somebody decided about a refund that was required."""

    outcome: RefundState
    amount: int | None
    """In minor units of the currency."""
    currency: str
    note: str
    settled_by: str
    """The key_id of the call."""
    settle_time: int
    request_id: str | None


@dataclass(frozen=True)
class Task(Record):
    """One piece of work that can be stopped."""

    namespace: int
    task_id: str
    group_id: str | None
    merchant: str
    labels: Mapping[str, str]
    create_time: int
    update_time: int
    checkout_id: str | None = None
    order_id: str | None = None
    state: TaskState = TaskState.PENDING
    version: int = 1
    agent_id: str | None = None
    fence: int = 0
    cancellation_id: str | None = None
    cancel_reason: str = ""
    cancel_message: str = ""
    cancel_proof: CancelProof | None = None
    deadline_time: int | None = None
    due_time: int | None = field(default=None, compare=False)
    """When that deadline is over, by the steady clock, by which it is judged. It is of the row, and
    of none of its versions."""
    failure_message: str = ""
    charge_state: ChargeState = ChargeState.NONE
    refund_state: RefundState = RefundState.NONE
    settlement: Settlement | None = None
    """The last one. It stays when a later statement of the agent changes the refund state again."""
    late_reports: int = 0
    """How often the agent changed its charge after the end."""
    expire_time: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    end_seq: int | None = None
    """The commit position of the version with which it ended."""
    fence_raised: bool = False
    """Whether an end that its agent did not make raised the fence."""
    seq: int = 0
    """The commit position of the present version in its namespace's log."""
    number: int = 0
    """The store's own number of the row, growing in the order of creation."""

    @property
    def ended(self) -> bool:
        """Whether the task is in a terminal state."""
        return self.end_time is not None

    @property
    def refund_required(self) -> bool:
        """Whether somebody has to decide whether money goes back."""
        return self.refund_state is RefundState.REQUIRED

    @property
    def start_fence(self) -> int:
        """The fence that the last start gave, with which its agent may still speak of money."""
        return self.fence - self.fence_raised

    @property
    def target(self) -> Target:
        """The task as what a cancel names."""
        return Target(TargetKind.TASK, self.namespace, self.task_id)


@dataclass(frozen=True, kw_only=True)
class Holder(Record, ABC):
    """What holds tasks, and can be cancelled as a whole: a group, a checkout or an order."""

    namespace: int
    create_time: int
    update_time: int
    version: int = 1
    task_count: int = 0
    live_count: int = 0
    """How many of its tasks have not ended."""
    completed_count: int = 0
    """How many of its tasks are COMPLETED."""
    owed_count: int = 0
    """Of how many of its tasks a refund is required."""
    money_time: int | None = None
    """When the refund state or the charge of one of its ended tasks last changed."""
    cancellation_id: str | None = None

    @property
    @abstractmethod
    def target(self) -> Target:
        """The holder as what a cancel names."""

    @property
    @abstractmethod
    def open(self) -> bool:
        """Whether tasks may join."""

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to its tasks."""
        return not self.open and self.live_count == 0


@dataclass(frozen=True, kw_only=True)
class Group(Holder):
    """Tasks that belong together."""

    group_id: str
    checkout_id: str | None = None
    order_id: str | None = None
    closed: bool = False

    @property
    def target(self) -> Target:
        """The group as what a cancel names."""
        return Target(TargetKind.GROUP, self.namespace, self.group_id)

    @property
    def open(self) -> bool:
        """Whether tasks may join."""
        return not self.closed


@dataclass(frozen=True, kw_only=True)
class Checkout(Holder):
    """A checkout session."""

    checkout_id: str
    cart_id: str | None
    group_id: str | None
    snapshot: bytes | None
    """Buyer, lines, totals and all else that the caller gave, in an encoding of its own. None in a
    batch that did not want to see it, and leaves it as it is."""
    state: CheckoutState = CheckoutState.OPEN
    expire_time: int | None = None
    cancel_time: int | None = None
    cancel_reason: str = ""
    cancel_message: str = ""
    order_ids: tuple[str, ...] = ()
    """The orders that list this checkout."""
    last_seq: int = field(default=0, compare=False)
    """The place of its newest version in the log; 0 if it has none."""

    @property
    def target(self) -> Target:
        """The checkout as what a cancel names."""
        return Target(TargetKind.CHECKOUT, self.namespace, self.checkout_id)

    @property
    def open(self) -> bool:
        """Whether tasks may join."""
        return self.state is CheckoutState.OPEN


@dataclass(frozen=True, kw_only=True)
class Order(Holder):
    """A placed order."""

    order_id: str
    checkout_ids: tuple[str, ...]
    snapshot: bytes | None
    """All that the platform says of the order, in an encoding of its own; None as of a checkout."""
    state: OrderState = OrderState.OPEN
    cancel_time: int | None = None
    cancel_reason: str = ""
    last_seq: int = field(default=0, compare=False)
    """The place of its newest version in the log; 0 if it has none."""

    @property
    def target(self) -> Target:
        """The order as what a cancel names."""
        return Target(TargetKind.ORDER, self.namespace, self.order_id)

    @property
    def open(self) -> bool:
        """Whether tasks may join."""
        return self.state is OrderState.OPEN


@dataclass(frozen=True)
class Cart(Record):
    """What a checkout locks while it runs."""

    namespace: int
    cart_id: str
    state: CartState
    checkout_id: str | None
    """The checkout that locks it, or that closed it."""
    line_items: bytes | None
    """Its lines, in an encoding of its own. None in a batch, which leaves them as they are."""
    update_time: int
    version: int = 1


def whole(part: bytes | None) -> bytes:
    """Returns a snapshot, or the lines of a cart, that must be here. Raises LookupError if not."""
    if part is None:
        raise LookupError("a snapshot was not asked for")
    return part


@dataclass(frozen=True)
class Agent(Record):
    """A worker, known by the one lease that it has for all its tasks."""

    namespace: int
    agent_id: str
    lease_duration: int
    lease_expire_time: int | None
    """By the steady clock."""
    lost_time: int | None = None
    """When the agent was found lost; it has no lease since."""
