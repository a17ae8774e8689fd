"""Joins are kept with their cancellation, listed by their count alone, and go with it."""

from collections.abc import Callable

from countermand.core.cancellations import Cancellation, Join
from countermand.core.retention import DAY
from countermand.store.contract import Store
from countermand.store.lists import CancellationQuery
from tests.support.ask import (
    G1,
    NS,
    R2,
    R3,
    T1,
    acknowledged,
    cancel_group,
    create_group,
    start,
    target,
)
from tests.support.stores import Keeper


async def _join_twice(keeper: Keeper) -> Cancellation:
    await keeper.run(create_group(T1), start())
    await keeper.run(cancel_group())
    keeper.now += 1
    await keeper.run(cancel_group(request_id=R2, reason="fraud", message="m", on_behalf_of="b"))
    keeper.now += 1
    joined: Cancellation = (await keeper.do(cancel_group(request_id=R3))).cancellation
    return joined


async def test_joins_are_read_as_they_were_answered_also_after_a_restart(
    keeper: Keeper, make_store: Callable[[], Store]
) -> None:
    joined = await _join_twice(keeper)
    assert joined.joins[0] == Join("key-1", "fraud", "m", "b", R2, keeper.now - 1)
    await keeper.store.close()
    keeper.store = make_store()
    await keeper.store.open(keeper.now)
    found = await keeper.store.cancellation(NS, joined.cancellation_id)
    assert found is not None
    assert found.cancellation == joined
    again = await keeper.do(cancel_group())
    assert again.cancellation.joins[:2] == joined.joins


async def test_a_list_has_the_count_of_the_joins_alone(keeper: Keeper) -> None:
    joined = await _join_twice(keeper)
    for query in (
        CancellationQuery(),
        CancellationQuery(reason=joined.reason),
        CancellationQuery(ids=(joined.cancellation_id,)),
    ):
        (listed,) = await keeper.cancellations(query)
        assert (listed.join_count, listed.joins) == (2, ())


async def test_joins_go_with_their_cancellation(keeper: Keeper) -> None:
    joined = await _join_twice(keeper)
    await keeper.run(acknowledged())
    keeper.now += 30 * DAY
    await keeper.purge(30 * DAY)
    assert await keeper.store.holder(target("group", G1)) is None
    assert await keeper.store.cancellation(NS, joined.cancellation_id) is None
    # The ids are free again, and what takes one finds nothing of before.
    await _join_twice(keeper)
