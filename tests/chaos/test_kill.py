"""kill -9 between any two steps of the story, and in the middle of each: it goes on.

The short round kills once in each gap; the full one, with COUNTERMAND_CHAOS=full, at random
moments too, again and again.
"""

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import grpc
import pytest

from countermand.v1 import cancellation_pb2
from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    PENDING,
    RUNNING,
    Caller,
    everything,
    first_caller,
    new_id,
    span,
    take,
)
from tests.support.server import Server

pytestmark = pytest.mark.chaos

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
GAPS = ("create", "start", "watch", "cancel", "acknowledge")
FORCED, AGENT_LOST = 3, 4


class Story:
    """A group of three of which one task runs, through servers that die."""

    def __init__(self, server: Server, dies_after: set[str]) -> None:
        self.server = server
        self.dies_after = dies_after
        self.group_id, self.request_id = new_id(), new_id()
        self.told: list[c.WatchTasksResponse] = []
        """What watchers of the group were told, over all lives of the server."""

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[Caller]:
        """Does one step of the story, and then kills the server if it is time."""
        async with first_caller(self.server) as caller:
            yield caller
            if name in self.dies_after:
                await self.server.kill()
                await self.server.start()

    async def follow(self, caller: Caller, count: int | None = None) -> None:
        """Goes on with the watch where it broke, for so many messages or to its end."""
        token = self.told[-1].resume_token if self.told else ""
        watch = caller.watch_many(token, group_id=self.group_id)
        self.told += await everything(watch) if count is None else await take(watch, count)

    async def cancel(self, caller: Caller) -> c.CancelGroupResponse:
        return await caller.cancel_group(
            self.group_id, grace=600, reason="fraud", request_id=self.request_id
        )

    async def play(self) -> None:
        async with self.step("create") as caller:
            made = await caller.create_group(3, group_id=self.group_id)
        async with self.step("start") as caller:
            assert await caller.group(self.group_id) == made.group
            held = await caller.start(made.tasks[0].task_id, lease=600)
        async with self.step("watch") as caller:
            assert await caller.get(held.task_id) == held.task
            await self.follow(caller, 4)
        async with self.step("cancel") as caller:
            answer = await self.cancel(caller)
            assert not answer.replayed
        async with self.step("acknowledge") as caller:
            again = await self.cancel(caller)
            assert again.replayed
            assert (again.group, again.cancellation) == (answer.group, answer.cancellation)
            ended = await caller.finish(held, "CANCELLED")
        async with self.step("") as caller:
            assert await caller.finish(held, "CANCELLED") == ended  # a repeat of the agent
            await self.follow(caller)
            await self.check(caller, made.tasks, ended)

    async def check(self, caller: Caller, tasks, ended) -> None:
        again = await self.cancel(caller)
        assert again.replayed
        assert again.cancellation.state == cancellation_pb2.CANCELLATION_STATE_SUCCEEDED
        assert (await caller.cancellation(again.cancellation.cancellation_id)) == again.cancellation
        first, *others = (task.task_id for task in tasks)
        shown = [(m.task.task_id, m.task.state) for m in self.told if m.HasField("task")]
        assert shown == [
            (first, RUNNING),
            *((other, PENDING) for other in others),
            (first, CANCELLING),
            *((other, CANCELLED) for other in others),
            (first, CANCELLED),
        ]
        assert self.told[-1].last
        # A watch of one task that saw version 1 misses nothing of what came after.
        versions = await everything(caller.watch(first, after_version=1))
        assert [m.task.state for m in versions] == [RUNNING, CANCELLING, CANCELLED]
        assert versions[-1].task == ended


@asynccontextmanager
async def dying_server(folder) -> AsyncIterator[Server]:
    """A server whose store is whole at the end, however often it was killed."""
    server = await Server(folder).start()
    try:
        yield server
    finally:
        await server.kill()
    with closing(sqlite3.connect(folder / "countermand.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


ROUNDS = [set(GAPS), *([{gap} for gap in GAPS] * 10 if FULL else [])]


@pytest.mark.parametrize("dies_after", ROUNDS, ids=lambda gaps: "-".join(sorted(gaps)))
async def test_the_story_goes_on_after_a_kill_in_any_gap(tmp_path, dies_after):
    async with dying_server(tmp_path) as server:
        await Story(server, dies_after).play()


async def test_overdue_tasks_end_after_a_restart(tmp_path):
    async with dying_server(tmp_path) as server:
        async with first_caller(server) as caller:
            held = [await caller.running(lease=600) for _ in range(5)]
            for one in held:
                await caller.cancel(one.task_id, grace=0.2)
            # They are not to end before the server dies; if one did, the restart has no part in it.
            await server.kill()
        await server.start()
        async with first_caller(server) as caller:
            for one in held:
                told = await everything(caller.watch(one.task_id, after_version=2))
                assert [m.task.state for m in told] == [CANCELLING, CANCELLED]
                assert told[-1].task.cancel_proof == FORCED
                cancellation = await caller.cancellation(told[-1].task.cancellation_id)
                assert cancellation.end_time == told[-1].task.end_time


async def test_a_lost_agent_is_found_lost_after_a_restart(tmp_path):
    async with dying_server(tmp_path) as server:
        async with first_caller(server) as caller:
            held = await caller.running(lease=1)
            await caller.cancel(held.task_id, grace=600)
            await server.kill()
        await server.start()
        async with first_caller(server) as caller:
            ended = await caller.ended(held.task_id)
            assert (ended.state, ended.cancel_proof) == (CANCELLED, AGENT_LOST)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("round", range(40 if FULL else 3))
async def test_a_kill_in_the_middle_of_many_cancels_loses_nothing_that_was_answered(
    tmp_path, round
):
    """Cancels in flight are answered or not; what was answered or shown is there afterwards, and
    the same request again has the same answer, or is the first to be accepted."""
    async with dying_server(tmp_path) as server:
        async with first_caller(server) as caller:
            made = await caller.create_group(60)
            held = [await caller.start(task.task_id, lease=600) for task in made.tasks]
            requests = [
                c.CancelTaskRequest(
                    task_id=one.task_id, request_id=new_id(), grace_period=span(600)
                )
                for one in held
            ]
            shown: list = []
            watching = asyncio.create_task(watch_until_the_end(caller, made.group.group_id, shown))
            calls = [asyncio.ensure_future(send(caller, request)) for request in requests]
            after = random.randint(1, 40)
            for call in asyncio.as_completed(calls):
                await call
                after -= 1
                if not after:
                    break
            await server.kill()
            answers = await asyncio.gather(*calls)
            await watching
        await server.start()
        async with first_caller(server) as caller:
            for message in shown:
                present = await caller.get(message.task.task_id)
                assert present.version >= message.task.version
            for request, answer in zip(requests, answers, strict=True):
                again = await caller.cancellations.CancelTask(request)
                assert again.task.state == CANCELLING
                assert again.task.version == 3
                if answer is not None:
                    assert again.replayed
                    assert (again.task, again.cancellation) == (answer.task, answer.cancellation)
        assert any(answers)


async def send(caller: Caller, request: c.CancelTaskRequest) -> c.CancelTaskResponse | None:
    """Returns the answer, or None if the server died first."""
    try:
        return await caller.cancellations.CancelTask(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return None


async def watch_until_the_end(caller: Caller, group_id: str, shown: list) -> None:
    """Notes all that a watcher is told until the server dies."""
    try:
        async for message in caller.watch_many(group_id=group_id):
            if message.HasField("task"):
                shown.append(message)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
