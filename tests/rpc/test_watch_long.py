"""Watches of much over the wire: tasks with more versions than a page has, and many changes."""

import asyncio

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1.task_pb2 import Task
from tests.support.caller import (
    CHANGE,
    COMPLETED,
    HEARTBEAT,
    SYNCED,
    Caller,
    Held,
    everything,
    new_id,
    span,
    take,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

VERSIONS = (2, 15, 16, 17, 33, 65)


async def report(caller: Caller, held: Held, count: int, first: int = 0) -> None:
    """Says so many times what became of a charge, each time another thing."""
    for number in range(first, first + count):
        await caller.report_charge(held, ("CAPTURED", "VOIDED")[number % 2])


def brief(messages) -> list[tuple[int, int, bool]]:
    return [(message.type, message.task.version, message.last) for message in messages]


def changes(after: int, end: int) -> list[tuple[int, int, bool]]:
    return [(CHANGE, version, version == end) for version in range(after + 1, end + 1)]


@pytest.mark.parametrize("versions", VERSIONS)
async def test_every_version_is_told_from_every_place_live_and_when_the_task_has_ended(
    caller: Caller, versions: int
) -> None:
    held = await caller.running(lease=600)
    await report(caller, held, versions - 2)
    afters = sorted({*range(0, versions, max(versions // 5, 1)), versions - 1})
    watches = [caller.watch(held.task_id, after_version=after) for after in afters]
    told = [
        await take(watch, versions - after) for after, watch in zip(afters, watches, strict=True)
    ]
    await report(caller, held, 20, first=versions)
    end = (await caller.finish(held)).version
    assert end == versions + 21
    for after, seen, watch in zip(afters, told, watches, strict=True):
        assert brief(seen + await everything(watch)) == changes(after, end)
    for after in (*afters, end - 1):
        again = await everything(caller.watch(held.task_id, after_version=after))
        assert brief(again) == changes(after, end)
    (last,) = await everything(caller.watch(held.task_id, after_version=end))
    assert (last.type, last.last, last.task.state) == (HEARTBEAT, True, COMPLETED)


def said(messages: list[c.WatchTasksResponse]) -> list[tuple[Task, str]]:
    """The changes and their places. That nothing follows may be said with the last of them, or by
    itself, since the group was closed after it."""
    return [(one.task, one.resume_token) for one in messages if one.type == CHANGE]


async def test_twenty_watches_of_a_group_that_come_back_together_are_told_all_they_missed(
    caller: Caller,
) -> None:
    made = await caller.create_group(30, group_id=new_id())
    chosen = {"group_id": made.group.group_id}
    beginning = await take(caller.watch_many(**chosen), 31)
    assert beginning[-1].type == SYNCED
    held = await asyncio.gather(*[caller.start(task.task_id, lease=600) for task in made.tasks])
    for number in range(5):
        await asyncio.gather(*[report(caller, one, 1, number) for one in held])
    await asyncio.gather(*[caller.finish(one) for one in held])
    await caller.cancel_group(made.group.group_id)
    token = beginning[-1].resume_token
    whole = await asyncio.gather(
        *[everything(caller.watch_many(token, **chosen)) for _ in range(20)]
    )
    for messages in whole:
        assert [m.last for m in messages] == [False] * (len(messages) - 1) + [True]
        versions = {task.task_id: list[int]() for task in made.tasks}
        for message in messages:
            if message.type == CHANGE:
                versions[message.task.task_id].append(message.task.version)
        assert versions == {task.task_id: list(range(2, 9)) for task in made.tasks}
        assert said(messages) == said(whole[0])
    for place in (0, 63, 64, 65, 128, len(whole[0]) - 2):
        again = caller.watch_many(whole[0][place].resume_token, **chosen)
        messages = await everything(again)
        assert said(messages) == said(whole[0][place + 1 :])
        assert messages[-1].last


async def test_a_heartbeat_comes_each_second_of_silence_though_others_change(
    caller: Caller,
) -> None:
    made = await caller.create_group(1, group_id=new_id())
    held = await caller.start(made.tasks[0].task_id, "agent-1", lease=600)
    request = c.WatchTasksRequest(
        filter={"group_id": made.group.group_id, "agent_id": "another"}, heartbeat_interval=span(1)
    )
    watch = caller.cancellations.WatchTasks(request, timeout=30)
    assert (await watch.read()).type == SYNCED

    async def change_for_ever() -> None:
        number = 0
        while True:
            await report(caller, held, 1, number)
            number += 1
            await asyncio.sleep(0.05)

    changing = asyncio.create_task(change_for_ever())
    loop, tokens = asyncio.get_running_loop(), []
    for _ in range(3):
        begin = loop.time()
        beat = await watch.read()
        assert beat.type == HEARTBEAT
        assert 0.5 < loop.time() - begin < 5
        tokens.append(beat.resume_token)
    assert len(set(tokens)) == 3
    changing.cancel()
    watch.cancel()
