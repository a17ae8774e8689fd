"""What a store promises an operator."""

from collections.abc import Sequence
from typing import Protocol

from countermand.store.lists import (
    AgentPage,
    AgentPlace,
    CountPage,
    DeadlinePage,
    DeadlinePlace,
    StoreStatus,
    TaskQuery,
    TenantPlace,
    TenantsPage,
)


class OperatorReads(Protocol):
    """What an operator reads, over the namespaces of many tenants, which come in order.

    These readings have a turn of their own, so that they keep nobody else's waiting.
    """

    async def tasks_of_tenants(
        self, namespaces: Sequence[int], query: TaskQuery, after: TenantPlace, limit: int
    ) -> TenantsPage:
        """Returns tasks after a place, namespace after namespace, newest first in each; it may
        return fewer."""

    async def deadlines_of_tenants(
        self, namespaces: Sequence[int], query: TaskQuery, after: DeadlinePlace, limit: int
    ) -> DeadlinePage:
        """Returns CANCELLING tasks after a place, nearest deadline first; it may return fewer."""

    async def agents(self, namespaces: Sequence[int], after: AgentPlace, limit: int) -> AgentPage:
        """Returns agents after a place, by namespace and id; it may return fewer."""

    async def count_tasks(self, after: int) -> CountPage:
        """Counts a stretch of all tasks by their states, from those with numbers above `after`."""

    async def status(self, steady: int) -> StoreStatus:
        """Returns how the store stands, at this time by the steady clock."""
