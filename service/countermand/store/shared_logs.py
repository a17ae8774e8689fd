"""How each of several servers on one store hears what the others commit."""

from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from countermand.core.records import Target


class LogEnd(NamedTuple):
    """Where a namespace's log ends at one moment."""

    seq: int = 0
    """Its last position; 0 if it has none."""
    time: int = 0
    """When that was taken. A log that lost its end and went on has another time there."""
    floor: int = 0
    """The last position of which an entry was removed."""
    size: int = 0
    """How much the namespace stores, about, in bytes: it sinks when something is removed."""


class Touched(NamedTuple):
    """What one entry of a log is about."""

    task_id: str | None = None
    group_id: str | None = None
    checkout_id: str | None = None
    agent_id: str | None = None
    order_ids: tuple[str, ...] = ()
    """The orders that the task is under, its own and those of its checkout."""
    record: Target | None = None
    """The checkout or order that has a new version, or under which the task came."""


class LogChanges(NamedTuple):
    """What happened in a log behind a position."""

    time: int | None
    """When that position was taken; None if the log does not have it, or its entry was removed."""
    touched: list[Touched] | None
    """None if there are too many entries, or if one does not say what it is about."""


class SharedLogs(Protocol):
    """What a store offers to which several servers commit, to hear what the others commit."""

    @property
    def generation(self) -> int:
        """A number that changes when the store was lost and found again: it may have lost what was
        committed last, and others may have gone on without that."""

    def listen(self, hint: Callable[[], None]) -> None:
        """Has the function called, in the event loop, when another server may have committed.

        That is a hint: it may be late, come twice, or not come at all.
        """

    async def log_ends(self, namespaces: Collection[int] | None) -> dict[int, LogEnd]:
        """Returns where the logs of these namespaces end; None: of all that have an entry."""

    async def log_changes(self, namespace: int, after: int, through: int, limit: int) -> LogChanges:
        """Returns what happened in a log after a position, up to another; of so many entries at
        most it says what they are about."""
