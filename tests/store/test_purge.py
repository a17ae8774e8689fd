"""What a purge takes out of a store, and what it leaves as it was."""

from typing import Any

import pytest

from countermand.core import commands as c
from countermand.core.cancellations import EARLY_CANCEL_LIFETIME
from countermand.core.errors import Reason, Refused
from countermand.core.log import Floor, TaskFilter
from countermand.core.records import SECOND
from countermand.core.retention import DAY, Leftover, Spot
from countermand.core.states import SummaryKey, TaskState
from countermand.store.lists import CancellationQuery, TaskQuery
from tests.support.ask import (
    AGENT,
    C1,
    C2,
    FIRST_TIME,
    G1,
    NS,
    O1,
    OTHER,
    R1,
    R2,
    T1,
    T2,
    T3,
    X1,
    XG1,
    acknowledged,
    cancel,
    cancel_group,
    cancel_order,
    change_cart,
    charge,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    failed,
    purge,
    reap,
    start,
    target,
    uid,
)
from tests.support.choosing import looks_at_all
from tests.support.stores import Keeper

ALL = TaskFilter()
KEPT = 30 * DAY
HOLDERS = (("checkout", X1), ("order", O1), ("group", XG1))


async def _sale(keeper: Keeper, ns: int = NS) -> Any:
    """A sale of three tasks, cancelled as a whole. Returns the order's cancellation."""
    await keeper.run(create_checkout(T1, T2, cart_id=C1, ns=ns))
    await keeper.run(create_order(T3, checkout_ids=(X1,), ns=ns))
    await keeper.run(start(T1, ns=ns), start(T3, ns=ns))
    answer = await keeper.do(cancel_order(request_id=R1, ns=ns))
    await keeper.run(cancel(T1, request_id=R2, ns=ns))
    keeper.now += SECOND
    await keeper.run(acknowledged(T1, ns=ns), completed(T3, ns=ns))
    return answer.cancellation


async def test_what_is_gone_is_unknown_to_every_reading(keeper: Keeper) -> None:
    record = await _sale(keeper)
    keeper.now += KEPT
    # Three tasks, the checkout with its group, the order and the cart.
    assert await keeper.purge(KEPT) == 6
    store = keeper.store
    for id in (T1, T2, T3):
        assert await store.task(NS, id) is None
        assert await store.history(NS, id, 0, 100) is None
    for kind, id in HOLDERS:
        assert await store.holder(target(kind, id)) is None
        mark = await store.bookmark(NS, TaskFilter(**{f"{kind}_id": id}))
        assert mark.missing == target(kind, id)
    assert await store.cart(NS, C1) is None
    assert await store.cancellation(NS, record.cancellation_id) is None
    assert await store.cancellations(NS, CancellationQuery(), None, 10) == ([], None)
    for key in SummaryKey:
        assert await store.summary(NS, None, None, key) == {}
    assert await store.tasks(NS, TaskQuery(), None, 10) == ([], None)
    assert (await store.log(NS, ALL, 0, 100)).events == []
    assert await keeper.purge(KEPT) == 0


async def test_its_request_ids_go_with_it_those_that_joined_too(keeper: Keeper) -> None:
    await _sale(keeper)
    keeper.now += KEPT
    await keeper.purge(KEPT)
    await keeper.run(create(T1), start(T1))
    fresh = await keeper.do(cancel(T1, request_id=R2, reason="fraud"))
    assert not fresh.replayed
    with pytest.raises(Refused) as caught:
        await keeper.run(cancel_order(request_id=R1))
    assert caught.value.reason is Reason.ORDER_NOT_FOUND


async def test_all_of_it_can_be_made_again(keeper: Keeper) -> None:
    for _ in range(2):
        await _sale(keeper)
        keeper.now += KEPT
        assert await keeper.purge(KEPT) == 6


async def test_what_is_young_stays_as_it_was(keeper: Keeper) -> None:
    await _sale(keeper, OTHER)
    keeper.now += 20 * DAY
    record = await _sale(keeper)
    await keeper.run(change_cart(C2))

    async def everything() -> list[Any]:
        holders = [await keeper.store.holder(target(kind, id)) for kind, id in HOLDERS]
        tasks = [await keeper.store.history(NS, id, 0, 100) for id in (T1, T2, T3)]
        carts = [await keeper.store.cart(NS, id) for id in (C1, C2)]
        found = await keeper.store.cancellation(NS, record.cancellation_id)
        log = (await keeper.store.log(NS, ALL, 0, 100)).events
        return [holders, tasks, carts, found, log]

    before = await everything()
    keeper.now += 10 * DAY
    assert await keeper.purge(KEPT) == 6
    assert await everything() == before
    assert (await keeper.do(cancel_order(request_id=R1))).replayed
    assert (await keeper.do(cancel(T1, request_id=R2))).replayed
    assert await keeper.store.task(OTHER, T1) is None


async def test_a_lost_agent_goes_and_starts_again_like_a_new_one(keeper: Keeper) -> None:
    await keeper.run(create(T1), start(T1, lease=SECOND))
    keeper.now += SECOND
    await keeper.run(reap())
    keeper.now += KEPT
    assert await keeper.purge(KEPT) == 2
    assert await keeper.do(c.RenewLease(NS, AGENT, SECOND)) is False
    await keeper.run(create(T1), start(T1))
    assert await keeper.do(c.RenewLease(NS, AGENT, SECOND)) is True
    keeper.now += KEPT
    assert await keeper.purge(KEPT) == 0


# The log.


async def _log_of_three(keeper: Keeper) -> None:
    """T1 lives on, T2 ended long ago, T3 a while later: versions 1, 2, 3, 4, 6, 7 and 8, and T2's
    cancel 5, the group's closing and cancel 9 and 10."""
    await keeper.run(create(T1), create(T2), create_group(T3))
    keeper.now += SECOND
    await keeper.run(cancel(T2), start(T1))
    keeper.now += SECOND
    await keeper.run(start(T3), completed(T3), cancel_group())
    keeper.now += SECOND
    await keeper.run(create(uid(9)))


@looks_at_all
async def test_the_floor_is_the_last_event_that_went_and_above_it_all_are_kept(
    keeper: Keeper,
) -> None:
    await _log_of_three(keeper)
    keeper.now += KEPT - 2 * SECOND
    for floor, left in (
        (Floor(5, FIRST_TIME + SECOND), [1, 3, 6, 7, 8, 11]),
        (Floor(10, FIRST_TIME + 2 * SECOND), [1, 6, 11]),
    ):
        await keeper.purge(KEPT)
        page = await keeper.store.log(NS, ALL, 0, 100)
        assert [event.seq for event in page.events] == left
        assert page.mark.floor == floor
        assert (page.mark.seq, page.mark.time) == (11, FIRST_TIME + 3 * SECOND)
        keeper.now += SECOND
    assert (await keeper.store.bookmark(OTHER, ALL)).floor == Floor()


async def test_a_task_that_is_kept_has_all_its_versions_also_below_the_floor(
    keeper: Keeper,
) -> None:
    await _log_of_three(keeper)
    keeper.now += KEPT
    await keeper.purge(KEPT)
    history = await keeper.store.history(NS, T1, 0, 100)
    assert history is not None
    assert [event.task.version for event in history.events if event.task] == [1, 2]
    mark = await keeper.store.bookmark(NS, ALL)
    snapshot = await keeper.store.snapshot(NS, ALL, mark._replace(seq=1), 0, 10)
    assert [(task.task_id, task.version) for task in snapshot.tasks] == [(T1, 1)]


async def test_an_event_has_its_time_as_long_as_it_is_kept(keeper: Keeper) -> None:
    await _log_of_three(keeper)
    keeper.now += KEPT
    times = {1: 0, 4: 1, 5: 1, 9: 2, 10: 2, 11: 3}
    for seq, seconds in times.items():
        assert await keeper.store.event_time(NS, seq) == FIRST_TIME + seconds * SECOND
    await keeper.purge(KEPT)
    assert [await keeper.store.event_time(NS, seq) for seq in (-1, 0, 4, 5, 9, 10, 12)] == [
        None
    ] * 7
    assert await keeper.store.event_time(NS, 1) == FIRST_TIME
    assert await keeper.store.event_time(OTHER, 1) is None


async def test_the_end_of_a_log_of_which_all_is_gone_is_its_floor(keeper: Keeper) -> None:
    await keeper.run(create(T1), cancel(T1))
    keeper.now += KEPT
    await keeper.purge(KEPT)
    mark = await keeper.store.bookmark(NS, ALL)
    assert (mark.seq, mark.time, mark.floor) == (3, FIRST_TIME, Floor(3, FIRST_TIME))


@looks_at_all
async def test_places_in_the_log_are_not_given_out_again(keeper: Keeper, make_store: Any) -> None:
    await keeper.run(create(T1), create(T2), cancel(T1), cancel(T2))
    keeper.now += KEPT
    await keeper.purge(KEPT)
    await keeper.store.close()
    keeper.store = make_store()
    await keeper.store.open(keeper.now)
    await keeper.run(create(T3), create(T1))
    page = await keeper.store.log(NS, ALL, 0, 100)
    assert [event.seq for event in page.events] == [7, 8]
    assert [task.task_id for task in await keeper.tasks()] == [T1, T3]


# Pieces.


async def test_a_group_that_goes_in_pieces_always_counts_what_is_left(keeper: Keeper) -> None:
    ids = [uid(number) for number in range(1, 1001)]
    await keeper.run(create_group(*ids), *[start(id) for id in ids[:100]])
    await keeper.run(*[completed(id) for id in ids[:50]])
    record = (await keeper.do(cancel_group(request_id=R1))).cancellation
    await keeper.run(*[acknowledged(id) for id in ids[50:100]])
    keeper.now += KEPT
    left, after = 1000, Spot()
    while after is not None:
        answer = await keeper.do(purge(Leftover.TASK, keeper.now - KEPT, after=after, limit=70))
        after, left = answer.after, left - answer.removed
        found = await keeper.store.holder(target("group", G1))
        assert found is not None
        assert found.holder.task_count == sum(found.counts.values()) == left
        assert found.holder.completed_count == found.counts.get(TaskState.COMPLETED, 0)
        reading = await keeper.store.cancellation(NS, record.cancellation_id)
        assert reading is not None
        assert len(reading.covered) == left
        assert reading.cancellation.stopped_count == 950
        assert (await keeper.do(cancel_group(request_id=R1))).replayed
    assert left == 0
    await keeper.purge(KEPT)
    assert await keeper.store.holder(target("group", G1)) is None


@pytest.mark.parametrize("kind", list(Leftover))
async def test_a_search_finds_the_oldest_first_and_goes_on_where_it_came_to(
    keeper: Keeper, kind: Leftover
) -> None:
    makers = {
        Leftover.TASK: lambda n: [create(uid(n)), start(uid(n)), completed(uid(n))],
        Leftover.OWED_TASK: lambda n: [
            create(uid(n)),
            start(uid(n)),
            charge(uid(n)),
            failed(uid(n)),
        ],
        Leftover.GROUP: lambda n: [create_group(group_id=uid(n))],
        Leftover.CHECKOUT: lambda n: [create_checkout(checkout_id=f"x{n}")],
        Leftover.ORDER: lambda n: [create_order(order_id=f"o{n}")],
        Leftover.CANCELLATION: lambda n: [cancel(uid(n), allow_missing=True)],
        Leftover.CART: lambda n: [change_cart(f"c{n}")],
        Leftover.AGENT: lambda n: [
            create(uid(n)),
            start(uid(n), f"agent-{n}", lease=1),
            completed(uid(n)),
        ],
        Leftover.EVENT: lambda n: [
            create_group(uid(n), group_id=uid(100 + n)),
            cancel(uid(n)),
            cancel_group(uid(100 + n)),
        ],
    }
    for number in range(1, 8):  # two at each instant
        keeper.now += 10 * (number % 2)
        for command in makers[kind](number):
            await keeper.run(command)
        wait = EARLY_CANCEL_LIFETIME if kind is Leftover.CANCELLATION else 1
        keeper.now += wait
        await keeper.run(reap())
        keeper.now -= wait
    keeper.now += wait - 1
    last, found, after = keeper.now + 1, [], Spot()
    while after is not None:
        answer = await keeper.do(purge(kind, last - 10, after=after, limit=2))
        assert answer.after is None or answer.after > after
        found.append(answer.removed)
        after = answer.after
    assert found == [2, 2, 2, 0]
    assert (await keeper.do(purge(kind, last))).removed == 1
