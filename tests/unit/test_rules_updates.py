"""UpdateCheckout, and orders that had ended before they came here."""

from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import MAX_HOLDER_VERSIONS, SECOND
from countermand.core.states import CheckoutState, OrderState
from tests.support.ask import (
    C1,
    O1,
    T1,
    T2,
    X1,
    acknowledged,
    cancel_checkout,
    cancel_order,
    complete,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    reap,
    start,
    target,
    update_checkout,
    update_order,
)
from tests.support.world import World


def _refusal(world: World, command: Any) -> Refused:
    before = world.rows()
    with pytest.raises(Refused) as caught:
        world.do(command)
    assert world.rows() == before
    return caught.value


# Checkouts.


@pytest.fixture
def open_checkout(world: World) -> World:
    """A world with an OPEN checkout on a cart, of which a task runs."""
    world.do_all(create_checkout(T1, cart_id=C1), start())
    return world


def test_an_update_is_one_version_and_the_cart_keeps_its_lines(open_checkout: World) -> None:
    before, cart = open_checkout.checkout(X1), open_checkout.cart(C1)
    open_checkout.now += SECOND
    after = open_checkout.do(update_checkout(data=b"new")).checkout
    assert after == open_checkout.checkout(X1)
    assert after == before.evolve(
        snapshot=b"new", version=before.version + 1, update_time=open_checkout.now
    )
    assert open_checkout.cart(C1) == cart


def test_the_answer_to_a_cancel_has_what_was_updated_last(open_checkout: World) -> None:
    open_checkout.do_all(update_checkout(data=b"final totals"))
    assert open_checkout.do(cancel_checkout()).target.snapshot == b"final totals"


def test_an_update_that_changes_nothing_makes_no_version(open_checkout: World) -> None:
    before = open_checkout.rows()
    assert open_checkout.do(update_checkout()).checkout.version == 1
    assert open_checkout.do(update_checkout(expire_time=None)).checkout.version == 1
    assert open_checkout.rows() == before


ENDS: dict[str, tuple[list[Any], Reason]] = {
    "CANCELLING": ([cancel_checkout()], Reason.CANCELLATION_REQUESTED),
    "CANCELLED": ([cancel_checkout(), acknowledged()], Reason.CHECKOUT_ALREADY_CANCELLED),
    "PARTIALLY_CANCELLED": ([cancel_checkout(), completed()], Reason.CHECKOUT_ALREADY_CANCELLED),
    "COMPLETED": ([complete()], Reason.CHECKOUT_ALREADY_COMPLETED),
}


@pytest.mark.parametrize("state", ENDS)
def test_only_an_open_checkout_is_updated(open_checkout: World, state: str) -> None:
    steps, reason = ENDS[state]
    open_checkout.do_all(*steps)
    assert open_checkout.checkout(X1).state is CheckoutState(state)
    refusal = _refusal(open_checkout, update_checkout(data=b"late"))
    assert refusal.reason is reason
    assert refusal.metadata["checkout_id"] == X1


def test_an_unknown_checkout_is_not_found(world: World) -> None:
    assert _refusal(world, update_checkout()).reason is Reason.CHECKOUT_NOT_FOUND


def test_the_expected_version_is_judged_after_the_end_and_before_the_cancel(
    open_checkout: World,
) -> None:
    wrong = update_checkout(data=b"x", expected_version=9)
    refusal = _refusal(open_checkout, wrong)
    assert (refusal.reason, refusal.metadata["version"]) == (Reason.VERSION_MISMATCH, "1")
    open_checkout.do(update_checkout(data=b"x", expected_version=1))
    open_checkout.do(cancel_checkout())
    assert _refusal(open_checkout, wrong).reason is Reason.VERSION_MISMATCH
    open_checkout.do(acknowledged())
    assert _refusal(open_checkout, wrong).reason is Reason.CHECKOUT_ALREADY_CANCELLED


def test_the_time_to_expire_can_be_set_moved_and_cleared(open_checkout: World) -> None:
    open_checkout.do(update_checkout(expire_time=open_checkout.now + SECOND))
    open_checkout.do(update_checkout(data=b"other"))
    assert open_checkout.checkout(X1).expire_time == open_checkout.now + SECOND
    open_checkout.do(update_checkout(expire_time=None))
    open_checkout.now += 2 * SECOND
    open_checkout.do(reap())
    assert open_checkout.checkout(X1).open
    open_checkout.do(update_checkout(expire_time=open_checkout.now + 1))
    open_checkout.now += SECOND
    open_checkout.do(reap())
    assert open_checkout.checkout(X1).state is CheckoutState.CANCELLING


def test_a_checkout_with_very_many_versions_takes_no_more_updates_and_is_cancelled_all_the_same(
    open_checkout: World,
) -> None:
    many = open_checkout.checkout(X1).evolve(version=MAX_HOLDER_VERSIONS)
    open_checkout.holders[target("checkout", X1)] = many
    refusal = _refusal(open_checkout, update_checkout(data=b"one more"))
    assert refusal.reason is Reason.TOO_MANY_CHANGES
    assert open_checkout.do(update_checkout()).checkout.version == MAX_HOLDER_VERSIONS
    open_checkout.do(cancel_checkout())


# Orders that had ended at their platform.

ENDED = {
    OrderState.CLOSED: Reason.ORDER_CLOSED,
    OrderState.CANCELLED: Reason.ORDER_ALREADY_CANCELLED,
}


@pytest.mark.parametrize("state", ENDED)
def test_an_order_may_come_ended_and_then_names_no_cancel_of_ours(
    world: World, state: OrderState
) -> None:
    order = world.do(create_order(state=state)).order
    assert (order.state, order.version, order.over) == (state, 1, True)
    assert (order.cancellation_id, order.cancel_reason, order.cancel_time) == (None, "", None)
    assert world.cancellations == {}


@pytest.mark.parametrize("state", ENDED)
def test_what_came_ended_answers_as_for_that_state(world: World, state: OrderState) -> None:
    world.do_all(create_checkout(T2), create_order(state=state))
    for command in (
        cancel_order(),
        create(order_id=O1),
        create_group(T1, order_id=O1),
        update_order(checkout_ids=(X1,)),
    ):
        refusal = _refusal(world, command)
        assert (refusal.reason, refusal.metadata["state"]) == (ENDED[state], state)
    assert world.do(update_order(data=b"refunded")).order.version == 2
