"""WatchTask: the watch contract of the API, sentence by sentence."""

import asyncio

import grpc
import pytest

from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    CHANGE,
    COMPLETED,
    HEARTBEAT,
    PENDING,
    RUNNING,
    SNAPSHOT,
    Caller,
    everything,
    new_id,
    span,
    take,
)
from tests.support.refusals import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def cancelled_task(caller: Caller) -> str:
    """Makes a task with four versions, one for each state on the way to CANCELLED."""
    held = await caller.running()
    await caller.cancel(held.task_id, reason="fraud", message="stop")
    await caller.finish(held, "CANCELLED")
    return held.task_id


@pytest.mark.parametrize("state", [PENDING, RUNNING, CANCELLING])
async def test_first_comes_a_snapshot_of_the_present_state_at_once(caller, state):
    task = await caller.create()
    if state != PENDING:
        await caller.start(task.task_id)
    if state == CANCELLING:
        await caller.cancel(task.task_id)

    watch = caller.watch(task.task_id)
    message = await watch.read()
    watch.cancel()

    assert (message.type, message.last) == (SNAPSHOT, False)
    assert message.task.state == state
    assert message.task == await caller.get(task.task_id)


@pytest.mark.parametrize("outcome", ["COMPLETED", "FAILED", "CANCELLED"])
async def test_an_ended_task_is_one_last_snapshot_and_the_end(caller, outcome):
    held = await caller.running()
    if outcome == "CANCELLED":
        await caller.cancel(held.task_id)
    ended = await caller.finish(held, outcome)

    (message,) = await everything(caller.watch(held.task_id))

    assert (message.type, message.last) == (SNAPSHOT, True)
    assert message.task == ended


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_after_version_replays_each_later_version_as_it_was(caller, after):
    task_id = await cancelled_task(caller)

    messages = await everything(caller.watch(task_id, after_version=after))

    assert [message.type for message in messages] == [CHANGE] * (4 - after)
    assert [message.task.version for message in messages] == list(range(after + 1, 5))
    states = [PENDING, RUNNING, CANCELLING, CANCELLED]
    assert [message.task.state for message in messages] == states[after:]
    assert [message.last for message in messages] == [False] * (3 - after) + [True]


async def test_a_replay_shows_what_was_told_when_it_happened(caller):
    held = await caller.running(merchant="m", labels={"a": "b"})
    live = caller.watch(held.task_id, after_version=0)
    told = await take(live, 2)
    answer = await caller.cancel(held.task_id, reason="fraud", message="stop")
    told += await take(live, 1)
    assert told[-1].task == answer.task
    await caller.finish(held, "CANCELLED")
    told += await everything(live)

    assert await everything(caller.watch(held.task_id, after_version=0)) == told
    pending, running, cancelling, cancelled = (message.task for message in told)
    assert not pending.agent_id
    assert not pending.HasField("start_time")
    assert running.agent_id == "agent-1"
    assert not running.cancellation_id
    assert cancelling.cancel_reason == "fraud"
    assert not cancelling.HasField("end_time")
    assert cancelled.deadline_time == cancelling.deadline_time


async def test_the_present_version_is_a_heartbeat_with_the_task_and_then_what_follows(caller):
    held = await caller.running()

    watch = caller.watch(held.task_id, after_version=2)
    message = await watch.read()
    assert (message.type, message.last) == (HEARTBEAT, False)
    assert message.task == held.task

    await caller.finish(held)
    (change,) = await everything(watch)
    assert (change.type, change.task.version, change.last) == (CHANGE, 3, True)


async def test_the_present_version_of_an_ended_task_is_a_last_heartbeat(caller):
    task_id = await cancelled_task(caller)

    (message,) = await everything(caller.watch(task_id, after_version=4))

    assert (message.type, message.last, message.task.state) == (HEARTBEAT, True, CANCELLED)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_version_above_the_present_one_is_out_of_range(caller, ended):
    held = await caller.running()
    if ended:
        await caller.finish(held)
    version = 3 if ended else 2

    watch = caller.watch(held.task_id, after_version=version + 1)
    refusal = await refused(watch.read(), "VERSION_AHEAD")

    assert refusal.metadata == {"task_id": held.task_id, "version": str(version)}


async def test_a_negative_version_is_an_invalid_argument(caller):
    task = await caller.create()
    refusal = await refused(caller.watch(task.task_id, after_version=-1).read(), "INVALID_REQUEST")
    assert list(refusal.fields) == ["after_version"]


async def test_an_unknown_task_is_not_found_before_any_message(caller, stranger):
    foreign = await stranger.create()
    for task_id in (new_id(), foreign.task_id):
        refusal = await refused(caller.watch(task_id).read(), "TASK_NOT_FOUND")
        assert refusal.resource == ("task", task_id)


async def test_an_idle_stream_has_a_heartbeat_with_the_present_task_each_interval(caller):
    held = await caller.running()
    loop = asyncio.get_running_loop()

    watch = caller.watch(held.task_id, heartbeat_interval=span(1))
    await watch.read()
    begin = loop.time()
    first = await watch.read()
    assert 0.9 < loop.time() - begin < 3
    assert (first.type, first.last) == (HEARTBEAT, False)
    assert first.task == held.task

    await caller.finish(held)
    (message,) = await everything(watch)
    assert message.type == CHANGE


async def test_no_version_is_skipped_however_slowly_the_client_reads(caller):
    held = await caller.running()
    slow = caller.watch(held.task_id)
    await slow.read()
    await caller.cancel(held.task_id, grace=3600)
    for grace in range(3500, 3000, -5):  # each brings the deadline nearer: one version
        await caller.cancel(held.task_id, grace=grace)
    ended = await caller.finish(held, "CANCELLED")

    messages = await everything(slow)

    assert ended.version == 104
    assert [message.task.version for message in messages] == list(range(3, 105))
    deadlines = [message.task.deadline_time.ToNanoseconds() for message in messages]
    assert deadlines == sorted(deadlines, reverse=True)


async def test_a_client_resumes_after_any_break_with_the_last_version_it_saw(caller):
    task_id = await cancelled_task(caller)
    seen, after = [], 0
    while not seen or seen[-1].task.state != CANCELLED:
        watch = caller.watch(task_id, after_version=after)
        seen.append(await watch.read())
        watch.cancel()
        after = seen[-1].task.version
    assert [message.task.version for message in seen] == [1, 2, 3, 4]


async def test_many_watchers_of_one_task_are_told_the_same_and_leave_without_harm(caller):
    held = await caller.running()
    watches = [caller.watch(held.task_id) for _ in range(60)]
    firsts = await asyncio.gather(*(watch.read() for watch in watches))
    assert {message.type for message in firsts} == {SNAPSHOT}
    for watch in watches[40:]:
        watch.cancel()

    await caller.cancel(held.task_id)
    await caller.finish(held, "CANCELLED")

    told = await asyncio.gather(*(everything(watch) for watch in watches[:40]))
    assert [message.task.state for message in told[0]] == [CANCELLING, CANCELLED]
    assert all(messages == told[0] for messages in told)
    assert (await caller.get(held.task_id)).state == CANCELLED


async def test_what_a_watcher_was_told_is_never_taken_back(caller):
    held = await caller.running()
    watch = caller.watch(held.task_id)
    finishing = asyncio.create_task(caller.finish(held))
    async for message in watch:
        assert (await caller.get(held.task_id)).version >= message.task.version
    assert (await finishing).state == COMPLETED


async def test_cancelled_is_told_in_the_message_and_the_status_is_ok(caller):
    task_id = await cancelled_task(caller)
    watch = caller.watch(task_id)
    (message,) = await everything(watch)
    assert message.task.state == CANCELLED
    assert await watch.code() is grpc.StatusCode.OK


async def test_a_live_task_does_not_end_the_stream(caller):
    task = await caller.create()
    watch = caller.watch(task.task_id, timeout=0.3)
    await watch.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch.read()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
