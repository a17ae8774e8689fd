"""Watchers by the thousand, on bare HTTP/2, who remember what they were told over many lives of a
server."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import CHANGE, SNAPSHOT
from tests.support.server import Server
from tests.support.streams import Stream, Streams, streaming

PER_CONNECTION = 90
WATCH_TASK = "/countermand.v1.CancellationService/WatchTask"
WATCH_TASKS = "/countermand.v1.CancellationService/WatchTasks"


class Watcher:
    """Follows one task, or the tasks of one group, and goes on where it broke off."""

    def __init__(self, task_ids: Sequence[str], group_id: str = "") -> None:
        self.task_ids = task_ids
        self.group_id = group_id
        self.token = ""
        self.versions: dict[str, list[int]] = defaultdict(list)
        """All that it was told of each task."""
        self.told_last = False
        self.stream: Stream | None = None

    def watch(self, connection: Streams) -> None:
        """Begins, or goes on after the last that it was told."""
        if self.group_id:
            request = c.WatchTasksRequest(
                filter={"group_id": self.group_id}, resume_token=self.token
            )
            self.stream = connection.call(WATCH_TASKS, request)
        else:
            (task_id,) = self.task_ids
            after = self.versions[task_id][-1] if self.versions[task_id] else None
            request = c.WatchTaskRequest(task_id=task_id, after_version=after)
            self.stream = connection.call(WATCH_TASK, request)

    def leave(self, connection: Streams) -> None:
        """Drops its stream, which may not have begun."""
        assert self.stream is not None
        connection.drop(self.stream)

    @property
    def served(self) -> bool:
        """Whether something was said to it since it began; an end without a message is nothing."""
        return self.stream is not None and bool(self.stream.messages)

    @property
    def stalled(self) -> bool:
        """Whether the server has begun to answer, and was let to send nothing."""
        return self.stream is not None and self.stream.begun and not self.stream.messages

    @property
    def over(self) -> bool:
        """Whether its stream has ended, in whichever way."""
        return self.stream is not None and self.stream.ended

    def note(self) -> None:
        """Remembers what it was told since it began."""
        assert self.stream is not None
        kind = c.WatchTasksResponse if self.group_id else c.WatchTaskResponse
        for data in self.stream.messages:
            message = kind.FromString(data)
            if message.type in (SNAPSHOT, CHANGE):
                self.versions[message.task.task_id].append(message.task.version)
            if self.group_id:
                self.token = message.resume_token
            self.told_last |= message.last
        self.stream.messages.clear()

    def told_all(self, ends: Mapping[str, int]) -> bool:
        """Whether it was told every version of its tasks up to these, each once and in order."""
        return self.told_last and all(
            self.versions[id] == list(range(self.versions[id][0], ends[id] + 1))
            for id in self.task_ids
        )


@asynccontextmanager
async def watching(
    server: Server, watchers: Sequence[Watcher], **how: int
) -> AsyncIterator[list[Streams]]:
    """Watches with all of them at once. Gives the connections, on each of which some watch.

    With `window=0` they take nothing.
    """
    async with AsyncExitStack() as stack:
        found = []
        for begin in range(0, len(watchers), PER_CONNECTION):
            connection = await stack.enter_async_context(
                streaming(server.address, server.key, **how)
            )
            for watcher in watchers[begin : begin + PER_CONNECTION]:
                watcher.watch(connection)
            found.append(connection)
        yield found


async def all_of(watchers: Sequence[Watcher], connections: Sequence[Streams], what: str) -> None:
    """Returns when this is so of all of them, or they are over: `served`, `stalled` or `over`."""

    async def some(connection: Streams, chosen: Sequence[Watcher]) -> None:
        await connection.until(lambda: all(getattr(one, what) or one.over for one in chosen))

    async with asyncio.TaskGroup() as group:
        for place, connection in enumerate(connections):
            begin = place * PER_CONNECTION
            group.create_task(some(connection, watchers[begin : begin + PER_CONNECTION]))
