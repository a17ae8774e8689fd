"""The cancel that comes before its task, as its caller and the task's creator see it."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import (
    CANCELLED,
    CHANGE,
    PENDING,
    RUNNING,
    Caller,
    everything,
    first_caller,
    new_id,
    unjoined,
)
from tests.support.refusals import refused
from tests.support.sales import (
    IN_PROGRESS,
    NEVER_STARTED,
    STOPPED,
    SUCCEEDED,
    TOO_LATE,
    counts,
    results,
    state_of,
)
from tests.support.served_store import execute
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 24 * 3600 * 1_000_000


async def early(caller: Caller, task_id: str, **fields: Any) -> c.CancelTaskResponse:
    return await caller.cancel(task_id, allow_missing=True, **fields)


async def test_the_answer_has_no_task_and_a_cancellation_that_waits(caller, stranger):
    task_id, request_id = new_id(), new_id()
    answer = await early(
        caller,
        task_id.upper(),
        grace=90,
        reason="fraud",
        message="Never mind ☂",
        request_id=request_id,
        on_behalf_of="buyer 17",
    )
    cancellation = answer.cancellation
    assert not answer.HasField("task")
    assert not answer.replayed
    assert (cancellation.state, results(cancellation)) == (IN_PROGRESS, [])
    assert (cancellation.WhichOneof("target"), cancellation.task_id) == ("task_id", task_id)
    assert (cancellation.reason, cancellation.message) == ("fraud", "Never mind ☂")
    assert cancellation.requested_by == caller.key_id
    assert (cancellation.on_behalf_of, cancellation.request_id) == ("buyer 17", request_id)
    assert len(cancellation.trace_id) == 32
    assert not cancellation.HasField("deadline_time")
    assert not cancellation.HasField("end_time")
    assert await caller.cancellation(cancellation.cancellation_id) == cancellation
    for unknown in (caller.get(task_id), caller.cancel(task_id), caller.start(task_id)):
        await refused(unknown, "TASK_NOT_FOUND")
    await refused(everything(caller.watch(task_id)), "TASK_NOT_FOUND")
    assert (await stranger.create(task_id=task_id)).state == PENDING


async def alone(caller: Caller, task_id: str) -> task_pb2.Task:
    return await caller.create(task_id=task_id, merchant="Fern and Fable Books")


async def with_a_group(caller: Caller, task_id: str) -> task_pb2.Task:
    request = t.CreateGroupRequest(tasks=[{}, {"task_id": task_id}])
    made = await caller.tasks.CreateGroup(request)
    assert await caller.group(made.group.group_id) == made.group
    assert counts(made.group) == {PENDING: 1, CANCELLED: 1}
    return made.tasks[1]


async def with_a_checkout(caller: Caller, task_id: str) -> task_pb2.Task:
    request = s.CreateCheckoutRequest(checkout={"cart_id": "cart"}, tasks=[{"task_id": task_id}])
    made = await caller.checkouts.CreateCheckout(request)
    assert await caller.checkout(made.checkout.checkout_id) == made.checkout
    assert (state_of(made.checkout), counts(made.checkout)) == ("OPEN", {CANCELLED: 1})
    assert state_of(await caller.cart("cart")) == "LOCKED"
    return made.tasks[0]


async def with_an_order(caller: Caller, task_id: str) -> task_pb2.Task:
    request = o.CreateOrderRequest(order={"order_id": "o-1"}, tasks=[{"task_id": task_id}])
    made = await caller.orders.CreateOrder(request)
    assert await caller.order("o-1") == made.order
    assert (state_of(made.order), counts(made.order)) == ("OPEN", {CANCELLED: 1})
    return made.tasks[0]


Create = Callable[[Caller, str], Coroutine[Any, Any, task_pb2.Task]]


@pytest.mark.parametrize("create", [alone, with_a_group, with_a_checkout, with_an_order])
async def test_the_task_is_cancelled_in_the_answer_of_the_call_that_creates_it(
    caller: Caller, create: Create
):
    task_id = new_id()
    accepted = (await early(caller, task_id, reason="fraud", message="No.")).cancellation
    task = await create(caller, task_id)
    assert (task.state, task.version, task.cancel_proof) == (CANCELLED, 2, NEVER_STARTED)
    assert task.cancellation_id == accepted.cancellation_id
    assert (task.cancel_reason, task.cancel_message) == ("fraud", "No.")
    assert task.end_time == task.create_time
    assert await caller.get(task_id) == task
    cancellation = await caller.cancellation(accepted.cancellation_id)
    assert (cancellation.state, cancellation.end_time) == (SUCCEEDED, task.end_time)
    assert results(cancellation) == [(task_id, STOPPED, CANCELLED, NEVER_STARTED)]

    told = await everything(caller.watch(task_id, after_version=0))
    assert [(m.type, m.task.state, m.last) for m in told] == [
        (CHANGE, PENDING, False),
        (CHANGE, CANCELLED, True),
    ]
    await refused(caller.start(task_id), "TASK_NOT_PENDING")
    for again in (caller.cancel(task_id), early(caller, task_id)):
        refusal = await refused(again, "TASK_ALREADY_CANCELLED")
        assert refusal.metadata["cancellation_id"] == accepted.cancellation_id


async def test_a_watch_of_many_hears_both_versions_of_a_task_that_joins(caller):
    made = await caller.create_group(1)
    task_id, group_id = new_id(), made.group.group_id
    watch = caller.watch_many(group_id=group_id)
    opening = [await watch.read() for _ in range(2)]
    assert [m.task.state for m in opening] == [PENDING, 0]
    await early(caller, task_id)
    await caller.create(task_id=task_id, group_id=group_id)
    changes = [(await watch.read()).task for _ in range(2)]
    assert [(task.task_id, task.state) for task in changes] == [
        (task_id, PENDING),
        (task_id, CANCELLED),
    ]
    watch.cancel()


async def test_repeats_and_joins_answer_with_the_cancellation_that_waits(caller):
    task_id = new_id()
    request = {"reason": "fraud", "request_id": new_id()}
    first = await early(caller, task_id, **request)
    again = await early(caller, task_id, **request)
    assert (again.replayed, again.cancellation) == (True, first.cancellation)
    other = {"reason": "timeout", "request_id": new_id()}
    for fields in (other, {}):
        join = await early(caller, task_id, **fields)
        assert (join.replayed, join.joined) == (False, True)
        assert unjoined(join.cancellation) == first.cancellation
        assert not join.HasField("task")
    await refused(caller.cancel(task_id, **request), "REQUEST_ID_CONFLICT")

    task = await caller.create(task_id=task_id)
    for fields in (request, other):
        done = await early(caller, task_id, **fields)
        assert (done.replayed, done.task, done.cancellation.state) == (True, task, SUCCEEDED)
        assert done.cancellation.cancellation_id == first.cancellation.cancellation_id
        assert results(done.cancellation) == [(task_id, STOPPED, CANCELLED, NEVER_STARTED)]


async def test_a_task_that_exists_is_cancelled_as_without_it(caller):
    pending, held = await caller.create(), await caller.running()
    for task_id in (pending.task_id, held.task_id):
        answer = await early(caller, task_id, grace=90)
        assert answer.task == await caller.get(task_id)
        assert answer.task.cancellation_id == answer.cancellation.cancellation_id
        assert len(answer.cancellation.results) == 1
    done = await caller.running()
    await caller.finish(done)
    await refused(early(caller, done.task_id), "TASK_ALREADY_COMPLETED")


async def test_a_creation_that_is_refused_leaves_the_cancel_waiting(caller):
    task_id, taken = new_id(), (await caller.create()).task_id
    accepted = (await early(caller, task_id)).cancellation
    closed = (await caller.create_group(1, closed=True)).group.group_id
    await refused(caller.create(task_id=task_id, group_id=closed), "GROUP_CLOSED")
    both = t.CreateGroupRequest(tasks=[{"task_id": task_id}, {"task_id": taken}])
    await refused(caller.tasks.CreateGroup(both), "TASK_EXISTS")
    assert await caller.cancellation(accepted.cancellation_id) == accepted
    assert (await caller.create(task_id=task_id)).state == CANCELLED


async def test_lists_and_summaries_know_it(caller):
    task_id = new_id()
    await refused(caller.listed(task_id=task_id), "TASK_NOT_FOUND")
    waiting = (await early(caller, task_id, reason="fraud")).cancellation
    await early(caller, new_id(), reason="fraud")
    assert await caller.listed(task_id=task_id) == [waiting]
    assert await caller.listed(task_id=task_id, reason="other") == []
    assert len(await caller.listed(state=IN_PROGRESS, reason="fraud")) == 2
    await caller.create(task_id=task_id)
    (done,) = await caller.listed(task_id=task_id)
    assert (done.cancellation_id, done.state) == (waiting.cancellation_id, SUCCEEDED)

    async def summary(key: c.SummaryKey) -> dict[str, int]:
        request = c.SummarizeCancellationsRequest(group_by=key)
        answer = await caller.cancellations.SummarizeCancellations(request)
        return {row.key: row.count for row in answer.rows}

    assert await summary(c.SUMMARY_KEY_STATE) == {"IN_PROGRESS": 1, "SUCCEEDED": 1}
    assert await summary(c.SUMMARY_KEY_PROOF) == {"NEVER_STARTED": 1}


def make_older(server: Server, microseconds: int) -> None:
    """Lets the accepts lie so much farther back, while no server runs."""
    update = "UPDATE cancellations SET create_time = create_time - ?"
    execute(server.store_url, update, (microseconds,))


async def test_it_is_remembered_over_kills_and_restarts_until_its_task_comes(tmp_path):
    server = await Server(tmp_path).start()
    try:
        ids, request_id = [new_id(), new_id()], new_id()
        async with first_caller(server) as caller:
            accepted = await early(caller, ids[0], request_id=request_id)
        await server.kill()
        await server.start()
        async with first_caller(server) as caller:
            again = await early(caller, ids[0], request_id=request_id)
            assert (again.replayed, again.cancellation) == (True, accepted.cancellation)
            task = await caller.create(task_id=ids[0])
            assert task.cancellation_id == accepted.cancellation.cancellation_id
            waiting = (await early(caller, ids[1])).cancellation
        await server.kill()
        make_older(server, DAY - 600_000_000)  # ten minutes are left
        await server.start()
        async with first_caller(server) as caller:
            done = await early(caller, ids[0], request_id=request_id)
            assert (done.replayed, done.task, done.cancellation.state) == (True, task, SUCCEEDED)
            task = await caller.create(task_id=ids[1])
            assert task.cancellation_id == waiting.cancellation_id
    finally:
        await server.kill()


async def test_it_ends_too_late_when_its_task_did_not_come_also_while_no_server_ran(tmp_path):
    server = await Server(tmp_path).start()
    try:
        task_id, request_id = new_id(), new_id()
        async with first_caller(server) as caller:
            accepted = (await early(caller, task_id, request_id=request_id)).cancellation
        await server.kill()
        make_older(server, DAY + 600_000_000)  # a time without a server does not count
        await server.start()
        async with first_caller(server) as caller:
            # The reaper's first batch comes before any of ours, or ours ends it first.
            task = await caller.create(task_id=task_id)
            assert (task.state, task.version, task.cancellation_id) == (PENDING, 1, "")
            cancellation = await caller.cancellation(accepted.cancellation_id)
            assert (cancellation.state, results(cancellation)) == (TOO_LATE, [])
            assert cancellation.HasField("end_time")
            running = (await caller.start(task_id, lease=600)).task
            again = await early(caller, task_id, request_id=request_id)
            assert (again.replayed, again.task) == (True, running)
            assert again.task.state == RUNNING
            assert again.cancellation == cancellation
            ordinary = await early(caller, task_id)
            assert ordinary.cancellation.cancellation_id != cancellation.cancellation_id
            assert await caller.listed(task_id=task_id, state=TOO_LATE) == []
    finally:
        await server.kill()
