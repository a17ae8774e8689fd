"""What a store is asked to list, and the pages in which it answers."""

from array import array
from typing import NamedTuple

from countermand.core.cancellations import Cancellation
from countermand.core.log import TaskFilter
from countermand.core.records import Agent, Cart, Holder, Task
from countermand.core.states import (
    CancellationState,
    CheckoutState,
    OrderState,
    RefundState,
    TargetKind,
    TaskState,
)
from countermand.core.versions import HolderVersion


class TaskQuery(NamedTuple):
    """Chooses tasks for a list; what is set is ANDed."""

    chosen: TaskFilter = TaskFilter()
    states: tuple[TaskState, ...] = ()
    """Those in one of these states; none means any."""
    refund_state: RefundState | None = None
    merchant: str | None = None
    label: tuple[str, str] | None = None
    """A key and its value."""
    deadline_before: int | None = None
    """Only CANCELLING tasks whose deadline is shown as before this; nearest deadline first."""
    by_deadline: bool = False
    """Only CANCELLING tasks, nearest deadline first."""

    @property
    def nearest_first(self) -> bool:
        """Whether it is a list of deadlines, which goes by them and not by creation."""
        return self.by_deadline or self.deadline_before is not None


class TaskPage(NamedTuple):
    """Tasks, and the number from which the next page goes on; None if there is none."""

    tasks: list[Task]
    next_number: int | None


class DeadlinePlace(NamedTuple):
    """A place in the order of deadlines."""

    deadline_time: int = 0
    number: int = 0
    """Of the task's row."""


def place_of(task: Task) -> DeadlinePlace:
    """Returns the place of a CANCELLING task."""
    return DeadlinePlace(task.deadline_time or 0, task.number)


class DeadlinePage(NamedTuple):
    """CANCELLING tasks, and after which place the next page goes on; None if there is none."""

    tasks: list[Task]
    next_place: DeadlinePlace | None


class TenantPlace(NamedTuple):
    """A place in a list that goes through tenants, one after the other."""

    namespace: int = 0
    number: int | None = None
    """Of the last row that was listed there; None before its first one."""


class TenantsPage(NamedTuple):
    """Tasks of several tenants, and after which place the next page goes on; None if there is
    none."""

    tasks: list[Task]
    next_place: TenantPlace | None


class AgentPlace(NamedTuple):
    """A place in the list of agents."""

    namespace: int = 0
    agent_id: str = ""


class AgentReading(NamedTuple):
    """An agent, and how many of its tasks that have not ended stand in each state."""

    agent: Agent
    counts: dict[TaskState, int]


class AgentPage(NamedTuple):
    """Agents, and after which place the next page goes on; None if there is none."""

    readings: list[AgentReading]
    next_place: AgentPlace | None


class CountPage(NamedTuple):
    """How many tasks of a stretch stand in each state, and the number after which the next stretch
    begins; None if there is none."""

    counts: dict[TaskState, int]
    next_number: int | None


class StoreStatus(NamedTuple):
    """How a store stands."""

    schema: int
    bytes: int
    """Without the write-ahead log."""
    wal_bytes: int | None
    free_bytes: int | None
    """What its disk has left. Of a database on another machine neither is known."""
    live_agents: int
    overdue_count: int
    """How many CANCELLING tasks are past their deadline."""
    oldest_overdue_time: int | None
    """The earliest deadline of these."""


class PageQuery(NamedTuple):
    """Which page of a list is asked for."""

    before: int | None
    """The number from which it goes on; None for the first one."""
    limit: int
    max_bytes: int
    """How many bytes of snapshots or lines it has, unless its first one has more."""


class HolderQuery(NamedTuple):
    """Chooses checkouts or orders; what is set is ANDed."""

    kind: TargetKind
    state: CheckoutState | OrderState | None = None
    cart_id: str | None = None
    """Of checkouts alone."""


class HolderReading(NamedTuple):
    """A group, checkout or order, and how many of its tasks stand in each state."""

    holder: Holder
    counts: dict[TaskState, int]


class Trail(NamedTuple):
    """Places in the log that a reading came upon beyond the end of its page.

    Whoever reads on gives it back, so that what follows is not looked for again with every page.
    """

    begin: int
    """Where it begins: a version of a task, or a position of the log."""
    end: int
    """Up to where it has all that is asked for."""
    seqs: "array[int]"
    """The positions of what is asked for above its beginning, in order."""
    scanned: bool = False
    """Whether there are so many that the log is read through instead; then there are none here."""

    def leads_on(self, after: int) -> bool:
        """Whether it tells what follows after a version, or a position of the log."""
        return self.begin <= after < self.end


class HolderHistory(NamedTuple):
    """A checkout or order as it is now, and some of its versions in order."""

    reading: HolderReading
    versions: list[HolderVersion]
    trail: Trail | None = None
    """What follows; None if nothing does."""


class HolderPage(NamedTuple):
    """Checkouts or orders, each with the number from which a page after it goes on, and the number
    from which the next page goes on; None if there is none."""

    readings: list[HolderReading]
    numbers: list[int]
    next_number: int | None


class CartPage(NamedTuple):
    """Carts, each with the number from which a page after it goes on, and whether there may be more
    behind them."""

    carts: list[Cart]
    numbers: list[int]
    next_number: int | None


class CancellationQuery(NamedTuple):
    """Chooses cancellations; what is set is ANDed."""

    ids: tuple[str, ...] | None = None
    reason: str | None = None
    state: CancellationState | None = None
    start_time: int | None = None
    end_time: int | None = None

    def matches(self, cancellation: Cancellation) -> bool:
        """Whether the cancellation is chosen."""
        return (
            (self.ids is None or cancellation.cancellation_id in self.ids)
            and self.reason in (None, cancellation.reason)
            and self.state in (None, cancellation.state)
            and (self.start_time is None or cancellation.create_time >= self.start_time)
            and (self.end_time is None or cancellation.create_time < self.end_time)
        )


class CancellationPage(NamedTuple):
    """Cancellations, and the id after which the next page goes on; None if there is none."""

    cancellations: list[Cancellation]
    next_id: str | None
