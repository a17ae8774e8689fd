"""What the rules answer to commands, where that is more than one record."""

from dataclasses import dataclass

from countermand.core.cancellations import Cancellation
from countermand.core.records import Cart, Checkout, Group, Holder, Order, Task
from countermand.core.retention import Spot


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer to a cancel."""

    target: Task | Holder | None
    """The task, group, checkout or order as it is now; None for a task yet to be created."""
    cancellation: Cancellation
    covered: tuple[Task, ...]
    """The tasks to report results of, as they are now, in the order of their creation."""
    replayed: bool
    joined: bool
    """Whether the cancellation is that of another request, which was accepted before."""


@dataclass(frozen=True, slots=True)
class GroupCreated:
    """The answer to CreateGroup."""

    group: Group
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class CheckoutCreated:
    """The answer to CreateCheckout."""

    checkout: Checkout
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class CartChanged:
    """The answer to ChangeCart."""

    cart: Cart
    cancelled: Cancelled | None
    """What became of the checkout that locked it; None if none did."""


@dataclass(frozen=True, slots=True)
class OrderCreated:
    """The answer to CreateOrder."""

    order: Order
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Reaped:
    """The answer to Reap."""

    ended: int
    expired: int
    too_late: int
    """How many early cancels expired: their task never came."""
    more: bool
    """Whether more may be overdue."""
    last: int = 0
    """The namespace behind which to begin the next time; 0 if each had its turn."""


@dataclass(frozen=True, slots=True)
class Purged:
    """The answer to Purge."""

    removed: int
    """How many rows of the kind that was looked for."""
    after: Spot | None
    """Where to go on; None if nothing more is old."""
