"""Tasks and checkouts that expire by themselves, also while no server runs."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import cancellation_pb2
from countermand.v1 import checkout_service_pb2 as s
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    Caller,
    everything,
    first_caller,
    take,
)
from tests.support.refusals import refused
from tests.support.sales import NEVER_STARTED, end_all, state_of
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


def soon(seconds: float = 0.3) -> Timestamp:
    """Returns a time that has passed in a moment."""
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return moment


def wait_for(moment: Timestamp) -> None:
    """Looks at the clock until that time has passed, at most two seconds."""
    give_up = time.monotonic() + 2
    while time.time_ns() <= moment.ToNanoseconds():
        assert time.monotonic() < give_up, "that time is too far away"
        time.sleep(0.01)


def check_expiry(cancellation: cancellation_pb2.Cancellation, moment: Timestamp) -> None:
    assert cancellation.reason == "timeout"
    assert cancellation.requested_by == "system:expiry"
    assert (cancellation.message, cancellation.request_id, cancellation.on_behalf_of) == ("",) * 3
    assert len(cancellation.trace_id) == 32
    assert cancellation.create_time.ToNanoseconds() >= moment.ToNanoseconds() // 1000 * 1000


async def test_a_pending_task_that_expires_is_cancelled(caller):
    moment = soon()
    task = await caller.create(expire_time=moment)
    assert task.expire_time.ToMicroseconds() == moment.ToMicroseconds()
    ended = await caller.ended(task.task_id)
    assert (ended.state, ended.cancel_proof, ended.version) == (CANCELLED, NEVER_STARTED, 2)
    assert (ended.cancel_reason, ended.expire_time) == ("timeout", task.expire_time)
    check_expiry(await caller.cancellation(ended.cancellation_id), moment)


async def test_a_running_task_that_expires_is_cancelling_with_the_default_grace(caller):
    moment = soon()
    held = await caller.running(expire_time=moment)
    watch = caller.watch(held.task_id, after_version=2)
    _, change = await take(watch, 2)
    assert change.task.state == CANCELLING
    cancellation = await caller.cancellation(change.task.cancellation_id)
    check_expiry(cancellation, moment)
    grace = change.task.deadline_time.ToMicroseconds() - change.task.update_time.ToMicroseconds()
    assert grace == 30_000_000
    stops = await caller.heartbeat("agent-1")
    assert [(stop.task_id, stop.reason) for stop in stops] == [(held.task_id, "timeout")]
    await caller.finish(held, "CANCELLED")
    (last,) = await everything(watch)
    assert last.task.state == CANCELLED


async def test_nothing_happens_to_a_task_that_has_ended_or_is_cancelling(caller):
    moment = soon()
    done, winding, sentinel = [await caller.running(expire_time=moment) for _ in range(3)]
    await caller.finish(done)
    accepted = await caller.cancel(winding.task_id, 600, reason="fraud")
    _, change = await take(caller.watch(sentinel.task_id, after_version=2), 2)
    assert change.task.cancel_reason == "timeout"  # so the time of all three has passed
    assert (await caller.get(done.task_id)).state == COMPLETED
    assert await caller.get(winding.task_id) == accepted.task
    assert len(await caller.listed()) == 2


async def test_a_checkout_that_expires_is_cancelled_with_its_tasks_and_unlocks_its_cart(caller):
    moment = soon()
    sale = await caller.new_checkout(2, running=1, cart_id="cart", expire_time=moment)
    watch = caller.watch_many(checkout_id=sale.made.checkout_id)
    told = await take(watch, 5)
    assert [m.task.state for m in told[3:]] == [CANCELLING, CANCELLED]
    checkout = await caller.checkout(sale.made.checkout_id)
    assert (state_of(checkout), checkout.expire_time) == ("CANCELLING", sale.made.expire_time)
    assert checkout.messages[-1].content == "Checkout cancelled: timeout"
    cancellation = await caller.cancellation(checkout.cancellation_id)
    check_expiry(cancellation, moment)
    assert cancellation.checkout_id == checkout.checkout_id
    assert len(cancellation.results) == 2
    await end_all(caller, sale.held)
    assert (await everything(watch))[-1].last
    assert state_of(await caller.cart("cart")) == "ACTIVE"


async def test_a_checkout_without_tasks_expires_in_time_too(caller):
    moment = soon()
    sale = await caller.new_checkout(cart_id="cart", expire_time=moment)
    (message,) = await take(caller.watch_many(checkout_id=sale.made.checkout_id), 1)
    assert not message.last
    watch = caller.watch_many(message.resume_token, checkout_id=sale.made.checkout_id, timeout=10)
    assert (await everything(watch))[-1].last
    checkout = await caller.checkout(sale.made.checkout_id)
    assert state_of(checkout) == "CANCELLED"
    late = checkout.cancel_time.ToNanoseconds() - moment.ToNanoseconds()
    assert late < 5_000_000_000
    assert state_of(await caller.cart("cart")) == "ACTIVE"


async def test_nothing_happens_to_a_checkout_that_is_not_open(caller):
    moment = soon(0.5)
    done, winding, gone, sentinel = [
        await caller.new_checkout(1, running=1, expire_time=moment) for _ in range(4)
    ]
    await caller.complete(done.made.checkout_id)
    accepted = await caller.cancel_checkout(winding.made.checkout_id, reason="fraud")
    await caller.cancel_checkout(gone.made.checkout_id, reason="fraud")
    await end_all(caller, gone.held)
    before = await caller.checkout(gone.made.checkout_id)
    _, change = await take(caller.watch(sentinel.held[0].task_id, after_version=2), 2)
    assert change.task.cancel_reason == "timeout"
    assert state_of(await caller.checkout(done.made.checkout_id)) == "COMPLETED"
    assert await caller.checkout(winding.made.checkout_id) == accepted.checkout
    assert await caller.checkout(gone.made.checkout_id) == before


async def test_the_past_is_refused_and_creates_nothing(caller):
    past = soon(-1)
    request = s.CreateCheckoutRequest(
        checkout={"checkout_id": "c", "cart_id": "cart", "expire_time": past}, tasks=[{}]
    )
    refusal = await refused(caller.checkouts.CreateCheckout(request), "INVALID_REQUEST")
    assert list(refusal.fields) == ["checkout.expire_time"]
    await refused(caller.cart("cart"), "CART_NOT_FOUND")
    refusal = await refused(caller.create(expire_time=past), "INVALID_REQUEST")
    assert list(refusal.fields) == ["expire_time"]


async def test_what_expired_while_no_server_ran_is_cancelled_at_its_start(tmp_path):
    server = await Server(tmp_path).start()
    try:
        async with first_caller(server) as caller:
            moment = soon(1)
            task = await caller.create(expire_time=moment)
            running = await caller.running(lease=600, expire_time=moment)
            empty = await caller.new_checkout(cart_id="cart", expire_time=moment)
            sale = await caller.new_checkout(1, running=1, expire_time=moment)
            await server.kill()
        wait_for(moment)
        await server.start()
        async with first_caller(server) as caller:
            await check_after_restart(caller, task, running, empty, sale, moment)
    finally:
        await server.kill()


async def check_after_restart(caller: Caller, task, running, empty, sale, moment) -> None:
    ended = await caller.ended(task.task_id)
    assert (ended.state, ended.cancel_reason) == (CANCELLED, "timeout")
    check_expiry(await caller.cancellation(ended.cancellation_id), moment)
    for held in (running, *sale.held):
        told = await take(caller.watch(held.task_id, after_version=2), 1)
        if told[0].task.state != CANCELLING:
            told = await take(caller.watch(held.task_id, after_version=2), 2)
        assert told[-1].task.state == CANCELLING
        await caller.finish(held, "CANCELLED")
    checkout = await caller.checkout(sale.made.checkout_id)
    assert state_of(checkout) == "CANCELLED"
    check_expiry(await caller.cancellation(checkout.cancellation_id), moment)
    assert (await everything(caller.watch_many(checkout_id=empty.made.checkout_id)))[-1].last
    assert state_of(await caller.checkout(empty.made.checkout_id)) == "CANCELLED"
    assert state_of(await caller.cart("cart")) == "ACTIVE"
