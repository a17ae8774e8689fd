"""The readings of the store, each on the threads that its kind has."""

from collections.abc import Callable, Sequence

from countermand.core.cancellations import Cancellation
from countermand.core.chronicle import Stretch
from countermand.core.instant import Instant
from countermand.core.keys import Key
from countermand.core.knobs import StoreKnobs
from countermand.core.log import TaskFilter
from countermand.core.overdue import OverdueKind
from countermand.core.records import Cart, Target, Task
from countermand.core.retention import Old
from countermand.core.states import CartState, SummaryKey
from countermand.core.webhooks import Delivery, DeliveryState, Notice, Webhook
from countermand.store.contract import (
    Bookmark,
    CancellationReading,
    Due,
    History,
    LogPage,
    SharedLogs,
    WebhookClaims,
)
from countermand.store.lists import (
    AgentPage,
    AgentPlace,
    CancellationPage,
    CancellationQuery,
    CartPage,
    CountPage,
    DeadlinePage,
    DeadlinePlace,
    HolderHistory,
    HolderPage,
    HolderQuery,
    HolderReading,
    PageQuery,
    TaskPage,
    TaskQuery,
    TenantPlace,
    TenantsPage,
    Trail,
)
from countermand.store.sql.reader_pool import Lane, Readers


class StoreReadings:
    """The part of a store that only reads; see countermand.store.contract.Store."""

    shared_logs: SharedLogs | None = None
    claims: WebhookClaims | None = None

    def _make_readers(self, knobs: StoreKnobs, lanes: Callable[[], Lane]) -> None:
        self._quick = Readers(
            knobs, lanes, threads=knobs.quick_threads, max_readings=knobs.max_quick_readings
        )
        """For readings that find a few rows by their key, which nothing long shall keep waiting."""
        self._long = Readers(
            knobs,
            lanes,
            threads=knobs.long_threads,
            max_readings=knobs.max_long_readings,
            mixed=False,
        )
        """For readings whose rows are many, or may be."""
        self._watches = Readers(
            knobs, lanes, threads=knobs.watch_threads, max_readings=knobs.max_watch_readings
        )
        """For the pages of watches that catch up, which are many and nobody else's burden."""
        self._agents = Readers(
            knobs, lanes, threads=knobs.agent_threads, max_readings=knobs.max_agent_readings
        )
        """For what agents are to stop: no list, count or watch shall keep that waiting."""
        self._all_readers = [self._quick, self._long, self._watches, self._agents]

    async def task(self, namespace: int, task_id: str) -> Task | None:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.task(namespace, task_id))

    async def holder(self, target: Target) -> HolderReading | None:
        """See the contract."""
        return await self._long.read(target.namespace, lambda reader: reader.holder(target))

    async def cart(self, namespace: int, cart_id: str) -> Cart | None:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.cart(namespace, cart_id))

    async def tasks(
        self, namespace: int, query: TaskQuery, before: int | None, limit: int
    ) -> TaskPage:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.tasks(namespace, query, before, limit)
        )

    async def tasks_by_deadline(
        self, namespace: int, query: TaskQuery, after: DeadlinePlace, limit: int
    ) -> DeadlinePage:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.tasks_by_deadline(namespace, query, after, limit)
        )

    async def tasks_of_tenants(
        self, namespaces: Sequence[int], query: TaskQuery, after: TenantPlace, limit: int
    ) -> TenantsPage:
        """See the contract."""
        return await self._long.read(
            0, lambda reader: reader.tasks_of_tenants(namespaces, query, after, limit)
        )

    async def deadlines_of_tenants(
        self, namespaces: Sequence[int], query: TaskQuery, after: DeadlinePlace, limit: int
    ) -> DeadlinePage:
        """See the contract."""
        return await self._long.read(
            0, lambda reader: reader.deadlines_of_tenants(namespaces, query, after, limit)
        )

    async def agents(self, namespaces: Sequence[int], after: AgentPlace, limit: int) -> AgentPage:
        """See the contract."""
        return await self._long.read(0, lambda reader: reader.agents(namespaces, after, limit))

    async def count_tasks(self, after: int) -> CountPage:
        """See the contract."""
        return await self._long.read(0, lambda reader: reader.count_tasks(after))

    async def holder_history(
        self, target: Target, after_version: int | None, limit: int, trail: Trail | None = None
    ) -> HolderHistory | None:
        """See the contract."""
        return await self._watches.read(
            target.namespace,
            lambda reader: reader.holder_history(target, after_version, limit, trail),
        )

    async def holders(self, namespace: int, query: HolderQuery, page: PageQuery) -> HolderPage:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.holders(namespace, query, page)
        )

    async def carts(self, namespace: int, state: CartState | None, page: PageQuery) -> CartPage:
        """See the contract."""
        return await self._long.read(namespace, lambda reader: reader.carts(namespace, state, page))

    async def cancellation(
        self, namespace: int, cancellation_id: str
    ) -> CancellationReading | None:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.cancellation(namespace, cancellation_id)
        )

    async def early_cancel(self, namespace: int, task_id: str) -> Cancellation | None:
        """See the contract."""
        return await self._quick.read(
            namespace, lambda reader: reader.early_cancel(namespace, task_id)
        )

    async def cancellations(
        self, namespace: int, query: CancellationQuery, before: str | None, limit: int
    ) -> CancellationPage:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.cancellations(namespace, query, before, limit)
        )

    async def summary(
        self, namespace: int, start_time: int | None, end_time: int | None, group_by: SummaryKey
    ) -> dict[str, int]:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.summary(namespace, start_time, end_time, group_by)
        )

    async def stops(self, namespace: int, agent_id: str, limit: int) -> list[Task]:
        """See the contract."""
        return await self._agents.read(
            namespace, lambda reader: reader.stops(namespace, agent_id, limit)
        )

    async def overdue(self, instant: Instant, lease_time: int) -> list[tuple[OverdueKind, int]]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.overdue(instant, lease_time))

    async def namespaces_with_old(self, old: Old) -> list[int]:
        """See the contract."""
        return await self._long.read(0, lambda reader: reader.namespaces_with_old(old))

    async def next_due(self) -> Due:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.next_due())

    async def clock_stretches(self) -> list[Stretch]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.clock_stretches())

    async def keys(self) -> list[Key]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.keys())

    async def history(
        self,
        namespace: int,
        task_id: str,
        after_version: int,
        limit: int,
        trail: Trail | None = None,
    ) -> History | None:
        """See the contract."""
        return await self._watches.read(
            namespace,
            lambda reader: reader.history(namespace, task_id, after_version, limit, trail),
        )

    async def bookmark(self, namespace: int, chosen: TaskFilter) -> Bookmark:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.bookmark(namespace, chosen))

    async def snapshot(
        self, namespace: int, chosen: TaskFilter, mark: Bookmark, after: int, limit: int
    ) -> TaskPage:
        """See the contract."""
        return await self._watches.read(
            namespace, lambda reader: reader.snapshot(namespace, chosen, mark, after, limit)
        )

    async def log(
        self,
        namespace: int,
        chosen: TaskFilter,
        after: int,
        limit: int,
        trail: Trail | None = None,
    ) -> LogPage:
        """See the contract."""
        return await self._watches.read(
            namespace, lambda reader: reader.log(namespace, chosen, after, limit, trail)
        )

    async def event_time(self, namespace: int, seq: int) -> int | None:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.event_time(namespace, seq))

    async def webhooks(self, namespace: int | None) -> list[Webhook]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.webhooks(namespace))

    async def webhook(self, namespace: int, webhook_id: str) -> Webhook | None:
        """See the contract."""
        return await self._quick.read(
            namespace, lambda reader: reader.webhook(namespace, webhook_id)
        )

    async def namespaces_with_notices(self) -> list[int]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.namespaces_with_notices())

    async def notices(self, namespace: int, after: int, limit: int) -> list[Notice]:
        """See the contract."""
        return await self._watches.read(
            namespace, lambda reader: reader.notices(namespace, after, limit)
        )

    async def pending_deliveries(
        self, namespace: int, webhook_id: str, limit: int
    ) -> list[Delivery]:
        """See the contract."""
        return await self._watches.read(
            namespace, lambda reader: reader.pending_deliveries(namespace, webhook_id, limit)
        )

    async def deliveries(
        self,
        namespace: int,
        webhook_id: str,
        state: DeliveryState | None,
        before: int | None,
        limit: int,
    ) -> list[Delivery]:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.deliveries(namespace, webhook_id, state, before, limit)
        )
