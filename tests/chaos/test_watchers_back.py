"""Thousands of watchers come back at once after a kill -9, and miss and repeat no version.

The short round has 1,000 of them; the full one, with COUNTERMAND_CHAOS=full, has 10,000, which must
be served within 10 seconds.
"""

import os
import time
from asyncio import gather

import pytest

from tests.support.caller import Caller, first_caller, new_id
from tests.support.many import each, some_of
from tests.support.watchers import Watcher, all_of, watching

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
WATCHERS = 10_000 if FULL else 1_000
# The short round shares its cores with other tests, so there the bound only catches what hangs.
SERVED_SECONDS = 10.0 if FULL else 40.0
PER_TASK, PER_GROUP = 10, 2
"""How many watch a task, half of them alone and half with its whole group; and tasks a group."""


async def groups_of(caller: Caller, count: int) -> dict[str, list[str]]:
    """Makes groups of running tasks."""
    ids = [new_id() for _ in range(count)]
    made = await gather(*each(ids, lambda id: caller.create_group(PER_GROUP, group_id=id)))
    tasks = [[task.task_id for task in answer.tasks] for answer in made]
    flat = [id for some in tasks for id in some]
    await gather(*each(flat, lambda id: caller.start(id, lease=3600)))
    return dict(zip(ids, tasks, strict=True))


def watchers_of(groups: dict[str, list[str]]) -> list[Watcher]:
    found = []
    for group_id, task_ids in groups.items():
        for _ in range(PER_TASK // 2):
            found += [Watcher([task_id]) for task_id in task_ids]
            found += [Watcher(task_ids, group_id) for _ in task_ids]
    return found


async def test_watchers_that_come_back_at_once_miss_and_repeat_nothing(server, chaos_report):
    async with first_caller(server) as caller:
        groups = await groups_of(caller, WATCHERS // PER_TASK // PER_GROUP)
        watchers = watchers_of(groups)
        async with watching(server, watchers) as connections:
            await all_of(watchers, connections, "served")
            # The server dies in the middle of what it has to tell them.
            cancels = each(groups, lambda id: caller.cancel_group(id, 3600))
            await some_of(cancels, len(cancels) // 3)
            await server.kill()
            await gather(*cancels)
    for watcher in watchers:
        watcher.note()

    await server.start()
    begin = time.perf_counter()
    async with watching(server, watchers) as connections, first_caller(server) as caller:
        await all_of(watchers, connections, "served")
        seconds = time.perf_counter() - begin
        unserved = sum(not watcher.served for watcher in watchers)
        print(f"{len(watchers):,} watchers came back, and were served within {seconds:.1f} s")
        await gather(*each(groups, lambda id: caller.cancel_group(id, 3600)))
        await gather(*each(groups, lambda id: caller.cancel_group(id, 0)))
        await all_of(watchers, connections, "over")
        tasks = [id for some in groups.values() for id in some]
        ends = {task.task_id: task.version for task in await gather(*each(tasks, caller.get))}

    for watcher in watchers:
        watcher.note()
    broken = sum(not watcher.told_all(ends) for watcher in watchers)
    told = sum(len(versions) for watcher in watchers for versions in watcher.versions.values())
    wrong = unserved + broken + (seconds > SERVED_SECONDS)
    chaos_report("watchers come back at once", 1, len(watchers), wrong, messages=told)
    assert unserved == 0
    assert broken == 0
    assert seconds < SERVED_SECONDS
