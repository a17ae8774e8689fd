"""The update of a checkout's snapshot."""

from collections.abc import Callable
from dataclasses import dataclass

from countermand.core.commands import Command


@dataclass(frozen=True, slots=True)
class UpdateCheckout(Command):
    """Changes what a caller says of an OPEN checkout. Answers a CheckoutChanged."""

    checkout_id: str
    merge: Callable[[bytes], bytes]
    """Returns the new snapshot from the present one."""
    expire_time: int | None
    sets_expire_time: bool
    """Whether `expire_time` is the new one; else the present one stays."""
    expected_version: int | None
