"""What an operator reads, over the namespaces of all tenants."""

from collections.abc import Sequence

from countermand.core.records import SECOND
from countermand.core.states import TaskState
from countermand.store.lists import (
    AgentPlace,
    AgentReading,
    DeadlinePlace,
    TaskQuery,
    TenantPlace,
)
from tests.support.ask import NS, OTHER, cancel, create, start, uid
from tests.support.stores import Keeper

BOTH = (NS, OTHER)
ALL = TaskQuery()
FEW = range(1, 4)
"""Sizes of pages that tear what there is apart in every way."""


async def _listed(
    keeper: Keeper, namespaces: Sequence[int], limit: int, query: TaskQuery = ALL
) -> list[tuple[int, str]]:
    """Returns the tasks of all pages, as pairs of namespace and id."""
    found: list[tuple[int, str]] = []
    place: TenantPlace | None = TenantPlace()
    while place is not None:
        page = await keeper.store.tasks_of_tenants(namespaces, query, place, limit)
        assert len(page.tasks) <= limit
        found += [(task.namespace, task.task_id) for task in page.tasks]
        assert page.next_place != place
        place = page.next_place
    return found


async def test_tasks_of_all_tenants_are_listed_once_each_tenant_after_tenant(
    keeper: Keeper,
) -> None:
    for number in range(1, 6):
        await keeper.run(create(uid(number)), create(uid(number), ns=OTHER, merchant="Oolong"))
    expected = [(ns, uid(number)) for ns in BOTH for number in range(5, 0, -1)]
    for limit in (*FEW, 100):
        assert await _listed(keeper, BOTH, limit) == expected
        oolong = TaskQuery(merchant="Oolong")
        assert await _listed(keeper, BOTH, limit, oolong) == expected[5:]
    assert await _listed(keeper, (OTHER,), 3) == expected[5:]
    assert await _listed(keeper, (), 3) == []


async def _deadlines(keeper: Keeper, namespaces: Sequence[int], limit: int) -> list[str]:
    found: list[str] = []
    place: DeadlinePlace | None = DeadlinePlace()
    while place is not None:
        page = await keeper.store.deadlines_of_tenants(namespaces, TaskQuery(), place, limit)
        found += [task.task_id for task in page.tasks]
        assert len(page.tasks) <= limit
        place = page.next_place
    return found


async def test_deadlines_of_all_tenants_are_listed_in_one_order(keeper: Keeper) -> None:
    for number in range(1, 8):
        ns = BOTH[number % 2]
        await keeper.run(create(uid(number), ns=ns))
        await keeper.run(start(uid(number), ns=ns))
        grace = (10 - number) * SECOND if number < 7 else 5 * SECOND
        await keeper.run(cancel(uid(number), ns=ns, grace=grace))
    nearest = [uid(number) for number in (6, 5, 7, 4, 3, 2, 1)]
    for limit in (*FEW, 100):
        assert await _deadlines(keeper, BOTH, limit) == nearest
        mine = [uid(number) for number in (6, 4, 2)]
        assert await _deadlines(keeper, (NS,), limit) == mine


async def test_agents_are_listed_with_what_they_hold(keeper: Keeper) -> None:
    for number, (ns, agent) in enumerate(
        ((NS, "b"), (NS, "a"), (NS, "a"), (OTHER, "a"), (NS, "c")), start=1
    ):
        await keeper.run(create(uid(number), ns=ns))
        await keeper.run(start(uid(number), agent, ns=ns))
    await keeper.run(cancel(uid(2)))
    running, cancelling = TaskState.RUNNING, TaskState.CANCELLING
    expected = [
        (NS, "a", {running: 1, cancelling: 1}),
        (NS, "b", {running: 1}),
        (NS, "c", {running: 1}),
        (OTHER, "a", {running: 1}),
    ]
    for limit in (*FEW, 100):
        found: list[AgentReading] = []
        place: AgentPlace | None = AgentPlace()
        while place is not None:
            page = await keeper.store.agents(BOTH, place, limit)
            assert len(page.readings) <= limit
            found += page.readings
            place = page.next_place
        shown = [(one.agent.namespace, one.agent.agent_id, one.counts) for one in found]
        assert shown == expected


async def test_tasks_are_counted_by_their_states_stretch_by_stretch(keeper: Keeper) -> None:
    for number in range(1, 8):
        await keeper.run(create(uid(number), ns=BOTH[number % 2]))
    await keeper.run(start(uid(2)), start(uid(4)))
    await keeper.run(cancel(uid(2)), cancel(uid(6)))
    counts: dict[TaskState, int] = {}
    after: int | None = 0
    while after is not None:
        page = await keeper.store.count_tasks(after)
        for state, count in page.counts.items():
            counts[state] = counts.get(state, 0) + count
        after = page.next_number
    assert counts == {
        TaskState.PENDING: 4,
        TaskState.RUNNING: 1,
        TaskState.CANCELLING: 1,
        TaskState.CANCELLED: 1,
    }


async def test_the_status_counts_what_is_overdue_and_who_is_alive(keeper: Keeper) -> None:
    deadlines = []
    for number, ns in ((1, NS), (2, OTHER), (3, NS)):
        await keeper.run(create(uid(number), ns=ns))
        await keeper.run(start(uid(number), f"agent-{number}", ns=ns))
        await keeper.run(cancel(uid(number), ns=ns, grace=number * SECOND))
        deadlines.append(keeper.now + number * SECOND)
    status = await keeper.store.status(keeper.now)
    assert (status.overdue_count, status.oldest_overdue_time, status.live_agents) == (0, None, 3)
    assert status.bytes > 0
    if keeper.store.name == "sqlite":  # What a server's disk has left is not ours to know.
        assert status.free_bytes > 0
    assert status.schema > 0
    later = await keeper.store.status(deadlines[1] + 1)
    assert (later.overdue_count, later.oldest_overdue_time) == (2, deadlines[0])
    assert (await keeper.store.status(keeper.now + 3600 * SECOND)).live_agents == 0
