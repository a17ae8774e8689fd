"""Checkouts, carts and orders of one tenant: for another they are unknown, and their ids free."""

import pytest

from tests.support.caller import new_caller, new_id
from tests.support.refusals import refused
from tests.support.sales import state_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_anothers_checkout_cart_and_order_cannot_be_told_from_unknown_ones(
    caller, stranger, shared, admin
):
    sale = await stranger.new_checkout(1, running=1, checkout_id="theirs", cart_id="theirs")
    order = await stranger.new_order(1, order_id="theirs", checkout_ids=["theirs"])
    before = (
        await stranger.checkout("theirs"),
        await stranger.cart("theirs"),
        await stranger.order("theirs"),
    )
    fields = {"tenant": stranger.tenant, "environment": "production"}
    async with new_caller(shared, admin, **fields) as neighbour:
        for other in (caller, neighbour):
            for reason, call in (
                ("CHECKOUT_NOT_FOUND", other.checkout),
                ("CHECKOUT_NOT_FOUND", other.complete),
                ("CHECKOUT_NOT_FOUND", other.cancel_checkout),
                ("CHECKOUT_NOT_FOUND", lambda id, o=other: o.create(checkout_id=id)),
                ("CHECKOUT_NOT_FOUND", lambda id, o=other: o.create_group(0, checkout_id=id)),
                ("CHECKOUT_NOT_FOUND", lambda id, o=other: o.new_order(checkout_ids=[id])),
                ("CHECKOUT_NOT_FOUND", lambda id, o=other: o.listed(checkout_id=id)),
                ("CHECKOUT_NOT_FOUND", lambda id, o=other: o.watch_many(checkout_id=id).read()),
                ("CART_NOT_FOUND", other.cart),
                ("CART_NOT_FOUND", lambda id, o=other: o.cancel_checkout(cart_id=id)),
                ("ORDER_NOT_FOUND", other.order),
                ("ORDER_NOT_FOUND", other.cancel_order),
                ("ORDER_NOT_FOUND", lambda id, o=other: o.update_order(id, note="x")),
                ("ORDER_NOT_FOUND", lambda id, o=other: o.create(order_id=id)),
                ("ORDER_NOT_FOUND", lambda id, o=other: o.create_group(0, order_id=id)),
                ("ORDER_NOT_FOUND", lambda id, o=other: o.listed(order_id=id)),
                ("ORDER_NOT_FOUND", lambda id, o=other: o.watch_many(order_id=id).read()),
            ):
                unknown = f"x{new_id()}"
                told = [
                    repr(await refused(call(id), reason)).replace(id, "ID")
                    for id in ("theirs", unknown)
                ]
                assert told[0] == told[1]
            for held in sale.held:
                await refused(other.begin_charge(held), "TASK_NOT_FOUND")
                await refused(other.report_charge(held, "CAPTURED"), "TASK_NOT_FOUND")
    assert before == (
        await stranger.checkout("theirs"),
        await stranger.cart("theirs"),
        await stranger.order("theirs"),
    )
    assert order.made.order_id == "theirs"


async def test_the_same_ids_can_be_created_and_cancelled_by_each_tenant(caller, stranger):
    request_id = new_id()
    for one in (caller, stranger):
        await one.new_checkout(1, checkout_id="same", cart_id="same")
        await one.new_order(1, order_id="same", checkout_ids=["same"])
    answer = await caller.cancel_order("same", request_id=request_id)
    assert len(answer.cancellation.results) == 2
    assert state_of(await stranger.order("same")) == "OPEN"
    assert state_of(await stranger.checkout("same")) == "OPEN"
    assert state_of(await stranger.cart("same")) == "LOCKED"
    other = await stranger.cancel_checkout(cart_id="same", request_id=request_id)
    assert not other.replayed
    assert state_of(await stranger.order("same")) == "OPEN"
