"""What is overdue: how it is looked for, namespace by namespace in turn."""

from enum import StrEnum
from typing import NamedTuple


class OverdueKind(StrEnum):
    """What may be overdue."""

    LATE_TASK = "LATE_TASK"
    """A CANCELLING task past its deadline."""
    LOST_AGENT = "LOST_AGENT"
    """An agent past its lease, with its live tasks."""
    EXPIRED_TASK = "EXPIRED_TASK"
    """A PENDING or RUNNING task past its time to expire."""
    EXPIRED_CHECKOUT = "EXPIRED_CHECKOUT"
    """An OPEN checkout past its time to expire, with its tasks."""
    EARLY_CANCEL = "EARLY_CANCEL"
    """A cancel that has waited long enough for its task, in any namespace."""


class Chosen(NamedTuple):
    """One kind of one namespace, without the first ones of it."""

    kind: OverdueKind
    namespace: int
    skip: int


class OverdueSearch(NamedTuple):
    """Looks for what is overdue."""

    limit: int
    """How many tasks of each kind are wanted at most, or one larger checkout."""
    lease_time: int
    """Of which agents: of those whose lease ended by then."""
    after: int = 0
    """With the namespace behind this one it begins."""
    chosen: Chosen | None = None
    """Looks for no more than this."""


class Overdue(NamedTuple):
    """What has run out at the time of the batch. All are namespaces and ids."""

    tasks: list[tuple[int, str]]
    """Tasks past their deadline, and live tasks of agents past their lease."""
    agents: list[tuple[int, str]]
    """Agents past their lease; none while some of their live tasks may be missing above."""
    expired: list[tuple[int, str]]
    """Tasks past their time to expire, PENDING or RUNNING."""
    expired_checkouts: list[tuple[int, str]]
    """Checkouts past their time to expire, OPEN."""
    early_cancels: list[tuple[int, str]]
    """Cancellations that have waited long enough for their task."""
    more: bool
    """Whether there may be more than was wanted."""
    last: int = 0
    """The namespace whose turn was last, if others had none; else 0."""
    others_turn: bool = False
    """Whether another server looks for what is due just now, so that nothing was looked for."""


OTHERS_TURN = Overdue([], [], [], [], [], more=False, others_turn=True)
OUTAGE = Overdue([], [], [], [], [], more=True)
"""Nothing was looked for, since every lease was renewed first."""
