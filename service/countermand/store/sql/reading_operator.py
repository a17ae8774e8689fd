"""The readings of an operator, over the namespaces of many tenants."""

from collections.abc import Iterator, Sequence
from heapq import merge

from countermand.core.records import Task
from countermand.core.states import TaskState
from countermand.store.lists import (
    AgentPage,
    AgentPlace,
    AgentReading,
    CountPage,
    DeadlinePage,
    DeadlinePlace,
    StoreStatus,
    TaskQuery,
    TenantPlace,
    TenantsPage,
    place_of,
)
from countermand.store.sql import rows
from countermand.store.sql.reading import Reader

MAX_COUNTED = 10_000
"""Up to how many an agent's tasks are counted. It is promised."""


class OperatorReader(Reader):
    """All readings: those of tenants, and those over them."""

    def tasks_of_tenants(
        self, namespaces: Sequence[int], query: TaskQuery, after: TenantPlace, limit: int
    ) -> TenantsPage:
        tasks: list[Task] = []
        for looked_at, namespace in enumerate(_from(after.namespace, namespaces)):
            before = after.number if namespace == after.namespace else None
            if looked_at == self._max_namespaces:
                return TenantsPage(tasks, TenantPlace(namespace, before))
            page = self.tasks(namespace, query, before, limit - len(tasks))
            tasks += page.tasks
            if page.next_number is not None:
                return TenantsPage(tasks, TenantPlace(namespace, page.next_number))
        return TenantsPage(tasks, None)

    def deadlines_of_tenants(
        self, namespaces: Sequence[int], query: TaskQuery, after: DeadlinePlace, limit: int
    ) -> DeadlinePage:
        chosen = sorted(set(self._all("cancelling_namespaces", ())).intersection(namespaces))
        # Whoever has the nearest deadlines, most tenants add few of a page.
        size = min(limit, 2 * limit // max(1, len(chosen)) + 1)
        sources = (self._deadlines(namespace, query, after, size) for namespace in chosen)
        tasks: list[Task] = []
        pages = 0
        for place, task in merge(*sources, key=lambda found: found[0]):
            if task is not None:
                tasks.append(task)
                if len(tasks) == limit:
                    return DeadlinePage(tasks, place)
                continue
            pages += 1
            if pages == self._max_namespaces:
                return DeadlinePage(tasks, place)
        return DeadlinePage(tasks, None)

    def _deadlines(
        self, namespace: int, query: TaskQuery, after: DeadlinePlace, size: int
    ) -> Iterator[tuple[DeadlinePlace, Task | None]]:
        """Yields the tasks of one namespace with their places, and the end of each page."""
        place: DeadlinePlace | None = after
        while place is not None:
            page = self.tasks_by_deadline(namespace, query, place, size)
            for task in page.tasks:
                yield place_of(task), task
            place = page.next_place
            if place is not None:
                yield place, None

    def agents(self, namespaces: Sequence[int], after: AgentPlace, limit: int) -> AgentPage:
        readings: list[AgentReading] = []
        counted = 0
        for looked_at, namespace in enumerate(_from(after.namespace, namespaces)):
            last = after.agent_id if namespace == after.namespace else ""
            if looked_at == self._max_namespaces:
                return AgentPage(readings, AgentPlace(namespace, last))
            found = self._all("agents_page", (namespace, last, limit - len(readings)))
            for row in found:
                agent = rows.read_agent(row)
                counts = self._tasks_of_agent(namespace, agent.agent_id)
                readings.append(AgentReading(agent, counts))
                counted += sum(counts.values())
                if len(readings) == limit or counted >= self._max_scanned:
                    return AgentPage(readings, AgentPlace(namespace, agent.agent_id))
        return AgentPage(readings, None)

    def _tasks_of_agent(self, namespace: int, agent_id: str) -> dict[TaskState, int]:
        found = self._all("tasks_of_agent", (namespace, agent_id, MAX_COUNTED))
        return {TaskState(state): tally for state, tally in found}

    def count_tasks(self, after: int) -> CountPage:
        looked_at, last, found = self._all(
            "count_tasks", {"after": after, "window": self._max_scanned}
        )
        counts = {TaskState(state): tally for state, tally in found}
        return CountPage(counts, last if looked_at == self._max_scanned else None)

    def status(self, steady: int) -> StoreStatus:
        schema, agents, overdue, oldest = self._all("status", {"steady": steady})
        return StoreStatus(
            schema=schema,
            bytes=0,
            wal_bytes=None,
            free_bytes=None,
            live_agents=agents,
            overdue_count=overdue or 0,
            oldest_overdue_time=oldest,
        )


def _from(begin: int, namespaces: Sequence[int]) -> list[int]:
    return [namespace for namespace in namespaces if namespace >= begin]
