"""Refunds: when one is required, what an agent may still say, and how it is settled once."""

from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import MAX_LATE_REPORTS, SECOND, Settlement, Task
from countermand.core.states import ChargeState, RefundState, TaskState
from tests.support.ask import (
    C1,
    O1,
    O2,
    OTHER,
    R1,
    R2,
    T1,
    T2,
    X1,
    X2,
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
    reap,
    settle,
    start,
    update_order,
)
from tests.support.world import World

S, M, R = TaskState, ChargeState, RefundState

PAID = (start(T1), charge(), charged(), completed(T1))
"""Makes the one task COMPLETED, with its money taken."""
OWED = (create(T1), start(T1), charge(), cancel(), acknowledged(T1))
"""A task that was stopped after it had begun to take money."""


def _world(*steps: Any) -> World:
    world = World()
    world.do_all(*steps)
    return world


def _reason(world: World, command: Any) -> Reason:
    before = world.copy().rows()
    with pytest.raises(Refused) as caught:
        world.do(command)
    assert world.rows() == before
    return caught.value.reason


def _refunds(world: World) -> list[RefundState]:
    """Returns the refund state of each version of the one task."""
    return [event.task.refund_state for event in world.events if event.task is not None]


# What undoes COMPLETED work.


@pytest.mark.parametrize(
    ("creations", "cancels"),
    [
        ((create_checkout(T1),), cancel_checkout()),
        ((create_order(T1),), cancel_order()),
        ((create_checkout(T1), create_order(checkout_ids=(X1,))), cancel_order()),
        ((create_checkout(T1, cart_id=C1),), change_cart()),
        (
            (create_checkout(T1, cart_id=C1),),
            create_checkout(checkout_id=X2, cart_id=C1, supersede=True),
        ),
    ],
    ids=["checkout", "order", "order of the checkout", "changed cart", "superseded"],
)
def test_any_cancel_of_a_checkout_or_order_asks_for_money_of_completed_work(
    creations: Any, cancels: Any
) -> None:
    world = _world(*creations, *PAID)
    before = world.task(T1)
    assert before.refund_state is R.NONE
    world.do(cancels)
    task = world.task(T1)
    assert task == before.evolve(
        refund_state=R.REQUIRED, version=before.version + 1, seq=task.seq, update_time=world.now
    )
    assert task in [event.task for event in world.events]


def test_an_expired_checkout_asks_for_money_of_completed_work_too() -> None:
    world = World()
    world.do_all(create_checkout(T1, expire_time=world.now + SECOND), *PAID)
    world.now += SECOND
    world.do(reap())
    assert world.task(T1).refund_state is R.REQUIRED


def test_a_completed_checkout_keeps_its_money_until_its_order_is_cancelled() -> None:
    world = _world(create_checkout(T1), create_order(checkout_ids=(X1,)), *PAID, complete())
    assert world.task(T1).refund_state is R.NONE
    answer = world.do(cancel_order())
    assert [task.refund_state for task in answer.covered] == [R.REQUIRED]
    assert world.task(T1).cancellation_id is None


def test_cancels_of_tasks_and_groups_never_ask_for_money_of_completed_work() -> None:
    world = _world(create_group(T1, T2), *PAID, cancel(T2), cancel_group())
    assert world.task(T1).refund_state is R.NONE


def test_what_only_another_order_undoes_is_asked_for_and_what_none_does_is_not() -> None:
    world = _world(
        create_checkout(T1),
        create_order(checkout_ids=(X1,)),
        create_order(order_id=O2, checkout_ids=(X1,)),
        *PAID,
    )
    world.do(cancel_order(O2))
    assert world.task(T1).refund_state is R.REQUIRED
    world = _world(create_checkout(T1), create_order(order_id=O1, checkout_ids=(X1,)), *PAID)
    world.do_all(update_order(checkout_ids=()), cancel_order())
    assert world.task(T1).refund_state is R.NONE


def test_a_second_cancel_over_a_decided_refund_decides_nothing_anew() -> None:
    world = _world(create_checkout(T1), create_order(checkout_ids=(X1,)), *PAID)
    world.do_all(cancel_checkout(), settle(T1, R.NOT_OWED))
    version = world.task(T1).version
    world.do(cancel_order())
    assert (world.task(T1).refund_state, world.task(T1).version) == (R.NOT_OWED, version)


def test_a_join_and_a_repeat_ask_for_nothing_that_the_first_did_not() -> None:
    world = _world(create_checkout(T1, T2), *PAID, start(T2), cancel_checkout(request_id=R1))
    assert world.task(T1).refund_state is R.REQUIRED
    version = world.task(T1).version
    world.do_all(cancel_checkout(request_id=R1), cancel_checkout(grace=SECOND))
    assert world.task(T1).version == version


def test_validate_only_tells_whose_money_would_be_asked_for_and_changes_nothing() -> None:
    world = _world(create_order(T1), *PAID)
    before = world.copy().rows()
    tried = world.do(cancel_order(validate_only=True))
    assert [task.refund_state for task in tried.covered] == [R.REQUIRED]
    assert world.rows() == before


# What an agent says after the end.


def test_the_fence_of_the_last_start_may_speak_of_money_however_the_task_ended() -> None:
    for steps in (
        (cancel(grace=0), reap()),
        (cancel(), acknowledged(T1, fence=2)),
        (completed(T1, fence=2),),
    ):
        world = _world(create(T1), start(T1), start(T1), *steps)
        assert _reason(world, charged(fence=1)) is Reason.FENCED
        assert _reason(world, charged(fence=3)) is Reason.FENCED
        assert world.do(charged(fence=2)).charge_state is M.CAPTURED


def test_a_lost_agent_may_speak_of_money() -> None:
    world = _world(create(T1), start(T1, lease=SECOND), charge())
    world.now += SECOND
    world.do(reap())
    assert (world.task(T1).state, world.task(T1).refund_state) == (S.FAILED, R.REQUIRED)
    assert world.do(charged(state=M.VOIDED)).refund_state is R.NOT_OWED


def test_what_never_started_has_no_agent_that_could_speak() -> None:
    world = _world(create(T1), cancel())
    assert _reason(world, charged(fence=1)) is Reason.TASK_NOT_RUNNING
    assert _reason(world, charged(T2)) is Reason.TASK_NOT_FOUND


def test_money_that_was_taken_unasked_is_written_down_after_a_forced_end() -> None:
    world = _world(create(T1), start(T1), cancel(grace=0), reap())
    assert (world.task(T1).charge_state, world.task(T1).refund_state) == (M.NONE, R.NONE)
    end = world.task(T1)
    world.now += 1
    late = world.do(charged())
    assert (late.charge_state, late.refund_state) == (M.CAPTURED, R.REQUIRED)
    assert (late.state, late.end_time, late.end_seq) == (end.state, end.end_time, end.end_seq)
    assert (late.version, late.update_time) == (end.version + 1, world.now)


def test_the_same_word_again_is_ok_and_changes_nothing() -> None:
    world = _world(*OWED, charged())
    before = world.copy().rows()
    assert world.do(charged()) == world.task(T1)
    assert world.rows() == before


def test_a_void_settles_what_is_required_and_money_taken_after_it_is_required_again() -> None:
    world = _world(*OWED)
    for word in (M.VOIDED, M.CAPTURED, M.FAILED, M.CAPTURED):
        world.do(charged(state=word))
    assert _refunds(world)[-5:] == [R.REQUIRED, R.NOT_OWED, R.REQUIRED, R.NOT_OWED, R.REQUIRED]


@pytest.mark.parametrize("outcome", [R.REFUNDED, R.NOT_OWED])
def test_money_taken_after_a_settlement_is_required_again_and_the_settlement_stays(
    outcome: RefundState,
) -> None:
    world = _world(*OWED, settle(T1, outcome, amount=500))
    settlement = world.task(T1).settlement
    late = world.do(charged())
    assert (late.refund_state, late.settlement) == (R.REQUIRED, settlement)
    again = world.do(settle(T1, R.REFUNDED, amount=700)).task
    assert (again.refund_state, again.settlement.amount) == (R.REFUNDED, 700)


@pytest.mark.parametrize("word", [M.FAILED, M.VOIDED])
def test_a_void_never_touches_what_was_refunded(word: ChargeState) -> None:
    world = _world(*OWED, settle(T1), charged(state=word))
    task = world.task(T1)
    assert (task.charge_state, task.refund_state) == (word, R.REFUNDED)


def test_sixteen_words_are_taken_after_the_end_and_no_more() -> None:
    world = _world(*OWED)
    for number in range(MAX_LATE_REPORTS):
        world.do(charged(state=M.CAPTURED if number % 2 else M.VOIDED))
    last = world.task(T1)
    assert _reason(world, charged(state=M.VOIDED)) is Reason.TOO_MANY_CHANGES
    assert world.do(charged(state=last.charge_state)) == last
    assert world.do(settle(T1)).task.refund_state is R.REFUNDED


def test_words_and_settlements_give_no_version_to_what_holds_the_task() -> None:
    world = _world(create_checkout(T1, T2), create_order(checkout_ids=(X1,)), *PAID, cancel_order())
    before = world.copy()
    world.now += 1
    world.do_all(charged(state=M.VOIDED), charged(), settle(T1, request_id=R1))
    assert {key: h.version for key, h in world.holders.items()} == {
        key: h.version for key, h in before.holders.items()
    }
    assert [h.update_time for h in world.holders.values()] == [
        h.update_time for h in before.holders.values()
    ]
    assert world.cancellations == before.cancellations


def test_a_word_after_the_end_does_not_make_a_cancel_stop_what_had_ended_before_it() -> None:
    world = _world(create_group(T1), start(T1), cancel(grace=0), reap())
    record = world.do(cancel_group()).cancellation
    world.do(charged())
    assert record.disposition(world.task(T1)).value == "SKIPPED"


# Settling.


def test_a_settlement_ends_what_is_required_and_is_kept() -> None:
    world = _world(*OWED)
    before = world.task(T1)
    world.now += 1
    answer = world.do(
        settle(T1, amount=1999, currency="eur", note="paid back", request_id=R1, by="key-7")
    )
    settlement = Settlement(R.REFUNDED, 1999, "eur", "paid back", "key-7", world.now, R1)
    assert not answer.replayed
    assert answer.task == world.task(T1)
    assert answer.task == before.evolve(
        refund_state=R.REFUNDED,
        settlement=settlement,
        version=before.version + 1,
        update_time=world.now,
        seq=answer.task.seq,
    )
    assert world.events[-1].task == answer.task


def test_what_is_not_required_is_not_settled() -> None:
    for steps in (
        (create(T1),),
        (create(T1), start(T1), charge()),
        (create(T1), start(T1), charge(), cancel()),
        (create(T1), *PAID),
        (create(T1), start(T1), failed(T1)),
    ):
        assert _reason(_world(*steps), settle(T1, request_id=R1)) is Reason.REFUND_NOT_REQUIRED
    assert _reason(World(), settle(T1)) is Reason.TASK_NOT_FOUND
    assert _reason(_world(*OWED), settle(T1, ns=OTHER)) is Reason.TASK_NOT_FOUND


def test_the_same_request_again_is_replayed_as_the_task_is_now_whoever_calls() -> None:
    said: dict[str, Any] = {"amount": 5, "currency": "EUR", "note": "n", "request_id": R1}
    world = _world(*OWED, settle(T1, **said))
    again = world.do(settle(T1, **said, by="key-9"))
    assert (again.replayed, again.task) == (True, world.task(T1))
    assert again.task.settlement.settled_by == "key-1"
    world.do(charged())
    again = world.do(settle(T1, **said))
    assert (again.replayed, again.task.refund_state) == (True, R.REQUIRED)


@pytest.mark.parametrize(
    "other",
    [{"outcome": R.NOT_OWED}, {"amount": 6}, {"currency": "eur"}, {"note": "m"}, {"task_id": T2}],
    ids=str,
)
def test_the_same_request_id_with_another_request_is_a_conflict(other: Any) -> None:
    said: dict[str, Any] = {"amount": 5, "currency": "EUR", "note": "n", "request_id": R1}
    world = _world(*OWED, settle(T1, **said))
    assert _reason(world, settle(**{"task_id": T1} | said | other)) is Reason.REQUEST_ID_CONFLICT


def test_settlements_and_cancels_share_one_set_of_request_ids() -> None:
    world = _world(*OWED, create(T2), settle(T1, request_id=R1), cancel(T2, request_id=R2))
    for cancels in (cancel(T2, request_id=R1), cancel_group(request_id=R1)):
        with pytest.raises(Refused) as caught:
            world.do(cancels)
        assert caught.value.reason is Reason.REQUEST_ID_CONFLICT
        assert caught.value.metadata == {"request_id": R1, "task_id": T1}
    with pytest.raises(Refused) as caught:
        world.do(settle(T1, request_id=R2))
    assert caught.value.metadata["cancellation_id"] == world.task(T2).cancellation_id


def test_another_request_for_what_is_settled_is_refused_whatever_it_says() -> None:
    world = _world(*OWED, settle(T1, amount=5, currency="EUR", request_id=R1))
    for fields in (
        {"amount": 5, "currency": "EUR", "request_id": R2},
        {"amount": 6, "currency": "EUR"},
        {"amount": 5, "currency": "eur"},
        {"amount": 5},
        {"outcome": R.NOT_OWED, "amount": 5, "currency": "EUR"},
    ):
        assert _reason(world, settle(T1, **fields)) is Reason.REFUND_ALREADY_SETTLED


def test_without_a_request_id_the_same_decision_again_is_ok_and_changes_nothing() -> None:
    world = _world(*OWED, settle(T1, amount=5, currency="EUR", note="first", request_id=R1))
    before = world.copy().rows()
    again = world.do(settle(T1, amount=5, currency="EUR", note="second"))
    assert (again.replayed, again.task) == (False, world.task(T1))
    assert world.rows() == before


def test_what_the_agent_decided_is_decided_without_an_amount() -> None:
    world = _world(*OWED, settle(T1, amount=5), charged(), charged(state=M.VOIDED))
    assert world.task(T1).refund_state is R.NOT_OWED
    assert not world.do(settle(T1, R.NOT_OWED)).replayed
    assert _reason(world, settle(T1, R.NOT_OWED, amount=5)) is Reason.REFUND_ALREADY_SETTLED
    assert _reason(world, settle(T1, amount=5)) is Reason.REFUND_ALREADY_SETTLED


def test_a_settlement_and_a_word_of_one_batch_are_decided_in_their_order() -> None:
    first = _world(*OWED)
    first.run(settle(T1), charged(state=M.VOIDED))
    assert first.task(T1).refund_state is R.REFUNDED
    second = _world(*OWED)
    _, refused = second.run(charged(state=M.VOIDED), settle(T1))
    assert (refused.reason, _state(second)) == (Reason.REFUND_ALREADY_SETTLED, R.NOT_OWED)
    third = _world(create(T1), start(T1), charge())
    third.run(failed(T1), charged(), settle(T1))
    assert _state(third) is R.REFUNDED


def _state(world: World) -> RefundState:
    task: Task = world.task(T1)
    return task.refund_state
