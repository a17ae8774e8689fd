"""Settlements and late words of money: kept over a restart, and removed with their task."""

from collections.abc import Callable

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import Settlement
from countermand.core.retention import DAY
from countermand.core.states import ChargeState, RefundState
from countermand.store.contract import Store
from countermand.store.lists import TaskQuery
from tests.support.ask import (
    NS,
    O1,
    OTHER,
    R1,
    R2,
    T1,
    T2,
    X1,
    acknowledged,
    cancel,
    cancel_order,
    charge,
    charged,
    create,
    create_checkout,
    create_order,
    settle,
    start,
    target,
)
from tests.support.stores import Keeper, shown

KEPT = 30 * DAY
OWED = ([create(T1)], [start(T1), charge(T1)], [cancel(T1)], [acknowledged(T1)])


async def _play(keeper: Keeper, *batches: object) -> None:
    for batch in batches:
        await keeper.run(*batch)  # type: ignore[misc]


async def test_a_settlement_is_kept_with_all_that_it_says_over_a_restart(
    keeper: Keeper, make_store: Callable[[], Store]
) -> None:
    await _play(keeper, *OWED)
    said = {"amount": (1 << 63) - 1, "currency": "€", "note": 'it\'s "back"\n🛒'}
    answer = await keeper.do(settle(T1, **said, request_id=R1, by="key-7"))
    settlement = Settlement(RefundState.REFUNDED, *said.values(), "key-7", keeper.now, R1)
    assert answer.task.settlement == settlement
    await keeper.store.close()
    again = Keeper(make_store())
    await again.store.open(again.now)
    task = await again.store.task(NS, T1)
    assert task is not None
    assert task == answer.task.evolve(number=task.number)
    assert (await again.do(settle(T1, **said, request_id=R1, by="key-7"))).replayed
    with pytest.raises(Refused) as refusal:
        await again.do(cancel(T1, request_id=R1))
    assert refusal.value.reason is Reason.REQUEST_ID_CONFLICT
    await again.store.close()


async def test_each_version_has_the_settlement_that_there_was_then(keeper: Keeper) -> None:
    told = []
    for batch in (
        *OWED,
        [settle(T1, amount=5, request_id=R1)],
        [charged(T1)],
        [settle(T1, RefundState.NOT_OWED, request_id=R2)],
        [charged(T1, ChargeState.VOIDED)],
    ):
        keeper.now += 1
        events = (await keeper.commit(batch)).saves.events
        told += [event.task for event in events if event.task is not None]
    history = await keeper.store.history(NS, T1, 0, 100)
    assert history is not None
    versions = [event.task for event in history.events if event.task is not None]
    assert list(map(shown, versions)) == list(map(shown, told))
    amounts = [task.settlement and task.settlement.amount for task in versions]
    assert amounts == [None] * 5 + [5, 5, None, None]


async def test_request_ids_of_settlements_go_with_their_task_alone(keeper: Keeper) -> None:
    await _play(keeper, *OWED, [settle(T1, request_id=R1)], [charged(T1)])
    await _play(keeper, [settle(T1, RefundState.NOT_OWED, request_id=R2)])
    keeper.now += 20 * DAY
    await keeper.run(create(T2))
    await _play(keeper, [create(T1, ns=OTHER)], [start(T1, ns=OTHER), charge(T1, ns=OTHER)])
    await _play(keeper, [cancel(T1, ns=OTHER)], [acknowledged(T1, ns=OTHER)])
    theirs = settle(T1, request_id=R1, ns=OTHER)
    await keeper.run(theirs)
    keeper.now += 10 * DAY
    await keeper.purge(KEPT)
    assert await keeper.store.task(NS, T1) is None
    assert (await keeper.do(theirs)).replayed
    for request_id in (R1, R2):
        await keeper.run(*[create(T1), start(T1), charge(T1)])
        await keeper.run(cancel(T1))
        await keeper.run(acknowledged(T1))
        assert not (await keeper.do(settle(T1, request_id=request_id))).replayed
        keeper.now += 30 * DAY
        await keeper.purge(KEPT)


async def test_what_is_required_is_found_after_the_rest_is_gone_and_goes_at_last(
    keeper: Keeper,
) -> None:
    await keeper.run(create_checkout(T1, T2))
    await keeper.run(create_order(checkout_ids=(X1,)))
    await keeper.run(start(T1), charge(T1), start(T2))
    await keeper.run(cancel_order())
    await keeper.run(acknowledged(T1), acknowledged(T2))
    for days in (30, 269):
        keeper.now += days * DAY
        await keeper.purge(KEPT)
        owed = await keeper.tasks(TaskQuery(refund_state=RefundState.REQUIRED))
        assert [task.task_id for task in owed] == [T1]
        reading = await keeper.store.holder(target("order", O1))
        assert reading is not None
        assert (reading.holder.task_count, reading.holder.owed_count) == (2, 1)
    keeper.now += DAY
    await keeper.purge(KEPT)
    assert await keeper.store.tasks(NS, TaskQuery(), None, 10) == ([], None)
    assert await keeper.store.holder(target("order", O1)) is None
