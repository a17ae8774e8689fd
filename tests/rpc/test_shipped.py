"""Orders of which goods have left: what says so, and for whom a cancel is refused."""

import pytest

from tests.support.caller import RUNNING, first_caller
from tests.support.refusals import refused
from tests.support.sales import state_of
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEFT = ("finished", "PartiallyShipped", "partially-shipped", " shipped ", "In transit")
"""Every spelling of every word is in the table of the unit tests."""


@pytest.mark.parametrize("word", LEFT)
async def test_a_word_in_either_place_refuses_the_cancel_and_changes_nothing(caller, word):
    for fields in (
        {"fulfillment_status": word},
        {"fulfillments": [{"status": "pending"}, {"id": "2", "status": word}]},
    ):
        order = await caller.new_order(1, running=1, **fields)
        before = await caller.order(order.made.order_id)
        refusal = await refused(caller.cancel_order(order.made.order_id), "ORDER_FULFILLED")
        assert refusal.metadata == {"order_id": order.made.order_id}
        assert await caller.order(order.made.order_id) == before
        assert (await caller.get(order.held[0].task_id)).state == RUNNING


async def test_other_words_do_not_refuse_and_an_update_decides_anew(caller):
    for word in ("", "unfulfilled", "ready_for_pickup", "pending", "open", "restocked", "returned"):
        order = await caller.new_order(fulfillment_status=word, fulfillments=[{"status": word}])
        assert state_of((await caller.cancel_order(order.made.order_id)).order) == "CANCELLED"
    order_id = (await caller.new_order()).made.order_id
    await caller.update_order(order_id, "fulfillments", fulfillments=[{"status": "Shipped"}])
    await refused(caller.cancel_order(order_id), "ORDER_FULFILLED")
    await caller.update_order(order_id, "fulfillments")
    assert state_of((await caller.cancel_order(order_id)).order) == "CANCELLED"


async def test_shipped_stands_above_the_words_until_it_is_cleared(caller):
    order_id = (await caller.new_order(fulfillment_status="shipped", shipped=False)).made.order_id
    assert (await caller.cancel_order(order_id, validate_only=True)).order.order_id == order_id
    for mask in (("shipped",), ("*",)):
        fields = {"fulfillment_status": "pending"} if mask == ("*",) else {}
        assert (await caller.update_order(order_id, shipped=True)).shipped
        await refused(caller.cancel_order(order_id), "ORDER_FULFILLED")
        order = await caller.update_order(order_id, shipped=False)
        assert (order.HasField("shipped"), order.shipped) == (True, False)
        order = await caller.update_order(order_id, *mask, **fields)
        assert not order.HasField("shipped")
        if mask == ("shipped",):
            await refused(caller.cancel_order(order_id), "ORDER_FULFILLED")
    assert state_of((await caller.cancel_order(order_id)).order) == "CANCELLED"


async def test_an_update_that_names_other_fields_leaves_shipped_as_it_is(caller):
    for shipped in (True, False):
        order_id = (await caller.new_order(shipped=shipped)).made.order_id
        for order in (
            await caller.update_order(order_id, note="a"),
            await caller.update_order(order_id, "note", note="b"),
            await caller.order(order_id),
        ):
            assert (order.HasField("shipped"), order.shipped) == (True, shipped)


async def test_an_operators_words_count_for_orders_of_before_too(tmp_path):
    server = Server(tmp_path, COUNTERMAND_SHIPPED_WORD="versandt unterwegs_zum_kunden")
    await server.start()
    async with first_caller(server) as caller:
        german = [
            (await caller.new_order(fulfillment_status=word)).made.order_id
            for word in ("Unterwegs zum Kunden", "VERSANDT", "gepackt")
        ]
        for order_id in german[:2]:
            await refused(caller.cancel_order(order_id), "ORDER_FULFILLED")
    assert await server.stop() == 0
    await server.start("--shipped-word", "verschickt", "--shipped-word", "ge packt")
    async with first_caller(server) as caller:
        assert (await caller.cancel_order(german[1], validate_only=True)).order.state
        await refused(caller.cancel_order(german[2]), "ORDER_FULFILLED")
    assert await server.stop() == 0
