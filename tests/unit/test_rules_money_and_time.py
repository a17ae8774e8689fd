"""Charges, with the point of no return; and what expires."""

from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import DEFAULT_GRACE, MAX_VERSIONS, SECOND
from countermand.core.states import CancelProof, ChargeState, CheckoutState, RefundState, TaskState
from tests.support.ask import (
    C1,
    R1,
    T1,
    T2,
    T3,
    X1,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_group,
    charge,
    charged,
    complete,
    completed,
    create,
    create_checkout,
    create_group,
    failed,
    reap,
    settle,
    start,
)
from tests.support.world import World

S, M = TaskState, ChargeState


def _world(*steps: Any) -> World:
    world = World()
    world.do_all(create(T1), start(T1), *steps)
    return world


def _refusal(world: World, command: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        world.do(command)
    return caught.value


# Charges.


def test_a_charge_is_one_version_and_begins_once() -> None:
    world = _world(charge(), charge())
    assert (world.task(T1).charge_state, world.task(T1).version) == (M.BEGUN, 3)
    world.do_all(charged(), charged(), charge())
    assert (world.task(T1).charge_state, world.task(T1).version) == (M.CAPTURED, 4)
    assert [e.task.charge_state for e in world.events if e.task] == [
        M.NONE,
        M.NONE,
        M.BEGUN,
        M.CAPTURED,
    ]


@pytest.mark.parametrize("state", [M.FAILED, M.VOIDED])
def test_a_charge_that_came_to_nothing_may_begin_again(state: ChargeState) -> None:
    world = _world(charge(), charged(state=state), charge())
    assert world.task(T1).charge_state is M.BEGUN


@pytest.mark.parametrize("accept", [cancel(), cancel(grace=0), cancel_group()])
def test_no_charge_begins_after_an_accepted_cancel(world: World, accept: Any) -> None:
    world.do_all(create_group(T1), start(T1), accept)
    refused = _refusal(world, charge())
    assert refused.reason is Reason.CANCELLATION_REQUESTED
    assert refused.metadata["cancellation_id"] == world.task(T1).cancellation_id
    assert world.task(T1).charge_state is M.NONE


def test_a_charge_and_a_cancel_of_one_batch_are_decided_in_their_order() -> None:
    first = _world()
    first.run(charge(), cancel())
    assert (first.task(T1).state, first.task(T1).charge_state) == (S.CANCELLING, M.BEGUN)
    second = _world()
    _, refused = second.run(cancel(), charge())
    assert refused.reason is Reason.CANCELLATION_REQUESTED


def test_a_charge_that_was_begun_is_refused_too_after_a_cancel_and_may_be_reported() -> None:
    world = _world(charge(), cancel())
    assert _refusal(world, charge()).reason is Reason.CANCELLATION_REQUESTED
    world.do(charged(state=M.VOIDED))
    assert (world.task(T1).state, world.task(T1).charge_state) == (S.CANCELLING, M.VOIDED)


@pytest.mark.parametrize("command", [charge, charged])
def test_a_charge_needs_the_present_fence_and_a_task_that_runs(command: Any) -> None:
    world = _world(create(T2))
    assert _refusal(world, command(T3)).reason is Reason.TASK_NOT_FOUND
    assert _refusal(world, command(T2, fence=0)).reason is Reason.TASK_NOT_RUNNING
    assert _refusal(world, command(T1, fence=2)).reason is Reason.FENCED
    world.do(start(T1))
    assert _refusal(world, command(T1)).reason is Reason.FENCED


def test_no_charge_begins_after_the_end() -> None:
    for end in ((completed(T1),), (failed(T1),), (cancel(), acknowledged(T1))):
        assert _refusal(_world(*end), charge()).reason is Reason.TASK_NOT_RUNNING
    assert _refusal(_world(cancel(grace=0), reap()), charge()).reason is Reason.FENCED


# Refunds.

MONEY = {
    M.NONE: (),
    M.BEGUN: (charge(),),
    M.CAPTURED: (charge(), charged()),
    M.FAILED: (charge(), charged(state=M.FAILED)),
    M.VOIDED: (charge(), charged(state=M.VOIDED)),
}
ENDS = {
    "completed": (completed(T1),),
    "failed": (failed(T1),),
    "acknowledged": (cancel(), acknowledged(T1)),
    "forced": (cancel(grace=0), reap()),
    "completed in spite": (cancel(), completed(T1)),
    "failed in spite": (cancel(), failed(T1)),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("money", MONEY)
def test_a_refund_is_required_when_money_may_have_been_taken_for_nothing(
    money: ChargeState, end: str
) -> None:
    world = _world(*MONEY[money], *ENDS[end])
    task = world.task(T1)
    assert task.ended
    wanted = money in (M.BEGUN, M.CAPTURED) and "completed" not in end
    assert task.refund_required is wanted
    assert world.events[-1].task == task


def test_a_refund_is_fixed_when_the_task_ends_and_no_sooner() -> None:
    world = _world(charge(), cancel())
    assert not world.task(T1).refund_required
    world.do(charged(state=M.VOIDED))
    world.do(acknowledged(T1))
    assert not world.task(T1).refund_required


def test_an_agent_that_was_lost_with_the_money_leaves_a_refund(world: World) -> None:
    world.do_all(create(T1), start(T1, lease=SECOND), charge())
    world.now += SECOND
    world.do(reap())
    assert (world.task(T1).state, world.task(T1).refund_required) == (S.FAILED, True)


# Versions are bounded, where they could be asked for without end.


def _crowded(*steps: Any) -> World:
    """A running task with as many versions as may be asked for."""
    world = _world(*steps)
    while world.task(T1).version < MAX_VERSIONS:
        word = M.VOIDED if world.task(T1).charge_state is M.CAPTURED else M.CAPTURED
        world.do(charged(state=word))
    return world


def test_at_a_thousand_versions_charges_make_no_more_and_repeats_are_ok() -> None:
    world = _crowded()
    task = world.task(T1)
    assert (task.version, task.charge_state) == (1000, M.VOIDED)
    for command in (charge(), charged(), charged(state=M.FAILED)):
        refusal = _refusal(world, command)
        assert refusal.reason is Reason.TOO_MANY_CHANGES
        assert refusal.metadata == {"task_id": T1, "state": "RUNNING", "version": "1000"}
    assert world.do(charged(state=M.VOIDED)) == world.task(T1) == task


def test_at_a_thousand_versions_a_join_brings_no_deadline_nearer_but_now() -> None:
    world = _crowded(cancel(grace=3600 * SECOND))
    deadline = world.task(T1).deadline_time
    for join in (cancel(grace=SECOND), cancel_group(grace=SECOND)):
        world.run(join)
        assert (world.task(T1).version, world.task(T1).deadline_time) == (1000, deadline)
    world.do(cancel(grace=0))
    assert (world.task(T1).version, world.task(T1).deadline_time) == (1001, world.now)


def test_at_a_thousand_versions_starts_cancels_ends_and_settlements_are_taken() -> None:
    world = _crowded(charge())
    assert world.task(T1).charge_state is M.CAPTURED
    world.do_all(start(T1), cancel(), acknowledged(T1, fence=2), settle(T1))
    assert (world.task(T1).version, world.task(T1).refund_state) == (1003, RefundState.REFUNDED)
    assert _refusal(world, charged(fence=2, state=M.VOIDED)).reason is Reason.TOO_MANY_CHANGES


# Expiry.


def test_a_task_expires_by_an_ordinary_cancel_of_the_system(world: World) -> None:
    end = world.now + 10 * SECOND
    world.do_all(create(T1, expire_time=end), create(T2, expire_time=end), start(T1))
    world.now = end - 1
    assert world.do(reap()).expired == 0
    world.now = end
    assert world.do(reap()).expired == 2
    running, pending = world.task(T1), world.task(T2)
    assert (running.state, running.deadline_time) == (S.CANCELLING, end + DEFAULT_GRACE)
    assert (pending.state, pending.cancel_proof) == (S.CANCELLED, CancelProof.NEVER_STARTED)
    for task in (running, pending):
        record = world.cancellation(task.cancellation_id)
        assert (record.reason, record.caller.requested_by, record.request_id) == (
            "timeout",
            "system:expiry",
            None,
        )
    assert world.do(reap()).expired == 0
    world.now = end + DEFAULT_GRACE
    world.do(reap())
    assert world.task(T1).cancel_proof is CancelProof.FORCED


@pytest.mark.parametrize(
    "steps",
    [(cancel(grace=60 * SECOND),), (completed(T1),), (failed(T1),), (cancel(), acknowledged(T1))],
)
def test_what_is_cancelling_or_ended_does_not_expire(world: World, steps: Any) -> None:
    world.do_all(create(T1, expire_time=world.now + SECOND), start(T1), *steps)
    before = world.task(T1)
    world.now += SECOND
    assert world.do(reap()).expired == 0
    assert world.task(T1) == before


def test_an_agent_may_be_lost_and_its_task_expired_at_once(world: World) -> None:
    world.do_all(create(T1, expire_time=world.now + SECOND), start(T1, lease=SECOND))
    world.now += SECOND
    reaped = world.do(reap())
    assert (reaped.ended, reaped.expired, world.task(T1).state) == (1, 0, S.FAILED)


def test_a_checkout_expires_with_its_tasks_and_unlocks_its_cart(world: World) -> None:
    end = world.now + SECOND
    world.do_all(create_checkout(T1, T2, cart_id=C1, expire_time=end), start(T1))
    world.now = end
    assert world.do(reap()).expired == 1
    checkout = world.checkout(X1)
    assert (checkout.state, checkout.cancel_reason) == (CheckoutState.CANCELLING, "timeout")
    assert world.cancellation(checkout.cancellation_id).caller.requested_by == "system:expiry"
    world.do(acknowledged(T1))
    assert world.checkout(X1).state is CheckoutState.CANCELLED
    assert world.cart(C1).checkout_id is None


def test_a_checkout_without_tasks_expires_in_a_batch_of_its_own(world: World) -> None:
    world.do(create_checkout(expire_time=world.now))
    assert world.do(reap()).expired == 1
    assert world.checkout(X1).state is CheckoutState.CANCELLED


@pytest.mark.parametrize("step", [complete(), cancel_checkout()])
def test_a_checkout_that_is_not_open_does_not_expire(world: World, step: Any) -> None:
    world.do_all(create_checkout(T1, expire_time=world.now), start(T1), step)
    before = world.checkout(X1)
    assert world.do(reap()).expired == 0
    assert world.checkout(X1) == before


def test_a_task_that_joins_in_the_batch_in_which_its_checkout_expires_is_cancelled_too(
    world: World,
) -> None:
    world.do_all(create_checkout(T1, expire_time=world.now + SECOND))
    world.now += SECOND
    answers = world.run(create(T2, checkout_id=X1), reap(), create(T3, checkout_id=X1))
    assert answers[2].reason is Reason.CHECKOUT_ALREADY_CANCELLED
    assert {task.state for task in world.tasks.values()} == {S.CANCELLED}
    assert (world.checkout(X1).state, world.checkout(X1).live_count) == (CheckoutState.CANCELLED, 0)


def test_a_reap_takes_no_more_than_it_may_and_says_that_there_is_more(world: World) -> None:
    now = world.now
    world.do_all(*[create(id, expire_time=now) for id in (T1, T2, T3)])
    first, second = world.do(reap(2)), world.do(reap(2))
    assert [(first.expired, first.more), (second.expired, second.more)] == [(2, True), (1, False)]


def test_a_caller_may_have_cancelled_what_expires_with_a_request_that_it_repeats(
    world: World,
) -> None:
    world.do_all(create(T1, expire_time=world.now), start(T1), reap())
    joined = world.do(cancel(T1, request_id=R1, grace=SECOND))
    assert (joined.cancellation.caller.requested_by, joined.replayed) == ("system:expiry", False)
    assert world.do(cancel(T1, request_id=R1, grace=SECOND)).replayed
