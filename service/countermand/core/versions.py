"""The versions of checkouts and orders, as those who watch one are told them."""

from typing import Any, NamedTuple

from countermand.core.records import Checkout, Order
from countermand.core.states import CheckoutState, OrderState

WatchedHolder = Checkout | Order

_NOT_CANCELLED = (
    CheckoutState.OPEN,
    CheckoutState.COMPLETED,
    OrderState.OPEN,
    OrderState.CLOSED,
)


class HolderVersion(NamedTuple):
    """What the log has of one version of a checkout or order."""

    version: int
    state: CheckoutState | OrderState
    update_time: int


def as_it_was(holder: WatchedHolder, then: HolderVersion) -> WatchedHolder:
    """Returns a checkout or order as it was at one of its versions, with its present snapshot.

    A cancellation is set once, with the accept, and every later version has it. So is the time of
    an order's cancel; that of a checkout is set with its end.
    """
    if then.version == holder.version:
        return holder
    changes: dict[str, Any] = then._asdict()
    if then.state in _NOT_CANCELLED:
        changes |= {"cancellation_id": None, "cancel_reason": "", "cancel_time": None}
        if isinstance(holder, Checkout):
            changes["cancel_message"] = ""
    elif then.state is CheckoutState.CANCELLING:
        changes["cancel_time"] = None
    return holder.evolve(**changes)


def has_ended(holder: WatchedHolder) -> bool:
    """Whether the state is terminal."""
    return holder.state not in (
        CheckoutState.OPEN,
        CheckoutState.CANCELLING,
        OrderState.OPEN,
        OrderState.CANCELLING,
    )
