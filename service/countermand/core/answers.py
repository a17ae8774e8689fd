"""What the rules answer to commands, where that is more than one record."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from countermand.core.cancellations import Cancellation
from countermand.core.changes import Counts, Saves
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


class Counted:
    """An answer that counts the tasks of what it shows, as all is when its batch is saved."""

    __slots__ = ()

    @abstractmethod
    def as_saved(self, saves: Saves) -> Self:
        """Returns it with what later commands of the batch made of its records: one answer is of
        one moment."""


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
class CheckoutChanged(Counted):
    """The answer to CompleteCheckout and UpdateCheckout."""

    checkout: Checkout
    counts: Counts
    """How many of its tasks are in each state."""

    def as_saved(self, saves: Saves) -> Self:
        checkout = saves.holders.get(self.checkout.target, self.checkout)
        assert isinstance(checkout, Checkout)
        return replace(self, checkout=checkout)


@dataclass(frozen=True, slots=True)
class CartChanged:
    """The answer to ChangeCart."""

    cart: Cart
    cancelled: Cancelled | None
    """What became of the checkout that locked it; None if none did."""


@dataclass(frozen=True, slots=True)
class OrderChanged(Counted):
    """The answer to UpdateOrder."""

    order: Order
    counts: Counts
    """How many of its tasks and of those of its checkouts are in each state."""

    def as_saved(self, saves: Saves) -> Self:
        order = saves.holders.get(self.order.target, self.order)
        assert isinstance(order, Order)
        return replace(self, order=order)


@dataclass(frozen=True, slots=True)
class OrderCreated(OrderChanged):
    """The answer to CreateOrder."""

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
    others_turn: bool = False
    """Whether another server ends what is due just now, and this one did nothing."""


@dataclass(frozen=True, slots=True)
class Purged:
    """The answer to Purge."""

    removed: int
    """How many rows of the kind that was looked for."""
    after: Spot | None
    """Where to go on; None if nothing more is old."""
