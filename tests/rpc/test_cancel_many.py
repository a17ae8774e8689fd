"""Cancels at the same moment, of many tasks, and cancels whose caller hangs up."""

import asyncio
import os
import random

import grpc
import pytest

from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    CHANGE,
    COMPLETED,
    PENDING,
    RUNNING,
    Caller,
    Held,
    everything,
    new_caller,
    new_id,
    span,
    take,
)
from tests.support.refusals import refusal_of
from tests.support.served_store import execute

pytestmark = pytest.mark.asyncio(loop_scope="session")

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
FORCED = 3
SUCCEEDED, TOO_LATE = 2, 4


@pytest.mark.parametrize("with_request_ids", [False, True])
async def test_50_parallel_cancels_make_one_cancellation_and_one_event(caller, with_request_ids):
    held = await caller.running()
    ids = [new_id() if with_request_ids else "" for _ in range(50)]
    live = caller.watch(held.task_id)
    await live.read()

    answers = await asyncio.gather(*(caller.cancel(held.task_id, request_id=id) for id in ids))

    assert len({answer.cancellation.cancellation_id for answer in answers}) == 1
    assert {answer.task.state for answer in answers} == {CANCELLING}
    assert {answer.task.version for answer in answers} == {3}
    assert not any(answer.replayed for answer in answers)
    if with_request_ids:
        again = await asyncio.gather(*(caller.cancel(held.task_id, request_id=id) for id in ids))
        assert all(answer.replayed for answer in again)
        assert {a.cancellation.cancellation_id for a in again} == {
            answers[0].cancellation.cancellation_id
        }
    await caller.finish(held, "CANCELLED")
    assert [message.task.state for message in await everything(live)] == [CANCELLING, CANCELLED]
    assert len(await everything(caller.watch(held.task_id, after_version=0))) == 4


async def test_one_request_id_at_the_same_moment_is_one_accept_and_replays(caller):
    held = await caller.running()
    request_id = new_id()
    calls = (caller.cancel(held.task_id, request_id=request_id) for _ in range(50))
    answers = await asyncio.gather(*calls)
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 49
    assert len({answer.cancellation.cancellation_id for answer in answers}) == 1


async def test_a_group_of_10000_is_cancelled_in_one_transaction(caller, shared):
    made = await caller.create_group(10_000)
    group_id = made.group.group_id
    for task in made.tasks[::2500]:
        await caller.start(task.task_id)
    watch = caller.watch_many(group_id=group_id, timeout=60)
    await take(watch, 10_001)
    alone = await caller.create()

    answer = await caller.cancel_group(group_id, reason="compliance")

    results = answer.cancellation.results
    assert [result.task_id for result in results] == [task.task_id for task in made.tasks]
    states = dict.fromkeys(range(0, 10000, 2500), CANCELLING)
    assert [r.task_state for r in results] == [states.get(n, CANCELLED) for n in range(10_000)]
    told = await take(watch, 10_000)
    watch.cancel()
    assert {message.type for message in told} == {CHANGE}
    assert [message.task.task_id for message in told] == [task.task_id for task in made.tasks]
    accepted = answer.cancellation.create_time
    assert {m.task.update_time.ToNanoseconds() for m in told} == {accepted.ToNanoseconds()}
    assert (await caller.get(alone.task_id)).state == PENDING

    # In the log their places follow each other, at one instant: it was one commit.
    [(first, last, count)] = execute(
        shared.store_url,
        "SELECT min(seq), max(seq), count(*) FROM events WHERE time = ? AND task_no IS NOT NULL"
        " AND namespace_no = (SELECT namespace_no FROM namespaces WHERE tenant = ?)",
        (accepted.ToMicroseconds(), caller.tenant),
    )
    assert count == 10_000
    assert last - first == 9_999


async def attempt(call):
    """Returns the answer of a call, or the reason why it was refused."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason


async def race_all(caller: Caller, held: list[Held]) -> list[list]:
    """Ends and cancels each task at the same moment. Returns the two outcomes of each."""

    async def race(n: int):
        grace = 0 if n % 2 else 60
        calls = [attempt(caller.finish(held[n])), attempt(caller.cancel(held[n].task_id, grace))]
        order = random.sample((0, 1), 2)
        outcomes = await asyncio.gather(*(calls[which] for which in order))
        return [outcomes[order.index(which)] for which in (0, 1)]

    outcomes = []
    for begin in range(0, len(held), 25):
        outcomes += await asyncio.gather(*map(race, range(begin, begin + 25)))
    return outcomes


@pytest.mark.chaos
@pytest.mark.parametrize("round", range(10 if FULL else 1))
async def test_1000_races_between_finishing_and_cancelling_have_one_end_each(
    caller, shared, admin, round
):
    """Half of the cancels have no grace: there the server itself races the agent too."""
    made = await caller.create_group(1000, closed=True)
    group_id, ids = made.group.group_id, [task.task_id for task in made.tasks]
    held = [await caller.start(task_id, lease=600) for task_id in ids]
    async with new_caller(shared, admin, tenant=caller.tenant) as watcher:
        # Watches have a connection of their own: one has at most 100 streams.
        watches = [watcher.watch_many(group_id=group_id, timeout=60)]
        watches += [watcher.watch(task_id, timeout=60) for task_id in ids[:40]]
        await take(watches[0], 1001)
        await asyncio.gather(*(watch.read() for watch in watches[1:]))
        following = asyncio.gather(*map(everything, watches))
        outcomes = await race_all(caller, held)
        told, *told_of_one = await asyncio.wait_for(following, 30)

    lasts = {}
    for message in told:
        assert message.task.task_id not in lasts  # nothing comes after a terminal state
        if message.task.HasField("end_time"):
            lasts[message.task.task_id] = message.task
    assert lasts.keys() == set(ids)
    listed = await caller.all_tasks(page_size=1000, filter={"group_id": group_id})
    assert {task.task_id: task for task in listed} == lasts
    for messages, task_id in zip(told_of_one, ids, strict=False):
        assert messages[-1].task == lasts[task_id]
        assert [m.task.version for m in messages] == list(range(3, 3 + len(messages)))
    for n, (finished, cancelled) in enumerate(outcomes):
        await check_one(caller, lasts[ids[n]], finished, cancelled, full=FULL or n % 10 == 0)


async def check_one(caller: Caller, task, finished, cancelled, *, full: bool) -> None:
    """Holds the two answers to the end that the task had."""
    if task.state == COMPLETED:
        assert finished == task
    else:
        assert (task.state, task.cancel_proof, finished) == (CANCELLED, FORCED, "FENCED")
    if isinstance(cancelled, str):
        assert cancelled == "TASK_ALREADY_COMPLETED"
        assert not task.cancellation_id
        return
    assert cancelled.cancellation.cancellation_id == task.cancellation_id
    if full:
        assert await caller.get(task.task_id) == task
        cancellation = await caller.cancellation(task.cancellation_id)
        assert cancellation.state == (SUCCEEDED if task.state == CANCELLED else TOO_LATE)
        assert cancellation.end_time == task.end_time
        assert cancellation.results[0].task_state == task.state


async def test_a_hang_up_commits_all_or_nothing(caller):
    wholes = 0
    for delay in range(24):
        made = await caller.create_group(100)
        held = await caller.start(made.tasks[0].task_id)
        group_id = made.group.group_id
        request = c.CancelGroupRequest(
            group_id=group_id, request_id=new_id(), grace_period=span(600)
        )
        call = caller.cancellations.CancelGroup(request)
        waiting = asyncio.ensure_future(call)
        await asyncio.wait([waiting], timeout=delay / 4000)
        call.cancel()
        await asyncio.wait([waiting])

        group = await caller.group(group_id)
        again = await caller.cancellations.CancelGroup(request)
        counts = {count.state: count.count for count in group.task_counts}
        if group.closed or again.replayed:
            wholes += 1
        if group.closed:
            assert again.replayed
            assert counts == {CANCELLED: 99, CANCELLING: 1}
        else:
            assert counts == {PENDING: 99, RUNNING: 1}
        assert (await caller.get(held.task_id)).state == CANCELLING
        assert len(again.cancellation.results) == 100
    assert wholes  # some hung up after the accept
