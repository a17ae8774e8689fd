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
