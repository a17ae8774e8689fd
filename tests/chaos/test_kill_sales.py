"""kill -9 between the steps of a checkout's cancel and of an order's cancel: both go on.

What was answered is there after the restart, the same request again has the same answer, and every
record is as it was.
"""

import asyncio
import os
import random

import grpc
import pytest

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from tests.chaos.test_kill import dying_server
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    RUNNING,
    Caller,
    everything,
    first_caller,
    new_id,
    span,
)
from tests.support.records import full_checkout, full_order, snapshot_of
from tests.support.sales import PARTIAL, SUCCEEDED, counts, state_of
from tests.support.server import Server

pytestmark = pytest.mark.chaos

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"


class Life:
    """A server that is killed and started again between any two steps."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def again(self) -> None:
        await self.server.kill()
        await self.server.start()

    def caller(self):
        return first_caller(self.server)


async def test_a_checkout_cancel_goes_on_after_a_kill_between_any_two_steps(tmp_path):
    async with dying_server(tmp_path) as server:
        life = Life(server)
        given, request_id = full_checkout(checkout_id="checkout", cart_id="cart"), new_id()
        async with life.caller() as caller:
            request = s.CreateCheckoutRequest(checkout=given, tasks=[{}, {}, {}])
            made = await caller.checkouts.CreateCheckout(request)
        await life.again()
        async with life.caller() as caller:
            assert await caller.checkout("checkout") == made.checkout
            cart = await caller.cart("cart")
            assert state_of(cart) == "LOCKED"
            held = [await caller.start(task.task_id, lease=600) for task in made.tasks[:2]]
            begun = await caller.begin_charge(held[0])
        await life.again()
        fields = {"cart_id": "cart", "request_id": request_id, "message": "über ☂"}
        async with life.caller() as caller:
            assert await caller.get(begun.task_id) == begun
            answer = await caller.cancel_checkout(**fields)
            assert state_of(answer.checkout) == "CANCELLING"
        await life.again()
        async with life.caller() as caller:
            assert await caller.checkout("checkout") == answer.checkout
            again = await caller.cancel_checkout(**fields)
            assert again.replayed
            assert (again.checkout, again.cancellation) == (answer.checkout, answer.cancellation)
            ended = await caller.finish(held[0], "CANCELLED")
            assert ended.refund_required
        await life.again()
        async with life.caller() as caller:
            assert state_of(await caller.checkout("checkout")) == "CANCELLING"
            assert await caller.cart("cart") == cart
            await caller.finish(held[1], "CANCELLED")
            checkout = await caller.checkout("checkout")
        await life.again()
        async with life.caller() as caller:
            await check_checkout(caller, checkout, given, fields)


async def check_checkout(caller: Caller, checkout, given, fields) -> None:
    assert await caller.checkout("checkout") == checkout
    assert state_of(checkout) == "CANCELLED"
    assert state_of(await caller.cart("cart")) == "ACTIVE"
    # By cart, though the cart is not locked any more.
    again = await caller.cancel_checkout(**fields)
    assert (again.replayed, again.checkout) == (True, checkout)
    assert again.cancellation.state == SUCCEEDED
    assert [result.refund_required for result in again.cancellation.results] == [True, False, False]
    assert (await everything(caller.watch_many(checkout_id="checkout")))[-1].last
    assert checkout.messages[-1].content == "Checkout cancelled: über ☂"
    del checkout.messages[-1]
    assert snapshot_of(checkout) == snapshot_of(given)


async def test_an_order_cancel_goes_on_after_a_kill_between_any_two_steps(tmp_path):
    async with dying_server(tmp_path) as server:
        life = Life(server)
        async with life.caller() as caller:
            own = await caller.new_checkout(2, running=1, checkout_id="open", cart_id="open")
            done = await caller.new_checkout(2, running=2, checkout_id="done", cart_id="done")
            await caller.finish(done.held[0])
            await caller.complete("done")
            given = full_order(order_id="order", checkout_ids=["open", "done"], shipped=False)
            request = o.CreateOrderRequest(order=given, tasks=[{}])
            made = await caller.orders.CreateOrder(request)
        await life.again()
        async with life.caller() as caller:
            assert await caller.order("order") == made.order
            assert snapshot_of(made.order) == snapshot_of(given)
            held = await caller.start(made.tasks[0].task_id, lease=600)
        fields = {"request_id": new_id(), "reason": "fraud ☂"}
        await life.again()
        async with life.caller() as caller:
            answer = await caller.cancel_order("order", **fields)
        await life.again()
        async with life.caller() as caller:
            assert await caller.order("order") == answer.order
            again = await caller.cancel_order("order", **fields)
            assert again.replayed
            assert (again.order, again.cancellation) == (answer.order, answer.cancellation)
            for one in (*own.held, done.held[1]):
                await caller.finish(one, "CANCELLED")
            states = [state_of(await caller.checkout(id)) for id in ("open", "done")]
            assert states == ["CANCELLED", "COMPLETED"]
        await life.again()
        async with life.caller() as caller:
            assert state_of(await caller.order("order")) == "CANCELLING"
            await caller.finish(held)  # in spite of the cancel
        await life.again()
        async with life.caller() as caller:
            order = await caller.order("order")
            assert state_of(order) == "PARTIALLY_CANCELLED"
            assert order.cancel_reason == "fraud ☂"
            assert order.cancel_time == answer.order.cancel_time
            assert snapshot_of(order) == snapshot_of(given)
            assert counts(order) == {CANCELLED: 3, COMPLETED: 2}
            assert state_of(await caller.cart("open")) == "ACTIVE"
            assert state_of(await caller.cart("done")) == "CLOSED"
            again = await caller.cancel_order("order", **fields)
            assert (again.replayed, again.order) == (True, order)
            assert again.cancellation.state == PARTIAL
            assert (await everything(caller.watch_many(order_id="order")))[-1].last


@pytest.mark.timeout(600)
@pytest.mark.parametrize("round", range(40 if FULL else 1))
async def test_a_kill_in_the_middle_of_many_checkout_cancels_leaves_each_whole(tmp_path, round):
    """All of a checkout's cancel is there after the restart or nothing: its tasks and its cart."""
    async with dying_server(tmp_path) as server:
        async with first_caller(server) as caller:
            sales = [await caller.new_checkout(3, running=1, cart_id=f"c-{n}") for n in range(30)]
            requests = [
                c.CancelCheckoutRequest(
                    checkout_id=sale.made.checkout_id,
                    request_id=new_id(),
                    grace_period=span(600),
                )
                for sale in sales
            ]
            calls = [asyncio.ensure_future(send(caller, request)) for request in requests]
            after = random.randint(1, 20)
            for call in asyncio.as_completed(calls):
                await call
                after -= 1
                if not after:
                    break
            await server.kill()
            answers = await asyncio.gather(*calls)
        await server.start()
        async with first_caller(server) as caller:
            for sale, request, answer in zip(sales, requests, answers, strict=True):
                checkout = await caller.checkout(sale.made.checkout_id)
                states = [(await caller.get(task.task_id)).state for task in sale.tasks]
                if state_of(checkout) == "OPEN":
                    assert answer is None
                    assert states[0] == RUNNING
                    assert CANCELLED not in states
                else:
                    assert states == [CANCELLING, CANCELLED, CANCELLED]
                again = await caller.cancellations.CancelCheckout(request)
                assert again.replayed is (state_of(checkout) != "OPEN")
                if answer is not None:
                    assert (again.checkout, again.cancellation) == (
                        answer.checkout,
                        answer.cancellation,
                    )
                assert state_of(await caller.cart(checkout.cart_id)) == "LOCKED"
        assert any(answers)


async def send(caller: Caller, request):
    """Returns the answer, or None if the server died first."""
    try:
        return await caller.cancellations.CancelCheckout(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return None
