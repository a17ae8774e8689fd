"""WatchCheckout and WatchOrder on the wire: scopes, ends, and resuming across kill -9."""

import pytest

from countermand.client import Client
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import order_pb2
from tests.support.caller import SECONDS, everything, first_caller, take
from tests.support.refusals import refused
from tests.support.sales import state_of
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

SNAPSHOT, CHANGE, HEARTBEAT = 1, 2, 3


def watch_order(caller, order_id, **fields):
    request = c.WatchOrderRequest(order_id=order_id, **fields)
    return caller.cancellations.WatchOrder(request, timeout=SECONDS)


def watch_checkout(caller, checkout_id, **fields):
    request = c.WatchCheckoutRequest(checkout_id=checkout_id, **fields)
    return caller.cancellations.WatchCheckout(request, timeout=SECONDS)


async def test_an_order_without_tasks_shows_its_cancel_and_ends_with_ok(caller):
    made = (await caller.new_order(note="n")).made
    watch = watch_order(caller, made.order_id)
    (first,) = await take(watch, 1)
    assert (first.type, first.order, first.last) == (SNAPSHOT, made, False)
    cancelled = (await caller.cancel_order(made.order_id, reason="fraud")).order
    (end,) = await everything(watch)
    assert (end.type, end.order, end.last) == (CHANGE, cancelled, True)


async def test_a_checkout_winds_down_and_each_version_has_its_own_state(caller):
    sale = await caller.new_checkout(1, running=1, cart_id="cart")
    checkout_id = sale.made.checkout_id
    cancelling = (await caller.cancel_checkout(checkout_id, reason="fraud")).checkout
    await caller.finish(sale.held[0], "CANCELLED")
    ended = await caller.checkout(checkout_id)
    told = await everything(watch_checkout(caller, checkout_id, after_version=0))
    assert [(m.type, state_of(m.checkout), m.last) for m in told] == [
        (CHANGE, "OPEN", False),
        (CHANGE, "CANCELLING", False),
        (CHANGE, "CANCELLED", True),
    ]
    assert told[2].checkout == ended
    assert told[1].checkout.update_time == cancelling.update_time
    assert told[1].checkout.cancellation_id == cancelling.cancellation_id
    assert not told[1].checkout.HasField("cancel_time")
    assert list(told[1].checkout.messages) == list(cancelling.messages)
    assert (told[0].checkout.cancellation_id, list(told[0].checkout.messages)) == ("", [])


async def test_the_client_and_the_versions_outlive_a_kill(tmp_path):
    server = await Server(tmp_path).start()
    try:
        async with (
            Client(server.address, server.key) as client,
            first_caller(server) as caller,
        ):
            order_id = (await caller.new_order(1)).made.order_id
            watch = client.watch_order_record(order_id, 0)
            assert (await anext(watch)).order.version == 1
            await caller.update_order(order_id, note="x")
            await server.kill()
            await server.start()
            async with first_caller(server) as again:
                await again.cancel_order(order_id)
            told = [message async for message in watch]
    finally:
        await server.kill()
    assert [(m.order.version, m.last) for m in told] == [(2, False), (3, True)]
    assert told[-1].order.state == order_pb2.ORDER_STATE_CANCELLED


@pytest.mark.parametrize("after_version", [-1, 2])
async def test_a_version_that_is_none_is_refused(caller, after_version):
    made = (await caller.new_order()).made
    reason = "INVALID_REQUEST" if after_version < 0 else "VERSION_AHEAD"
    watch = watch_order(caller, made.order_id, after_version=after_version)
    await refused(everything(watch), reason)


async def test_an_unknown_record_is_not_found_before_any_message(caller):
    await refused(everything(watch_order(caller, "nothing")), "ORDER_NOT_FOUND")
    await refused(everything(watch_checkout(caller, "nothing")), "CHECKOUT_NOT_FOUND")
