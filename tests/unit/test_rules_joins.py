"""Joins: who else asked for what is being cancelled is kept with the first cancellation."""

from typing import Any

import pytest

from countermand.core import commands as c
from countermand.core.caller import Caller
from countermand.core.cancellations import MAX_JOINS, Join
from countermand.core.records import SECOND
from countermand.core.states import CancellationState
from tests.support.ask import (
    AGENT,
    C1,
    G1,
    R1,
    R2,
    R3,
    T1,
    TRACE,
    X1,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_group,
    cancel_order,
    change_cart,
    create,
    create_checkout,
    create_group,
    create_order,
    start,
    uid,
)
from tests.support.world import World

OTHER_CALLER = Caller("key-2", TRACE)
EVERY_CANCEL: dict[str, tuple[list[Any], Any]] = {
    "task": ([create(), start()], cancel),
    "task to come": ([], lambda **fields: cancel(allow_missing=True, **fields)),
    "group": ([create_group(T1), start()], cancel_group),
    "checkout": ([create_checkout(T1), start()], cancel_checkout),
    "checkout by cart": (
        [create_checkout(T1, cart_id=C1), start()],
        lambda **fields: cancel_checkout(C1, by_cart=True, **fields),
    ),
    "order": ([create_order(T1), start()], cancel_order),
}


@pytest.fixture(params=EVERY_CANCEL)
def running(request: pytest.FixtureRequest, world: World) -> tuple[World, Any]:
    """A world with something to cancel that does not end at once, and what cancels it."""
    before, make = EVERY_CANCEL[request.param]
    world.do_all(*before)
    return world, make


def test_a_join_is_kept_with_who_asked_and_why_and_when(running: tuple[World, Any]) -> None:
    world, make = running
    first = world.do(make(request_id=R1))
    assert (first.joined, first.replayed, first.cancellation.joins) == (False, False, ())
    world.now += SECOND
    other = {"reason": "fraud", "message": "m", "on_behalf_of": "risk", "caller": OTHER_CALLER}
    answer = world.do(make(request_id=R2, **other))
    assert (answer.joined, answer.replayed) == (True, False)
    join = Join("key-2", "fraud", "m", "risk", R2, world.now)
    assert answer.cancellation == first.cancellation.evolve(joins=(join,), join_count=1)
    assert world.cancellation(first.cancellation.cancellation_id) == answer.cancellation


def test_a_join_changes_no_version_and_is_no_event(running: tuple[World, Any]) -> None:
    world, make = running
    world.do(make())
    before = world.copy()
    world.do(make(caller=OTHER_CALLER))
    kept = world.rows()
    assert {name: rows for name, rows in kept.items() if rows != before.rows()[name]}.keys() == {
        "cancellations"
    }


def test_a_join_needs_no_request_id_to_be_one(running: tuple[World, Any]) -> None:
    world, make = running
    assert not world.do(make()).joined
    answer = world.do(make())
    assert answer.joined
    assert answer.cancellation.joins[0].request_id is None


def test_the_first_joins_are_kept_and_all_are_counted(running: tuple[World, Any]) -> None:
    world, make = running
    world.do(make(request_id=R1))
    asked = [uid(number) for number in range(500, 500 + MAX_JOINS + 2)]
    for request_id in asked:
        answer = world.do(make(request_id=request_id))
    assert answer.cancellation.join_count == MAX_JOINS + 2
    assert [join.request_id for join in answer.cancellation.joins] == asked[:MAX_JOINS]
    again = world.do(make(request_id=asked[-1]))
    assert (again.replayed, again.joined) == (True, True)


def test_joins_of_one_batch_are_kept_in_their_order(running: tuple[World, Any]) -> None:
    world, make = running
    answers = world.run(make(request_id=R1), make(request_id=R2), make(request_id=R3))
    assert [answer.joined for answer in answers] == [False, True, True]
    assert [join.request_id for join in answers[-1].cancellation.joins] == [R2, R3]


def test_a_repeat_of_a_join_answers_replayed_and_joined(running: tuple[World, Any]) -> None:
    world, make = running
    world.do_all(make(request_id=R1), make(request_id=R2))
    before = world.rows()
    again = world.do(make(request_id=R2))
    assert (again.replayed, again.joined) == (True, True)
    first = world.do(make(request_id=R1))
    assert (first.replayed, first.joined) == (True, False)
    assert world.rows() == before


def test_trying_a_join_says_so_and_keeps_nothing(running: tuple[World, Any]) -> None:
    world, make = running
    world.do(make())
    before = world.rows()
    answer = world.do(make(validate_only=True, request_id=R2))
    assert (answer.joined, answer.cancellation.join_count) == (True, 0)
    assert not answer.cancellation.cancellation_id
    assert world.rows() == before


@pytest.mark.parametrize(
    ("before", "cascade"),
    [
        ([create_group(T1), start(), cancel()], cancel_group()),
        ([create_checkout(T1), start(), cancel()], cancel_checkout()),
        ([create_order(T1), start(), cancel()], cancel_order()),
        (
            [create_checkout(T1), start(), create_order(checkout_ids=(X1,)), cancel_checkout()],
            cancel_order(),
        ),
    ],
)
def test_a_cascade_over_what_is_cancelling_is_no_join(
    world: World, before: list[c.Command], cascade: c.Command
) -> None:
    world.do_all(*before)
    answer = world.do(cascade)
    assert not answer.joined
    assert [record.join_count for record in world.cancellations.values()] == [0, 0]


def test_the_cancel_of_a_task_joins_the_cascade_that_runs(world: World) -> None:
    world.do_all(create_group(T1), start(), cancel_group())
    answer = world.do(cancel(caller=OTHER_CALLER))
    assert answer.joined
    assert answer.cancellation.target.id == G1
    assert [join.requested_by for join in answer.cancellation.joins] == ["key-2"]


def test_a_change_of_the_cart_joins_the_cancel_that_runs(world: World) -> None:
    world.do_all(create_checkout(T1, cart_id=C1), start(), cancel_checkout())
    done = world.do(change_cart()).cancelled
    assert done.joined
    assert [join.reason for join in done.cancellation.joins] == ["cart_changed"]


def test_a_group_that_was_cancelled_before_is_joined_after_its_end(world: World) -> None:
    world.do_all(create_group(T1), start(T1, AGENT), cancel_group(), acknowledged())
    answer = world.do(cancel_group(caller=OTHER_CALLER))
    assert (answer.joined, answer.cancellation.join_count) == (True, 1)
    assert answer.cancellation.state is CancellationState.SUCCEEDED


def test_what_expires_while_it_is_cancelled_joins_nothing(world: World) -> None:
    world.do_all(create(expire_time=world.now + SECOND), start(), cancel())
    world.now += 2 * SECOND
    world.do(c.Reap(0, 100))
    assert [record.join_count for record in world.cancellations.values()] == [0]
