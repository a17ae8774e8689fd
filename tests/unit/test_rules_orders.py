"""Orders: what their cancels cover, how they end, and what they list."""

from typing import Any

import pytest

from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused
from countermand.core.instant import Instant
from countermand.core.records import MAX_TASKS_PER_TARGET, SECOND
from countermand.core.rows import Wanted
from countermand.core.rules.orders import wants_to_update_order
from countermand.core.states import (
    CancellationState,
    CartState,
    CheckoutState,
    Disposition,
    OrderState,
    TaskState,
)
from tests.support.ask import (
    C1,
    C2,
    G1,
    O1,
    O2,
    R1,
    T1,
    T2,
    T3,
    T4,
    X1,
    X2,
    XG1,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_order,
    complete,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    failed,
    reap,
    start,
    target,
    uid,
    update_order,
)
from tests.support.world import World

S, C, X, O = TaskState, CancellationState, CheckoutState, OrderState  # noqa: E741


def _world(*steps: Any) -> World:
    """An order with T1 of its own, and T2 of the one checkout that it lists."""
    world = World()
    listed = create_order(T1, checkout_ids=(X1,))
    world.do_all(create_checkout(T2, cart_id=C1), listed, start(T1), start(T2), *steps)
    return world


def _refusal(world: World, command: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        world.do(command)
    return caught.value


def _counts(world: World, order_id: str = O1) -> tuple[int, int, int]:
    order = world.order(order_id)
    members = world.members(order.target)
    recount = (
        len(members),
        sum(not task.ended for task in members),
        sum(task.state is S.COMPLETED for task in members),
    )
    assert (order.task_count, order.live_count, order.completed_count) == recount
    return recount


# What is under an order.


def test_its_tasks_are_its_own_and_those_of_its_checkouts() -> None:
    world = _world()
    assert [task.task_id for task in world.members(target("order", O1))] == [T2, T1]
    assert _counts(world) == (2, 2, 0)
    assert world.task(T2).order_id is None
    assert world.checkout(X1).order_ids == (O1,)


def test_a_task_that_joins_a_listed_checkout_or_a_group_of_the_order_is_the_orders_too() -> None:
    world = _world(
        create(T3, checkout_id=X1), create_group(group_id=G1, order_id=O1), create(T4, G1)
    )
    assert (world.task(T3).order_id, world.task(T4).order_id) == (None, O1)
    assert _counts(world) == (4, 4, 0)


def test_a_group_may_bring_its_checkout_into_an_order_that_does_not_list_it(world: World) -> None:
    world.do_all(create_order(), create_checkout())
    world.do(create_group(T1, checkout_id=X1, order_id=O1))
    world.do(create(T2, checkout_id=X1))
    assert [(t.group_id, t.order_id) for t in world.tasks.values()] == [(G1, O1)] * 2
    assert _counts(world) == (2, 2, 0)


def test_a_task_of_both_the_order_and_its_checkout_counts_once(world: World) -> None:
    world.do_all(create_checkout(T1), create_order(), create(T2, checkout_id=X1, order_id=O1))
    assert _counts(world) == (1, 1, 0)
    world.do(update_order(checkout_ids=(X1,)))
    assert _counts(world) == (2, 2, 0)
    world.do_all(start(T2), completed(T2))
    assert _counts(world) == (2, 1, 1)
    world.do(update_order(checkout_ids=()))
    assert _counts(world) == (1, 0, 1)


def test_two_orders_may_list_the_same_checkout() -> None:
    world = _world(create_order(T3, order_id=O2, checkout_ids=(X1,)), completed(T2))
    assert world.checkout(X1).order_ids == (O1, O2)
    assert (_counts(world), _counts(world, O2)) == ((2, 1, 1), (2, 1, 1))
    world.do(update_order(O2, checkout_ids=()))
    assert world.checkout(X1).order_ids == (O1,)
    assert (_counts(world), _counts(world, O2)) == ((2, 1, 1), (1, 1, 0))


def test_an_order_that_would_hold_more_than_10000_tasks_is_refused(world: World) -> None:
    ids = [uid(number) for number in range(1, MAX_TASKS_PER_TARGET + 1)]
    world.do_all(create_checkout(*ids[:-1]), create_order(ids[-1], uid(77_777)))
    refused = _refusal(world, update_order(checkout_ids=(X1,)))
    assert refused.reason is Reason.TOO_MANY_TASKS
    assert _counts(world) == (2, 2, 0)
    too_many = create_order(uid(88_888), uid(88_889), order_id=O2, checkout_ids=(X1,))
    assert _refusal(world, too_many).reason is Reason.TOO_MANY_TASKS


def test_unknown_and_taken_ids_are_refused(world: World) -> None:
    world.do(create_order(T1))
    for command, reason in (
        (create_order(), Reason.ORDER_EXISTS),
        (create_order(T1, order_id=O2), Reason.TASK_EXISTS),
        (create_order(order_id=O2, checkout_ids=(X1,)), Reason.CHECKOUT_NOT_FOUND),
        (update_order(checkout_ids=(X1,)), Reason.CHECKOUT_NOT_FOUND),
        (update_order(O2), Reason.ORDER_NOT_FOUND),
        (cancel_order(O2), Reason.ORDER_NOT_FOUND),
        (create(T2, order_id=O2), Reason.ORDER_NOT_FOUND),
        (create_group(T2, order_id=O2), Reason.ORDER_NOT_FOUND),
    ):
        assert _refusal(world, command).reason is reason


# What a cancel does.


def test_it_returns_the_whole_order_with_reason_and_time() -> None:
    world = _world()
    world.now += SECOND
    answer = world.do(cancel_order(reason="fraud"))
    order = answer.target
    assert order == world.order(O1)
    assert (order.state, order.cancel_reason, order.cancel_time) == (
        O.CANCELLING,
        "fraud",
        world.now,
    )
    assert (order.snapshot, order.checkout_ids) == (b"order", (X1,))
    assert [task.task_id for task in answer.covered] == [T2, T1]


def test_an_open_checkout_is_cancelled_under_the_same_cancellation() -> None:
    world = _world()
    record = world.do(cancel_order(message="m")).cancellation
    checkout = world.checkout(X1)
    assert (checkout.state, checkout.cancellation_id) == (X.CANCELLING, record.cancellation_id)
    assert checkout.cancel_message == "m"
    assert world.group(XG1).closed
    world.do(acknowledged(T2))
    assert (world.checkout(X1).state, world.order(O1).state) == (X.CANCELLED, O.CANCELLING)
    assert world.cart(C1).state is CartState.ACTIVE
    world.do(acknowledged(T1))
    assert world.order(O1).state is O.CANCELLED
    assert world.cancellation(record.cancellation_id).state is C.SUCCEEDED


def test_an_open_checkout_without_tasks_ends_in_the_answer() -> None:
    world = _world(create_checkout(checkout_id=X2, cart_id=C2), update_order(checkout_ids=(X1, X2)))
    world.do(cancel_order())
    assert (world.checkout(X2).state, world.carts[1, C2].state) == (X.CANCELLED, CartState.ACTIVE)
    assert world.checkout(X1).state is X.CANCELLING


def test_a_cancelling_checkout_keeps_its_own_cancellation_and_is_waited_for() -> None:
    world = _world()
    own = world.do(cancel_checkout(reason="timeout")).cancellation.cancellation_id
    answer = world.do(cancel_order(reason="fraud"))
    assert world.checkout(X1).cancellation_id == own
    assert (world.task(T2).cancellation_id, world.task(T2).cancel_reason) == (own, "timeout")
    world.do(acknowledged(T1))
    assert world.order(O1).state is O.CANCELLING
    world.do(acknowledged(T2))
    assert world.order(O1).state is O.CANCELLED
    both = [world.cancellation(id) for id in (own, answer.cancellation.cancellation_id)]
    assert [(record.state, record.stopped_count) for record in both] == [
        (C.SUCCEEDED, 1),
        (C.SUCCEEDED, 2),
    ]


def test_of_a_completed_checkout_only_the_live_tasks_are_cancelled() -> None:
    world = _world(complete())
    world.do(cancel_order())
    assert (world.checkout(X1).state, world.cart(C1).state) == (X.COMPLETED, CartState.CLOSED)
    assert world.task(T2).state is S.CANCELLING
    world.do_all(acknowledged(T1), acknowledged(T2))
    assert world.order(O1).state is O.CANCELLED
    assert (world.checkout(X1).state, world.cart(C1).state) == (X.COMPLETED, CartState.CLOSED)


def test_tasks_that_completed_before_do_not_make_the_order_partial() -> None:
    world = _world(completed(T2), complete())
    answer = world.do(cancel_order())
    assert [answer.cancellation.disposition(task) for task in answer.covered] == [
        Disposition.SKIPPED,
        Disposition.STOPPING,
    ]
    world.do(acknowledged(T1))
    assert world.order(O1).state is O.CANCELLED
    record = world.cancellation(answer.cancellation.cancellation_id)
    assert (record.state, record.completed_count) == (C.SUCCEEDED, 0)


def test_of_an_open_checkout_they_make_that_partial_but_not_the_order() -> None:
    world = _world(create(T3, checkout_id=X1), completed(T2))
    world.do_all(cancel_order(), acknowledged(T1))
    assert (world.checkout(X1).state, world.order(O1).state) == (
        X.PARTIALLY_CANCELLED,
        O.CANCELLED,
    )


@pytest.mark.parametrize(
    ("ends", "state", "outcome"),
    [
        ((acknowledged(T1), acknowledged(T2)), O.CANCELLED, C.SUCCEEDED),
        ((failed(T1), failed(T2)), O.CANCELLED, C.SUCCEEDED),
        ((acknowledged(T1), completed(T2)), O.PARTIALLY_CANCELLED, C.PARTIAL),
        ((failed(T1), completed(T2)), O.PARTIALLY_CANCELLED, C.TOO_LATE),
    ],
)
def test_it_ends_as_its_tasks_did_after_the_accept(ends: Any, state: Any, outcome: Any) -> None:
    world = _world()
    record = world.do(cancel_order()).cancellation
    world.do_all(*ends)
    assert world.order(O1).state is state
    assert world.cancellation(record.cancellation_id).state is outcome


def test_without_anything_to_stop_it_is_cancelled_at_once(world: World) -> None:
    world.do(create_order())
    answer = world.do(cancel_order())
    assert (answer.target.state, answer.cancellation.state) == (O.CANCELLED, C.SUCCEEDED)
    assert answer.target.version == 2


def test_all_its_groups_are_closed(world: World) -> None:
    world.do_all(create_order(), create_group(T1, order_id=O1), cancel_order())
    group = world.group(G1)
    assert (group.closed, group.cancellation_id, group.version) == (True, None, 2)
    assert _refusal(world, create(T2, G1)).reason is Reason.GROUP_CLOSED


def test_a_deadline_ends_all_of_it() -> None:
    world = _world(cancel_order(grace=0))
    world.do(reap())
    assert (world.order(O1).state, world.checkout(X1).state) == (O.CANCELLED, X.CANCELLED)


def test_cancelling_one_order_of_a_checkout_leaves_the_other_open() -> None:
    world = _world(create_order(T3, order_id=O2, checkout_ids=(X1,)), start(T3))
    first = world.do(cancel_order(O1)).cancellation
    assert (world.order(O2).state, world.task(T3).state) == (O.OPEN, S.RUNNING)
    second = world.do(cancel_order(O2)).cancellation
    assert world.checkout(X1).cancellation_id == first.cancellation_id
    world.do_all(acknowledged(T2), acknowledged(T1))
    assert (world.order(O1).state, world.order(O2).state) == (O.CANCELLED, O.CANCELLING)
    world.do(acknowledged(T3))
    assert world.order(O2).state is O.CANCELLED
    for record, stopped in ((first, 2), (second, 2)):
        assert world.cancellation(record.cancellation_id).stopped_count == stopped


def test_a_join_covers_all_of_it_and_names_the_first_cancellation() -> None:
    world = _world()
    first = world.do(cancel_order(grace=30 * SECOND))
    again = world.do(cancel_order(grace=5 * SECOND, reason="fraud", request_id=R1))
    assert again.cancellation.cancellation_id == first.cancellation.cancellation_id
    assert (again.cancellation.reason, again.replayed) == ("customer_requested", False)
    assert {task.deadline_time for task in again.covered} == {world.now + 5 * SECOND}
    world.do_all(acknowledged(T1), acknowledged(T2))
    assert _refusal(world, cancel_order()).reason is Reason.ORDER_ALREADY_CANCELLED
    repeated = world.do(cancel_order(grace=5 * SECOND, reason="fraud", request_id=R1))
    assert (repeated.replayed, repeated.target.state) == (True, O.CANCELLED)


def test_validate_only_tells_what_would_be_and_changes_nothing() -> None:
    world = _world()
    before = world.copy().rows()
    tried = world.do(cancel_order(validate_only=True))
    assert (tried.target.state, tried.cancellation.cancellation_id) == (O.CANCELLING, "")
    assert world.rows() == before


# What is refused.


def test_an_order_of_which_goods_have_left_is_not_cancelled(world: World) -> None:
    world.do_all(create_order(T1, fulfilled=True))
    assert _refusal(world, cancel_order()).reason is Reason.ORDER_FULFILLED
    world.do(update_order(fulfilled=False))
    assert world.do(cancel_order()).target.state is O.CANCELLED


def test_what_is_shipped_while_it_is_cancelling_lets_a_join_be() -> None:
    world = _world(cancel_order(), update_order(fulfilled=True))
    assert world.do(cancel_order()).target.state is O.CANCELLING


def test_the_version_is_checked_before_the_fulfilment(world: World) -> None:
    world.do(create_order(fulfilled=True))
    assert _refusal(world, cancel_order(expected_version=7)).reason is Reason.VERSION_MISMATCH


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ((update_order(close=True),), Reason.ORDER_CLOSED),
        ((cancel_order(), acknowledged(T1), acknowledged(T2)), Reason.ORDER_ALREADY_CANCELLED),
        ((cancel_order(), acknowledged(T1), completed(T2)), Reason.ORDER_ALREADY_CANCELLED),
    ],
)
def test_an_ended_order_is_not_cancelled_and_takes_no_tasks(ends: Any, reason: Reason) -> None:
    world = _world(*ends)
    for command in (
        cancel_order(expected_version=99),
        create(T3, order_id=O1),
        create_group(T3, group_id=G1, order_id=O1),
        update_order(checkout_ids=()),
    ):
        assert _refusal(world, command).reason is reason


def test_a_closed_order_lets_no_task_into_its_open_checkout() -> None:
    world = _world(update_order(close=True))
    assert _refusal(world, create(T3, checkout_id=X1)).reason is Reason.ORDER_CLOSED
    assert world.task(T1).state is S.RUNNING


# Updating.


def test_the_snapshot_changes_in_every_state() -> None:
    for steps in ((), (cancel_order(),), (update_order(close=True),)):
        world = _world(*steps)
        version = world.order(O1).version
        order = world.do(update_order(data=b"new")).order
        assert (order.snapshot, order.version) == (b"new", version + 1)


def test_an_update_that_changes_nothing_makes_no_version() -> None:
    world = _world()
    before = world.copy().rows()
    world.do(update_order(data=b"order", checkout_ids=(X1,)))
    assert world.rows() == before


def test_the_state_goes_only_from_open_to_closed() -> None:
    world = _world(update_order(close=True), update_order(close=True))
    assert (world.order(O1).state, world.order(O1).version) == (O.CLOSED, 2)
    cancelling = _world(cancel_order())
    refused = _refusal(cancelling, update_order(close=True))
    assert refused.reason is Reason.ORDER_ALREADY_CANCELLED


def test_checkouts_are_listed_in_the_order_that_was_given(world: World) -> None:
    world.do_all(create_checkout(), create_checkout(checkout_id=X2), create_order())
    for ids in ((X2, X1), (X1, X2), (X2,), ()):
        world.do(update_order(checkout_ids=ids))
        assert world.order(O1).checkout_ids == ids


# The end of what is watched.


def test_an_order_is_over_in_the_log_when_it_is_closed_and_its_tasks_have_ended() -> None:
    order = target("order", O1)
    world = _world(update_order(close=True), completed(T1))
    assert not any(order in event.over for event in world.events)
    world.do(completed(T2))
    assert order in world.events[-1].over
    silent = _world(completed(T1), completed(T2), update_order(close=True))
    assert (silent.events[-1].task, silent.events[-1].over) == (None, {order})


def test_an_event_names_the_orders_that_its_task_is_under() -> None:
    world = _world(create_order(order_id=O2, checkout_ids=(X1,)), cancel(T2), cancel(T1))
    found = [(e.task.task_id, e.orders) for e in world.events[-2:] if e.task]
    assert found == [(T2, {O1, O2}), (T1, {O1})]


# How many it lists, and is listed by.


def _checkout_ids(count: int) -> tuple[str, ...]:
    return tuple(f"checkout-{number}" for number in range(count))


def _listing(count: int) -> World:
    """An order that lists so many checkouts, as one could before there was a bound."""
    world = World()
    ids = _checkout_ids(count)
    world.do_all(*(create_checkout(checkout_id=id) for id in ids))
    world.do(create_order(checkout_ids=ids))
    return world


def test_it_lists_at_most_100_checkouts_and_no_other_is_looked_for() -> None:
    world = _listing(100)
    made_up = _checkout_ids(100_000)
    wanted = Wanted()
    command = update_order(checkout_ids=made_up)
    for _ in range(2):
        wants_to_update_order(command, Batch([command], Instant.at(0), world.ids).rows, wanted)
    assert wanted.holders == {target("order", O1)}
    refusal = _refusal(world, command)
    assert refusal.reason is Reason.INVALID_REQUEST
    assert [one.field for one in refusal.violations] == ["order.checkout_ids"]


def test_one_that_lists_more_may_keep_them_or_list_fewer_but_no_other() -> None:
    world = _listing(150)
    world.do(create_checkout(checkout_id="another"))
    ids = _checkout_ids(150)
    assert world.do(update_order(checkout_ids=ids)).order.version == 1
    assert world.do(update_order(checkout_ids=ids[:120])).order.checkout_ids == ids[:120]
    refusal = _refusal(world, update_order(checkout_ids=(*ids[:119], "another")))
    assert refusal.reason is Reason.INVALID_REQUEST
    listed = world.do(update_order(checkout_ids=(*ids[:99], "another"))).order.checkout_ids
    assert listed[-1] == "another"
    world.do(cancel_order())
    assert world.order(O1).state is O.CANCELLED


def test_at_most_100_orders_list_one_checkout() -> None:
    world = World()
    world.do_all(create_checkout(T1), start(T1))
    for number in range(100):
        world.do(create_order(order_id=f"order-{number}", checkout_ids=(X1,)))
    before = world.rows()
    refusal = _refusal(world, create_order(checkout_ids=(X1,)))
    assert refusal.reason is Reason.TOO_MANY_ORDERS
    assert refusal.metadata == {"checkout_id": X1}
    assert world.rows() == before
    world.do(create_order())
    assert _refusal(world, update_order(checkout_ids=(X1,))).reason is Reason.TOO_MANY_ORDERS
    world.do(update_order(order_id="order-7", checkout_ids=()))
    assert world.do(update_order(checkout_ids=(X1,))).order.checkout_ids == (X1,)
    world.do(cancel(T1, grace=0))


def test_at_10_000_versions_it_takes_no_update_but_can_be_closed_and_cancelled() -> None:
    world = World()
    world.do(create_order())
    for end in (update_order(close=True), cancel_order()):
        old = world.copy()
        old.holders[target("order", O1)] = old.order(O1).evolve(version=10_000)
        refusal = _refusal(old, update_order(data=b"new"))
        assert refusal.reason is Reason.TOO_MANY_CHANGES
        assert refusal.metadata == {"order_id": O1, "version": "10000"}
        assert old.do(update_order(data=b"order")).order.version == 10_000
        old.do(end)
        assert not old.order(O1).open
