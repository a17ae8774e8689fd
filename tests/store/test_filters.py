"""Tasks by checkout and by order, and cancellations by reason and in sums."""

from collections import Counter
from itertools import product
from typing import Any

import pytest

from countermand.core.cancellations import Cancellation
from countermand.core.log import Event, TaskFilter
from countermand.core.records import SECOND
from countermand.core.states import (
    CancellationState,
    ChargeState,
    RefundState,
    SummaryKey,
    TaskState,
)
from countermand.store.contract import Bookmark
from countermand.store.lists import CancellationQuery, TaskQuery
from tests.support.ask import (
    G1,
    NS,
    O1,
    O2,
    OTHER,
    X1,
    X2,
    XG1,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_group,
    cancel_order,
    charge,
    charged,
    complete,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    failed,
    reap,
    settle,
    start,
    target,
    uid,
    update_order,
)
from tests.support.stores import Keeper, shown

S = TaskState
IDS = [uid(number) for number in range(1, 13)]
FILTERS = [
    TaskFilter(checkout_id=X1),
    TaskFilter(checkout_id=X2),
    TaskFilter(order_id=O1),
    TaskFilter(order_id=O2),
    TaskFilter(XG1, checkout_id=X1),
    TaskFilter(XG1, order_id=O1),
    TaskFilter(XG1, order_id=O2),
    TaskFilter(G1, checkout_id=X2),
    TaskFilter(checkout_id=X1, order_id=O1),
    TaskFilter(checkout_id=X2, order_id=O1),
    TaskFilter(checkout_id=X1, order_id=O2),
    TaskFilter(XG1, X1, O1),
    TaskFilter(order_id=O1, agent_id="a"),
    TaskFilter(checkout_id=X1, agent_id="b"),
    TaskFilter(XG1, X1, O1, "a"),
]
LISTED = [TaskFilter(), TaskFilter(agent_id="a"), *FILTERS]


@pytest.fixture
async def logged(keeper: Keeper) -> list[Event]:
    """Two orders: both list X1, O1 has a group and tasks of its own. X2 is in no order.

    The orders list what they list before anything happens to it, as every filter is judged now.
    """
    events: list[Event] = []
    for batch in (
        [create_checkout()],
        [create_order(IDS[0], IDS[1], checkout_ids=(X1,))],
        [create_order(order_id=O2, checkout_ids=(X1,))],
        [create_group(IDS[2], IDS[3], group_id=XG1, checkout_id=X1)],
        [create_group(IDS[4], group_id=G1, order_id=O1)],
        [create_checkout(IDS[5], IDS[6], checkout_id=X2)],
        [create(IDS[7]), create(IDS[8], checkout_id=X1, order_id=O2), create(IDS[0], ns=OTHER)],
        [start(IDS[0], "a"), start(IDS[2], "a"), start(IDS[3], "b"), start(IDS[5], "a")],
        [charge(IDS[2]), charged(IDS[2]), start(IDS[7], "a"), start(IDS[8], "b")],
        [cancel(IDS[2]), completed(IDS[0])],
        [cancel_checkout(X1)],
        [complete(X2)],
        [acknowledged(IDS[2]), failed(IDS[3]), create(IDS[9], G1)],
        [cancel_order(O1, grace=SECOND)],
        [completed(IDS[8]), completed(IDS[5])],
        [charged(IDS[3]), settle(IDS[2], amount=500, currency="EUR")],
        [create(IDS[10]), charged(IDS[0]), charged(IDS[3], ChargeState.VOIDED)],
        [charged(IDS[2], ChargeState.FAILED), charged(IDS[0], ChargeState.VOIDED)],
    ):
        keeper.now += 1000
        events += (await keeper.commit(batch)).saves.events
    return [event for event in events if event.namespace == NS]


def _chosen(events: list[Event], chosen: TaskFilter) -> list[tuple[int, str, int]]:
    return [
        (e.seq, e.task.task_id, e.task.version) for e in events if e.task and e.chosen_by(chosen)
    ]


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
async def test_the_log_of_a_filter_is_what_it_chooses_from_every_place(
    keeper: Keeper, logged: list[Event], chosen: TaskFilter
) -> None:
    for after, limit in product((0, 7, 15, logged[-1].seq - 1), (1, 4, 1000)):
        found: list[Event] = []
        at, end = after, -1
        while at != end:
            page = await keeper.store.log(NS, chosen, at, limit)
            assert page.through > at or page.through == page.mark.seq
            found += page.events
            at, end = page.through, page.mark.seq
        assert end == logged[-1].seq
        later = [event for event in logged if event.seq > after]
        assert _chosen(found, TaskFilter()) == _chosen(later, chosen)
        told = [shown(e.task) for e in found if e.task]
        same = [shown(e.task) for e in later if e.chosen_by(chosen) and e.task]
        assert told == same


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
async def test_a_snapshot_of_a_filter_is_exact_as_of_every_place(
    keeper: Keeper, logged: list[Event], chosen: TaskFilter
) -> None:
    everything = await keeper.tasks()
    numbers = {task.task_id: task.number for task in everything}
    for seq, limit in product((0, 3, 9, 16, logged[-1].seq), (1, 3, 100)):
        then = {e.task.task_id: e for e in logged if e.seq <= seq and e.task is not None}
        last = max((numbers[id] for id in then), default=0)
        found: list[Any] = []
        after: int | None = 0
        while after is not None:
            mark = Bookmark(seq, last, over=False)
            page = await keeper.store.snapshot(NS, chosen, mark, after, limit)
            found += page.tasks
            after = page.next_number
        assert [task.number for task in found] == sorted(task.number for task in found)
        assert {task.task_id: task.version for task in found} == {
            id: e.task.version for id, e in then.items() if e.task and e.chosen_by(chosen)
        }


@pytest.mark.parametrize("chosen", LISTED, ids=str)
async def test_a_list_of_a_filter_is_newest_first(
    keeper: Keeper, logged: list[Event], chosen: TaskFilter
) -> None:
    now = {e.task.task_id: e for e in logged if e.task is not None}
    everything = await keeper.tasks()
    ids = [task.task_id for task in everything if now[task.task_id].chosen_by(chosen)]
    refunds = (None, *RefundState)
    for states, refund, limit in product(((), (S.CANCELLED, S.FAILED)), refunds, (1, 2, 50)):
        found: list[str] = []
        before: int | None = None
        while True:
            query = TaskQuery(chosen, states, refund)
            page = await keeper.store.tasks(NS, query, before, limit)
            found += [task.task_id for task in page.tasks]
            before = page.next_number
            if before is None:
                break
        wanted = [
            task.task_id
            for task in everything
            if (not states or task.state in states) and refund in (None, task.refund_state)
        ]
        assert found == [id for id in wanted if id in ids]


async def test_a_bookmark_names_the_narrowest_holder_that_is_missing(keeper: Keeper) -> None:
    await keeper.run(create_checkout())
    for chosen, missing in (
        (TaskFilter(checkout_id=X1), None),
        (TaskFilter(checkout_id=X2), target("checkout", X2)),
        (TaskFilter(order_id=O1), target("order", O1)),
        (TaskFilter(checkout_id=X1, order_id=O1), target("order", O1)),
        (TaskFilter(G1, X1), target("group", G1)),
        (TaskFilter(G1, X2, O1), target("group", G1)),
    ):
        assert (await keeper.store.bookmark(NS, chosen)).missing == missing


async def test_a_bookmark_and_the_log_say_whether_a_checkout_or_order_is_over(
    keeper: Keeper,
) -> None:
    await keeper.run(create_checkout(IDS[0]))
    await keeper.run(create_order(IDS[1], checkout_ids=(X1,)))

    async def over(chosen: TaskFilter) -> bool:
        page = await keeper.store.log(NS, chosen, 0, 1000)
        mark = await keeper.store.bookmark(NS, chosen)
        assert mark.over is page.mark.over
        return mark.over

    checkout, order = TaskFilter(checkout_id=X1), TaskFilter(order_id=O1)
    await keeper.run(start(IDS[0]), start(IDS[1]))
    await keeper.do(cancel_checkout())
    assert not await over(checkout)
    await keeper.run(acknowledged(IDS[0]), completed(IDS[1]))
    assert await over(checkout)
    assert not await over(order)
    await keeper.do(update_order(close=True))
    assert await over(order)


# Cancellations.


@pytest.fixture
async def cancelled(keeper: Keeper) -> list[Cancellation]:
    """A cancellation of every kind of target, outcome and proof, a second apart."""
    await keeper.run(create_group(*IDS[:5]))
    await keeper.run(create_checkout(*IDS[5:8]))
    await keeper.run(create_order(*IDS[8:11], checkout_ids=(X1,)))
    await keeper.run(*[start(id) for id in IDS[:10]])
    await keeper.run(create(IDS[11]), start(IDS[11], "lost", lease=30 * SECOND))
    made = []
    for command in (
        cancel(IDS[0], reason="fraud", grace=0),
        cancel(IDS[1], reason="timeout"),
        cancel(IDS[11], reason="fraud", grace=3000 * SECOND),
        cancel_group(reason="ćwiek 🛒"),
        cancel_checkout(reason="fraud"),
        cancel_order(reason="timeout", grace=3000 * SECOND),
    ):
        keeper.now += SECOND
        made.append((await keeper.do(command)).cancellation.cancellation_id)
    await keeper.run(reap())
    await keeper.run(acknowledged(IDS[2]), completed(IDS[3]), failed(IDS[5]), completed(IDS[6]))
    keeper.now += 30 * SECOND
    await keeper.run(reap())
    theirs = cancel(IDS[0], reason="fraud", ns=OTHER)
    await keeper.run(create(IDS[0], ns=OTHER), theirs)
    readings = [await keeper.store.cancellation(NS, id) for id in made]
    return [found.cancellation for found in readings if found is not None]


def _recount(records: list[Cancellation], key: SummaryKey, covered: Any) -> dict[str, int]:
    if key is SummaryKey.PROOF:
        proofs = Counter(
            task.cancel_proof.value
            for record in records
            for task in covered[record.cancellation_id]
            if task.state is S.CANCELLED and (task.end_seq or 0) > record.seq
        )
        return dict(proofs)
    return dict(Counter(getattr(record, key.lower()) for record in records))


@pytest.mark.parametrize(
    "knobs", [{"store.max_scanned_rows": rows} for rows in (1, 2, 3, 10_000)], indirect=True
)
@pytest.mark.parametrize("key", [SummaryKey.REASON, SummaryKey.STATE, SummaryKey.PROOF])
async def test_a_summary_by_each_key_is_a_recount(
    keeper: Keeper,
    cancelled: list[Cancellation],
    key: SummaryKey,
) -> None:
    covered = {}
    for record in cancelled:
        found = await keeper.store.cancellation(NS, record.cancellation_id)
        assert found is not None
        covered[record.cancellation_id] = found.covered
    first = cancelled[0].create_time
    assert len({record.state for record in cancelled}) >= 3
    for start_time, end_time in product((None, first, first + 1, first + 2 * SECOND), repeat=2):
        inside = [
            record
            for record in cancelled
            if (start_time is None or record.create_time >= start_time)
            and (end_time is None or record.create_time < end_time)
        ]
        summary = await keeper.store.summary(NS, start_time, end_time, key)
        assert summary == _recount(inside, key, covered)


@pytest.mark.parametrize(
    "knobs", [{"store.max_scanned_rows": rows} for rows in (1, 10_000)], indirect=True
)
async def test_a_summary_by_refund_counts_the_tasks_that_ended_in_a_time(
    keeper: Keeper, cancelled: list[Cancellation]
) -> None:
    for id, word in ((IDS[2], ChargeState.CAPTURED), (IDS[5], ChargeState.CAPTURED)):
        await keeper.do(charged(id, word))
    await keeper.do(settle(IDS[2]))
    await keeper.run(charged(IDS[0]), charged(IDS[0], ChargeState.VOIDED))
    tasks = await keeper.tasks()
    assert {task.refund_state for task in tasks} == set(RefundState)
    ends = sorted({task.end_time for task in tasks if task.end_time is not None})
    assert len(ends) >= 2
    for start_time, end_time in product((None, *ends, ends[-1] + 1), repeat=2):
        inside = [
            task.refund_state.value
            for task in tasks
            if task.end_time is not None
            and (start_time is None or task.end_time >= start_time)
            and (end_time is None or task.end_time < end_time)
        ]
        summary = await keeper.store.summary(NS, start_time, end_time, SummaryKey.REFUND)
        assert summary == Counter(inside)
    assert await keeper.store.summary(99, None, None, SummaryKey.REFUND) == {}


async def test_a_summary_is_of_one_namespace(keeper: Keeper, cancelled: list[Cancellation]) -> None:
    assert await keeper.store.summary(OTHER, None, None, SummaryKey.REASON) == {"fraud": 1}
    assert await keeper.store.summary(OTHER, None, None, SummaryKey.PROOF) == {"NEVER_STARTED": 1}
    assert await keeper.store.summary(99, None, None, SummaryKey.STATE) == {}
    assert await keeper.store.summary(99, None, None, SummaryKey.PROOF) == {}


@pytest.mark.parametrize(
    "knobs", [{"store.max_scanned_rows": rows} for rows in (1, 2, 3, 10_000)], indirect=True
)
@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_pages_by_reason_make_up_the_whole_newest_first(
    keeper: Keeper, cancelled: list[Cancellation], limit: int
) -> None:
    queries: list[dict[str, Any]] = [{}, {"start_time": cancelled[2].create_time}]
    queries += [{"state": state} for state in CancellationState]
    for reason, more in product(("fraud", "timeout", "ćwiek 🛒", "none"), queries):
        query = CancellationQuery(reason=reason, **more)
        found, before = [], None
        while True:
            page = await keeper.store.cancellations(NS, query, before, limit)
            assert len(page.cancellations) <= limit
            found += page.cancellations
            if page.next_id is None:
                break
            before = page.next_id
        assert found == [record for record in reversed(cancelled) if query.matches(record)]


async def test_a_cancellation_of_each_target_reads_back_with_what_it_covers(
    keeper: Keeper, cancelled: list[Cancellation]
) -> None:
    expected = [IDS[0:1], IDS[1:2], IDS[11:12], IDS[:5], IDS[5:8], IDS[5:11]]
    for record, ids in zip(cancelled, expected, strict=True):
        found = await keeper.store.cancellation(NS, record.cancellation_id)
        assert found is not None
        assert [task.task_id for task in found.covered] == ids
    kinds = [record.target.kind.value for record in cancelled]
    assert kinds == ["TASK", "TASK", "TASK", "GROUP", "CHECKOUT", "ORDER"]
