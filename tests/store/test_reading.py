"""Reading: namespaces, histories, lists, cancellations, stops."""

from itertools import chain, product
from typing import Any

import pytest

from countermand.core.log import TaskFilter
from countermand.core.records import SECOND
from countermand.core.states import CancellationState, TaskState
from countermand.store.contract import Bookmark, LogPage
from countermand.store.lists import CancellationQuery, TaskQuery, Trail
from tests.support.ask import (
    AGENT,
    G1,
    G2,
    NS,
    OTHER,
    T1,
    T2,
    T3,
    acknowledged,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    failed,
    start,
    target,
    uid,
)
from tests.support.choosing import looks_at_all, with_knobs
from tests.support.stores import Keeper

S, C = TaskState, CancellationState
IDS = [uid(number) for number in range(1, 31)]


SCANNED = 4
few_rows_are_looked_at = with_knobs({"store.max_scanned_rows": SCANNED}, of="knobs")


async def test_another_namespaces_rows_are_like_unknown_ones(keeper: Keeper) -> None:
    await keeper.run(create_group(T1))
    await keeper.run(start(T1))
    record = (await keeper.do(cancel_group())).cancellation.cancellation_id
    store, chosen = keeper.store, TaskFilter(G1)
    for namespace in (OTHER, 99):
        assert await store.task(namespace, T1) is None
        assert await store.holder(target("group", G1, namespace)) is None
        assert await store.cancellation(namespace, record) is None
        assert await store.history(namespace, T1, 0, 100) is None
        nothing = Bookmark(0, 0, over=False, missing=target("group", G1, namespace))
        assert await store.bookmark(namespace, chosen) == nothing
        assert await store.bookmark(namespace, TaskFilter()) == Bookmark(0, 0, over=False)
        assert await store.stops(namespace, AGENT, 10) == []
        for each in (TaskFilter(), chosen, TaskFilter(agent_id=AGENT)):
            assert await store.tasks(namespace, TaskQuery(each), None, 10) == ([], None)
            mark = Bookmark(10, 10, over=False)
            assert await store.snapshot(namespace, each, mark, 0, 10) == ([], None)
        assert await store.cancellations(namespace, CancellationQuery(), None, 10) == ([], None)
        query = CancellationQuery(ids=(record,))
        assert await store.cancellations(namespace, query, None, 10) == ([], None)
        page = await store.log(namespace, TaskFilter(), 0, 10)
        assert page == LogPage([], 0, Bookmark(0, 0, over=False))
    mine = await store.cancellations(NS, CancellationQuery(ids=(record,)), None, 10)
    assert [found.cancellation_id for found in mine.cancellations] == [record]


async def test_the_same_ids_in_two_namespaces_are_two_tasks(keeper: Keeper) -> None:
    await keeper.run(create_group(T1), create_group(T1, ns=OTHER))
    await keeper.run(start(T1), start(T1, ns=OTHER), completed(T1, ns=OTHER))
    mine, theirs = await keeper.store.task(NS, T1), await keeper.store.task(OTHER, T1)
    assert mine is not None
    assert theirs is not None
    assert (mine.state, mine.seq, theirs.state, theirs.seq) == (S.RUNNING, 2, S.COMPLETED, 3)


# Histories.


async def _trail_past(keeper: Keeper, after: int) -> Trail | None:
    """Reads a history one by one up to a version, and returns the trail of the last page."""
    trail = None
    for version in range(after):
        page = await keeper.store.history(NS, T1, version, 1, trail)
        trail = page and page.trail
    return trail


async def test_a_history_has_the_versions_above_the_one_that_was_seen_or_the_first_of_them(
    keeper: Keeper,
) -> None:
    versions: list[Any] = []
    for command in (
        create(T1),
        create(T2),
        start(T1),
        start(T2),
        cancel(T1, grace=90 * SECOND),
        cancel(T1, grace=9 * SECOND),
        start(T1),
        acknowledged(T1, fence=2),
    ):
        keeper.now += 1
        batch = await keeper.commit([command])
        versions += [e for e in batch.saves.events if e.task and e.task.task_id == T1]
    now = await keeper.store.task(NS, T1)
    for after, limit, led in product(range(7), (1, 2, 100), (False, True)):
        trail = await _trail_past(keeper, after) if led else None
        history = await keeper.store.history(NS, T1, after, limit, trail)
        assert history is not None
        assert history.task == now
        expected = [*range(after + 1, 6)][:limit]
        assert [event.task.version for event in history.events if event.task] == expected
        for told, decided in zip(history.events, versions[after:][:limit], strict=True):
            same = {"number": 0, "fence": 0}
            assert told.task.evolve(**same) == decided.task.evolve(**same)
            assert told._replace(task=None) == decided._replace(task=None)


# Lists.


async def _list(keeper: Keeper, chosen: TaskFilter, states: Any, limit: int) -> list[list[str]]:
    pages, before = [], None
    while True:
        page = await keeper.store.tasks(NS, TaskQuery(chosen, tuple(states)), before, limit)
        pages.append([task.task_id for task in page.tasks])
        if page.next_number is None:
            return pages
        assert before is None or page.next_number < before
        before = page.next_number


@looks_at_all
async def test_a_list_is_newest_first_and_pages_of_it_make_up_the_whole(keeper: Keeper) -> None:
    await keeper.run(*[create(id) for id in IDS])
    whole = IDS[::-1]
    for limit in (1, 7, 29, 30, 31):
        pages = await _list(keeper, TaskFilter(), (), limit)
        assert [*chain(*pages)] == whole
        assert all(len(page) == limit for page in pages[:-1])


@looks_at_all
async def test_pages_are_stable_while_tasks_are_added(keeper: Keeper) -> None:
    await keeper.run(*[create(id) for id in IDS[:20]])
    first = await keeper.store.tasks(NS, TaskQuery(), None, 8)
    await keeper.run(*[create(id) for id in IDS[20:]])
    second = await keeper.store.tasks(NS, TaskQuery(), first.next_number, 100)
    assert [t.task_id for t in first.tasks + second.tasks] == IDS[:20][::-1]


@looks_at_all
async def test_a_list_is_of_the_states_group_and_agent_that_were_asked_for(
    keeper: Keeper,
) -> None:
    await keeper.run(create_group(*IDS[:4]), create_group(*IDS[4:8], group_id=G2))
    await keeper.run(start(IDS[0], "a"), start(IDS[1], "b"), start(IDS[4], "a"), start(IDS[5], "a"))
    await keeper.run(completed(IDS[0]), cancel(IDS[4]))

    async def found(states: Any, group: str | None = None, agent: Any = None) -> list[int]:
        chosen = TaskFilter(group, agent_id=agent)
        page = await keeper.store.tasks(NS, TaskQuery(chosen, tuple(states)), None, 50)
        return [IDS.index(task.task_id) for task in page.tasks]

    assert await found((S.COMPLETED,)) == [0]
    assert await found((S.RUNNING, S.CANCELLING)) == [5, 4, 1]
    assert await found((), G1) == [3, 2, 1, 0]
    assert await found((), None, "a") == [5, 4, 0]
    assert await found((), G2, "a") == [5, 4]
    assert await found((S.CANCELLING,), G2, "a") == [4]
    assert await found((S.FAILED,)) == []
    assert await found((), uid(0xFF)) == []
    assert await found((), None, "nobody") == []


@few_rows_are_looked_at
@pytest.mark.parametrize("chosen", [TaskFilter(), TaskFilter(G1)], ids=["all", "group"])
async def test_a_page_that_looked_at_enough_ends_early_and_the_next_goes_on(
    keeper: Keeper, chosen: TaskFilter
) -> None:
    await keeper.run(create_group(*IDS[:18]))
    await keeper.run(start(IDS[1]), start(IDS[2]))
    pages = await _list(keeper, chosen, (S.RUNNING,), 10)
    assert pages == [[], [], [], [IDS[2]], [IDS[1]]]
    pages = await _list(keeper, chosen, (S.RUNNING,), 1)
    assert [*chain(*pages)] == [IDS[2], IDS[1]]


# Cancellations.


@pytest.fixture
async def cancelled(keeper: Keeper) -> list[str]:
    """Twelve cancellations a second apart, oldest first: 3 of a group, 4 that run, 5 too late."""
    made = []
    await keeper.run(create_group(*IDS))
    await keeper.run(*[start(id) for id in IDS])
    for number in range(12):
        keeper.now += SECOND
        reason = "fraud" if number % 3 == 0 else "timeout"
        made.append((await keeper.do(cancel(IDS[number], reason=reason))).cancellation)
    await keeper.run(*[acknowledged(id) for id in IDS[:4]], *[completed(id) for id in IDS[4:9]])
    return [record.cancellation_id for record in made]


async def _cancellations(keeper: Keeper, limit: int = 50, **query: Any) -> list[str]:
    found, before = [], None
    while True:
        page = await keeper.store.cancellations(NS, CancellationQuery(**query), before, limit)
        found += [record.cancellation_id for record in page.cancellations]
        if page.next_id is None:
            return found
        before = page.next_id


async def test_cancellations_come_newest_first_in_pages(
    keeper: Keeper, cancelled: list[str]
) -> None:
    for limit in (1, 5, 12, 13):
        assert await _cancellations(keeper, limit) == cancelled[::-1]


async def test_cancellations_are_chosen_by_reason_state_and_ids(
    keeper: Keeper, cancelled: list[str]
) -> None:
    assert await _cancellations(keeper, reason="fraud") == cancelled[::3][::-1]
    assert await _cancellations(keeper, state=C.SUCCEEDED) == cancelled[:4][::-1]
    assert await _cancellations(keeper, state=C.TOO_LATE) == cancelled[4:9][::-1]
    assert await _cancellations(keeper, state=C.IN_PROGRESS, reason="fraud") == [cancelled[9]]
    some = (cancelled[2], cancelled[0], uid(0xFFFF))
    assert await _cancellations(keeper, ids=some) == [cancelled[2], cancelled[0]]
    assert await _cancellations(keeper, ids=some, reason="fraud") == [cancelled[0]]
    assert await _cancellations(keeper, ids=()) == []


async def test_cancellations_are_chosen_by_time_from_its_start_to_before_its_end(
    keeper: Keeper, cancelled: list[str]
) -> None:
    first = keeper.now - 11 * SECOND
    everything = cancelled[::-1]
    assert await _cancellations(keeper, start_time=first) == everything
    assert await _cancellations(keeper, start_time=first + 1) == everything[:-1]
    assert await _cancellations(keeper, end_time=keeper.now) == everything[1:]
    assert await _cancellations(keeper, end_time=keeper.now + 1) == everything
    between = {"start_time": first + 2 * SECOND, "end_time": first + 5 * SECOND}
    assert await _cancellations(keeper, **between) == cancelled[2:5][::-1]
    assert await _cancellations(keeper, 1, **between) == cancelled[2:5][::-1]
    assert await _cancellations(keeper, start_time=0, end_time=0) == []
    far = {"start_time": -(10**17), "end_time": 10**18}
    assert await _cancellations(keeper, **far) == everything


async def test_a_cancellation_whose_id_ran_ahead_of_its_time_is_found_by_its_time(
    keeper: Keeper,
) -> None:
    await keeper.run(create(T1))
    # An id for somebody else, made while the batch waited for the disk.
    keeper.ids(keeper.now + 3 * SECOND)
    record = (await keeper.do(cancel(T1))).cancellation
    found = await _cancellations(keeper, start_time=keeper.now, end_time=keeper.now + 1)
    assert found == [record.cancellation_id]


@few_rows_are_looked_at
async def test_a_page_of_cancellations_that_looked_at_enough_ends_early(
    keeper: Keeper, cancelled: list[str]
) -> None:
    page = await keeper.store.cancellations(NS, CancellationQuery(state=C.PARTIAL), None, 10)
    assert page == ([], cancelled[12 - SCANNED])
    query = CancellationQuery(reason="timeout", state=C.PARTIAL)
    page = await keeper.store.cancellations(NS, query, None, 10)
    assert page == ([], [id for n, id in enumerate(cancelled) if n % 3][8 - SCANNED])
    assert await keeper.store.cancellations(NS, CancellationQuery(reason="x"), None, 10) == (
        [],
        None,
    )
    assert await _cancellations(keeper, state=C.SUCCEEDED) == cancelled[:4][::-1]


# What agents ask.


async def test_stops_are_the_agents_cancelling_tasks_nearest_deadline_first(
    keeper: Keeper,
) -> None:
    await keeper.run(*[create(id) for id in IDS[:8]])
    await keeper.run(*[start(id, "a") for id in IDS[:6]], start(IDS[6], "b"))
    for id, grace in zip(IDS[:5], (50, 20, 40, 10, 30), strict=True):
        await keeper.run(cancel(id, grace=grace * SECOND, reason=f"r{grace}", message="m"))
    await keeper.run(cancel(IDS[6]), failed(IDS[3]))
    stops = await keeper.store.stops(NS, "a", 10)
    assert [task.task_id for task in stops] == [IDS[1], IDS[4], IDS[2], IDS[0]]
    assert [task.cancel_reason for task in stops] == ["r20", "r30", "r40", "r50"]
    assert [task.task_id for task in await keeper.store.stops(NS, "a", 2)] == [IDS[1], IDS[4]]
    assert await keeper.store.stops(NS, "nobody", 10) == []


async def test_a_group_is_read_with_its_counts(keeper: Keeper) -> None:
    await keeper.run(create_group(T1, T2, T3))
    await keeper.run(start(T2))
    found = await keeper.store.holder(target("group", G1, NS))
    assert found is not None
    assert found.counts == {S.PENDING: 2, S.RUNNING: 1}
    await keeper.run(create_group(group_id=G2))
    empty = await keeper.store.holder(target("group", G2, NS))
    assert empty is not None
    assert empty.counts == {}
