"""Cancels that wait for their task: they are found by it, kept, and end with their time."""

from collections.abc import Callable
from typing import Any

from countermand.core.cancellations import EARLY_CANCEL_LIFETIME
from countermand.core.errors import Refused
from countermand.core.states import CancellationState, SummaryKey, TaskState
from countermand.store.contract import CancellationReading, Store
from countermand.store.lists import CancellationQuery
from tests.support.ask import (
    G1,
    NS,
    OTHER,
    R1,
    T1,
    T2,
    X1,
    cancel,
    create,
    create_checkout,
    create_group,
    create_order,
    reap,
    start,
    target,
    uid,
)
from tests.support.stores import Keeper

S, C = TaskState, CancellationState


def early(task_id: str = T1, **fields: Any) -> Any:
    return cancel(task_id, allow_missing=True, **fields)


async def _accept(keeper: Keeper, task_id: str = T1, **fields: Any) -> str:
    answer = await keeper.do(early(task_id, **fields))
    record: str = answer.cancellation.cancellation_id
    return record


async def _read(keeper: Keeper, cancellation_id: str) -> CancellationReading:
    reading = await keeper.store.cancellation(NS, cancellation_id)
    assert reading is not None
    return reading


async def test_a_waiting_cancel_is_found_by_its_task_in_its_namespace_alone(
    keeper: Keeper,
) -> None:
    accepted = (await keeper.do(early())).cancellation
    assert await keeper.store.early_cancel(NS, T1) == accepted
    assert await keeper.store.early_cancel(NS, T2) is None
    assert await keeper.store.early_cancel(OTHER, T1) is None
    assert await _read(keeper, accepted.cancellation_id) == (accepted, [])
    await keeper.run(create(T1, ns=OTHER), create(T2))
    assert await keeper.store.early_cancel(NS, T1) == accepted


async def test_a_cancel_that_does_not_wait_is_not_found_so(keeper: Keeper) -> None:
    await keeper.run(create_group(T1), create(T2))
    await keeper.run(start(T1), cancel(T1), cancel(T2))
    for task_id in (T1, T2):
        assert await keeper.store.early_cancel(NS, task_id) is None


async def test_the_task_is_created_cancelled_with_both_versions_in_the_log(keeper: Keeper) -> None:
    record = await _accept(keeper)
    keeper.now += 1
    task = (await keeper.run(create()))[0]
    history = await keeper.store.history(NS, T1, 0, 100)
    assert history is not None
    assert history.task.evolve(number=0) == task.evolve(number=0)
    assert [event.task.state for event in history.events if event.task] == [S.PENDING, S.CANCELLED]
    reading = await _read(keeper, record)
    assert (reading.cancellation.state, reading.covered) == (C.SUCCEEDED, [history.task])
    assert reading.cancellation.end_time == keeper.now
    assert await keeper.store.early_cancel(NS, T1) is None


async def test_it_is_kept_over_a_restart(keeper: Keeper, make_store: Callable[[], Store]) -> None:
    record = await _accept(keeper, request_id=R1)
    before = await _read(keeper, record)
    await keeper.store.close()
    keeper.store = make_store()
    await keeper.store.open(keeper.now)
    assert await _read(keeper, record) == before
    again = await keeper.do(early(request_id=R1))
    assert (again.replayed, again.target, again.cancellation) == (True, None, before.cancellation)
    assert (await keeper.do(create())).cancellation_id == record


async def test_one_that_waits_is_joined_in_a_later_commit(keeper: Keeper) -> None:
    record = await _accept(keeper)
    assert await _accept(keeper, request_id=R1, reason="fraud") == record
    assert await _accept(keeper, T2) != record


async def test_among_many_new_tasks_those_are_stopped_that_were_cancelled_before(
    keeper: Keeper,
) -> None:
    many = [uid(number) for number in range(1, 2_501)]
    before = many[::500]
    await keeper.run(*[early(id) for id in before])
    answer = await keeper.do(create_group(*many))
    assert [task.task_id for task in answer.tasks if task.ended] == before
    group = await keeper.store.holder(target("group", G1))
    assert group is not None
    assert group.holder == answer.group
    assert group.counts == {S.PENDING: 2_495, S.CANCELLED: 5}


async def test_checkouts_and_orders_read_back_with_tasks_that_were_cancelled_before(
    keeper: Keeper,
) -> None:
    await keeper.run(early(T1), early(T2))
    checkout = (await keeper.do(create_checkout(T1))).checkout
    order = (await keeper.do(create_order(T2, checkout_ids=(X1,)))).order
    for holder, ended in ((checkout, 1), (order, 2)):
        found = await keeper.store.holder(holder.target)
        assert found is not None
        assert found.counts == {S.CANCELLED: ended}
        assert (found.holder.live_count, found.holder.open) == (0, True)


async def test_its_end_is_due_after_its_lifetime(keeper: Keeper) -> None:
    await _accept(keeper)
    accepted = keeper.now
    keeper.now += 5
    await _accept(keeper, T2)
    assert await keeper.next_due() == accepted + EARLY_CANCEL_LIFETIME
    await keeper.run(create(T1))
    assert await keeper.next_due() == keeper.now + EARLY_CANCEL_LIFETIME
    keeper.now += EARLY_CANCEL_LIFETIME
    assert (await keeper.do(reap())).too_late == 1
    assert await keeper.next_due() is None


async def test_the_reaper_ends_them_in_every_namespace_and_so_many_at_once(
    keeper: Keeper,
) -> None:
    made = [await _accept(keeper, uid(number)) for number in range(1, 6)]
    await keeper.run(early(ns=OTHER))
    keeper.now += EARLY_CANCEL_LIFETIME - 1
    assert (await keeper.do(reap(2))).too_late == 0
    keeper.now += 1
    reaped = [await keeper.do(reap(2)) for _ in range(4)]
    assert [(each.too_late, each.more) for each in reaped] == [(2, True)] * 3 + [(0, False)]
    for id in made:
        record = (await _read(keeper, id)).cancellation
        assert (record.state, record.end_time, record.live_count) == (C.TOO_LATE, keeper.now, 0)


async def test_a_task_that_came_too_late_is_none_of_its_results(keeper: Keeper) -> None:
    late = await _accept(keeper)
    keeper.now += EARLY_CANCEL_LIFETIME
    task = await keeper.do(create())
    assert task.state is S.PENDING
    record = (await keeper.do(cancel())).cancellation.cancellation_id
    assert [(await _read(keeper, id)).cancellation.state for id in (late, record)] == [
        C.TOO_LATE,
        C.SUCCEEDED,
    ]
    assert (await _read(keeper, late)).covered == []
    assert [task.task_id for task in (await _read(keeper, record)).covered] == [T1]


async def test_one_that_ends_and_one_that_begins_for_the_same_task_share_a_commit(
    keeper: Keeper,
) -> None:
    first = await _accept(keeper)
    keeper.now += EARLY_CANCEL_LIFETIME
    second = await _accept(keeper)
    assert (await _read(keeper, first)).cancellation.state is C.TOO_LATE
    found = await keeper.store.early_cancel(NS, T1)
    assert found is not None
    assert found.cancellation_id == second


async def test_lists_and_summaries_have_them_in_the_state_that_they_are_in(keeper: Keeper) -> None:
    vain = await _accept(keeper, uid(1))
    keeper.now += EARLY_CANCEL_LIFETIME
    await keeper.run(reap())
    waiting, done = await _accept(keeper, uid(2)), await _accept(keeper, uid(3))
    await keeper.run(create(uid(3)))
    for state, ids in ((C.TOO_LATE, [vain]), (C.IN_PROGRESS, [waiting]), (C.SUCCEEDED, [done])):
        found = await keeper.cancellations(CancellationQuery(state=state))
        assert [one.cancellation_id for one in found] == ids
    assert await keeper.store.summary(NS, None, None, SummaryKey.STATE) == {
        "TOO_LATE": 1,
        "IN_PROGRESS": 1,
        "SUCCEEDED": 1,
    }
    assert await keeper.store.summary(NS, None, None, SummaryKey.PROOF) == {"NEVER_STARTED": 1}


async def test_a_refused_creation_leaves_it_waiting(keeper: Keeper) -> None:
    record = await _accept(keeper)
    batch = await keeper.commit([create(group_id=G1)])
    assert isinstance(batch.answers[0], Refused)
    assert (await keeper.do(create())).cancellation_id == record
