"""What a store promises. One suite of tests holds every store to it."""

from typing import NamedTuple, Protocol

from countermand.core.cancellations import Cancellation
from countermand.core.chronicle import Stretch
from countermand.core.decide import Batch
from countermand.core.instant import Instant
from countermand.core.keys import Key
from countermand.core.log import Event, Floor, TaskFilter
from countermand.core.overdue import OverdueKind
from countermand.core.records import Cart, Target, Task
from countermand.core.retention import Old
from countermand.core.states import CartState, SummaryKey
from countermand.store.failing import CommitTooLong as CommitTooLong
from countermand.store.failing import StoreFailed as StoreFailed
from countermand.store.failing import StoreRefused as StoreRefused
from countermand.store.failing import TenantsBusy as TenantsBusy
from countermand.store.lists import (
    CancellationPage,
    CancellationQuery,
    CartPage,
    DeadlinePage,
    DeadlinePlace,
    HolderHistory,
    HolderPage,
    HolderQuery,
    HolderReading,
    PageQuery,
    TaskPage,
    TaskQuery,
    Trail,
)
from countermand.store.operator_reads import OperatorReads
from countermand.store.shared import KeyUse as KeyUse
from countermand.store.shared import Seen as Seen
from countermand.store.shared import SharedState as SharedState
from countermand.store.shared_logs import LogChanges as LogChanges
from countermand.store.shared_logs import LogEnd as LogEnd
from countermand.store.shared_logs import SharedLogs as SharedLogs
from countermand.store.shared_logs import Touched as Touched
from countermand.store.webhooks import Held as Held
from countermand.store.webhooks import Holdings as Holdings
from countermand.store.webhooks import WebhookClaims as WebhookClaims
from countermand.store.webhooks import WebhookReadings


class CancellationReading(NamedTuple):
    """A cancellation, and the tasks that it covers in the order of their creation."""

    cancellation: Cancellation
    covered: list[Task]


class Due(NamedTuple):
    """When the next thing is due."""

    deadline: int | None
    """The first deadline, by the steady clock."""
    lease: int | None
    """The first end of a lease, by the steady clock."""
    wall: int | None
    """The first expiry, by the wall clock."""
    waiting_since: int | None
    """When the first of the cancels was accepted that wait for their task."""


class History(NamedTuple):
    """A task as it is now, and the events of some of its versions in order."""

    task: Task
    events: list[Event]
    trail: Trail | None = None
    """What follows; None if nothing does."""


class Bookmark(NamedTuple):
    """Where a watch of many tasks begins."""

    seq: int
    """The last position of the namespace's log."""
    last_number: int
    """The number of the last task that was created before it."""
    over: bool
    """Whether a holder that the filter names is closed and all its tasks have ended."""
    missing: Target | None = None
    """A holder that the filter names and that does not exist."""
    time: int = 0
    """When the last position of the log was taken; 0 before the first."""
    floor: Floor = Floor()
    """Where the log begins, for what is old was removed."""


class LogPage(NamedTuple):
    """A stretch of the log."""

    events: list[Event]
    """What matches the filter, in order."""
    through: int
    """The position up to which the log was read."""
    mark: Bookmark
    """Where a watch with the filter would begin at that moment."""
    time: int = 0
    """When the position up to which it was read was taken."""
    trail: Trail | None = None
    """What follows, as far as it was found."""


class Store(OperatorReads, WebhookReadings, Protocol):
    """A durable store. Every reading shows only what is committed and synced.

    A reading raises StoreFailed if the disk fails or the store is damaged; others may go well.

    A namespace is the number of one tenant and environment. A reading of what does not exist
    there, be it unknown or another namespace's, is None.

    What a batch's plan lists as gone is removed with all that belongs to it alone: a task with
    its events, a cancellation with its request ids. The floor of each namespace rises to the last
    position of which an event was removed, in the same transaction, and never sinks; positions
    are not given out again. The room on the disk is used for what comes next. To look for what is
    old, and to remove it, costs as much as there is of that, whatever else the store holds.
    """

    name: str
    """What kind of store it is, for logs and traces."""
    outlives_hangs: bool
    """Whether it ends a commit that hangs by itself, and goes on after it. Else the process has to
    leave, for its thread may hang in a disk for ever."""
    shared_logs: SharedLogs | None
    """How to hear what other servers commit; None if this one is alone."""
    claims: WebhookClaims | None
    """Who serves which webhook; None if this one is alone and serves all of them."""

    @property
    def shared(self) -> SharedState | None:
        """What it shares with other servers that have it open; None if it is this one's alone."""

    @property
    def is_away(self) -> bool:
        """Whether it cannot be reached. It is looked for, and comes back by itself."""

    async def open(self, now: int) -> int | None:
        """Opens the store, brings its schema up to date and renews every live lease from `now`.

        The steady clock begins at `now`: from here on it judges deadlines that were judged by that
        of an earlier server. A store that servers share renews leases only if none of them ran for
        a while, and returns what their clock says, which judges on. All that the store shows is on
        disk. On a full disk, which can still
        be read, the leases are renewed with the first commit. Raises StoreRefused, and leaves it as
        it was, if it is in use, damaged, or written by a newer or another program.
        """

    async def watch(self) -> None:
        """Looks after the open store, until cancelled. Raises StoreFailed if it was taken away."""

    async def rescue(self) -> None:
        """Saves, before the process leaves, what was taken away and would be gone with it."""

    async def close(self) -> None:
        """Closes the store. It may be called twice."""

    async def commit(self, batch: Batch) -> float:
        """Renews the batch's leases and runs its plan in one transaction.

        Returns once it is on disk, with the seconds that it waited for that: what it took, less the
        time in which this process worked. Raises StoreFailed if that did not happen, or if nobody
        can say; or, with `committed` set, if it did happen and the store failed after it. Raises
        TenantsBusy if others write the same tenants. Any other exception rolled everything back.
        The caller never runs two commits at once.
        """

    def break_off(self) -> None:
        """Breaks off the commit under way, if it is still at work: it raises CommitTooLong soon.

        One that is on its way to the disk goes on.
        """

    async def task(self, namespace: int, task_id: str) -> Task | None:
        """Returns a task."""

    async def holder(self, target: Target) -> HolderReading | None:
        """Returns a group, checkout or order with the counts of its tasks."""

    async def cart(self, namespace: int, cart_id: str) -> Cart | None:
        """Returns a cart."""

    async def tasks(
        self, namespace: int, query: TaskQuery, before: int | None, limit: int
    ) -> TaskPage:
        """Returns tasks with numbers below `before`, newest first; it may return fewer."""

    async def tasks_by_deadline(
        self, namespace: int, query: TaskQuery, after: DeadlinePlace, limit: int
    ) -> DeadlinePage:
        """Returns CANCELLING tasks after a place, nearest deadline first; it may return fewer."""

    async def holder_history(
        self, target: Target, after_version: int | None, limit: int, trail: Trail | None = None
    ) -> HolderHistory | None:
        """Returns a checkout or order, and its first versions above `after_version` that it has.

        The trail of the page before spares what it spares for the versions of a task.
        """

    async def holders(self, namespace: int, query: HolderQuery, page: PageQuery) -> HolderPage:
        """Returns checkouts or orders, newest first; it may return fewer."""

    async def carts(self, namespace: int, state: CartState | None, page: PageQuery) -> CartPage:
        """Returns carts, newest first; it may return fewer."""

    async def cancellation(
        self, namespace: int, cancellation_id: str
    ) -> CancellationReading | None:
        """Returns a cancellation with what it covers."""

    async def early_cancel(self, namespace: int, task_id: str) -> Cancellation | None:
        """Returns the cancel that waits for a task to be created."""

    async def cancellations(
        self, namespace: int, query: CancellationQuery, before: str | None, limit: int
    ) -> CancellationPage:
        """Returns cancellations with ids below `before`, newest first; it may return fewer."""

    async def summary(
        self, namespace: int, start_time: int | None, end_time: int | None, group_by: SummaryKey
    ) -> dict[str, int]:
        """Returns counts of the cancellations from `start_time` to before `end_time`.

        By reason and by state it counts cancellations, by proof the tasks that they stopped. By
        refund it counts all tasks that ended in that time.
        """

    async def stops(self, namespace: int, agent_id: str, limit: int) -> list[Task]:
        """Returns the agent's CANCELLING tasks, nearest deadline first."""

    async def overdue(self, instant: Instant, lease_time: int) -> list[tuple[OverdueKind, int]]:
        """Returns of what kinds something is overdue, each with each of its namespaces."""

    async def namespaces_with_old(self, old: Old) -> list[int]:
        """Returns the namespaces of which something is old, whether or not it can be removed."""

    async def next_due(self) -> Due:
        """Returns when the next thing is due in any namespace."""

    async def clock_stretches(self) -> list[Stretch]:
        """Returns what was last noted of the running time of servers, the oldest first."""

    async def keys(self) -> list[Key]:
        """Returns all keys, newest first, revoked ones too."""

    async def history(
        self,
        namespace: int,
        task_id: str,
        after_version: int,
        limit: int,
        trail: Trail | None = None,
    ) -> History | None:
        """Returns a task, and the events of its first versions above `after_version`.

        With the trail of the page before, each page costs what it holds; without, also the
        versions that are left.
        """

    async def bookmark(self, namespace: int, chosen: TaskFilter) -> Bookmark:
        """Returns where a watch with this filter begins."""

    async def snapshot(
        self, namespace: int, chosen: TaskFilter, mark: Bookmark, after: int, limit: int
    ) -> TaskPage:
        """Returns matching tasks with numbers above `after`, each as it was at the mark.

        With a group, checkout or order those are all of its tasks, else only those that have not
        ended.
        """

    async def log(
        self,
        namespace: int,
        chosen: TaskFilter,
        after: int,
        limit: int,
        trail: Trail | None = None,
    ) -> LogPage:
        """Returns the first matching events above position `after`, `limit` at most, in order.

        `through` grows with every call until it is the mark's, also when nothing matches. Below
        the mark's floor events are missing. With the trail of the page before, each page costs
        what it holds; without, and with a group, checkout or order, also all that is left.
        """

    async def event_time(self, namespace: int, seq: int) -> int | None:
        """Returns when the event at a position of the log was committed."""
