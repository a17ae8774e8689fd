"""UpdateOrder: the snapshot in every state, the state and the checkouts only while OPEN."""

import pytest

from countermand.v1 import order_pb2
from countermand.v1 import order_service_pb2 as o
from tests.support.caller import CANCELLING, COMPLETED, PENDING, Caller
from tests.support.records import filled, full_order, snapshot_of
from tests.support.refusals import refused
from tests.support.sales import counts, end_all, state_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOSED = order_pb2.ORDER_STATE_CLOSED


async def order_in(caller: Caller, state: str) -> str:
    """Makes an order in this state, and returns its id."""
    order = await caller.new_order(1, running=1, note="before")
    order_id = order.made.order_id
    if state == "CLOSED":
        await caller.update_order(order_id, state=CLOSED)
    elif state != "OPEN":
        await caller.cancel_order(order_id)
    if state == "CANCELLED":
        await caller.finish(order.held[0], "CANCELLED")
    elif state == "PARTIALLY_CANCELLED":
        await caller.finish(order.held[0])
    assert state_of(await caller.order(order_id)) == state
    return order_id


@pytest.mark.parametrize(
    "state", ["OPEN", "CANCELLING", "CANCELLED", "PARTIALLY_CANCELLED", "CLOSED"]
)
async def test_the_snapshot_can_be_changed_in_every_state(caller, state):
    order_id = await order_in(caller, state)
    before = await caller.order(order_id)
    after = await caller.update_order(
        order_id, total_refund_price="9.99", financial_status="refunded"
    )
    assert after.version == before.version + 1
    assert after.update_time.ToNanoseconds() > before.update_time.ToNanoseconds()
    assert (after.total_refund_price, after.financial_status) == ("9.99", "refunded")
    assert after.note == "before"
    assert (state_of(after), after.cancel_time, after.cancellation_id) == (
        state,
        before.cancel_time,
        before.cancellation_id,
    )
    assert await caller.order(order_id) == after


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("CANCELLING", "ORDER_ALREADY_CANCELLED"),
        ("CANCELLED", "ORDER_ALREADY_CANCELLED"),
        ("PARTIALLY_CANCELLED", "ORDER_ALREADY_CANCELLED"),
        ("CLOSED", "ORDER_CLOSED"),
    ],
)
async def test_state_and_checkouts_change_only_while_open_and_nothing_of_a_refusal_is_done(
    caller, state, reason
):
    order_id = await order_in(caller, state)
    checkout_id = (await caller.new_checkout()).made.checkout_id
    before = await caller.order(order_id)
    fields = {"note": "after", "checkout_ids": [checkout_id]}
    refusal = await refused(caller.update_order(order_id, **fields), reason)
    assert refusal.metadata["state"] == state
    if state != "CLOSED":
        await refused(caller.update_order(order_id, note="after", state=CLOSED), reason)
    assert await caller.order(order_id) == before
    # What the order has already changes nothing and is OK.
    same = await caller.update_order(order_id, "checkout_ids")
    assert same == before
    if state == "CLOSED":
        assert await caller.update_order(order_id, "state", state=CLOSED) == before


async def test_closing_keeps_tasks_running_and_refuses_new_ones(caller):
    order = await caller.new_order(1, running=1)
    order_id = order.made.order_id
    closed = await caller.update_order(order_id, "state", state=CLOSED)
    assert (state_of(closed), closed.version) == ("CLOSED", 2)
    await refused(caller.create(order_id=order_id), "ORDER_CLOSED")
    await caller.finish(order.held[0])
    assert counts(await caller.order(order_id)) == {COMPLETED: 1}


async def test_without_a_mask_what_is_set_changes_and_what_is_ours_is_ignored(caller):
    order = await caller.new_order(note="note", tags=["a"], currency="eur")
    order_id = order.made.order_id
    full = filled(order_pb2.Order())
    for name in ("checkout_ids", "state"):
        full.ClearField(name)
    full.order_id = order_id
    full.state = order_pb2.ORDER_STATE_CANCELLED  # another than CLOSED is ignored
    answer = await caller.orders.UpdateOrder(o.UpdateOrderRequest(order=full))
    assert snapshot_of(answer.order) == snapshot_of(full)
    assert (state_of(answer.order), answer.order.version) == ("OPEN", 2)
    assert answer.order.cancel_reason == answer.order.cancellation_id == ""
    assert answer.order.create_time == order.made.create_time
    # Nothing set changes nothing.
    assert await caller.update_order(order_id) == answer.order


async def test_a_masked_field_that_is_not_set_is_cleared_and_others_stay(caller):
    given = full_order()
    made = (await caller.orders.CreateOrder(o.CreateOrderRequest(order=given))).order
    expected = snapshot_of(made)
    masked = ("note", "tags", "customer", "place_time", "config", "line_items", "extra", "currency")
    for name in masked:
        expected.ClearField(name)
    expected.currency = "USD"
    after = await caller.update_order(
        made.order_id, *masked, currency="USD", number="not in the mask"
    )
    assert snapshot_of(after) == expected


async def test_repeated_fields_maps_and_structs_are_replaced_as_a_whole(caller):
    made = (await caller.new_order(tags=["a", "b"], extra={"a": "1", "b": "2"})).made
    for paths in ((), ("tags", "extra", "customer", "line_items")):
        after = await caller.update_order(
            made.order_id,
            *paths,
            tags=["c"],
            extra={"c": "3"},
            customer={"name": "Zoë", "orders": [1, None, {"x": True}]},
            line_items=[{"sku": "1"}, {"sku": "2"}],
        )
        assert list(after.tags) == ["c"]
        assert dict(after.extra) == {"c": "3"}
        assert after.customer["orders"][2]["x"] is True
        assert [line["sku"] for line in after.line_items] == ["1", "2"]


async def test_a_path_may_lead_into_a_message_of_the_order(caller):
    made = (await caller.new_order(shipping_line={"name": "slow"})).made
    path = "config.product_tax_included"
    after = await caller.update_order(
        made.order_id, path, "shipping_line.name", config={"product_tax_included": True}
    )
    assert after.config.product_tax_included is True
    assert after.shipping_line.name == ""
    cleared = await caller.update_order(made.order_id, path)
    assert cleared.config.product_tax_included is False


async def test_what_is_not_there_is_not_made_by_clearing_something_in_it(caller):
    made = (await caller.new_order()).made
    after = await caller.update_order(
        made.order_id, "config.product_tax_included", "shipping_line.name"
    )
    assert (after.version, after.HasField("config")) == (made.version, False)
    assert not after.HasField("shipping_line")


async def test_a_star_names_all_of_the_snapshot_and_nothing_else(caller):
    sale = await caller.new_checkout(1)
    given = full_order(checkout_ids=[sale.made.checkout_id])
    given.fulfillment_status = "shipped"
    made = (await caller.orders.CreateOrder(o.CreateOrderRequest(order=given))).order
    after = await caller.update_order(made.order_id, "*", note="all that is left", state=CLOSED)
    assert snapshot_of(after) == order_pb2.Order(note="all that is left")
    assert (state_of(after), list(after.checkout_ids)) == ("OPEN", [sale.made.checkout_id])


async def test_a_changed_checkout_list_counts_and_covers_its_tasks(caller):
    kept, dropped, added = [await caller.new_checkout(1, running=1) for _ in range(3)]
    ids = [sale.made.checkout_id for sale in (kept, dropped)]
    order = await caller.new_order(1, checkout_ids=ids)
    order_id = order.made.order_id
    await caller.finish(dropped.held[0])
    after = await caller.update_order(
        order_id, checkout_ids=[added.made.checkout_id, kept.made.checkout_id]
    )
    assert list(after.checkout_ids) == [added.made.checkout_id, kept.made.checkout_id]
    assert sum(counts(after).values()) == 3
    assert after.version == 2
    joined = await caller.create(checkout_id=added.made.checkout_id)  # joins the order too
    assert (await caller.order(order_id)).version == 3
    answer = await caller.cancel_order(order_id)
    assert counts(answer.order)[CANCELLING] == 2
    covered = {result.task_id for result in answer.cancellation.results}
    assert joined.task_id in covered
    assert dropped.tasks[0].task_id not in covered
    assert state_of(await caller.checkout(dropped.made.checkout_id)) == "OPEN"
    await end_all(caller, [*kept.held, *added.held])
    assert state_of(await caller.order(order_id)) == "CANCELLED"


async def test_one_checkout_may_come_under_two_orders(caller):
    sale = await caller.new_checkout(1, running=1)
    ids = [sale.made.checkout_id]
    first, second = [await caller.new_order(checkout_ids=ids) for _ in range(2)]
    await caller.cancel_order(first.made.order_id)
    assert state_of(await caller.order(second.made.order_id)) == "OPEN"
    answer = await caller.cancel_order(second.made.order_id)
    assert state_of(answer.order) == "CANCELLING"
    await end_all(caller, sale.held)
    for order in (first, second):
        assert state_of(await caller.order(order.made.order_id)) == "CANCELLED"


async def test_an_unknown_order_or_checkout_is_not_found_and_too_large_an_order_is_refused(caller):
    order_id = (await caller.new_order(note="x" * 200_000)).made.order_id
    await refused(caller.update_order("unknown", note="x"), "ORDER_NOT_FOUND")
    refusal = await refused(
        caller.update_order(order_id, note="new", checkout_ids=["nowhere"]), "CHECKOUT_NOT_FOUND"
    )
    assert refusal.resource == ("checkout", "nowhere")
    refusal = await refused(
        caller.update_order(order_id, customer_note="x" * 70_000), "INVALID_REQUEST"
    )
    assert list(refusal.fields) == ["order"]
    assert (await caller.order(order_id)).version == 1


async def test_what_is_ours_to_say_is_ignored_when_an_order_is_created(caller):
    made = (await caller.new_order(1, cancel_reason="x", version=9)).made
    assert (state_of(made), made.version, made.cancel_reason) == ("OPEN", 1, "")
    assert counts(made) == {PENDING: 1}


@pytest.mark.parametrize(
    ("state", "reason"), [("CLOSED", "ORDER_CLOSED"), ("CANCELLED", "ORDER_ALREADY_CANCELLED")]
)
async def test_an_order_that_ended_at_its_platform_comes_as_it_is_there(caller, state, reason):
    number = order_pb2.OrderState.Value(f"ORDER_STATE_{state}")
    given = full_order(state=number)
    made = (await caller.new_order(**{f.name: v for f, v in given.ListFields()})).made
    assert (state_of(made), made.version) == (state, 1)
    assert snapshot_of(made) == snapshot_of(given)
    assert made.platform_cancel_time == given.platform_cancel_time
    assert (made.cancellation_id, made.cancel_reason) == ("", "")
    assert not made.HasField("cancel_time")
    assert await caller.order(made.order_id) == made
    refusal = await refused(caller.cancel_order(made.order_id), reason)
    assert refusal.metadata["state"] == state
    assert await caller.listed() == []
    refunded = await caller.update_order(made.order_id, platform_status="refunded")
    assert (refunded.version, refunded.platform_status) == (2, "refunded")


@pytest.mark.parametrize("state", ["CANCELLING", "PARTIALLY_CANCELLED", 99])
async def test_no_order_comes_half_cancelled(caller, state):
    number = state if state == 99 else order_pb2.OrderState.Value(f"ORDER_STATE_{state}")
    refusal = await refused(caller.new_order(state=number), "INVALID_REQUEST")
    assert list(refusal.fields) == ["order.state"]


async def test_what_ended_comes_without_tasks_and_checkouts(caller):
    checkout_id = (await caller.new_checkout()).made.checkout_id
    order = order_pb2.Order(state=CLOSED, checkout_ids=[checkout_id])
    call = caller.orders.CreateOrder(o.CreateOrderRequest(order=order, tasks=[{}]))
    refusal = await refused(call, "INVALID_REQUEST")
    assert sorted(refusal.fields) == ["order.checkout_ids", "tasks"]
