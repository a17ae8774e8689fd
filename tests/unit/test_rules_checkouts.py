"""Checkouts: how their cancels answer and end, and that they compete with completing."""

from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import MAX_TASKS_PER_TARGET, SECOND
from countermand.core.states import (
    CancellationState,
    CancelProof,
    CheckoutState,
    Disposition,
    TaskState,
)
from tests.support.ask import (
    C1,
    G1,
    O2,
    R1,
    R2,
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
    cancel_group,
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
)
from tests.support.world import World

S, C, X = TaskState, CancellationState, CheckoutState


def _world(*steps: Any, tasks: tuple[str, ...] = (T1, T2), **fields: Any) -> World:
    world = World()
    world.do_all(create_checkout(*tasks, cart_id=C1, **fields), *steps)
    return world


def _refusal(world: World, command: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        world.do(command)
    return caught.value


def _overs(world: World) -> list[set[str]]:
    """Of each event that says so, the kinds of holders that are over with it."""
    return [{over.kind.value for over in event.over} for event in world.events if event.over]


# Creating.


def test_its_tasks_become_its_group(world: World) -> None:
    answer = world.do(create_checkout(T1, T2))
    checkout, group = world.checkout(X1), world.group(XG1)
    assert answer.checkout == checkout
    assert (checkout.state, checkout.version, checkout.group_id) == (X.OPEN, 1, XG1)
    assert (checkout.task_count, checkout.live_count) == (2, 2)
    assert (group.checkout_id, group.task_count, group.closed, group.version) == (X1, 2, False, 1)
    assert [(task.group_id, task.checkout_id) for task in answer.tasks] == [(XG1, X1)] * 2


def test_without_tasks_it_has_no_group_until_one_is_created_for_it(world: World) -> None:
    world.do(create_checkout())
    assert world.checkout(X1).group_id is None
    world.do(create_group(T1, checkout_id=X1))
    assert (world.checkout(X1).group_id, world.checkout(X1).version) == (G1, 2)
    refused = _refusal(world, create_group(T2, group_id=uid(0xFF), checkout_id=X1))
    assert refused.reason is Reason.INVALID_REQUEST


def test_a_taken_checkout_group_or_task_is_refused_and_leaves_nothing(world: World) -> None:
    world.do_all(create_checkout(T1), create(T2), create_group())
    before = world.copy().rows()
    for command, reason in (
        (create_checkout(T3), Reason.CHECKOUT_EXISTS),
        (create_checkout(T3, checkout_id=X2, group_id=G1), Reason.GROUP_EXISTS),
        (create_checkout(T3, T2, checkout_id=X2, cart_id=C1), Reason.TASK_EXISTS),
    ):
        assert _refusal(world, command).reason is reason
    assert world.rows() == before


def test_a_task_joins_by_the_checkout_or_by_its_group(world: World) -> None:
    world.do_all(create_checkout(T1), create(T2, checkout_id=X1), create(T3, XG1))
    assert {(t.group_id, t.checkout_id) for t in world.tasks.values()} == {(XG1, X1)}
    assert (world.checkout(X1).task_count, world.group(XG1).task_count) == (3, 3)
    assert (world.checkout(X1).version, world.group(XG1).version) == (3, 3)


def test_a_group_that_is_not_the_checkouts_is_invalid(world: World) -> None:
    world.do_all(create_checkout(T1), create_group())
    refused = _refusal(world, create(T2, G1, checkout_id=X1))
    assert refused.reason is Reason.INVALID_REQUEST
    assert [violation.field for violation in refused.violations] == ["group_id"]


def test_an_unknown_checkout_is_not_found(world: World) -> None:
    for command in (
        create(T1, checkout_id=X1),
        create_group(T1, checkout_id=X1),
        cancel_checkout(),
        complete(),
    ):
        assert _refusal(world, command).reason is Reason.CHECKOUT_NOT_FOUND


def test_a_checkout_holds_no_more_than_10000_tasks(world: World) -> None:
    world.do(create_checkout(*[uid(number) for number in range(1, MAX_TASKS_PER_TARGET + 1)]))
    refused = _refusal(world, create(uid(99_999), checkout_id=X1))
    assert refused.reason is Reason.TOO_MANY_TASKS


# The answer to a cancel.


@pytest.mark.parametrize("steps", [(), (start(T1), completed(T1)), (start(T1), failed(T1))])
def test_without_a_running_task_it_is_cancelled_in_the_answer_itself(steps: Any) -> None:
    world = _world(*steps)
    world.now += SECOND
    answer = world.do(cancel_checkout(message="no stock"))
    done = X.PARTIALLY_CANCELLED if world.task(T1).state is S.COMPLETED else X.CANCELLED
    assert (answer.target.state, answer.target.cancel_time) == (done, world.now)
    assert answer.target == world.checkout(X1)
    assert (answer.target.cancel_reason, answer.target.cancel_message) == (
        "customer_requested",
        "no stock",
    )
    assert world.task(T2).cancel_proof is CancelProof.NEVER_STARTED
    assert answer.cancellation.end_time == world.now


@pytest.mark.parametrize("steps", [(start(T1),), (start(T1), cancel(T1))])
def test_with_a_running_or_cancelling_task_it_is_cancelling_until_that_ends(steps: Any) -> None:
    world = _world(*steps)
    answer = world.do(cancel_checkout())
    assert (answer.target.state, answer.target.cancel_time) == (X.CANCELLING, None)
    assert world.task(T2).state is S.CANCELLED
    world.now += 5
    world.do(acknowledged(T1))
    checkout = world.checkout(X1)
    assert (checkout.state, checkout.cancel_time) == (X.CANCELLED, world.now)
    assert checkout.version == answer.target.version + 1


def test_it_returns_what_was_put_in() -> None:
    world = _world(snapshot=b"\x00lines\xff")
    assert world.do(cancel_checkout()).target.snapshot == b"\x00lines\xff"


def test_it_closes_the_group_and_takes_no_more_tasks() -> None:
    world = _world(start(T1), cancel_checkout())
    assert world.group(XG1).closed
    assert world.group(XG1).cancellation_id is None
    for command in (create(T3, checkout_id=X1), create_group(T3, checkout_id=X1)):
        assert _refusal(world, command).reason is Reason.CHECKOUT_ALREADY_CANCELLED
    assert _refusal(world, create(T3, XG1)).reason is Reason.GROUP_CLOSED


def test_ended_tasks_are_skipped_and_told_with_their_state() -> None:
    world = _world(start(T1), completed(T1), start(T2), failed(T2), create(T3, checkout_id=X1))
    answer = world.do(cancel_checkout())
    found = [(t.state, answer.cancellation.disposition(t)) for t in answer.covered]
    assert found == [
        (S.COMPLETED, Disposition.SKIPPED),
        (S.FAILED, Disposition.SKIPPED),
        (S.CANCELLED, Disposition.STOPPED),
    ]


# How it ends.


@pytest.mark.parametrize(
    ("steps", "state", "outcome"),
    [
        ((acknowledged(T1), acknowledged(T2)), X.CANCELLED, C.SUCCEEDED),
        ((acknowledged(T1), failed(T2)), X.CANCELLED, C.SUCCEEDED),
        ((failed(T1), failed(T2)), X.CANCELLED, C.SUCCEEDED),
        ((acknowledged(T1), completed(T2)), X.PARTIALLY_CANCELLED, C.PARTIAL),
        ((failed(T1), completed(T2)), X.PARTIALLY_CANCELLED, C.TOO_LATE),
        ((completed(T1), completed(T2)), X.PARTIALLY_CANCELLED, C.TOO_LATE),
    ],
)
def test_it_ends_as_its_tasks_did(steps: Any, state: Any, outcome: Any) -> None:
    world = _world(start(T1), start(T2))
    answer = world.do(cancel_checkout())
    world.do_all(*steps)
    assert world.checkout(X1).state is state
    assert world.cancellation(answer.cancellation.cancellation_id).state is outcome


def test_without_tasks_its_cancel_succeeds() -> None:
    world = _world(tasks=())
    answer = world.do(cancel_checkout())
    assert (answer.target.state, answer.cancellation.state) == (X.CANCELLED, C.SUCCEEDED)


def test_what_completed_before_the_cancel_makes_it_partial() -> None:
    world = _world(start(T1), completed(T1), start(T2))
    answer = world.do(cancel_checkout())
    world.do(acknowledged(T2))
    assert world.checkout(X1).state is X.PARTIALLY_CANCELLED
    record = world.cancellation(answer.cancellation.cancellation_id)
    assert (record.state, record.stopped_count, record.completed_count) == (C.PARTIAL, 1, 1)


def test_a_deadline_ends_it_too() -> None:
    world = _world(start(T1), cancel_checkout(grace=0))
    world.do(reap())
    assert world.checkout(X1).state is X.CANCELLED


def test_the_cancel_of_its_group_touches_no_checkouts_state() -> None:
    world = _world(start(T1), cancel_group(XG1))
    world.do(acknowledged(T1))
    checkout = world.checkout(X1)
    assert (checkout.state, checkout.cancellation_id, checkout.live_count) == (X.OPEN, None, 0)
    answer = world.do(cancel_checkout())
    assert (answer.target.state, answer.cancellation.state) == (X.CANCELLED, C.SUCCEEDED)


# Joining and repeating.


def test_a_second_cancel_joins_the_first_and_may_only_bring_deadlines_nearer() -> None:
    world = _world(start(T1), start(T2))
    first = world.do(cancel_checkout(grace=30 * SECOND, request_id=R1))
    version = world.task(T1).version
    farther = world.do(cancel_checkout(grace=60 * SECOND, reason="fraud"))
    assert (world.task(T1).version, farther.replayed) == (version, False)
    nearer = world.do(cancel_checkout(grace=9 * SECOND, request_id=R2))
    assert {x.cancellation.cancellation_id for x in (first, farther, nearer)} == {
        first.cancellation.cancellation_id
    }
    assert nearer.cancellation.reason == "customer_requested"
    assert nearer.cancellation.deadline_time == world.now + 9 * SECOND
    assert (world.task(T1).deadline_time, world.task(T1).version) == (
        world.now + 9 * SECOND,
        version + 1,
    )
    assert world.checkout(X1).version == first.target.version
    world.do_all(acknowledged(T1), acknowledged(T2))
    for again in (cancel_checkout(grace=30 * SECOND, request_id=R1),):
        repeated = world.do(again)
        assert repeated.replayed
        assert repeated.target.state is X.CANCELLED


def test_a_repeat_by_cart_finds_the_checkout_of_then() -> None:
    world = _world(start(T1))
    first = world.do(cancel_checkout(C1, by_cart=True, request_id=R1))
    world.do_all(acknowledged(T1), create_checkout(T3, checkout_id=X2, cart_id=C1))
    again = world.do(cancel_checkout(C1, by_cart=True, request_id=R1))
    assert (again.replayed, again.target.checkout_id) == (True, X1)
    assert again.cancellation.cancellation_id == first.cancellation.cancellation_id
    assert world.checkout(X2).state is X.OPEN


@pytest.mark.parametrize("named", [(X1, {}), (C1, {"by_cart": True})])
def test_a_repeat_finds_the_checkout_whose_orders_cancel_was_joined(named: Any) -> None:
    world = _world(start(T1))
    world.do_all(
        create_checkout(T3, checkout_id=X2),
        create_order(checkout_ids=(X2, X1)),
        create_order(order_id=O2, checkout_ids=(X1,)),
    )
    of_order = world.do(cancel_order()).cancellation
    id, fields = named
    command = cancel_checkout(id, request_id=R1, **fields)
    assert world.do(command).cancellation.target == of_order.target
    world.do(acknowledged(T1))
    again = world.do(command)
    assert (again.replayed, again.target) == (True, world.checkout(X1))
    assert again.cancellation.cancellation_id == of_order.cancellation_id
    assert [task.task_id for task in again.covered] == [T1, T2]


def test_by_id_and_by_cart_are_different_requests() -> None:
    world = _world(start(T1), cancel_checkout(C1, by_cart=True, request_id=R1))
    refused = _refusal(world, cancel_checkout(C1, request_id=R1))
    assert refused.reason is Reason.REQUEST_ID_CONFLICT


def test_the_expected_version_is_the_checkouts_also_by_cart() -> None:
    world = _world(start(T1))
    for command in (
        cancel_checkout(expected_version=9),
        cancel_checkout(C1, by_cart=True, expected_version=9),
    ):
        assert _refusal(world, command).reason is Reason.VERSION_MISMATCH
    answer = world.do(cancel_checkout(C1, by_cart=True, expected_version=1))
    assert answer.target.state is X.CANCELLING


def test_validate_only_answers_the_checkout_as_it_would_be_and_changes_nothing() -> None:
    world = _world()
    before = world.copy().rows()
    tried = world.do(cancel_checkout(validate_only=True, request_id=R1))
    assert (tried.target.state, tried.cancellation.cancellation_id) == (X.CANCELLED, "")
    assert {task.state for task in tried.covered} == {S.CANCELLED}
    assert world.rows() == before


# Completing.


def test_completing_closes_the_group_and_lets_live_tasks_run_on() -> None:
    world = _world(start(T1))
    done = world.do(complete()).checkout
    assert (done.state, done.version, done.cancel_time) == (X.COMPLETED, 2, None)
    assert world.group(XG1).closed
    assert (world.task(T1).state, world.task(T2).state) == (S.RUNNING, S.PENDING)
    world.do_all(completed(T1), start(T2), completed(T2))
    assert world.checkout(X1).state is X.COMPLETED
    refused = _refusal(world, create(T3, checkout_id=X1))
    assert refused.reason is Reason.CHECKOUT_ALREADY_COMPLETED


def test_completing_again_is_well_and_changes_nothing() -> None:
    world = _world(complete())
    before = world.copy().rows()
    assert world.do(complete()).checkout == world.checkout(X1)
    assert world.rows() == before


def test_completing_and_cancelling_compete_in_one_row() -> None:
    cancelled = _world(start(T1), cancel_checkout())
    assert _refusal(cancelled, complete()).reason is Reason.CANCELLATION_REQUESTED
    cancelled.do(acknowledged(T1))
    assert _refusal(cancelled, complete()).reason is Reason.CHECKOUT_ALREADY_CANCELLED
    assert _refusal(cancelled, cancel_checkout()).reason is Reason.CHECKOUT_ALREADY_CANCELLED
    done = _world(complete())
    assert _refusal(done, cancel_checkout()).reason is Reason.CHECKOUT_ALREADY_COMPLETED
    partly = _world(start(T1), completed(T1), cancel_checkout())
    for command in (complete(), cancel_checkout()):
        assert _refusal(partly, command).reason is Reason.CHECKOUT_ALREADY_CANCELLED


# The end of what is watched.


def test_the_last_task_of_a_closing_checkout_ends_it_and_its_group_in_the_log() -> None:
    world = _world(start(T1), cancel_checkout())
    assert _overs(world) == []
    world.do(acknowledged(T1))
    assert world.events[-1].over == {target("checkout", X1), target("group", XG1)}


def test_closing_without_a_tasks_change_is_logged_once() -> None:
    world = _world(start(T1), completed(T1), cancel(T2), complete())
    assert _overs(world) == [{"CHECKOUT", "GROUP"}]
    assert world.events[-1].task is None
    world.do(complete())
    assert len(_overs(world)) == 1
    empty = _world(cancel_checkout(), tasks=())
    assert _overs(empty) == [{"CHECKOUT"}]


def test_a_cancel_of_pending_tasks_alone_is_over_with_the_last_of_them() -> None:
    world = _world(cancel_checkout(), tasks=(T1, T2, T3, T4))
    assert [bool(event.over) for event in world.events] == [False] * 7 + [True]
