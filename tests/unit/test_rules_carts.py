"""Carts: locked exactly while a checkout on them is open or winding down."""

from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.states import CartState, CheckoutState, TaskState
from tests.support.ask import (
    C1,
    C2,
    T1,
    T2,
    T3,
    X1,
    X2,
    acknowledged,
    cancel_checkout,
    change_cart,
    complete,
    completed,
    create,
    create_checkout,
    start,
)
from tests.support.world import World

S, X, K = TaskState, CheckoutState, CartState


def _world(*steps: Any) -> World:
    world = World()
    world.do_all(create_checkout(T1, T2, cart_id=C1, line_items=b"a"), *steps)
    return world


def _refusal(world: World, command: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        world.do(command)
    return caught.value


def _cart(world: World) -> tuple[CartState, str | None]:
    cart = world.cart(C1)
    return cart.state, cart.checkout_id


def test_a_checkout_creates_and_locks_its_cart() -> None:
    world = _world()
    cart = world.cart(C1)
    assert (cart.state, cart.checkout_id, cart.line_items, cart.version) == (K.LOCKED, X1, b"a", 1)


def test_a_checkout_locks_a_cart_that_was_there_and_leaves_its_lines(world: World) -> None:
    world.do_all(change_cart(lines=b"mine"), create_checkout(T1, cart_id=C1))
    cart = world.cart(C1)
    assert (cart.state, cart.line_items, cart.version) == (K.LOCKED, b"mine", 2)


def test_it_is_locked_while_the_checkout_winds_down_and_active_when_that_ended() -> None:
    world = _world(start(T1), cancel_checkout())
    assert _cart(world) == (K.LOCKED, X1)
    world.do(acknowledged(T1))
    assert _cart(world) == (K.ACTIVE, None)


@pytest.mark.parametrize("steps", [(), (start(T1), completed(T1))])
def test_a_cancel_that_ends_at_once_unlocks_it_also_a_partial_one(steps: Any) -> None:
    world = _world(*steps, cancel_checkout(C1, by_cart=True))
    assert _cart(world) == (K.ACTIVE, None)
    assert world.cart(C1).version == 2


def test_completing_closes_it() -> None:
    world = _world(complete())
    assert _cart(world) == (K.CLOSED, X1)
    for command in (
        change_cart(),
        create_checkout(T3, checkout_id=X2, cart_id=C1),
        create_checkout(T3, checkout_id=X2, cart_id=C1, supersede=True),
        cancel_checkout(C1, by_cart=True),
    ):
        assert _refusal(world, command).reason is Reason.CART_CLOSED


def test_a_locked_cart_takes_no_second_checkout() -> None:
    for world in (_world(), _world(start(T1), cancel_checkout())):
        refused = _refusal(world, create_checkout(T3, checkout_id=X2, cart_id=C1))
        assert refused.reason is Reason.CART_LOCKED
        assert refused.metadata == {"cart_id": C1, "checkout_id": X1}


def test_superseding_cancels_the_older_and_the_cart_is_the_new_ones_at_once() -> None:
    world = _world(start(T1))
    world.do(create_checkout(T3, checkout_id=X2, cart_id=C1, supersede=True))
    older = world.checkout(X1)
    assert (older.state, older.cancel_reason) == (X.CANCELLING, "superseded")
    assert world.task(T1).cancel_reason == "superseded"
    assert world.cancellation(older.cancellation_id).caller.requested_by == "key-1"
    assert _cart(world) == (K.LOCKED, X2)
    world.do(acknowledged(T1))
    assert (world.checkout(X1).state, _cart(world)) == (X.CANCELLED, (K.LOCKED, X2))
    world.do(cancel_checkout(X2))
    assert _cart(world) == (K.ACTIVE, None)


def test_superseding_what_ends_at_once_leaves_the_cart_with_the_new_one() -> None:
    world = _world()
    world.do(create_checkout(checkout_id=X2, cart_id=C1, supersede=True))
    assert world.checkout(X1).state is X.CANCELLED
    assert _cart(world) == (K.LOCKED, X2)
    assert world.cart(C1).version == 2


def test_superseding_joins_a_cancel_that_runs() -> None:
    world = _world(start(T1))
    first = world.do(cancel_checkout(reason="fraud"))
    world.do(create_checkout(checkout_id=X2, cart_id=C1, supersede=True))
    assert world.checkout(X1).cancellation_id == first.cancellation.cancellation_id
    assert world.task(T1).cancel_reason == "fraud"
    assert _cart(world) == (K.LOCKED, X2)


def test_superseding_an_active_cart_cancels_nothing(world: World) -> None:
    world.do_all(change_cart(), create_checkout(T1, cart_id=C1, supersede=True))
    assert world.cancellations == {}


def test_a_superseding_that_is_refused_cancels_nothing() -> None:
    world = _world(start(T1), create(T3))
    before = world.copy().rows()
    refused = _refusal(world, create_checkout(T3, checkout_id=X2, cart_id=C1, supersede=True))
    assert refused.reason is Reason.TASK_EXISTS
    assert world.rows() == before


def test_changing_creates_an_unknown_cart(world: World) -> None:
    answer = world.do(change_cart(C2, b"x"))
    assert (answer.cart, answer.cancelled) == (world.carts[1, C2], None)
    assert (answer.cart.state, answer.cart.line_items, answer.cart.version) == (K.ACTIVE, b"x", 1)
    again = world.do(change_cart(C2, b"y"))
    assert (again.cart.line_items, again.cart.version) == (b"y", 2)


def test_changing_a_locked_cart_cancels_its_checkout_in_the_same_transaction() -> None:
    world = _world(start(T1))
    answer = world.do(change_cart(lines=b"new"))
    cancelled = answer.cancelled
    assert cancelled is not None
    assert (cancelled.cancellation.reason, cancelled.cancellation.caller.requested_by) == (
        "cart_changed",
        "key-2",
    )
    assert (world.checkout(X1).state, world.task(T2).state) == (X.CANCELLING, S.CANCELLED)
    assert (answer.cart.state, answer.cart.line_items) == (K.LOCKED, b"new")
    joined = world.do(change_cart(lines=b"newer"))
    assert joined.cancelled is not None
    assert joined.cancelled.cancellation.cancellation_id == cancelled.cancellation.cancellation_id
    world.do(acknowledged(T1))
    assert _cart(world) == (K.ACTIVE, None)
    assert world.cart(C1).line_items == b"newer"


def test_changing_a_cart_whose_checkout_ends_at_once_answers_it_active() -> None:
    world = _world()
    answer = world.do(change_cart(lines=b"new"))
    assert (answer.cart.state, answer.cart.line_items, answer.cart.version) == (K.ACTIVE, b"new", 2)
    assert world.checkout(X1).state is X.CANCELLED


def test_by_cart_an_unknown_and_an_active_one_are_refused(world: World) -> None:
    assert _refusal(world, cancel_checkout(C1, by_cart=True)).reason is Reason.CART_NOT_FOUND
    world.do(change_cart())
    assert _refusal(world, cancel_checkout(C1, by_cart=True)).reason is Reason.CART_NOT_LOCKED
