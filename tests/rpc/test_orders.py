"""CancelOrder: what it reaches, what it leaves alone, and how the order ends."""

import pytest

from countermand.v1 import order_pb2
from countermand.v1 import order_service_pb2 as o
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    PENDING,
    RUNNING,
    Caller,
    Sale,
    new_id,
)
from tests.support.records import full_order, snapshot_of
from tests.support.refusals import refused
from tests.support.sales import (
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


async def order_of(
    caller: Caller, *sales: Sale, tasks: int = 0, running: int = 0, **fields
) -> Sale:
    """Creates an order that came from these checkouts."""
    ids = [sale.made.checkout_id for sale in sales]
    return await caller.new_order(tasks, running=running, checkout_ids=ids, **fields)


async def test_an_order_is_cancelled_with_its_tasks_and_those_of_its_checkouts_alone(
    caller, shared
):
    sales = [await caller.new_checkout(2, running=1, cart_id=f"cart-{n}") for n in range(2)]
    order = await order_of(caller, *sales, tasks=2, running=1)
    alone = await caller.running(lease=600)
    other = await caller.new_checkout(1, running=1)
    foreign = await order_of(caller, other)
    assert counts(await caller.order(order.made.order_id)) == {PENDING: 3, RUNNING: 3}

    answer = await caller.cancel_order(order.made.order_id, reason="fraud", message="why")

    cancellation = answer.cancellation
    assert state_of(answer.order) == "CANCELLING"
    assert (answer.order.cancel_reason, answer.order.cancel_time) == (
        "fraud",
        cancellation.create_time,
    )
    assert answer.order.version == order.made.version + 1
    assert (cancellation.order_id, cancellation.state) == (order.made.order_id, IN_PROGRESS)
    expected = []
    for sale in (*sales, order):
        expected.append((sale.tasks[0].task_id, STOPPING, CANCELLING, 0))
        expected.append((sale.tasks[1].task_id, STOPPED, CANCELLED, NEVER_STARTED))
    assert results(cancellation) == expected
    assert counts(answer.order) == {CANCELLING: 3, CANCELLED: 3}
    assert commit_at(shared, caller.tenant, cancellation.create_time) == (6, True)
    assert await caller.order(order.made.order_id) == answer.order
    for sale in sales:
        checkout = await caller.checkout(sale.made.checkout_id)
        assert state_of(checkout) == "CANCELLING"
        assert checkout.cancellation_id == cancellation.cancellation_id
        assert checkout.messages[-1].content == "Checkout cancelled: why"
        group = await caller.group(checkout.group_id)
        assert (group.closed, group.cancellation_id) == (True, "")
    for untouched in (alone, *other.held):
        assert (await caller.get(untouched.task_id)).version == 2
    assert state_of(await caller.checkout(other.made.checkout_id)) == "OPEN"
    assert state_of(await caller.order(foreign.made.order_id)) == "OPEN"

    await end_all(caller, sales[0].held)
    assert state_of(await caller.checkout(sales[0].made.checkout_id)) == "CANCELLED"
    assert state_of(await caller.cart("cart-0")) == "ACTIVE"
    assert state_of(await caller.cart("cart-1")) == "LOCKED"
    await end_all(caller, [*order.held, *sales[1].held])
    ended = await caller.order(order.made.order_id)
    assert (state_of(ended), ended.version) == ("CANCELLED", answer.order.version + 1)
    assert ended.cancel_time == cancellation.create_time  # when it was accepted
    cancellation = await caller.cancellation(cancellation.cancellation_id)
    assert cancellation.state == SUCCEEDED
    assert cancellation.end_time == ended.update_time


@pytest.mark.parametrize("tasks", [0, 2])
async def test_an_order_with_nothing_to_wait_for_is_cancelled_in_the_answer(caller, tasks):
    sale = await caller.new_checkout(tasks, cart_id="cart")
    order = await order_of(caller, sale, tasks=tasks)
    answer = await caller.cancel_order(order.made.order_id, reason="duplicate_order")
    assert (state_of(answer.order), answer.order.version) == ("CANCELLED", 2)
    assert answer.order.HasField("cancel_time")
    assert answer.cancellation.state == SUCCEEDED
    assert len(answer.cancellation.results) == 2 * tasks
    assert state_of(await caller.checkout(sale.made.checkout_id)) == "CANCELLED"
    assert state_of(await caller.cart("cart")) == "ACTIVE"
    await refused(caller.cancel_order(order.made.order_id), "ORDER_ALREADY_CANCELLED")


async def test_a_completed_checkout_stays_completed_and_only_its_live_tasks_are_cancelled(caller):
    sale = await caller.new_checkout(2, running=2, cart_id="cart")
    await caller.finish(sale.held[0])
    await caller.complete(sale.made.checkout_id)
    order = await order_of(caller, sale)
    before = await caller.checkout(sale.made.checkout_id)
    answer = await caller.cancel_order(order.made.order_id)
    assert results(answer.cancellation) == [
        (sale.tasks[0].task_id, SKIPPED, COMPLETED, 0),
        (sale.tasks[1].task_id, STOPPING, CANCELLING, 0),
    ]
    await end_all(caller, sale.held[1:])
    checkout = await caller.checkout(sale.made.checkout_id)
    assert (state_of(checkout), checkout.version) == ("COMPLETED", before.version)
    assert checkout.cancellation_id == ""
    assert state_of(await caller.cart("cart")) == "CLOSED"
    # What completed before the accept does not make the order partial.
    assert state_of(await caller.order(order.made.order_id)) == "CANCELLED"
    cancellation = await caller.cancellation(answer.cancellation.cancellation_id)
    assert cancellation.state == SUCCEEDED


async def test_an_order_whose_checkout_was_completed_with_all_tasks_ends_cancelled(caller):
    sale = await caller.new_checkout(2, running=2)
    await end_all(caller, sale.held, "COMPLETED")
    await caller.complete(sale.made.checkout_id)
    order = await order_of(caller, sale)
    answer = await caller.cancel_order(order.made.order_id)
    assert state_of(answer.order) == "CANCELLED"
    assert answer.cancellation.state == SUCCEEDED
    assert [result.disposition for result in answer.cancellation.results] == [SKIPPED] * 2


@pytest.mark.parametrize(
    ("outcomes", "state", "cancellation_state"),
    [
        (("CANCELLED", "COMPLETED", "CANCELLED"), "PARTIALLY_CANCELLED", PARTIAL),
        (("COMPLETED", "COMPLETED", "COMPLETED"), "PARTIALLY_CANCELLED", TOO_LATE),
        (("FAILED", "FAILED", "FAILED"), "CANCELLED", SUCCEEDED),
    ],
)
async def test_tasks_that_complete_in_spite_of_the_cancel_make_the_order_partial(
    caller, outcomes, state, cancellation_state
):
    sale = await caller.new_checkout(2, running=2)
    order = await order_of(caller, sale, tasks=1, running=1)
    answer = await caller.cancel_order(order.made.order_id)
    for held, outcome in zip([*sale.held, *order.held], outcomes, strict=True):
        await caller.finish(held, outcome)
    assert state_of(await caller.order(order.made.order_id)) == state
    cancellation = await caller.cancellation(answer.cancellation.cancellation_id)
    assert cancellation.state == cancellation_state
    if state == "PARTIALLY_CANCELLED":
        again = caller.cancel_order(order.made.order_id)
        await refused(again, "ORDER_ALREADY_CANCELLED")


async def test_a_closed_and_an_unknown_order_have_reasons_of_their_own(caller):
    order_id = (await caller.new_order()).made.order_id
    await caller.update_order(order_id, state=order_pb2.ORDER_STATE_CLOSED)
    refusal = await refused(caller.cancel_order(order_id, expected_version=9), "ORDER_CLOSED")
    assert refusal.metadata["state"] == "CLOSED"
    refusal = await refused(caller.cancel_order("unknown"), "ORDER_NOT_FOUND")
    assert refusal.resource == ("order", "unknown")


async def test_an_order_cancel_is_joined_repeated_and_validated(caller):
    order = await caller.new_order(2, running=1)
    order_id, request_id = order.made.order_id, new_id()
    await refused(caller.cancel_order(order_id, expected_version=7), "VERSION_MISMATCH")
    fields = {"reason": "fraud", "request_id": request_id}
    would = await caller.cancel_order(order_id, validate_only=True, **fields)
    assert (state_of(would.order), would.order.cancel_reason) == ("CANCELLING", "fraud")
    assert would.order.HasField("cancel_time")
    assert (would.cancellation.cancellation_id, would.order.cancellation_id) == ("", "")
    assert (await caller.order(order_id)).version == 1

    first = await caller.cancel_order(order_id, expected_version=1, **fields)
    assert not first.replayed
    again = await caller.cancel_order(order_id, expected_version=1, **fields)
    assert (again.replayed, again.order) == (True, first.order)
    joined = await caller.cancel_order(order_id, 10, reason="other")
    assert (joined.replayed, joined.cancellation.reason) == (False, "fraud")
    assert joined.cancellation.cancellation_id == first.cancellation.cancellation_id
    assert joined.cancellation.deadline_time.seconds < first.cancellation.deadline_time.seconds
    await refused(caller.cancel_order(order_id, 10, **fields), "REQUEST_ID_CONFLICT")
    await end_all(caller, order.held)
    again = await caller.cancel_order(order_id, expected_version=1, **fields)
    assert (again.replayed, state_of(again.order)) == (True, "CANCELLED")


async def test_every_field_of_an_order_comes_back_from_create_get_and_cancel(caller):
    sale = await caller.new_checkout(1)
    given = full_order(order_id="633130-00000004", checkout_ids=[sale.made.checkout_id])
    given.shipped = False
    request = o.CreateOrderRequest(order=given)
    made = (await caller.orders.CreateOrder(request)).order
    assert snapshot_of(made) == snapshot_of(given)
    assert list(made.checkout_ids) == [sale.made.checkout_id]
    assert (state_of(made), made.version, made.cancel_reason) == ("OPEN", 1, "")
    assert not made.HasField("cancel_time")
    assert counts(made) == {PENDING: 1}
    assert await caller.order(made.order_id) == made
    answer = await caller.cancel_order(made.order_id, reason="customer_requested")
    assert snapshot_of(answer.order) == snapshot_of(given)
    assert await caller.order(made.order_id) == answer.order


async def test_a_taken_order_id_and_an_unknown_checkout_create_nothing(caller):
    order = await caller.new_order(1)
    taken = caller.new_order(order_id=order.made.order_id)
    refusal = await refused(taken, "ORDER_EXISTS")
    assert refusal.metadata == {"order_id": order.made.order_id}
    unknown = caller.new_order(1, order_id="new", checkout_ids=["nowhere"])
    assert (await refused(unknown, "CHECKOUT_NOT_FOUND")).resource == ("checkout", "nowhere")
    await refused(caller.order("new"), "ORDER_NOT_FOUND")
    assert order.made.order_id.startswith("order_")
    assert {task.order_id for task in order.tasks} == {order.made.order_id}


async def test_more_than_10000_tasks_under_an_order_are_too_many(caller):
    halves = [await caller.new_checkout(5000) for _ in range(2)]
    full = await order_of(caller, *halves)
    assert counts(full.made) == {PENDING: 10_000}
    order_id = full.made.order_id
    await refused(caller.create(order_id=order_id), "TOO_MANY_TASKS")
    more = caller.create(checkout_id=halves[0].made.checkout_id)
    await refused(more, "TOO_MANY_TASKS")
    await refused(order_of(caller, *halves, tasks=1), "TOO_MANY_TASKS")
    one = await caller.new_checkout(1)
    ids = [sale.made.checkout_id for sale in (*halves, one)]
    await refused(caller.update_order(order_id, checkout_ids=ids), "TOO_MANY_TASKS")
    answer = await caller.cancel_order(order_id)
    assert state_of(answer.order) == "CANCELLED"
    assert len(answer.cancellation.results) == 10_000
