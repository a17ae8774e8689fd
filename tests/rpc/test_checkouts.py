"""Checkouts: what a cancel answers, what it changes at once, and how the checkout ends."""

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    new_id,
    take,
)
from tests.support.records import full_checkout, snapshot_of
from tests.support.refusals import refused
from tests.support.sales import (
    ACKNOWLEDGED,
    IN_PROGRESS,
    NEVER_STARTED,
    PARTIAL,
    SKIPPED,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    TOO_LATE,
    commit_at,
    counts,
    end_all,
    results,
    state_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


def told(answer) -> tuple[str, str, str]:
    """Returns the last message to the buyer."""
    message = answer.checkout.messages[-1]
    return message.type, message.content_type, message.content


async def test_a_checkout_is_returned_as_it_was_given_with_what_is_ours_to_say(caller):
    given = full_checkout(checkout_id="checkout_abc-1.2:3", cart_id="633130-00000004")
    request = s.CreateCheckoutRequest(checkout=given, tasks=[{"merchant": "a"}, {}])
    answer = await caller.checkouts.CreateCheckout(request)
    checkout = answer.checkout
    assert snapshot_of(checkout) == snapshot_of(given)
    assert (checkout.checkout_id, checkout.cart_id) == (given.checkout_id, given.cart_id)
    assert (state_of(checkout), checkout.version) == ("OPEN", 1)
    assert counts(checkout) == {PENDING: 2}
    assert checkout.create_time == checkout.update_time
    assert not checkout.cancellation_id
    assert not checkout.HasField("cancel_time")
    for task in answer.tasks:
        assert (task.group_id, task.checkout_id) == (checkout.group_id, checkout.checkout_id)
    assert answer.tasks[0].merchant == "a"
    assert await caller.checkout(checkout.checkout_id) == checkout
    group = await caller.group(checkout.group_id)
    assert (group.checkout_id, group.closed, counts(group)) == (
        checkout.checkout_id,
        False,
        {PENDING: 2},
    )


async def test_a_checkout_without_an_id_gets_one_and_without_tasks_has_no_group(caller):
    checkout = (await caller.new_checkout()).made
    assert checkout.checkout_id.startswith("checkout_")
    assert checkout.checkout_id[len("checkout_") + 14] == "7"
    assert (checkout.group_id, checkout.cart_id) == ("", "")


async def test_a_taken_id_creates_nothing(caller):
    sale = await caller.new_checkout(1, checkout_id="taken")
    taken_task = {"task_id": sale.tasks[0].task_id}
    again = caller.new_checkout(checkout_id="taken", cart_id="new-cart")
    assert (await refused(again, "CHECKOUT_EXISTS")).metadata == {"checkout_id": "taken"}
    request = s.CreateCheckoutRequest(
        checkout={"checkout_id": "other", "cart_id": "new-cart"}, tasks=[{}, taken_task]
    )
    await refused(caller.checkouts.CreateCheckout(request), "TASK_EXISTS")
    await refused(caller.checkout("other"), "CHECKOUT_NOT_FOUND")
    await refused(caller.cart("new-cart"), "CART_NOT_FOUND")


async def test_three_running_tasks_are_cancelled_in_one_transaction_with_the_whole_answer(
    caller, shared
):
    given = full_checkout(cart_id="cart-1")
    request = s.CreateCheckoutRequest(checkout=given, tasks=[{}, {}, {}])
    made = await caller.checkouts.CreateCheckout(request)
    checkout_id = made.checkout.checkout_id
    ids = [task.task_id for task in made.tasks]
    held = [await caller.start(task_id, f"agent-{n}", 600) for n, task_id in enumerate(ids)]
    watch = caller.watch_many(checkout_id=checkout_id)
    await take(watch, 4)

    answer = await caller.cancel_checkout(
        checkout_id, reason="customer_requested", message="Changed my mind ☂", on_behalf_of="x"
    )

    checkout, cancellation = answer.checkout, answer.cancellation
    assert (state_of(checkout), checkout.version) == ("CANCELLING", 2)
    assert told(answer) == ("info", "plain", "Checkout cancelled: Changed my mind ☂")
    assert checkout.cancellation_id == cancellation.cancellation_id
    assert not checkout.HasField("cancel_time")
    assert counts(checkout) == {CANCELLING: 3}
    assert results(cancellation) == [(id, STOPPING, CANCELLING, 0) for id in ids]
    assert (cancellation.checkout_id, cancellation.state) == (checkout_id, IN_PROGRESS)
    assert (cancellation.requested_by, cancellation.on_behalf_of) == (caller.key_id, "x")
    assert await caller.checkout(checkout_id) == checkout
    changes = await take(watch, 3)
    assert {m.task.update_time.ToNanoseconds() for m in changes} == {
        cancellation.create_time.ToNanoseconds()
    }
    assert commit_at(shared, caller.tenant, cancellation.create_time) == (3, True)
    group = await caller.group(checkout.group_id)
    assert (group.closed, group.cancellation_id) == (True, "")
    # The lines and totals stand as they were.
    del checkout.messages[-1]
    assert snapshot_of(checkout) == snapshot_of(given)

    await end_all(caller, held[:2])
    assert state_of(await caller.checkout(checkout_id)) == "CANCELLING"
    assert state_of(await caller.cart("cart-1")) == "LOCKED"
    last = await caller.finish(held[2], "CANCELLED")
    ended = await caller.checkout(checkout_id)
    assert (state_of(ended), ended.version) == ("CANCELLED", 3)
    assert ended.cancel_time == ended.update_time == last.end_time
    cart = await caller.cart("cart-1")
    assert (state_of(cart), cart.checkout_id, cart.version) == ("ACTIVE", "", 2)
    cancellation = await caller.cancellation(cancellation.cancellation_id)
    assert (cancellation.state, cancellation.end_time) == (SUCCEEDED, last.end_time)
    assert results(cancellation) == [(id, STOPPED, CANCELLED, ACKNOWLEDGED) for id in ids]
    assert (await take(watch, 3))[-1].last


@pytest.mark.parametrize("tasks", [0, 2])
async def test_without_a_running_task_the_answer_itself_is_cancelled(caller, tasks):
    sale = await caller.new_checkout(tasks, cart_id="cart")
    answer = await caller.cancel_checkout(sale.made.checkout_id, reason="fraud")
    assert state_of(answer.checkout) == "CANCELLED"
    assert answer.checkout.cancel_time == answer.cancellation.create_time
    assert answer.checkout.version == 2
    assert told(answer) == ("info", "plain", "Checkout cancelled: fraud")
    assert answer.cancellation.state == SUCCEEDED
    assert not answer.cancellation.HasField("deadline_time")
    assert results(answer.cancellation) == [
        (task.task_id, STOPPED, CANCELLED, NEVER_STARTED) for task in sale.tasks
    ]
    assert state_of(await caller.cart("cart")) == "ACTIVE"
    assert await caller.checkout(sale.made.checkout_id) == answer.checkout


@pytest.mark.parametrize(
    ("outcomes", "state", "cancellation_state"),
    [
        (("CANCELLED", "COMPLETED", "CANCELLED"), "PARTIALLY_CANCELLED", PARTIAL),
        (("COMPLETED", "COMPLETED", "COMPLETED"), "PARTIALLY_CANCELLED", TOO_LATE),
        (("FAILED", "FAILED", "COMPLETED"), "PARTIALLY_CANCELLED", TOO_LATE),
        (("FAILED", "CANCELLED", "FAILED"), "CANCELLED", SUCCEEDED),
        (("FAILED", "FAILED", "FAILED"), "CANCELLED", SUCCEEDED),
    ],
)
async def test_tasks_that_end_in_spite_of_the_cancel_say_how_the_checkout_ends(
    caller, outcomes, state, cancellation_state
):
    sale = await caller.new_checkout(3, running=3, cart_id="cart")
    answer = await caller.cancel_checkout(sale.made.checkout_id)
    for held, outcome in zip(sale.held, outcomes, strict=True):
        await caller.finish(held, outcome)
    checkout = await caller.checkout(sale.made.checkout_id)
    assert state_of(checkout) == state
    assert checkout.HasField("cancel_time")
    assert state_of(await caller.cart("cart")) == "ACTIVE"
    cancellation = await caller.cancellation(answer.cancellation.cancellation_id)
    assert cancellation.state == cancellation_state
    dispositions = [STOPPED if outcome == "CANCELLED" else SKIPPED for outcome in outcomes]
    assert [result.disposition for result in cancellation.results] == dispositions


async def test_a_task_that_was_completed_before_makes_the_checkout_partly_cancelled(caller):
    sale = await caller.new_checkout(2, running=1)
    await caller.finish(sale.held[0])
    answer = await caller.cancel_checkout(sale.made.checkout_id)
    assert state_of(answer.checkout) == "PARTIALLY_CANCELLED"
    assert answer.cancellation.state == PARTIAL
    again = caller.cancel_checkout(sale.made.checkout_id)
    refusal = await refused(again, "CHECKOUT_ALREADY_CANCELLED")
    assert refusal.metadata == {
        "checkout_id": sale.made.checkout_id,
        "state": "PARTIALLY_CANCELLED",
        "cancellation_id": answer.cancellation.cancellation_id,
    }


async def test_ended_checkouts_are_refused_with_a_reason_of_their_own(caller):
    done = (await caller.new_checkout()).made.checkout_id
    await caller.complete(done)
    await refused(caller.cancel_checkout(done), "CHECKOUT_ALREADY_COMPLETED")
    gone = (await caller.new_checkout()).made.checkout_id
    await caller.cancel_checkout(gone)
    request_id = new_id()
    late = caller.cancel_checkout(gone, expected_version=9, request_id=request_id)
    await refused(late, "CHECKOUT_ALREADY_CANCELLED")
    await refused(caller.cancel_checkout("unknown"), "CHECKOUT_NOT_FOUND")
    # What was refused left its request id free.
    other = (await caller.new_checkout()).made.checkout_id
    assert not (await caller.cancel_checkout(other, request_id=request_id)).replayed


async def test_the_expected_version_is_that_of_the_checkout(caller):
    sale = await caller.new_checkout(1, cart_id="cart")
    checkout_id = sale.made.checkout_id
    await caller.create(checkout_id=checkout_id)  # it joins: version 2
    await caller.change_cart("other-cart")
    for target in ({"checkout_id": checkout_id}, {"cart_id": "cart"}):
        refusal = await refused(
            caller.cancel_checkout(**target, expected_version=1), "VERSION_MISMATCH"
        )
        assert refusal.metadata["version"] == "2"
    assert state_of(await caller.checkout(checkout_id)) == "OPEN"
    answer = await caller.cancel_checkout(cart_id="cart", expected_version=2)
    assert answer.checkout.checkout_id == checkout_id
    assert answer.checkout.version == 3


@pytest.mark.parametrize("running", [0, 1])
async def test_validate_only_answers_as_it_would_be_and_stores_nothing(caller, running):
    sale = await caller.new_checkout(2, running=running, cart_id="cart")
    checkout_id, request_id = sale.made.checkout_id, new_id()
    before = await caller.checkout(checkout_id), await caller.cart("cart")
    for target in ({"checkout_id": checkout_id}, {"cart_id": "cart"}):
        fields = {"reason": "fraud", "request_id": request_id, "validate_only": True}
        answer = await caller.cancel_checkout(**target, **fields)
        assert state_of(answer.checkout) == ("CANCELLING" if running else "CANCELLED")
        assert answer.checkout.version == 2
        assert told(answer)[2] == "Checkout cancelled: fraud"
        assert answer.cancellation.cancellation_id == ""
        assert answer.checkout.cancellation_id == ""
        assert len(answer.cancellation.results) == 2
    assert (await caller.checkout(checkout_id), await caller.cart("cart")) == before
    assert await caller.listed(checkout_id=checkout_id) == []
    # The request id was ignored, and is still free.
    assert not (await caller.cancel_checkout(checkout_id, request_id=request_id)).replayed


async def test_a_request_id_is_unique_over_all_cancels(caller):
    sale = await caller.new_checkout(1, running=1, cart_id="same")
    request_id = new_id()
    task_id = sale.tasks[0].task_id
    order = (await caller.new_order(order_id="same")).made
    common = {"request_id": request_id, "reason": "r"}
    first = await caller.cancel_checkout(sale.made.checkout_id, **common)
    calls = (
        caller.cancel_checkout(cart_id="same", **common),
        caller.cancel_checkout("same", **common),
        caller.cancel_order(order.order_id, **common),
        caller.cancel_group(sale.made.group_id, 600, **common),
        caller.cancel(task_id, 600, **common),
        caller.cancel_checkout(sale.made.checkout_id, request_id=request_id, reason="other"),
    )
    for call in calls:
        refusal = await refused(call, "REQUEST_ID_CONFLICT")
        assert refusal.metadata["cancellation_id"] == first.cancellation.cancellation_id
    again = await caller.cancel_checkout(sale.made.checkout_id, **common)
    assert (again.replayed, again.checkout) == (True, first.checkout)
    await end_all(caller, sale.held)
    again = await caller.cancel_checkout(sale.made.checkout_id, **common)
    assert (again.replayed, state_of(again.checkout)) == (True, "CANCELLED")
    assert again.cancellation.state == SUCCEEDED


async def test_a_group_cancel_touches_no_checkout_and_skips_what_has_ended(caller):
    sale = await caller.new_checkout(3, running=2)
    await caller.finish(sale.held[1])
    await caller.cancel(sale.tasks[2].task_id)
    other = await caller.new_checkout(1, running=1)
    answer = await caller.cancel_group(sale.made.group_id, 600)
    assert results(answer.cancellation) == [
        (sale.tasks[0].task_id, STOPPING, CANCELLING, 0),
        (sale.tasks[1].task_id, SKIPPED, COMPLETED, 0),
        (sale.tasks[2].task_id, SKIPPED, CANCELLED, NEVER_STARTED),
    ]
    assert counts(answer.group) == {CANCELLING: 1, COMPLETED: 1, CANCELLED: 1}
    assert state_of(await caller.checkout(sale.made.checkout_id)) == "OPEN"
    assert (await caller.get(other.tasks[0].task_id)).state == RUNNING
    # A cancel of the checkout covers the task that is CANCELLING, whose first cancel stays.
    covering = await caller.cancel_checkout(sale.made.checkout_id, 600)
    assert len(covering.cancellation.results) == 3
    assert (await caller.get(sale.tasks[0].task_id)).cancellation_id == (
        answer.cancellation.cancellation_id
    )
    await caller.finish(sale.held[0], "FAILED")
    first = await caller.cancellation(answer.cancellation.cancellation_id)
    second = await caller.cancellation(covering.cancellation.cancellation_id)
    assert (first.state, second.state) == (TOO_LATE, TOO_LATE)
    assert second.results[0].task_state == FAILED
    assert state_of(await caller.checkout(sale.made.checkout_id)) == "PARTIALLY_CANCELLED"


async def test_neither_id_nor_cart_is_refused(caller):
    refusal = await refused(
        caller.cancellations.CancelCheckout(c.CancelCheckoutRequest()), "INVALID_REQUEST"
    )
    assert list(refusal.fields) == ["checkout_id"]
