"""The client against a real server, which is killed and restarted under it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from countermand.client import Client, CountermandError
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_CANCELLED, FINISH_OUTCOME_COMPLETED
from countermand.v1.cancellation_pb2 import (
    CANCELLATION_STATE_IN_PROGRESS,
    CANCELLATION_STATE_PARTIAL,
    CANCELLATION_STATE_SUCCEEDED,
)
from countermand.v1.cancellation_service_pb2 import (
    SUMMARY_KEY_PROOF,
    SUMMARY_KEY_REASON,
    WATCH_TYPE_CHANGE,
    WATCH_TYPE_SNAPSHOT,
)
from countermand.v1.checkout_pb2 import (
    CART_STATE_ACTIVE,
    CART_STATE_CLOSED,
    CART_STATE_LOCKED,
    CHECKOUT_STATE_CANCELLED,
    CHECKOUT_STATE_CANCELLING,
    CHECKOUT_STATE_COMPLETED,
    Checkout,
    LineItem,
)
from countermand.v1.order_pb2 import ORDER_STATE_CANCELLED, Order
from countermand.v1.task_pb2 import (
    CANCEL_PROOF_ACKNOWLEDGED,
    CANCEL_PROOF_NEVER_STARTED,
    CHARGE_STATE_BEGUN,
    CHARGE_STATE_CAPTURED,
    TASK_STATE_CANCELLED,
    TASK_STATE_CANCELLING,
    TASK_STATE_PENDING,
    TASK_STATE_RUNNING,
    Task,
    TaskFilter,
)
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.choosing import DRAWN_CLIENT, with_knobs
from tests.support.server import Server

UNKNOWN = "0192f0c1-0000-7000-8000-000000000001"


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.address, server.key, knobs=DRAWN_CLIENT) as client:
        yield client


async def start_one(client: Client, agent_id: str = "agent-1") -> tuple[Task, int]:
    """A task that is RUNNING, and its fence."""
    created = (await client.create_task(merchant="Fern & Fable Books")).task
    started = await client.start_task(created.task_id, agent_id)
    return started.task, started.fence


async def test_any_number_of_calls_at_once_are_answered(client: Client):
    made = await asyncio.gather(*(client.create_task() for _ in range(500)))
    assert len({one.task.task_id for one in made}) == 500


async def test_a_cancel_is_followed_until_cancelled_is_proven(client: Client):
    asked = [CreateTaskRequest(merchant=name) for name in ("a", "b")]
    created = await client.create_group(asked, closed=True)
    first, second = created.tasks
    fences = [(await client.start_task(task.task_id, "agent-1")).fence for task in created.tasks]

    watch = client.watch_group(created.group.group_id)
    opening = [await anext(watch) for _ in range(3)]
    assert [message.task.state for message in opening[:2]] == [TASK_STATE_RUNNING] * 2

    answer = await client.cancel_group(created.group.group_id, reason="fraud", message="stop")
    assert answer.cancellation.state == CANCELLATION_STATE_IN_PROGRESS
    stops = (await client.heartbeat("agent-1")).stops
    assert {stop.task_id for stop in stops} == {first.task_id, second.task_id}
    await client.finish_task(first.task_id, fences[0], FINISH_OUTCOME_COMPLETED)
    await client.finish_task(second.task_id, fences[1], FINISH_OUTCOME_CANCELLED)

    changes = [message async for message in watch]
    assert [message.task.version for message in changes] == [3, 3, 4, 4]
    assert changes[-1].last
    assert changes[-1].task.cancel_proof == CANCEL_PROOF_ACKNOWLEDGED

    found = await client.get_cancellation(answer.cancellation.cancellation_id)
    assert found.cancellation.state == CANCELLATION_STATE_PARTIAL
    listed = await client.list_cancellations(group_id=created.group.group_id, reason="fraud")
    assert [each.cancellation_id for each in listed.cancellations] == [
        answer.cancellation.cancellation_id
    ]


async def test_a_checkout_is_cancelled_by_its_cart_and_lets_go_of_it(client: Client):
    lines = [LineItem(id="line-1", total=1250)]
    created = await client.create_checkout(
        Checkout(cart_id="cart-1", currency="EUR", line_items=lines),
        [CreateTaskRequest(merchant=name) for name in ("a", "b")],
    )
    checkout_id = created.checkout.checkout_id
    task_id = created.tasks[0].task_id
    fence = (await client.start_task(task_id, "agent-1")).fence
    cart = (await client.get_cart("cart-1")).cart
    assert (cart.state, cart.checkout_id) == (CART_STATE_LOCKED, checkout_id)

    watch = client.watch_checkout(checkout_id)
    assert {(await anext(watch)).task.task_id for _ in range(2)} == {
        task.task_id for task in created.tasks
    }
    answer = await client.cancel_checkout(cart_id="cart-1", message="No more.")
    assert answer.checkout.state == CHECKOUT_STATE_CANCELLING
    await client.finish_task(task_id, fence, FINISH_OUTCOME_CANCELLED)
    rest = [message async for message in watch]
    assert rest[-1].last

    ended = (await client.get_checkout(checkout_id)).checkout
    assert ended.state == CHECKOUT_STATE_CANCELLED
    assert ended.messages[-1].content == "Checkout cancelled: No more."
    assert list(ended.line_items) == lines
    assert (await client.get_cart("cart-1")).cart.state == CART_STATE_ACTIVE
    listed = await client.list_cancellations(checkout_id=checkout_id)
    assert [each.checkout_id for each in listed.cancellations] == [checkout_id]


async def test_a_cart_that_changes_cancels_its_checkout_until_one_is_completed(client: Client):
    first = (await client.create_checkout(Checkout(cart_id="cart-1"))).checkout
    changed = await client.change_cart("cart-1", [LineItem(id="line-2")])
    assert changed.cancellation.checkout_id == first.checkout_id
    assert changed.cancellation.reason == "cart_changed"
    assert not (await client.change_cart("cart-1", [])).HasField("cancellation")

    await client.create_checkout(Checkout(cart_id="cart-1"))
    last = await client.create_checkout(Checkout(cart_id="cart-1"), supersede=True)
    late = await client.create_task(checkout_id=last.checkout.checkout_id)
    for _ in range(2):
        done = await client.complete_checkout(last.checkout.checkout_id)
        assert (done.checkout.state, done.cart.state) == (
            CHECKOUT_STATE_COMPLETED,
            CART_STATE_CLOSED,
        )
    assert (await client.get_task(late.task.task_id)).task.state == TASK_STATE_PENDING
    with pytest.raises(CountermandError) as caught:
        await client.cancel_checkout(last.checkout.checkout_id)
    assert caught.value.reason == "CHECKOUT_ALREADY_COMPLETED"


async def test_an_order_is_cancelled_with_its_checkouts_and_counted(client: Client):
    checkout = await client.create_checkout(tasks=[CreateTaskRequest(merchant="a")])
    created = await client.create_order(
        Order(number="4711", checkout_ids=[checkout.checkout.checkout_id]),
        [CreateTaskRequest(merchant="b")],
    )
    order_id = created.order.order_id
    fence = (await client.start_task(created.tasks[0].task_id, "agent-1")).fence
    paid = await client.update_order(Order(order_id=order_id, financial_status="paid"))
    assert (paid.order.number, paid.order.financial_status) == ("4711", "paid")
    cleared = await client.update_order(Order(order_id=order_id), ["financial_status"])
    assert cleared.order.financial_status == ""

    answer = await client.cancel_order(order_id, reason="fraud")
    await client.finish_task(created.tasks[0].task_id, fence, FINISH_OUTCOME_CANCELLED)
    told = [message async for message in client.watch_order(order_id)]
    assert len({message.task.task_id for message in told if message.HasField("task")}) == 2
    assert (await client.get_order(order_id)).order.state == ORDER_STATE_CANCELLED
    listed = await client.list_cancellations(order_id=order_id)
    assert [each.cancellation_id for each in listed.cancellations] == [
        answer.cancellation.cancellation_id
    ]
    reasons = (await client.summarize_cancellations(SUMMARY_KEY_REASON)).rows
    assert [(row.key, row.count) for row in reasons] == [("fraud", 1)]
    proofs = (await client.summarize_cancellations(SUMMARY_KEY_PROOF)).rows
    assert {(row.key, row.count) for row in proofs} == {("ACKNOWLEDGED", 1), ("NEVER_STARTED", 1)}
    later = await client.summarize_cancellations(
        SUMMARY_KEY_REASON, start_time=datetime.now(UTC) + timedelta(hours=1)
    )
    assert list(later.rows) == []


async def test_money_that_was_taken_before_a_cancel_asks_for_a_refund(client: Client):
    task, fence = await start_one(client)
    begun = await client.begin_charge(task.task_id, fence)
    assert begun.task.charge_state == CHARGE_STATE_BEGUN
    await client.cancel_task(task.task_id)
    taken = await client.report_charge(task.task_id, fence, CHARGE_STATE_CAPTURED)
    assert taken.task.charge_state == CHARGE_STATE_CAPTURED
    ended = await client.finish_task(task.task_id, fence, FINISH_OUTCOME_CANCELLED)
    assert ended.task.refund_required

    other, fence = await start_one(client)
    await client.cancel_task(other.task_id)
    with pytest.raises(CountermandError) as caught:
        await client.begin_charge(other.task_id, fence)
    assert caught.value.reason == "CANCELLATION_REQUESTED"


async def test_a_task_whose_time_is_over_is_cancelled_by_itself(client: Client):
    soon = datetime.now(UTC) + timedelta(seconds=1)
    created = await client.create_task(expire_time=soon)
    ended = [message async for message in client.watch_task(created.task.task_id)][-1].task
    assert (ended.cancel_reason, ended.cancel_proof) == ("timeout", CANCEL_PROOF_NEVER_STARTED)


async def test_a_checkout_and_its_cancel_outlive_a_killed_server(server: Server, client: Client):
    await server.kill()
    creating = asyncio.create_task(
        client.create_checkout(Checkout(cart_id="cart-1"), [CreateTaskRequest()])
    )
    await server.start()
    created = await creating
    await server.kill()
    cancelling = asyncio.create_task(client.cancel_checkout(created.checkout.checkout_id))
    await server.start()
    assert (await cancelling).checkout.state == CHECKOUT_STATE_CANCELLED


@with_knobs({"store.max_scanned_rows": 100, "paging.max_bytes": 10_000}, of="server")
async def test_what_was_created_can_be_read(client: Client):
    created = await client.create_group([CreateTaskRequest(), CreateTaskRequest()])
    late = await client.create_task(group_id=created.group.group_id, labels={"colour": "red"})
    assert (await client.get_task(late.task.task_id)).task == late.task
    assert (await client.get_group(created.group.group_id)).group.version == 2

    chosen = TaskFilter(group_id=created.group.group_id)
    page = await client.list_tasks(chosen, states=[TASK_STATE_PENDING], page_size=2)
    rest = await client.list_tasks(
        chosen, states=[TASK_STATE_PENDING], page_size=2, page_token=page.next_page_token
    )
    newest_first = [late.task, *reversed(created.tasks)]
    assert [*page.tasks, *rest.tasks] == newest_first
    assert rest.next_page_token == ""


async def test_a_watch_and_a_cancel_outlive_a_killed_server(server: Server, client: Client):
    task, fence = await start_one(client)
    watch = client.watch_task(task.task_id, after_version=0)
    found = [await anext(watch), await anext(watch)]

    await server.kill()
    cancelling = asyncio.create_task(client.cancel_task(task.task_id, reason="fraud"))
    following = asyncio.create_task(anext(watch))
    await server.start()
    answer = await cancelling
    assert not answer.replayed
    found.append(await following)

    await server.kill()
    finishing = asyncio.create_task(
        client.finish_task(task.task_id, fence, FINISH_OUTCOME_CANCELLED)
    )
    await server.start()
    assert (await finishing).task.cancel_proof == CANCEL_PROOF_ACKNOWLEDGED
    found.extend([message async for message in watch])

    assert [message.task.version for message in found] == [1, 2, 3, 4]
    assert [message.type for message in found] == [WATCH_TYPE_CHANGE] * 4
    assert [message.last for message in found] == [False, False, False, True]
    done = await client.get_cancellation(answer.cancellation.cancellation_id)
    assert done.cancellation.state == CANCELLATION_STATE_SUCCEEDED


async def test_a_watch_of_many_outlives_a_server_that_drains(server: Server, client: Client):
    created = await client.create_group([CreateTaskRequest() for _ in range(20)], closed=True)
    ids = [task.task_id for task in created.tasks]
    versions: dict[str, list[int]] = {task_id: [] for task_id in ids}
    snapshots = 0
    restarted = False
    async for message in client.watch_group(created.group.group_id):
        if message.HasField("task"):
            versions[message.task.task_id].append(message.task.version)
            snapshots += message.type == WATCH_TYPE_SNAPSHOT
        if snapshots == 20 and not restarted:
            restarted = True
            for task_id in ids[:10]:
                await client.start_task(task_id, "agent-1")
            assert await server.stop() == 0
            await server.start()
            await client.cancel_group(created.group.group_id, grace_period=timedelta(0))
    assert snapshots == 20
    assert versions == {task_id: [1, 2, 3, 4] if task_id in ids[:10] else [1, 2] for task_id in ids}


async def test_a_refusal_has_its_reason_and_metadata(client: Client):
    task, _ = await start_one(client)
    await client.cancel_task(task.task_id, grace_period=timedelta(0))
    ended = [message async for message in client.watch_task(task.task_id)][-1].task
    with pytest.raises(CountermandError) as caught:
        await client.cancel_task(task.task_id)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.reason == "TASK_ALREADY_CANCELLED"
    assert caught.value.metadata["cancellation_id"] == ended.cancellation_id
    assert caught.value.metadata["state"] == "CANCELLED"


@pytest.mark.parametrize("key", ["", "cmd_sandbox_0000000000000000_00"])
async def test_a_wrong_key_is_refused_and_not_tried_again(server: Server, key: str):
    async with Client(server.address, key) as client:
        with pytest.raises(CountermandError) as caught:
            await client.get_task(UNKNOWN)
        assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(CountermandError) as caught:
            await anext(client.watch_task(UNKNOWN))
        assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED
        assert caught.value.attempts == 1


async def test_an_unknown_target_is_not_watched(client: Client):
    for watch, reason in (
        (client.watch_task(UNKNOWN), "TASK_NOT_FOUND"),
        (client.watch_group(UNKNOWN), "GROUP_NOT_FOUND"),
        (client.watch_checkout(UNKNOWN), "CHECKOUT_NOT_FOUND"),
        (client.watch_order(UNKNOWN), "ORDER_NOT_FOUND"),
    ):
        with pytest.raises(CountermandError) as caught:
            await anext(watch)
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.NOT_FOUND, reason)


async def test_a_revoked_key_ends_its_watch_for_good(server: Server, client: Client):
    task, _ = await start_one(client)
    made = await client.create_key("default", "sandbox", ["tasks:read"])
    async with Client(server.address, made.secret) as other:
        watch = other.watch_task(task.task_id)
        assert (await anext(watch)).task.version == 2
        await client.revoke_key(made.key.key_id)
        with pytest.raises(CountermandError) as caught:
            await anext(watch)
    assert caught.value.reason == "API_KEY_INVALID"
    listed = {key.key_id: key for key in (await client.list_keys()).keys}
    assert listed[made.key.key_id].HasField("revoke_time")


async def test_no_number_of_watches_holds_back_a_cancel(client: Client):
    task, fence = await start_one(client)
    watches = [client.watch_task(task.task_id) for _ in range(250)]
    await asyncio.gather(*(anext(watch) for watch in watches))
    await client.cancel_task(task.task_id)
    changes = await asyncio.gather(*(anext(watch) for watch in watches))
    assert {message.task.state for message in changes} == {TASK_STATE_CANCELLING}
    await client.finish_task(task.task_id, fence, FINISH_OUTCOME_CANCELLED)
    changes = await asyncio.gather(*(anext(watch) for watch in watches))
    assert {message.task.state for message in changes} == {TASK_STATE_CANCELLED}


async def test_a_client_may_be_opened_again_in_another_event_loop(server: Server):
    client = Client(server.address, server.key)

    async def use() -> None:
        async with client:
            # More than it has under way at a time, and more watches than one connection carries.
            created = await asyncio.gather(*(client.create_task() for _ in range(200)))
            ids = [answer.task.task_id for answer in created]
            watches = [client.watch_task(task_id) for task_id in ids[:100]]
            first = await asyncio.gather(*map(anext, watches))
            assert [message.task.task_id for message in first] == ids[:100]
            await asyncio.gather(*(client.cancel_task(task_id) for task_id in ids))
            last = await asyncio.gather(*map(anext, watches))
            assert {message.task.state for message in last} == {TASK_STATE_CANCELLED}
            assert (await client.list_tasks()).tasks
            for watch in watches:
                await watch.aclose()

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, use())
    await use()
    await use()  # and in the same one


async def test_a_client_whose_event_loop_ended_without_closing_it_may_be_opened_again(
    server: Server,
):
    client = Client(server.address, server.key)

    async def leave_it_open() -> None:
        await client.__aenter__()
        await client.create_task()

    await asyncio.to_thread(asyncio.run, leave_it_open())
    async with client:
        await asyncio.gather(*(client.create_task() for _ in range(200)))


async def test_a_client_that_is_open_is_not_opened_again(server: Server):
    client = Client(server.address, server.key)
    async with client:
        with pytest.raises(RuntimeError, match="open already"):
            await client.__aenter__()
        assert (await client.create_task()).task.version == 1
