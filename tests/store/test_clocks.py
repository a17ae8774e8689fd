"""What a store keeps of its two clocks: times that are shown, and times that are judged."""

from collections.abc import Callable

import pytest

from countermand.core.chronicle import Stretch
from countermand.core.commands import NoteClock
from countermand.core.records import SECOND
from countermand.core.states import SummaryKey, TaskState
from countermand.store.contract import Due, Store
from countermand.store.lists import CancellationQuery
from tests.support.ask import NS, T1, T2, cancel, create, reap, renew, start, uid
from tests.support.choosing import looks_at_all
from tests.support.stores import Keeper

HOUR = 3600 * SECOND


async def _restart(keeper: Keeper, make_store: Callable[[], Store]) -> None:
    """Begins a steady clock at the time of the wall clock, as a server that starts does; where
    servers share one, goes on with that."""
    await keeper.store.close()
    keeper.ahead = 0
    keeper.store = make_store()
    steady = await keeper.store.open(keeper.now)
    keeper.ahead = 0 if steady is None else keeper.now - steady


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
async def test_deadlines_and_leases_are_due_by_the_steady_clock(keeper: Keeper, ahead: int) -> None:
    keeper.ahead = ahead
    await keeper.run(
        create(T1), create(T2), start(T1, lease=90 * SECOND), start(T2, "b", lease=30 * SECOND)
    )
    await keeper.run(cancel(T1, grace=60 * SECOND))
    steady = keeper.now - ahead
    assert await keeper.store.next_due() == Due(
        steady + 60 * SECOND, steady + 30 * SECOND, None, None
    )
    await keeper.run(renew("b", lease=HOUR))
    assert await keeper.store.next_due() == Due(
        steady + 60 * SECOND, steady + 90 * SECOND, None, None
    )
    task = await keeper.store.task(NS, T1)
    assert task is not None
    assert (task.deadline_time, task.due_time) == (keeper.now + 60 * SECOND, steady + 60 * SECOND)
    keeper.now += 60 * SECOND - 1
    assert (await keeper.do(reap())).ended == 0
    keeper.now += 1
    assert (await keeper.do(reap())).ended == 1


async def test_expiries_are_due_by_the_wall_clock(keeper: Keeper) -> None:
    keeper.ahead = HOUR
    await keeper.run(create(T1, expire_time=keeper.now + SECOND))
    assert await keeper.store.next_due() == Due(None, None, keeper.now + SECOND, None)
    keeper.now += SECOND
    assert (await keeper.do(reap())).expired == 1


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
async def test_across_a_restart_deadlines_are_due_when_they_say(
    keeper: Keeper, make_store: Callable[[], Store], ahead: int
) -> None:
    if keeper.store.shared is not None:
        pytest.skip("servers share one clock there, which goes on over a restart")
    keeper.ahead = ahead
    await keeper.run(create(T1), create(T2), start(T1, lease=9 * HOUR))
    await keeper.run(cancel(T1, grace=60 * SECOND))
    deadline = keeper.now + 60 * SECOND
    await _restart(keeper, make_store)
    assert (await keeper.store.next_due()).deadline == deadline
    task = await keeper.store.task(NS, T1)
    assert task is not None
    assert (task.version, task.deadline_time) == (3, deadline)
    keeper.now = deadline - 1
    assert (await keeper.do(reap())).ended == 0
    keeper.now = deadline
    assert (await keeper.do(reap())).ended == 1


async def test_stops_are_in_the_order_in_which_they_are_due(keeper: Keeper) -> None:
    ids = [uid(number) for number in range(1, 4)]
    await keeper.run(*[create(id) for id in ids])
    await keeper.run(*[start(id) for id in ids])
    for id, ahead, grace in zip(ids, (0, HOUR, -HOUR), (30, 20, 40), strict=True):
        keeper.now += ahead - keeper.ahead
        keeper.ahead = ahead
        await keeper.run(cancel(id, grace=grace * SECOND))
    stops = await keeper.store.stops(NS, "agent-1", 2)
    assert [stop.task_id for stop in stops] == [ids[1], ids[0]]


async def test_what_was_noted_last_of_the_running_time_is_kept(
    keeper: Keeper, make_store: Callable[[], Store]
) -> None:
    assert await keeper.store.clock_stretches() == []
    first = Stretch(0, 5 * SECOND, keeper.now)
    later = [Stretch(3, 9 * SECOND, keeper.now + 1), Stretch(9 * SECOND, 9 * SECOND, 7)]
    await keeper.run(NoteClock(0, (first,)))
    await keeper.run(NoteClock(0, tuple(later)), create(T1))
    assert await keeper.store.clock_stretches() == later
    await _restart(keeper, make_store)
    assert await keeper.store.clock_stretches() == later
    await keeper.run(NoteClock(0, tuple([Stretch(0, 1, 2)] * 3000)))
    assert len(await keeper.store.clock_stretches()) == 3000


@looks_at_all
@pytest.mark.parametrize("span", [2 * HOUR, 61 * SECOND, SECOND])
async def test_cancellations_are_found_by_their_times_though_their_ids_are_ahead(
    keeper: Keeper, make_store: Callable[[], Store], span: int
) -> None:
    made = {}
    for number in range(1, 9):
        if number == 5:
            keeper.now -= span  # the clock is set back; ids grow on
        task_id = uid(number)
        await keeper.run(create(task_id), start(task_id))
        answer = await keeper.do(cancel(task_id, reason=f"reason-{number % 2}"))
        made[number] = answer.cancellation
        keeper.now += SECOND
    ids = [made[number].cancellation_id for number in made]
    assert ids == sorted(ids)
    for _ in range(2):
        for first in made.values():
            for last in made.values():
                begin, end = first.create_time, last.create_time + 1
                chosen = [
                    one.cancellation_id for one in made.values() if begin <= one.create_time < end
                ]
                query = CancellationQuery(start_time=begin, end_time=end)
                page = await keeper.store.cancellations(NS, query, None, 100)
                assert [one.cancellation_id for one in page.cancellations] == chosen[::-1]
                counts = await keeper.store.summary(NS, begin, end, SummaryKey.REASON)
                assert sum(counts.values()) == len(chosen)
        await _restart(keeper, make_store)


async def test_a_task_that_has_ended_is_due_no_more(keeper: Keeper) -> None:
    await keeper.run(create(T1), start(T1), cancel(T1, grace=0))
    await keeper.run(reap())
    task = await keeper.store.task(NS, T1)
    assert task is not None
    assert task.state is TaskState.CANCELLED
    due = await keeper.store.next_due()
    assert due.deadline is None
