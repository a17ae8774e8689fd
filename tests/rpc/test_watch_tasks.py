"""WatchTasks: what a watcher of many tasks is told, and when its stream ends by itself."""

import asyncio

import grpc
import pytest

from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    CHANGE,
    COMPLETED,
    FAILED,
    HEARTBEAT,
    PENDING,
    RUNNING,
    SNAPSHOT,
    SYNCED,
    Caller,
    everything,
    new_id,
    span,
    take,
)
from tests.support.refusals import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


def brief(messages):
    """What kind each message is, and of which task in which state."""
    return [(message.type, message.task.task_id, message.task.state) for message in messages]


def agree(messages) -> None:
    """Per task versions only grow, and none is skipped."""
    versions = {}
    for message in messages:
        if message.HasField("task"):
            task = message.task
            assert task.version == versions.get(task.task_id, task.version - 1) + 1
            versions[task.task_id] = task.version


async def mixed_group(caller: Caller, **fields):
    """Makes a group with a task that is PENDING, one RUNNING and one COMPLETED."""
    made = await caller.create_group(3, **fields)
    held = [await caller.start(task.task_id) for task in made.tasks[1:]]
    await caller.finish(held[1])
    return made, held[0]


async def test_a_group_is_shown_with_all_of_its_tasks_then_synced_then_changes(caller):
    made, running = await mixed_group(caller)
    await caller.create()
    ids = [task.task_id for task in made.tasks]

    watch = caller.watch_many(group_id=made.group.group_id)
    told = await take(watch, 4)
    assert brief(told) == [
        (SNAPSHOT, ids[0], PENDING),
        (SNAPSHOT, ids[1], RUNNING),
        (SNAPSHOT, ids[2], COMPLETED),
        (SYNCED, "", 0),
    ]
    await caller.finish(running, "FAILED")
    await caller.start(ids[0])
    told += await take(watch, 2)
    watch.cancel()

    assert brief(told[4:]) == [(CHANGE, ids[1], FAILED), (CHANGE, ids[0], RUNNING)]
    assert not any(message.last for message in told)
    assert all(message.resume_token for message in told)
    assert len({message.resume_token for message in told}) == len(told)
    agree(told)


async def test_without_a_group_only_what_has_not_ended_is_shown(caller):
    made, _ = await mixed_group(caller)
    alone = await caller.create()

    watch = caller.watch_many()
    told = await take(watch, 4)
    watch.cancel()

    ids = [made.tasks[0].task_id, made.tasks[1].task_id, alone.task_id]
    assert brief(told)[:3] == list(
        zip([SNAPSHOT] * 3, ids, [PENDING, RUNNING, PENDING], strict=True)
    )
    assert told[3].type == SYNCED


async def test_changes_come_in_the_order_of_their_commits(caller):
    made = await caller.create_group(20, closed=True)
    watch = caller.watch_many(group_id=made.group.group_id)
    told = await take(watch, 21)

    async def live(task_id):
        held = await caller.start(task_id)
        await caller.cancel(task_id)
        await caller.finish(held, "CANCELLED")

    await asyncio.gather(*(live(task.task_id) for task in made.tasks))
    told += await everything(watch)

    times = [message.task.update_time.ToNanoseconds() for message in told[21:]]
    assert times == sorted(times)
    assert len(times) == 60
    agree(told)


async def test_a_task_that_comes_to_match_begins_with_the_change_that_made_it_match(caller):
    made = await caller.create_group(0)
    by_group = caller.watch_many(group_id=made.group.group_id)
    by_agent = caller.watch_many(agent_id="late-agent")
    assert (await by_group.read()).type == SYNCED
    assert (await by_agent.read()).type == SYNCED

    held = await caller.running("late-agent", group_id=made.group.group_id)

    assert brief(await take(by_group, 2)) == [
        (CHANGE, held.task_id, PENDING),
        (CHANGE, held.task_id, RUNNING),
    ]
    assert brief(await take(by_agent, 1)) == [(CHANGE, held.task_id, RUNNING)]
    by_group.cancel()
    by_agent.cancel()


async def test_an_agent_hears_of_a_cancel_at_once(caller):
    held = await caller.running("a-1")
    await caller.running("a-2")
    watch = caller.watch_many(agent_id="a-1")
    assert brief(await take(watch, 2)) == [(SNAPSHOT, held.task_id, RUNNING), (SYNCED, "", 0)]
    await caller.cancel(held.task_id)
    assert brief(await take(watch, 1)) == [(CHANGE, held.task_id, CANCELLING)]
    watch.cancel()


async def test_fields_of_the_filter_are_anded_and_the_group_ends_the_stream(caller):
    made = await caller.create_group(2, closed=True)
    mine = await caller.start(made.tasks[0].task_id, "mine")
    other = await caller.start(made.tasks[1].task_id, "other")
    watch = caller.watch_many(group_id=made.group.group_id, agent_id="mine")
    assert brief(await take(watch, 2)) == [(SNAPSHOT, mine.task_id, RUNNING), (SYNCED, "", 0)]

    await caller.finish(mine)
    told = await take(watch, 1)  # A watch that lags would end with this change.
    await caller.finish(other)

    told += await everything(watch)
    assert brief(told) == [(CHANGE, mine.task_id, COMPLETED), (HEARTBEAT, "", 0)]
    assert [message.last for message in told] == [False, True]


async def test_a_closed_group_ends_the_stream_with_its_last_change(caller):
    made = await caller.create_group(2, closed=True)
    watch = caller.watch_many(group_id=made.group.group_id)
    await take(watch, 3)
    for task in made.tasks:
        await caller.cancel(task.task_id)

    told = await everything(watch)

    assert [message.last for message in told] == [False, True]
    assert {message.task.state for message in told} == {CANCELLED}
    assert await watch.code() is grpc.StatusCode.OK


async def test_a_group_that_is_over_ends_with_synced(caller):
    made = await caller.create_group(1)
    await caller.cancel_group(made.group.group_id)

    told = await everything(caller.watch_many(group_id=made.group.group_id))

    assert brief(told) == [(SNAPSHOT, made.tasks[0].task_id, CANCELLED), (SYNCED, "", 0)]
    assert [message.last for message in told] == [False, True]


async def test_an_empty_closed_group_is_over(caller):
    made = await caller.create_group(0, closed=True)
    (message,) = await everything(caller.watch_many(group_id=made.group.group_id))
    assert (message.type, message.last) == (SYNCED, True)


async def test_closing_a_group_ends_the_stream_without_a_change(caller):
    made = await caller.create_group(1)
    await caller.cancel(made.tasks[0].task_id)
    watches = [caller.watch_many(group_id=made.group.group_id) for _ in range(3)]
    for watch in watches:
        assert not (await take(watch, 2))[-1].last  # all have ended, but others may join

    await caller.cancel_group(made.group.group_id)

    for watch in watches:
        (message,) = await everything(watch)
        assert (message.type, message.last, message.HasField("task")) == (HEARTBEAT, True, False)


async def test_a_group_cancel_is_told_whole_and_ends_the_stream(caller):
    made, running = await mixed_group(caller)
    watch = caller.watch_many(group_id=made.group.group_id)
    await take(watch, 4)
    await caller.cancel_group(made.group.group_id)
    told = await take(watch, 2)
    assert brief(told) == [
        (CHANGE, made.tasks[0].task_id, CANCELLED),
        (CHANGE, running.task_id, CANCELLING),
    ]
    assert told[0].task.update_time == told[1].task.update_time
    await caller.finish(running, "CANCELLED")
    (last,) = await everything(watch)
    assert (last.type, last.task.state, last.last) == (CHANGE, CANCELLED, True)


async def test_an_idle_stream_has_heartbeats_without_a_task(caller):
    watch = caller.cancellations.WatchTasks(c.WatchTasksRequest(heartbeat_interval=span(1)))
    synced, heartbeat = await take(watch, 2)
    watch.cancel()
    assert (synced.type, heartbeat.type) == (SYNCED, HEARTBEAT)
    assert not heartbeat.HasField("task")
    assert not heartbeat.last
    assert heartbeat.resume_token


async def test_an_unknown_group_is_not_found_before_any_message(caller, stranger):
    foreign = await stranger.create_group(1)
    for group_id in (new_id(), foreign.group.group_id):
        refusal = await refused(caller.watch_many(group_id=group_id).read(), "GROUP_NOT_FOUND")
        assert refusal.resource == ("group", group_id)


async def test_nothing_of_another_tenant_is_told(caller, stranger):
    watch = caller.watch_many()
    assert (await watch.read()).type == SYNCED
    foreign = await stranger.running()
    await stranger.cancel(foreign.task_id)
    own = await caller.create()
    assert (await watch.read()).task == own
    watch.cancel()
