"""The versions of checkouts and orders, as those who watch one are told them."""

from typing import NamedTuple

from countermand.core.records import Checkout, Order
from countermand.core.states import CheckoutState, OrderState

WatchedHolder = Checkout | Order


class HolderVersion(NamedTuple):
    """What one version of a checkout or order had of its own. The rest is as it is now."""

    version: int
    state: CheckoutState | OrderState
    cancellation_id: str | None
    cancel_time: int | None
    update_time: int


def version_of(holder: WatchedHolder) -> HolderVersion:
    """Returns what the present version has of its own."""
    return HolderVersion(
        holder.version,
        holder.state,
        holder.cancellation_id,
        holder.cancel_time,
        holder.update_time,
    )


def as_it_was(holder: WatchedHolder, then: HolderVersion) -> WatchedHolder:
    """Returns a checkout or order as it was at one of its versions, with its present snapshot."""
    if then.version == holder.version:
        return holder
    changes = then._asdict()
    if then.cancellation_id is None:
        changes["cancel_reason"] = ""
        if isinstance(holder, Checkout):
            changes["cancel_message"] = ""
    return holder.evolve(**changes)


def has_ended(holder: WatchedHolder) -> bool:
    """Whether the state is terminal."""
    return holder.state not in (
        CheckoutState.OPEN,
        CheckoutState.CANCELLING,
        OrderState.OPEN,
        OrderState.CANCELLING,
    )
