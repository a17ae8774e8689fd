"""WatchTasks of checkouts and orders: what is shown, and when the stream ends by itself."""

import pytest

from countermand.v1 import order_pb2
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    CHANGE,
    COMPLETED,
    HEARTBEAT,
    PENDING,
    RUNNING,
    SNAPSHOT,
    SYNCED,
    everything,
    new_id,
    take,
)
from tests.support.refusals import refused
from tests.support.sales import end_all

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOSED = order_pb2.ORDER_STATE_CLOSED


def brief(messages):
    """What kind each message is, and of which task in which state."""
    return [(message.type, message.task.task_id, message.task.state) for message in messages]


async def test_an_order_shows_its_own_tasks_and_those_of_its_checkouts_to_the_end(caller):
    sale = await caller.new_checkout(2, running=1)
    order = await caller.new_order(1, running=1, checkout_ids=[sale.made.checkout_id])
    await caller.running()  # another one
    first, second = (task.task_id for task in sale.tasks)
    own = order.tasks[0].task_id
    of_order = caller.watch_many(order_id=order.made.order_id)
    of_checkout = caller.watch_many(checkout_id=sale.made.checkout_id)
    assert brief(await take(of_order, 4)) == [
        (SNAPSHOT, first, RUNNING),
        (SNAPSHOT, second, PENDING),
        (SNAPSHOT, own, RUNNING),
        (SYNCED, "", 0),
    ]
    assert brief(await take(of_checkout, 3)) == [
        (SNAPSHOT, first, RUNNING),
        (SNAPSHOT, second, PENDING),
        (SYNCED, "", 0),
    ]
    await caller.cancel_order(order.made.order_id)
    await end_all(caller, sale.held)
    await end_all(caller, order.held)

    told = await everything(of_order)
    assert brief(told) == [
        (CHANGE, first, CANCELLING),
        (CHANGE, second, CANCELLED),
        (CHANGE, own, CANCELLING),
        (CHANGE, first, CANCELLED),
        (CHANGE, own, CANCELLED),
    ]
    assert [message.last for message in told] == [False] * 4 + [True]
    told = await everything(of_checkout)
    assert brief(told) == [
        (CHANGE, first, CANCELLING),
        (CHANGE, second, CANCELLED),
        (CHANGE, first, CANCELLED),
    ]
    assert [message.last for message in told] == [False, False, True]


async def test_a_task_that_joins_begins_with_the_change_that_made_it_match(caller):
    sale = await caller.new_checkout(cart_id="cart")
    order = await caller.new_order(checkout_ids=[sale.made.checkout_id])
    watches = [
        caller.watch_many(checkout_id=sale.made.checkout_id),
        caller.watch_many(order_id=order.made.order_id),
    ]
    for watch in watches:
        assert (await watch.read()).type == SYNCED
    held = await caller.running(checkout_id=sale.made.checkout_id)
    for watch in watches:
        assert brief(await take(watch, 2)) == [
            (CHANGE, held.task_id, PENDING),
            (CHANGE, held.task_id, RUNNING),
        ]
        watch.cancel()


async def test_completing_a_checkout_ends_its_watch_without_a_change(caller):
    sale = await caller.new_checkout(1, running=1)
    await caller.finish(sale.held[0])
    watches = [caller.watch_many(checkout_id=sale.made.checkout_id) for _ in range(2)]
    watches.append(caller.watch_many(group_id=sale.made.group_id))
    for watch in watches:
        assert not (await take(watch, 2))[-1].last
    await caller.complete(sale.made.checkout_id)
    for watch in watches:
        assert [(m.type, m.last) for m in await everything(watch)] == [(HEARTBEAT, True)]
    told = await everything(caller.watch_many(checkout_id=sale.made.checkout_id))
    assert [(m.type, m.last) for m in told] == [(SNAPSHOT, False), (SYNCED, True)]


async def test_a_completed_checkout_with_live_tasks_ends_with_the_last_of_them(caller):
    sale = await caller.new_checkout(1, running=1)
    watch = caller.watch_many(checkout_id=sale.made.checkout_id)
    await take(watch, 2)
    await caller.complete(sale.made.checkout_id)
    await caller.finish(sale.held[0])
    (message,) = await everything(watch)
    assert (message.type, message.task.state, message.last) == (CHANGE, COMPLETED, True)


async def test_closing_an_order_ends_its_watch_when_all_tasks_have_ended(caller):
    order = await caller.new_order(1, running=1)
    empty = await caller.new_order()
    watches = [caller.watch_many(order_id=one.made.order_id) for one in (order, empty)]
    assert not (await take(watches[0], 2))[-1].last
    assert not (await take(watches[1], 1))[-1].last
    await caller.finish(order.held[0])
    assert not (await take(watches[0], 1))[-1].last
    for one, watch in zip((order, empty), watches, strict=True):
        await caller.update_order(one.made.order_id, state=CLOSED)
        assert [(m.type, m.last) for m in await everything(watch)] == [(HEARTBEAT, True)]


@pytest.mark.parametrize("kind", ["checkout", "order"])
async def test_cancelling_what_has_no_task_ends_its_watch(caller, kind):
    made = (await (caller.new_checkout if kind == "checkout" else caller.new_order)()).made
    id = getattr(made, f"{kind}_id")
    watch = caller.watch_many(**{f"{kind}_id": id})
    assert not (await watch.read()).last
    await (caller.cancel_checkout if kind == "checkout" else caller.cancel_order)(id)
    assert [(m.type, m.last) for m in await everything(watch)] == [(HEARTBEAT, True)]
    (message,) = await everything(caller.watch_many(**{f"{kind}_id": id}))
    assert (message.type, message.last) == (SYNCED, True)


async def test_one_of_several_named_holders_that_is_over_ends_the_stream(caller):
    sale = await caller.new_checkout(1)
    order = await caller.new_order(1, checkout_ids=[sale.made.checkout_id])
    watch = caller.watch_many(order_id=order.made.order_id, checkout_id=sale.made.checkout_id)
    assert len(await take(watch, 2)) == 2
    await caller.cancel_checkout(sale.made.checkout_id)
    (message,) = await everything(watch)
    assert (message.task.task_id, message.last) == (sale.tasks[0].task_id, True)


@pytest.mark.parametrize("kind", ["checkout", "order"])
async def test_a_watch_resumes_at_every_place_and_its_token_fits_no_other(caller, kind):
    sale = await caller.new_checkout(3, running=2)
    order = await caller.new_order(checkout_ids=[sale.made.checkout_id])
    chosen = {"checkout_id": sale.made.checkout_id}
    other = {"order_id": order.made.order_id}
    if kind == "order":
        chosen, other = other, chosen
    watch = caller.watch_many(**chosen)
    told = await take(watch, 4)
    await caller.cancel_order(order.made.order_id)
    await end_all(caller, sale.held)
    told += await everything(watch)
    assert len(told) == 9
    for place, message in enumerate(told):
        rest = await everything(caller.watch_many(message.resume_token, **chosen))
        if place >= 4:
            expected = brief(told[place + 1 :])
            assert brief(rest)[: len(expected)] == expected
        assert rest == [] or rest[-1].last
        shown = {m.task.task_id: m.task for m in [*told[: place + 1], *rest] if m.HasField("task")}
        assert {task.state for task in shown.values()} == {CANCELLED}
        stolen = caller.watch_many(message.resume_token, **other)
        await refused(stolen.read(), "RESUME_TOKEN_INVALID")


async def test_an_unknown_checkout_or_order_is_not_found_before_any_message(caller, stranger):
    sale = await stranger.new_checkout(1)
    order = await stranger.new_order()
    for field, ids in (
        ("checkout_id", (new_id(), sale.made.checkout_id)),
        ("order_id", (new_id(), order.made.order_id)),
    ):
        kind = field.removesuffix("_id")
        for id in ids:
            watch = caller.watch_many(**{field: id})
            refusal = await refused(watch.read(), f"{kind.upper()}_NOT_FOUND")
            assert refusal.resource == (kind, id)
