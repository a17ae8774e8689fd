"""Carts: what locks them, what changes them, and how a checkout closes them for good."""

import asyncio
import os
import random

import grpc
import pytest

from countermand.v1 import checkout_pb2
from countermand.v1 import checkout_service_pb2 as s
from tests.support.caller import CANCELLING, RUNNING, SECONDS, Caller, new_id, unjoined
from tests.support.records import filled
from tests.support.refusals import refusal_of, refused
from tests.support.sales import commit_at, counts, end_all, results, state_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
PAIRS = 10_000 if FULL else 300


def line_ids(cart) -> list[str]:
    return [line.id for line in cart.line_items]


def lines(*ids: str) -> list[checkout_pb2.LineItem]:
    return [checkout_pb2.LineItem(id=id) for id in ids]


async def test_a_checkout_creates_an_unknown_cart_with_its_lines_and_locks_it(caller):
    given = list(filled(checkout_pb2.Cart()).line_items)
    sale = await caller.new_checkout(cart_id="633130-00000004", line_items=given)
    cart = await caller.cart("633130-00000004")
    assert (state_of(cart), cart.version) == ("LOCKED", 1)
    assert cart.checkout_id == sale.made.checkout_id
    assert list(cart.line_items) == given


async def test_a_known_cart_keeps_its_own_lines_when_a_checkout_locks_it(caller):
    created = await caller.change_cart("cart", "a", "b")
    assert (state_of(created.cart), created.cart.version) == ("ACTIVE", 1)
    assert not created.HasField("cancellation")
    sale = await caller.new_checkout(cart_id="cart", line_items=lines("x"))
    cart = await caller.cart("cart")
    assert (state_of(cart), cart.version, line_ids(cart)) == ("LOCKED", 2, ["a", "b"])
    assert line_ids(sale.made) == ["x"]


async def test_an_active_cart_takes_new_lines_and_none_empty_it(caller):
    await caller.change_cart("cart", "a")
    changed = await caller.change_cart("cart", "b", "c")
    assert (changed.cart.version, line_ids(changed.cart)) == (2, ["b", "c"])
    emptied = await caller.change_cart("cart")
    assert (emptied.cart.version, line_ids(emptied.cart)) == (3, [])
    assert await caller.cart("cart") == emptied.cart


async def test_by_cart_each_wrong_state_has_a_reason_of_its_own(caller):
    await refused(caller.cancel_checkout(cart_id="unknown"), "CART_NOT_FOUND")
    await caller.change_cart("active", "a")
    refusal = await refused(caller.cancel_checkout(cart_id="active"), "CART_NOT_LOCKED")
    assert refusal.metadata == {"cart_id": "active", "state": "ACTIVE"}
    sale = await caller.new_checkout(cart_id="closed")
    await caller.complete(sale.made.checkout_id)
    refusal = await refused(caller.cancel_checkout(cart_id="closed"), "CART_CLOSED")
    assert refusal.metadata == {"cart_id": "closed", "state": "CLOSED"}
    await refused(caller.change_cart("closed", "b"), "CART_CLOSED")
    await refused(caller.new_checkout(cart_id="closed"), "CART_CLOSED")
    await refused(caller.new_checkout(cart_id="closed", supersede=True), "CART_CLOSED")
    await refused(caller.cart("unknown"), "CART_NOT_FOUND")


async def test_by_cart_a_repeat_is_answered_after_the_cart_was_unlocked(caller):
    sale = await caller.new_checkout(1, running=1, cart_id="cart")
    request_id = new_id()
    first = await caller.cancel_checkout(cart_id="cart", request_id=request_id)
    await end_all(caller, sale.held)
    await caller.new_checkout(cart_id="cart")  # and was locked by another one
    again = await caller.cancel_checkout(cart_id="cart", request_id=request_id)
    assert again.replayed
    assert again.checkout == await caller.checkout(sale.made.checkout_id)
    assert again.cancellation.cancellation_id == first.cancellation.cancellation_id
    # Its own id names another request.
    by_id = caller.cancel_checkout(sale.made.checkout_id, request_id=request_id)
    await refused(by_id, "REQUEST_ID_CONFLICT")


async def test_changing_a_locked_cart_cancels_its_checkout_in_the_same_transaction(caller, shared):
    sale = await caller.new_checkout(3, running=2, cart_id="cart", line_items=lines("old"))
    changed = await caller.change_cart("cart", "new", "newer")
    cancellation = changed.cancellation
    assert (state_of(changed.cart), changed.cart.version) == ("LOCKED", 2)
    assert line_ids(changed.cart) == ["new", "newer"]
    assert (cancellation.reason, cancellation.requested_by) == ("cart_changed", caller.key_id)
    assert cancellation.checkout_id == sale.made.checkout_id
    assert len(results(cancellation)) == 3
    grace = cancellation.deadline_time.ToMicroseconds() - cancellation.create_time.ToMicroseconds()
    assert grace == 30_000_000
    assert commit_at(shared, caller.tenant, cancellation.create_time) == (3, True)
    checkout = await caller.checkout(sale.made.checkout_id)
    assert (state_of(checkout), line_ids(checkout)) == ("CANCELLING", ["old"])
    assert checkout.update_time == cancellation.create_time
    assert checkout.messages[-1].content == "Checkout cancelled: cart_changed"

    # A second change joins.
    again = await caller.change_cart("cart", "newest")
    assert unjoined(again.cancellation) == cancellation
    await end_all(caller, sale.held)
    cart = await caller.cart("cart")
    assert (state_of(cart), cart.checkout_id, line_ids(cart)) == ("ACTIVE", "", ["newest"])
    assert cart.version == 4
    assert state_of(await caller.checkout(sale.made.checkout_id)) == "CANCELLED"


async def test_a_change_unlocks_at_once_if_no_task_has_to_be_waited_for(caller):
    sale = await caller.new_checkout(2, cart_id="cart")
    changed = await caller.change_cart("cart", "a")
    assert (state_of(changed.cart), changed.cart.checkout_id) == ("ACTIVE", "")
    assert (line_ids(changed.cart), changed.cart.version) == (["a"], 2)
    assert await caller.cart("cart") == changed.cart
    assert state_of(await caller.checkout(sale.made.checkout_id)) == "CANCELLED"


async def test_a_locked_cart_refuses_another_checkout_that_does_not_supersede(caller):
    sale = await caller.new_checkout(1, cart_id="cart")
    before = await caller.cart("cart")
    refusal = await refused(
        caller.new_checkout(1, cart_id="cart", checkout_id="second"), "CART_LOCKED"
    )
    assert refusal.metadata == {"cart_id": "cart", "checkout_id": sale.made.checkout_id}
    await refused(caller.checkout("second"), "CHECKOUT_NOT_FOUND")
    assert await caller.cart("cart") == before


async def test_a_superseded_checkout_is_cancelled_and_does_not_unlock_the_cart(caller, shared):
    old = await caller.new_checkout(2, running=2, cart_id="cart")
    new = await caller.new_checkout(1, cart_id="cart", supersede=True)
    cart = await caller.cart("cart")
    assert (state_of(cart), cart.checkout_id) == ("LOCKED", new.made.checkout_id)
    checkout = await caller.checkout(old.made.checkout_id)
    assert state_of(checkout) == "CANCELLING"
    cancellation = await caller.cancellation(checkout.cancellation_id)
    assert (cancellation.reason, cancellation.requested_by) == ("superseded", caller.key_id)
    assert cancellation.create_time == new.made.create_time
    # One transaction: the two tasks that stop and the new one.
    assert commit_at(shared, caller.tenant, new.made.create_time) == (3, True)

    await end_all(caller, old.held)
    assert state_of(await caller.checkout(old.made.checkout_id)) == "CANCELLED"
    assert await caller.cart("cart") == cart
    # By cart it is the new one that is named.
    assert (await caller.cancel_checkout(cart_id="cart")).checkout.checkout_id == (
        new.made.checkout_id
    )


@pytest.mark.parametrize("running", [0, 1])
async def test_superseding_goes_on_with_a_cancel_that_runs_or_ends_at_once(caller, running):
    old = await caller.new_checkout(1, running=running, cart_id="cart")
    if running:
        await caller.cancel_checkout(cart_id="cart", reason="fraud", grace=20)
    new = await caller.new_checkout(cart_id="cart", supersede=True)
    checkout = await caller.checkout(old.made.checkout_id)
    assert state_of(checkout) == ("CANCELLING" if running else "CANCELLED")
    reason = (await caller.cancellation(checkout.cancellation_id)).reason
    assert reason == ("fraud" if running else "superseded")
    await end_all(caller, old.held)
    cart = await caller.cart("cart")
    assert (state_of(cart), cart.checkout_id) == ("LOCKED", new.made.checkout_id)


async def test_superseding_an_unlocked_cart_is_an_ordinary_checkout(caller):
    sale = await caller.new_checkout(cart_id="cart", supersede=True)
    assert (await caller.cart("cart")).checkout_id == sale.made.checkout_id


async def test_completing_closes_the_group_and_the_cart_and_live_tasks_run_on(caller):
    sale = await caller.new_checkout(2, running=1, cart_id="cart")
    answer = await caller.complete(sale.made.checkout_id)
    assert (state_of(answer.checkout), answer.checkout.version) == ("COMPLETED", 2)
    assert not answer.checkout.HasField("cancel_time")
    assert list(answer.checkout.messages) == []
    assert (state_of(answer.cart), answer.cart.checkout_id) == ("CLOSED", sale.made.checkout_id)
    assert await caller.checkout(sale.made.checkout_id) == answer.checkout
    assert (await caller.group(sale.made.group_id)).closed
    assert (await caller.get(sale.held[0].task_id)).state == RUNNING
    # A repeat changes nothing, also later.
    await caller.finish(sale.held[0])
    again = await caller.complete(sale.made.checkout_id)
    assert again.cart == answer.cart
    assert (again.checkout.version, again.checkout.update_time) == (2, answer.checkout.update_time)
    assert counts(again.checkout) != counts(answer.checkout)
    await refused(caller.cancel_checkout(sale.made.checkout_id), "CHECKOUT_ALREADY_COMPLETED")
    # A task that still lives can be cancelled by itself.
    assert (await caller.cancel(sale.tasks[1].task_id)).task.cancellation_id


async def test_completing_is_refused_once_a_cancel_was_accepted(caller):
    sale = await caller.new_checkout(2, running=2, cart_id="cart")
    checkout_id = sale.made.checkout_id
    accepted = await caller.cancel_checkout(checkout_id)
    refusal = await refused(caller.complete(checkout_id), "CANCELLATION_REQUESTED")
    assert refusal.metadata == {
        "checkout_id": checkout_id,
        "cancellation_id": accepted.cancellation.cancellation_id,
    }
    await caller.finish(sale.held[0])
    await caller.finish(sale.held[1], "CANCELLED")
    await refused(caller.complete(checkout_id), "CHECKOUT_ALREADY_CANCELLED")
    await refused(caller.complete("unknown"), "CHECKOUT_NOT_FOUND")
    alone = (await caller.new_checkout()).made.checkout_id
    assert not (await caller.complete(alone)).HasField("cart")


async def attempt(call):
    """Returns the answer of a call, or the reason why it was refused."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason


@pytest.mark.timeout(900)
@pytest.mark.chaos
async def test_completing_raced_against_cancelling_has_one_winner_and_the_cart_agrees(caller):
    wins = {"COMPLETED": 0, "CANCELLED": 0, "CANCELLING": 0}
    limit = asyncio.Semaphore(4)  # more would only queue cancels, which go one by one

    async def race(number: int) -> None:
        async with limit:
            wins[await race_once(caller, number)] += 1

    await asyncio.gather(*map(race, range(PAIRS)))
    assert sum(wins.values()) == PAIRS
    assert wins["COMPLETED"], wins
    assert wins["CANCELLED"] + wins["CANCELLING"], wins


async def race_once(caller: Caller, number: int) -> str:
    """Completes and cancels one checkout at the same moment. Returns its state after that."""
    cart_id = f"race-{number}"
    running = number % 4 == 0
    sale = await caller.new_checkout(1, running=int(running), cart_id=cart_id)
    checkout_id = sale.made.checkout_id
    by_cart = {"cart_id": cart_id} if number % 3 == 0 else {"checkout_id": checkout_id}
    cancelling = asyncio.create_task(attempt(caller.cancel_checkout(**by_cart)))
    # The server lets small commands go first, so the cancel has a start of some length.
    await asyncio.wait([cancelling], timeout=random.uniform(0, random.choice((0.01, 0.1))))
    completed = await attempt(caller.complete(checkout_id))
    cancelled = await cancelling
    checkout, cart = await asyncio.gather(caller.checkout(checkout_id), caller.cart(cart_id))
    state = state_of(checkout)
    if isinstance(completed, str):
        assert completed == ("CANCELLATION_REQUESTED" if running else "CHECKOUT_ALREADY_CANCELLED")
        assert cancelled.checkout == checkout
        assert state == ("CANCELLING" if running else "CANCELLED")
        assert state_of(cart) == ("LOCKED" if running else "ACTIVE")
        if running:
            assert counts(checkout) == {CANCELLING: 1}
            await end_all(caller, sale.held)
            assert state_of(await caller.cart(cart_id)) == "ACTIVE"
            assert state_of(await caller.checkout(checkout_id)) == "CANCELLED"
    else:
        assert cancelled == (
            "CART_CLOSED" if "cart_id" in by_cart else "CHECKOUT_ALREADY_COMPLETED"
        )
        assert (completed.checkout, completed.cart) == (checkout, cart)
        assert (state, state_of(cart)) == ("COMPLETED", "CLOSED")
        assert not checkout.cancellation_id
    return state


async def test_1000_lines_of_256_kib_are_taken(caller):
    line = checkout_pb2.LineItem(id="x" * 256)
    request = s.ChangeCartRequest(cart_id="cart", line_items=[line] * 1000)
    answer = await caller.checkouts.ChangeCart(request, timeout=SECONDS)
    assert len(answer.cart.line_items) == 1000
    for lines in ([line] * 1001, [checkout_pb2.LineItem(id="x" * 263)] * 1000):
        request = s.ChangeCartRequest(cart_id="cart", line_items=lines)
        refusal = await refused(caller.checkouts.ChangeCart(request), "INVALID_REQUEST")
        assert list(refusal.fields) == ["line_items"]
    assert (await caller.cart("cart")).version == 1
