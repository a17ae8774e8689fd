"""ListOrders, ListCheckouts and ListCarts, and ListTasks by merchant, label and deadline."""

import pytest

from countermand.v1 import checkout_pb2, order_pb2
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import CANCELLED, PENDING
from tests.support.records import full_order
from tests.support.refusals import refused
from tests.support.sales import counts

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pages(call, request, field):
    """Returns what all pages have, and how many each has."""
    found, sizes = [], []
    while True:
        page = await call(request)
        found += getattr(page, field)
        sizes.append(len(getattr(page, field)))
        request.page_token = page.next_page_token
        if not request.page_token:
            return found, sizes


async def test_orders_are_listed_whole_newest_first(caller, stranger):
    made = [(await caller.new_order(1, note=str(n))).made for n in range(4)]
    full = full_order()
    made.append((await caller.new_order(**{f.name: v for f, v in full.ListFields()})).made)
    cancelled = (await caller.cancel_order(made[1].order_id)).order
    request = o.ListOrdersRequest(page_size=2)
    found, sizes = await pages(caller.orders.ListOrders, request, "orders")
    assert found == [made[4], made[3], made[2], cancelled, made[0]]
    assert (max(sizes) <= 2, counts(cancelled)) == (True, {CANCELLED: 1})
    assert counts(found[-1]) == {PENDING: 1}
    request = o.ListOrdersRequest(state=order_pb2.ORDER_STATE_CANCELLED)
    assert (await pages(caller.orders.ListOrders, request, "orders"))[0] == [cancelled]
    assert (await pages(stranger.orders.ListOrders, o.ListOrdersRequest(), "orders"))[0] == []


async def test_checkouts_and_carts_are_listed(caller):
    first = (await caller.new_checkout(1, cart_id="a")).made
    second = (await caller.new_checkout(cart_id="a", supersede=True)).made
    third = (await caller.new_checkout(cart_id="b")).made
    done = (await caller.complete(third.checkout_id)).checkout
    first = await caller.checkout(first.checkout_id)
    listed = caller.checkouts.ListCheckouts
    found, _ = await pages(listed, s.ListCheckoutsRequest(page_size=1), "checkouts")
    assert found == [done, second, first]
    request = s.ListCheckoutsRequest(cart_id="a", state=checkout_pb2.CHECKOUT_STATE_OPEN)
    assert (await pages(listed, request, "checkouts"))[0] == [second]
    carts, _ = await pages(caller.checkouts.ListCarts, s.ListCartsRequest(page_size=1), "carts")
    assert carts == [await caller.cart("b"), await caller.cart("a")]
    request = s.ListCartsRequest(state=checkout_pb2.CART_STATE_CLOSED)
    closed, _ = await pages(caller.checkouts.ListCarts, request, "carts")
    assert [cart.cart_id for cart in closed] == ["b"]


async def test_a_page_ends_early_to_stay_small_and_none_is_left_out(caller):
    for _ in range(16):
        await caller.new_order(note="x" * 250_000)
    request = o.ListOrdersRequest(page_size=1000)
    found, sizes = await pages(caller.orders.ListOrders, request, "orders")
    assert (len(found), len({order.order_id for order in found})) == (16, 16)
    assert len(sizes) > 1


async def test_a_page_token_is_of_its_own_list(caller):
    for _ in range(2):
        await caller.new_order()
        await caller.new_checkout()
    token = (await caller.orders.ListOrders(o.ListOrdersRequest(page_size=1))).next_page_token
    for call in (
        caller.orders.ListOrders(o.ListOrdersRequest(page_token=token, state=1)),
        caller.orders.ListOrders(o.ListOrdersRequest(page_token="x")),
        caller.checkouts.ListCheckouts(s.ListCheckoutsRequest(page_token=token)),
        caller.checkouts.ListCarts(s.ListCartsRequest(page_token=token)),
    ):
        await refused(call, "PAGE_TOKEN_INVALID")


@pytest.mark.parametrize("state", [6, 99])
async def test_an_unknown_state_is_refused(caller, state):
    for call in (
        caller.orders.ListOrders(o.ListOrdersRequest(state=state)),
        caller.checkouts.ListCheckouts(s.ListCheckoutsRequest(state=state)),
        caller.checkouts.ListCarts(s.ListCartsRequest(state=state)),
    ):
        assert list((await refused(call, "INVALID_REQUEST")).fields) == ["state"]


async def test_tasks_are_listed_by_merchant_and_label(caller):
    url = "https://shop.example/" + "p" * 2000
    first = await caller.create(merchant="left", labels={"url": url})
    second = await caller.create(merchant="right", labels={"url": url, "n": "2"})
    await caller.create()
    label = t.Label(key="url", value=url)
    assert await caller.all_tasks(label=label, page_size=1) == [second, first]
    assert await caller.all_tasks(label=label, merchant="left") == [first]
    assert await caller.all_tasks(merchant="right") == [second]


async def test_deadlines_are_listed_nearest_first(caller):
    made = [await caller.running(lease=600) for _ in range(3)]
    for held, grace in zip(made, (600, 300, 900), strict=True):
        await caller.cancel(held.task_id, grace)
    nearest = [await caller.get(made[n].task_id) for n in (1, 0, 2)]
    assert await caller.all_tasks(order_by="deadline_time", page_size=1) == nearest
    before = nearest[2].deadline_time
    assert await caller.all_tasks(deadline_before=before) == nearest[:2]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"order_by": "create_time"}, "order_by"),
        ({"label": {"value": "x"}}, "label.key"),
        ({"label": {"key": "k", "value": "x" * 2049}}, "label.value"),
        ({"merchant": "x" * 129}, "merchant"),
        ({"deadline_before": {"nanos": -1}}, "deadline_before"),
    ],
)
async def test_what_no_list_can_be_asked_is_refused(caller, fields, wrong):
    refusal = await refused(caller.all_tasks(**fields), "INVALID_REQUEST")
    assert list(refusal.fields) == [wrong]
