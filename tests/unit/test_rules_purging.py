"""What goes once it is old, what goes with it, and what keeps it."""

from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.log import Floor
from countermand.core.records import SECOND
from countermand.core.retention import DAY, Leftover
from countermand.core.states import CancellationState, CheckoutState
from tests.support.ask import (
    AGENT,
    C1,
    C2,
    FIRST_TIME,
    G1,
    NS,
    O1,
    O2,
    OTHER,
    R1,
    R2,
    T1,
    T2,
    T3,
    X1,
    X2,
    XG1,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_group,
    cancel_order,
    change_cart,
    charge,
    charged,
    complete,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    failed,
    purge,
    reap,
    settle,
    start,
    uid,
    update_order,
)
from tests.support.world import World

KEPT = 30 * DAY


def _later(days: float, *steps: Any) -> World:
    """Returns a world in which all of this happened so many days ago."""
    world = World()
    world.do_all(*steps)
    world.now += int(days * DAY)
    return world


def _left(world: World) -> dict[str, list[str]]:
    """Returns the ids of all that is kept."""
    kinds = {"tasks": world.tasks, "carts": world.carts, "agents": world.agents}
    found = {name: [id for _, id in rows] for name, rows in kinds.items()}
    found["holders"] = [one.id for one in world.holders]
    found["cancellations"] = [world.cancellations[key].target.id for key in world.cancellations]
    found["request_ids"] = [id for _, id in world.request_ids]
    return {name: ids for name, ids in found.items() if ids}


# Tasks.


@pytest.mark.parametrize(
    "end",
    [
        [cancel(T1, request_id=R1)],
        [start(T1), completed(T1)],
        [start(T1), failed(T1)],
        [start(T1), cancel(T1, request_id=R1), acknowledged(T1)],
    ],
    ids=["never started", "completed", "failed", "acknowledged"],
)
def test_an_ended_task_goes_with_its_events_its_cancellation_and_its_request_ids(end: Any) -> None:
    world = _later(30, create(T1), *end)
    world.agents.clear()
    last = world.task(T1)
    world.now -= 1
    assert world.purge(KEPT) == 0
    world.now += 1
    assert world.purge(KEPT) == 1
    assert _left(world) == {}
    assert world.events == []
    assert world.records == []
    assert last.seq <= world.positions[NS]
    assert world.floors == {NS: Floor(world.positions[NS], FIRST_TIME)}


def test_the_retention_is_counted_from_the_end_and_not_from_the_beginning() -> None:
    world = _later(30, create(T1), start(T1))
    world.do(completed(T1))
    world.now += 30 * DAY - 1
    assert world.purge(KEPT) == 0
    world.now += 1
    assert world.purge(KEPT) == 1


@pytest.mark.parametrize(
    "steps", [[], [start(T1)], [start(T1), cancel(T1, request_id=R1)]], ids=["new", "run", "stop"]
)
def test_a_live_task_never_goes_and_keeps_all_that_it_is_under(steps: Any) -> None:
    world = _later(1000, create_checkout(T1, cart_id=C1), create_order(checkout_ids=(X1,)), *steps)
    before = world.rows()
    assert world.purge(KEPT) == 0
    assert world.rows() == before


def test_an_id_that_went_is_free_again() -> None:
    world = _later(30, create(T1), cancel(T1, request_id=R1))
    world.purge(KEPT)
    assert world.do(create(T1)).version == 1
    assert not world.do(cancel(T1, request_id=R1, reason="fraud")).replayed


def test_each_namespace_loses_what_is_its_own_and_has_its_own_floor() -> None:
    world = _later(20, create(T1, ns=OTHER), create(T2), create(T3, ns=OTHER), cancel(T3, ns=OTHER))
    world.do_all(cancel(T1, ns=OTHER), cancel(T2))
    world.now += 10 * DAY
    world.purge(KEPT)
    assert sorted(world.tasks) == [(NS, T2), (OTHER, T1)]
    assert world.floors == {OTHER: Floor(4, FIRST_TIME)}


# Money.

OWED = (create(T1), start(T1), charge(T1), cancel(T1, request_id=R1), acknowledged(T1))


def test_the_retention_is_counted_from_the_newest_version() -> None:
    world = _later(29, create(T1), start(T1), completed(T1))
    world.do(charged(T1))
    world.now += 30 * DAY - 1
    assert world.purge(KEPT) == 0
    world.now += 1
    assert world.purge(KEPT) == 1


def test_a_task_whose_refund_is_required_stays_until_it_is_settled() -> None:
    world = _later(290, *OWED)
    world.agents.clear()
    assert world.purge(KEPT) == 0
    world.do(settle(T1, request_id=R2))
    world.now += 30 * DAY - 1
    assert world.purge(KEPT) == 0
    assert world.do(settle(T1, request_id=R2)).replayed
    world.now += 1
    assert world.purge(KEPT) == 1
    assert _left(world) == {}
    assert world.events == []


def test_nobody_settles_for_ten_retentions_and_then_it_goes() -> None:
    world = _later(300, *OWED)
    world.agents.clear()
    world.now -= 1
    assert world.purge(KEPT) == 0
    world.now += 1
    assert world.purge(KEPT) == 1
    assert _left(world) == {}


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_a_required_refund_keeps_the_whole_cancel_and_what_it_covered(limit: int) -> None:
    world = _later(
        200,
        create_checkout(T1, T2, cart_id=C1),
        create_order(checkout_ids=(X1,)),
        *(start(T1), charge(T1), start(T2)),
        cancel_order(),
        *(acknowledged(T1), acknowledged(T2)),
    )
    world.agents.clear()
    before = _left(world)
    assert world.purge(KEPT, limit) == 1  # the cart, which is free again
    assert _left(world) == {name: ids for name, ids in before.items() if name != "carts"}
    world.do(settle(T1))
    world.now += 30 * DAY - 1
    assert world.purge(KEPT, limit) == 0
    world.now += 1
    world.purge(KEPT, limit)
    assert _left(world) == {}


def test_after_ten_retentions_all_goes_though_nobody_settled() -> None:
    world = _later(
        300,
        create_checkout(T1, T2),
        create_order(checkout_ids=(X1,)),
        *(start(T1), charge(T1), start(T2)),
        cancel_order(),
        *(acknowledged(T1), acknowledged(T2)),
    )
    world.agents.clear()
    world.purge(KEPT)
    assert _left(world) == {}


def test_an_order_that_changed_since_keeps_for_a_retention_and_not_for_ten() -> None:
    world = _later(290, create_order(T1), start(T1), charge(T1), cancel_order(), acknowledged(T1))
    world.agents.clear()
    world.do(update_order(data=b"refunded"))
    world.now += 20 * DAY
    world.purge(KEPT)
    assert _left(world)["tasks"] == [T1]
    world.now += 10 * DAY
    world.purge(KEPT)
    assert _left(world) == {}


def test_a_word_about_the_money_of_one_task_keeps_all_of_its_checkout() -> None:
    world = _later(29, create_checkout(T1, T2), start(T1), start(T2), completed(T1), completed(T2))
    world.do(charged(T1))
    world.now += 10 * DAY
    world.purge(KEPT)
    assert _left(world)["tasks"] == [T1, T2]
    world.do(cancel_checkout())
    assert world.checkout(X1).state is CheckoutState.PARTIALLY_CANCELLED


# Groups.


def test_the_old_tasks_of_a_group_go_one_by_one_and_it_counts_those_that_are_left() -> None:
    world = _later(20, create_group(T1, T2, T3), start(T1), start(T2), completed(T1))
    world.do(completed(T2))
    version, time = world.group(G1).version, world.group(G1).update_time
    world.now += 10 * DAY
    assert world.purge(KEPT) == 1
    group = world.group(G1)
    assert (group.task_count, group.live_count, group.completed_count) == (2, 1, 1)
    assert (group.version, group.update_time) == (version, time)


def test_a_group_goes_when_its_tasks_are_gone_and_it_has_not_changed_for_as_long() -> None:
    world = _later(20, create_group(T1), cancel(T1))
    world.do(create(T2, G1))
    world.do(cancel(T2))
    world.now += 10 * DAY
    world.purge(KEPT)
    assert _left(world)["holders"] == [G1]
    world.now += 20 * DAY
    world.purge(KEPT)
    assert _left(world) == {}


@pytest.mark.parametrize("closed", [False, True])
def test_an_empty_group_that_nobody_touched_goes_open_or_closed(closed: bool) -> None:
    world = _later(30, create_group(closed=closed))
    assert world.purge(KEPT) == 1
    assert _left(world) == {}


def test_what_a_cancel_covered_stays_until_the_cancel_is_old() -> None:
    """Its results are whole, also those of tasks that had ended long before."""
    world = _later(29, create_group(T1, T2), start(T1), completed(T1), start(T2))
    record = world.do(cancel_group(grace=SECOND)).cancellation
    world.now += 5 * DAY
    world.purge(KEPT)
    assert _left(world)["tasks"] == [T1, T2]
    assert world.cancellation(record.cancellation_id).state is CancellationState.IN_PROGRESS
    world.do(acknowledged(T2))
    assert world.cancellation(record.cancellation_id).state is CancellationState.PARTIAL
    world.now += 30 * DAY - 1
    world.purge(KEPT)
    assert _left(world)["tasks"] == [T1, T2]
    world.now += 1
    assert world.purge(KEPT) == 3
    assert set(_left(world)) == {"agents"}


def test_a_request_id_that_joined_an_ended_cancel_keeps_all_for_as_long_again() -> None:
    world = _later(29, create_group(T1), cancel_group(request_id=R1))
    joined = cancel_group(request_id=R2, reason="fraud")
    world.do(joined)
    world.now += 30 * DAY - 1
    assert world.purge(KEPT) == 0
    answer = world.do(joined)
    assert (answer.replayed, len(answer.covered)) == (True, 1)
    world.now += 1
    world.purge(KEPT)
    assert _left(world) == {}


def test_with_the_shortest_retention_a_request_id_is_answered_for_24_hours() -> None:
    world = _later(1, create_group(T1), cancel_group(request_id=R1))
    world.do(cancel_group(request_id=R2))
    world.now += DAY - 1
    world.purge(DAY)
    assert world.do(cancel_group(request_id=R2)).replayed


def test_a_request_id_that_joined_a_running_cancel_goes_with_it() -> None:
    world = _later(0, create_group(T1), start(T1), cancel_group(request_id=R1))
    world.do_all(cancel_group(request_id=R2), acknowledged(T1))
    world.now += 30 * DAY
    world.purge(KEPT)
    assert set(_left(world)) == {"agents"}


# Checkouts and carts.


@pytest.mark.parametrize(
    "end",
    [
        [complete(), start(T1), start(T2), completed(T1), failed(T2)],
        [cancel_checkout(request_id=R1)],
        [start(T1), completed(T1), cancel_checkout()],
        [cancel_checkout(C1, by_cart=True), create_checkout(checkout_id=X2, cart_id=C1)],
    ],
    ids=["completed", "cancelled", "partly", "taken over"],
)
def test_a_checkout_goes_with_its_tasks_its_group_and_the_cart_that_it_has(end: Any) -> None:
    world = _later(30, create_checkout(T1, T2, cart_id=C1), *end)
    world.agents.clear()
    world.purge(KEPT)
    assert _left(world) == {}


def test_a_completed_task_stays_while_its_checkout_may_still_be_cancelled() -> None:
    world = _later(31, create_checkout(T1, T2), start(T1), completed(T1))
    world.purge(KEPT)
    assert _left(world)["tasks"] == [T1, T2]
    answer = world.do(cancel_checkout())
    assert answer.target.state is CheckoutState.PARTIALLY_CANCELLED
    assert len(answer.covered) == 2


def test_an_open_checkout_that_nobody_touched_goes_with_its_cart() -> None:
    world = _later(30, create_checkout(T1, cart_id=C1), start(T1), failed(T1))
    world.agents.clear()
    assert world.purge(KEPT) == 2
    assert _left(world) == {}


def test_a_checkout_stays_as_long_as_its_group() -> None:
    world = _later(20, create_checkout(), create_group(checkout_id=X1))
    world.do(cancel_group())
    world.now += 10 * DAY
    world.purge(KEPT)
    assert _left(world)["holders"] == [X1, G1]
    world.now += 20 * DAY
    world.purge(KEPT)
    assert _left(world) == {}


def test_a_cart_that_a_checkout_has_stays_with_it() -> None:
    world = _later(40, create_checkout(T1, cart_id=C1), create_checkout(cart_id=C2, checkout_id=X2))
    world.do(complete(X2))
    world.purge(KEPT)
    assert sorted(_left(world)["carts"]) == [C1, C2]


def test_a_cart_that_none_has_goes_by_its_last_change() -> None:
    world = _later(20, create_checkout(cart_id=C1), cancel_checkout(), change_cart(C2))
    world.do(change_cart(C1, b"later"))
    world.now += 10 * DAY
    world.purge(KEPT)
    assert _left(world) == {"carts": [C1]}
    world.now += 20 * DAY
    world.purge(KEPT)
    assert _left(world) == {}


def test_a_checkout_that_is_yet_to_expire_stays() -> None:
    world = _later(40, create_checkout(cart_id=C1, expire_time=FIRST_TIME + 50 * DAY))
    assert world.purge(KEPT) == 0
    world.now += 10 * DAY
    world.do(reap())
    assert world.purge(KEPT) == 0
    world.now += 30 * DAY
    world.purge(KEPT)
    assert _left(world) == {}


# Orders.


@pytest.mark.parametrize("first", [Leftover.GROUP, Leftover.CHECKOUT])
def test_an_order_goes_after_its_tasks_groups_and_checkouts(first: Leftover) -> None:
    world = _later(
        30,
        create_checkout(T1),
        create_order(T2, checkout_ids=(X1,)),
        create_group(T3, order_id=O1),
        cancel_order(request_id=R1),
    )
    before = world.now - KEPT
    second = Leftover.CHECKOUT if first is Leftover.GROUP else Leftover.GROUP
    goes = {Leftover.GROUP: {G1}, Leftover.CHECKOUT: {X1, XG1}}
    for kind, holders in (
        (Leftover.ORDER, {X1, XG1, O1, G1}),
        (Leftover.TASK, {X1, XG1, O1, G1}),
        (Leftover.ORDER, {X1, XG1, O1, G1}),
        (first, {X1, XG1, O1, G1} - goes[first]),
        (Leftover.ORDER, {X1, XG1, O1, G1} - goes[first]),
        (second, {O1}),
    ):
        world.do(purge(kind, before))
        left = _left(world)
        assert set(left["holders"]) == holders, kind
        assert (left["cancellations"], left["request_ids"]) == ([O1], [R1])
    assert world.order(O1).checkout_ids == ()
    world.do(purge(Leftover.ORDER, before))
    assert _left(world) == {}


@pytest.mark.parametrize("ids", [[T1], []], ids=["with a task", "without"])
def test_a_checkout_stays_as_long_as_an_order_that_lists_it(ids: list[str]) -> None:
    world = _later(
        29,
        create_checkout(*ids),
        create_order(checkout_ids=(X1,)),
        create_order(order_id=O2, checkout_ids=(X1,)),
        cancel_checkout(request_id=R1),
    )
    world.do(update_order(O2, data=b"paid back"))
    world.now += 30 * DAY - 1
    before = _left(world)
    world.purge(KEPT)
    assert _left(world) == before
    world.now += 1
    world.purge(KEPT)
    assert _left(world) == {}


def test_a_snapshot_that_changes_after_the_cancel_keeps_what_the_cancel_covered() -> None:
    world = _later(20, create_order(T1), cancel_order(request_id=R1))
    world.do(update_order(data=b"paid back"))
    world.now += 10 * DAY
    assert world.purge(KEPT) == 0
    world.now += 20 * DAY
    assert world.purge(KEPT) == 2
    assert _left(world) == {}


def test_the_old_tasks_of_an_order_that_lives_go_one_by_one() -> None:
    world = _later(30, create_order(T1, T2), start(T1), completed(T1))
    world.purge(KEPT)
    assert _left(world)["tasks"] == [T2]
    order = world.order(O1)
    assert (order.task_count, order.live_count, order.completed_count) == (1, 1, 0)


@pytest.mark.parametrize("steps", [[], [update_order(close=True)]], ids=["open", "closed"])
def test_an_order_without_tasks_that_nobody_touched_goes(steps: Any) -> None:
    world = _later(30, create_order(), *steps)
    world.purge(KEPT)
    assert _left(world) == {}


# Cancels that came before their task.


def test_a_cancel_that_waits_for_its_task_stays() -> None:
    world = _later(1, cancel(T1, allow_missing=True, request_id=R1))
    kept = _left(world)
    world.purge(0)
    assert _left(world) == kept


def test_a_cancel_that_waited_in_vain_goes_by_its_end_with_its_request_ids() -> None:
    early = [cancel(T1, allow_missing=True, request_id=request_id) for request_id in (R1, R2)]
    world = _later(1, *early)
    world.do(reap())
    world.now += 30 * DAY - 1
    kept = _left(world)
    world.purge(KEPT)
    assert _left(world) == kept
    world.now += 1
    world.purge(KEPT)
    assert _left(world) == {}


def test_a_task_that_came_too_late_for_its_cancel_does_not_go_with_it() -> None:
    world = _later(1, cancel(T1, allow_missing=True))
    world.do_all(reap(), create(T1))
    world.now += 30 * DAY
    world.purge(KEPT)
    assert _left(world) == {"tasks": [T1]}


# Agents, and the log.


def test_an_agent_goes_by_the_time_when_it_was_found_lost() -> None:
    world = _later(1, create(T1), start(T1, lease=SECOND), completed(T1))
    world.do(reap())
    assert world.agents[NS, AGENT].lost_time == world.now
    world.now += 30 * DAY - 1
    world.purge(KEPT)
    assert _left(world) == {"agents": [AGENT]}
    world.now += 1
    world.purge(KEPT)
    assert _left(world) == {}


def test_an_agent_that_has_a_lease_stays() -> None:
    world = _later(1, create(T1), start(T1, lease=SECOND), completed(T1))
    world.do(reap())
    world.do_all(create(T2), start(T2))
    assert world.agents[NS, AGENT].lost_time is None
    world.now += 1000 * DAY
    world.purge(KEPT)
    assert _left(world) == {"tasks": [T2], "agents": [AGENT]}


def test_an_entry_of_the_log_without_a_task_goes_by_its_time() -> None:
    world = _later(20, create_group(T1), cancel(T1), cancel_group())
    world.do(create(T2))
    world.now += 10 * DAY
    assert [event.task is None for event in world.events] == [False, False, True, False]
    world.purge(KEPT)
    assert [event.seq for event in world.log()] == [6]
    assert world.floors == {NS: Floor(5, FIRST_TIME)}


def test_the_floor_is_the_last_place_that_was_taken_out_and_never_sinks() -> None:
    world = _later(0, create(T1), create(T2), start(T1), completed(T1), create(T3))
    world.now += SECOND
    world.do(cancel(T3))
    world.now += 30 * DAY
    world.do_all(*[purge(Leftover.TASK, world.now - KEPT, limit=1)] * 2)
    assert world.floors == {NS: Floor(7, FIRST_TIME + SECOND)}
    world.do(cancel(T2))
    assert world.positions == {NS: 9}
    assert [event.seq for event in world.log()] == [2, 8, 9]


# Pieces.


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_many_go_in_pieces_and_what_is_kept_is_passed_over(limit: int) -> None:
    """Those of one instant, too, and with something young between them."""
    ids = [uid(number) for number in range(1, 21)]
    world = _later(20, *[create(id) for id in ids], *[cancel(id) for id in ids[:5]])
    world.do_all(create_group(uid(30)), cancel(uid(30)), *[cancel(id) for id in ids[5:8]])
    world.now += 2 * DAY
    world.do_all(cancel_group(), *[cancel(id) for id in ids[8:12]])
    world.now += 28 * DAY + SECOND
    world.purge(KEPT, limit)
    left = _left(world)
    assert sorted(left["tasks"]) == sorted([*ids[8:], uid(30)])
    assert sorted(left["cancellations"]) == sorted([*ids[8:12], uid(30), G1])
    assert left["holders"] == [G1]


# What comes later.


def test_a_repeat_by_cart_of_what_is_gone_cancels_no_other_checkout() -> None:
    """The order's cancellation has the request id, and is kept a moment longer."""
    world = _later(
        30,
        create_checkout(T1, cart_id=C1),
        create_order(checkout_ids=(X1,)),
        start(T1),
        cancel_order(),
        cancel_checkout(C1, by_cart=True, request_id=R1),
        acknowledged(T1),
    )
    for kind in (Leftover.TASK, Leftover.CHECKOUT):
        world.do(purge(kind, world.now - KEPT))
    world.do(create_checkout(T2, checkout_id=X2, cart_id=C1))
    with pytest.raises(Refused) as caught:
        world.do(cancel_checkout(C1, by_cart=True, request_id=R1))
    assert caught.value.reason is Reason.CART_NOT_FOUND
    assert world.checkout(X2).open
