"""What is removed once it is old: how it is looked for, and where the log begins after that."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from countermand.core.cancellations import Cancellation
from countermand.core.log import Event, Floor, LoggedRecord, time_of_last_entry
from countermand.core.records import SECOND, Agent, Cart, Holder, Task

DAY = 86_400 * SECOND

MAX_OWED_RETENTIONS = 10
"""For how many retentions a task is kept of which a refund is required and nobody settles it."""


class Leftover(StrEnum):
    """What is looked for, in the order in which it goes: what holds others goes after them."""

    OWED_TASK = "OWED_TASK"
    """A task of which a refund is required, by its newest version."""
    TASK = "TASK"
    """Another task that ended, by its newest version."""
    GROUP = "GROUP"
    """A group without a task and without a checkout, by its last change."""
    CHECKOUT = "CHECKOUT"
    """A checkout without a task, by its last change."""
    ORDER = "ORDER"
    """An order without a task, by its last change."""
    CANCELLATION = "CANCELLATION"
    """A cancellation whose task never came, by its end; others go with their target."""
    CART = "CART"
    """An ACTIVE cart, by its last change."""
    AGENT = "AGENT"
    """An agent without a lease, by the time when it was found lost."""
    EVENT = "EVENT"
    """An entry of the log without a task, by its time."""


class Spot(NamedTuple):
    """How far a search has come: the time of the last row that it saw, and that row's number."""

    time: int = 0
    number: int = 0


class Search(NamedTuple):
    """Looks for what is old in one namespace, the oldest first."""

    kind: Leftover
    namespace: int
    before: int
    """What has a later time is not old, and not found."""
    after: Spot
    limit: int
    max_bytes: int
    """How many bytes may go with what is found, about; one row that has more goes alone."""
    holders_before: int
    """What has a later time keeps what is found, if it holds it."""


class Old(NamedTuple):
    """Since when things are old: what has one of these times, or an earlier one."""

    before: int
    """By the retention."""
    owed_before: int
    """By as many retentions as a task is kept of which a refund is required."""


def search_old(
    kind: Leftover, old: Old, namespace: int, after: Spot, limit: int, max_bytes: int
) -> Search:
    """Returns the search for what is old of one kind in one namespace."""
    before = old.owed_before if kind is Leftover.OWED_TASK else old.before
    return Search(kind, namespace, before, after, limit, max_bytes, old.before)


class Found(NamedTuple):
    """What a search came upon. Whether something keeps it is for the rules to say."""

    ids: list[tuple[int, str]]
    """Namespaces and ids; of a search for EVENT none."""
    events: list[Event]
    """Entries of the log; of a search for EVENT alone."""
    after: Spot | None
    """Where to go on; None if there is nothing more."""


Gone = Task | Holder | Cancellation | Cart | Agent | Event
"""What is removed: a task with its events, a cancellation with its request ids."""


def floors(gone: Iterable[Gone]) -> dict[int, Floor]:
    """Returns the last places, by namespace, of which this removal takes the event."""
    found: dict[int, Floor] = {}
    for one in gone:
        here = _last_place(one)
        if here.seq:
            found[one.namespace] = max(here, found.get(one.namespace, here))
    return found


def _last_place(gone: Gone) -> Floor:
    """Returns the last place of which something's removal takes the event."""
    if isinstance(gone, Task):
        return Floor(gone.seq, gone.update_time)
    if isinstance(gone, Event):
        return Floor(gone.seq, gone.time)
    if isinstance(gone, LoggedRecord):
        return Floor(gone.last_seq, time_of_last_entry(gone))
    return Floor()
