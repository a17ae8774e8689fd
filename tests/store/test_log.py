"""The log and the snapshot: what a watch reads, at any place and while things go on."""

from typing import Any

import pytest

from countermand.core.log import Event, TaskFilter
from countermand.core.records import SECOND
from countermand.core.states import TaskState
from countermand.store.contract import Bookmark, LogPage
from tests.support.ask import (
    G1,
    G2,
    NS,
    OTHER,
    T1,
    T2,
    T3,
    T4,
    acknowledged,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    reap,
    start,
    target,
    uid,
)
from tests.support.choosing import looks_at_all, with_knobs
from tests.support.stores import Keeper, shown

S = TaskState
ALL, GROUP, AGENT_A = TaskFilter(), TaskFilter(G1), TaskFilter(agent_id="a")
BOTH = TaskFilter(G1, agent_id="a")


@pytest.fixture
async def logged(keeper: Keeper) -> list[Event]:
    """A log of two namespaces; returns the events of the first one, as they were decided."""
    events: list[Event] = []
    for batch in (
        [create_group(T1, T2), create(T3), create(T1, ns=OTHER)],
        [start(T1, "a"), start(T2, "b"), start(T3, "a"), start(T1, "a", ns=OTHER)],
        [cancel(T1), create(T4, G1), cancel(T1, grace=SECOND), cancel(T3)],
        [acknowledged(T1), completed(T3)],
        [create_group(uid(9), group_id=G2)],
        [cancel_group(G2)],
        [completed(T2), cancel(T4)],
        [cancel_group(G1)],
        [create(uid(8))],
    ):
        keeper.now += 1000
        events += (await keeper.commit(batch)).saves.events
    return [event for event in events if event.namespace == NS]


def _gist(event: Event) -> Any:
    task = event.task and shown(event.task)
    return event._replace(task=task, orders=frozenset(), over=frozenset())


async def _pages(
    keeper: Keeper, chosen: TaskFilter, after: int, limit: int, *, led: bool = False
) -> list[LogPage]:
    """Reads the log to its end; `led` gives each page the trail of the one before."""
    pages: list[LogPage] = []
    trail = None
    while not pages or pages[-1].through < pages[-1].mark.seq:
        page = await keeper.store.log(NS, chosen, after, limit, trail)
        assert page.through > after or page.through == page.mark.seq
        assert len(page.events) <= limit
        assert all(after < event.seq <= page.through for event in page.events)
        assert page.time == await keeper.store.event_time(NS, page.through)
        after, trail = page.through, page.trail if led else None
        pages.append(page)
    return pages


def _matching(events: list[Event], chosen: TaskFilter) -> list[Any]:
    return [_gist(e) for e in events if e.chosen_by(chosen)]


@looks_at_all
async def test_the_log_has_every_event_as_it_was_decided_in_commit_order(
    keeper: Keeper, logged: list[Event]
) -> None:
    page = await keeper.store.log(NS, ALL, 0, 1000)
    assert [_gist(event) for event in page.events] == _matching(logged, ALL)
    assert (page.through, page.mark.seq, page.mark.over) == (logged[-1].seq, logged[-1].seq, False)


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"store.max_scanned_rows": 1},
        {"store.max_walked_events": 1},
        {"store.max_walked_events": 3, "store.max_scanned_rows": 2},
    ],
    ids=["as served", "scans 1", "walks 1", "walks 3 and scans 2"],
    indirect=True,
)
@pytest.mark.parametrize("led", [False, True], ids=["", "led"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "chosen", [ALL, GROUP, AGENT_A, BOTH], ids=["all", "group", "agent", "both"]
)
async def test_pages_of_the_log_have_what_matches_once_from_every_place(
    keeper: Keeper, logged: list[Event], chosen: TaskFilter, limit: int, led: bool
) -> None:
    for after in range(logged[-1].seq + 1):
        pages = await _pages(keeper, chosen, after, limit, led=led)
        found = [_gist(event) for page in pages for event in page.events if event.task is not None]
        assert found == _matching([event for event in logged if event.seq > after], chosen)
        assert pages[-1].through == pages[-1].mark.seq == logged[-1].seq
        assert pages[-1].mark.over is (chosen.group_id is not None)


async def test_a_closing_without_a_tasks_change_only_takes_a_place_in_the_log_of_all(
    keeper: Keeper, logged: list[Event]
) -> None:
    (closing,) = [event for event in logged if event.task is None]
    assert closing.over == {target("group", G1)}
    pages = await _pages(keeper, ALL, closing.seq - 1, 1)
    after = next(event for page in pages for event in page.events)
    assert after.seq == min(event.seq for event in logged if event.seq > closing.seq)


async def test_a_closing_without_a_tasks_change_shows_in_the_groups_log_as_over(
    keeper: Keeper,
) -> None:
    await keeper.run(create_group(T1))
    await keeper.run(cancel(T1))
    before = await keeper.store.log(NS, GROUP, 0, 100)
    assert (before.through, before.mark.seq, before.mark.over) == (3, 3, False)
    await keeper.run(cancel_group())
    after = await keeper.store.log(NS, GROUP, 3, 100)
    assert (after.through, after.mark.seq, after.mark.over) == (5, 5, True)


@with_knobs({"store.max_scanned_rows": 20}, of="knobs")
async def test_the_log_of_a_group_goes_on_when_nothing_of_it_matches(keeper: Keeper) -> None:
    await keeper.run(create_group(T1))
    await keeper.run(*[create(uid(number)) for number in range(10, 60)])
    page = await keeper.store.log(NS, GROUP, 1, 5)
    assert page[:3] == ([], 51, await keeper.store.bookmark(NS, GROUP))
    pages = await _pages(keeper, TaskFilter(agent_id="nobody"), 0, 5)
    assert [(page.events, page.through) for page in pages] == [([], 20), ([], 40), ([], 51)]


async def test_the_log_of_a_group_that_is_gone_says_so(keeper: Keeper) -> None:
    await keeper.run(create(T1))
    page = await keeper.store.log(NS, TaskFilter(uid(0xFF)), 0, 10)
    assert (page.events, page.through) == ([], 0)
    assert page.mark.missing == target("group", uid(0xFF))


# Where a watch begins.


async def test_a_bookmark_is_the_end_of_the_log_and_the_newest_task(keeper: Keeper) -> None:
    assert await keeper.store.bookmark(NS, ALL) == Bookmark(0, 0, over=False)
    await keeper.run(create_group(T1, T2), create(T1, ns=OTHER))
    await keeper.run(start(T1))
    newest = (await keeper.tasks())[0]
    mark = Bookmark(3, newest.number, over=False, time=keeper.now)
    assert await keeper.store.bookmark(NS, ALL) == mark
    assert await keeper.store.bookmark(NS, GROUP) == mark
    missing = mark._replace(missing=target("group", G2))
    assert await keeper.store.bookmark(NS, TaskFilter(G2)) == missing


async def test_a_bookmark_says_whether_the_group_is_over(keeper: Keeper) -> None:
    await keeper.run(create_group(T1, closed=True), create_group(T2, group_id=G2))
    await keeper.run(start(T1), cancel(T2))
    for group_id, over in ((G1, False), (G2, False)):
        mark = await keeper.store.bookmark(NS, TaskFilter(group_id))
        assert mark is not None
        assert mark.over is over
    await keeper.run(completed(T1), cancel_group(G2))
    for group_id in (G1, G2):
        mark = await keeper.store.bookmark(NS, TaskFilter(group_id))
        assert mark is not None
        assert mark.over


# Snapshots.


async def _snapshot(keeper: Keeper, chosen: TaskFilter, mark: Bookmark, limit: int) -> list[Any]:
    found, after = [], 0
    while True:
        page = await keeper.store.snapshot(NS, chosen, mark, after, limit)
        assert all(after < task.number <= mark.last_number for task in page.tasks)
        found += [shown(task) for task in page.tasks]
        if page.next_number is None:
            return found
        after = page.next_number


async def _mark(keeper: Keeper, events: list[Event], seq: int) -> Bookmark:
    """The bookmark that was taken when the log ended there."""
    created = {e.task.task_id for e in events if e.task is not None and e.seq <= seq}
    tasks = await keeper.tasks()
    numbers = [task.number for task in tasks if task.task_id in created]
    return Bookmark(seq, max(numbers, default=0), over=False)


def _then(events: list[Event], chosen: TaskFilter, seq: int) -> dict[str, Any]:
    """The matching tasks as they were at a place of the log, ended ones too."""
    then = {e.task.task_id: e for e in events if e.task is not None and e.seq <= seq}
    return {
        id: shown(event.task)
        for id, event in then.items()
        if event.task and event.chosen_by(chosen)
    }


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("chosen", [GROUP, BOTH], ids=["group", "group and agent"])
async def test_a_snapshot_of_a_group_is_exact_as_of_the_mark_whatever_came_after(
    keeper: Keeper, logged: list[Event], chosen: TaskFilter, limit: int
) -> None:
    for seq in range(logged[-1].seq + 1):
        found = await _snapshot(keeper, chosen, await _mark(keeper, logged, seq), limit)
        assert {task.task_id: shown(task) for task in found} == _then(logged, chosen, seq)


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("chosen", [ALL, AGENT_A], ids=["all", "agent"])
async def test_a_snapshot_without_a_group_has_what_lives_as_it_was_at_the_mark(
    keeper: Keeper, logged: list[Event], chosen: TaskFilter, limit: int
) -> None:
    """A task that lived at the mark and has ended since is left to the log, which has its end."""
    for seq in range(logged[-1].seq + 1):
        found = await _snapshot(keeper, chosen, await _mark(keeper, logged, seq), limit)
        told = {task.task_id: shown(task) for task in found}
        ended_since = {e.task.task_id for e in logged if e.seq > seq and e.task and e.task.ended}
        assert told == {
            id: task
            for id, task in _then(logged, chosen, seq).items()
            if not task.ended and id not in ended_since
        }


async def test_a_snapshot_is_of_its_mark_while_tasks_change_and_join_between_its_pages(
    keeper: Keeper,
) -> None:
    ids = [uid(number) for number in range(1, 10)]
    await keeper.run(create_group(*ids[:6]))
    await keeper.run(*[start(id, "a") for id in ids[:6]])
    before = [shown(task) for id in ids[:6] if (task := await keeper.store.task(NS, id))]
    for chosen in (GROUP, BOTH):
        mark = await keeper.store.bookmark(NS, chosen)
        assert mark is not None
        first = await keeper.store.snapshot(NS, chosen, mark, 0, 2)
        new = ids[6 if chosen is GROUP else 7]
        await keeper.run(create(new, G1), start(new, "a"))
        second = await keeper.store.snapshot(NS, chosen, mark, first.next_number or 0, 2)
        if chosen is GROUP:
            await keeper.run(cancel(ids[4]), cancel(ids[5], grace=0), completed(ids[0]))
            await keeper.run(reap())
            await keeper.run(start(ids[4], "a"))
            third = await keeper.store.snapshot(NS, chosen, mark, second.next_number or 0, 2)
            found = first.tasks + second.tasks + third.tasks
            assert [shown(task) for task in found] == before
            fourth = await keeper.store.snapshot(NS, chosen, mark, third.next_number or 0, 2)
            assert fourth == ([], None)
