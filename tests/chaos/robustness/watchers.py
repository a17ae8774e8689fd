"""The watchers: some come and go, read slowly and resume; some stay to the end."""

import asyncio
import random
from typing import Any

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.board import Board
from tests.chaos.robustness.clients import Client, Watch
from tests.chaos.robustness.history import DROPPED, Stream
from tests.chaos.robustness.traffic import AGENTS
from tests.support.caller import span

HEARTBEAT = c.WATCH_TYPE_HEARTBEAT


class Roamer:
    """A watcher that opens all kinds of watches, drops them and resumes them."""

    def __init__(
        self, client: Client, board: Board, mood: Mood, chosen: random.Random, seen: list[Stream]
    ) -> None:
        self._client = client
        self._board = board
        self._mood = mood
        self._chosen = chosen
        self._seen = seen
        """Watches that roamers of this tenant left, or were cut from."""

    async def work(self) -> None:
        """Watches until the traffic is stopped."""
        while not self._mood.stopped:
            opened = self._open()
            if opened is None:
                await asyncio.sleep(0.05)
                continue
            await self._read_some(opened)
            await opened.close()
            if opened.note.messages:
                self._seen.append(opened.note)
            else:
                await asyncio.sleep(0.1)  # the server is away, or there is no such thing

    def _open(self) -> Watch | None:
        way = self._chosen.random()
        if way < 0.4 and self._seen:
            # Mostly a watch of late, from where it broke off.
            old = self._chosen.choice(self._seen[-10:])
            count = len(old.messages)
            if self._chosen.random() < 0.2:
                count = self._chosen.randint(1, count)
            return resume(self._client, old, count)
        if way < 0.55:
            return self._watch_task()
        if way < 0.7:
            return self._watch_record()
        kind = self._chosen.choice(("group", "checkout", "order", "agent", "both", "none"))
        chosen = task_pb2.TaskFilter()
        if kind in ("agent", "both"):
            chosen.agent_id = self._chosen.choice(AGENTS)
        kind = "group" if kind == "both" else kind
        if kind in self._board.recent and (id := self._board.some(kind)):
            setattr(chosen, f"{kind}_id", id)
        request = c.WatchTasksRequest(filter=chosen, heartbeat_interval=span(1))
        return self._client.watch(request)

    def _watch_task(self) -> Watch | None:
        task_id = self._board.some("task")
        if task_id is None:
            return None
        request = c.WatchTaskRequest(task_id=task_id)
        return self._client.watch(self._from_somewhere(request))

    def _watch_record(self) -> Watch | None:
        kind = self._chosen.choice(("checkout", "order"))
        id = self._board.some(kind)
        return None if id is None else self._client.watch(self._from_somewhere(of_record(kind, id)))

    def _from_somewhere(self, request: Any) -> Any:
        after = self._chosen.choice((None, None, 0, 0, 1, 2, 3, 99))
        if after is not None:
            request.after_version = after
        request.heartbeat_interval.CopyFrom(span(1))
        return request

    async def _read_some(self, opened: Watch) -> None:
        """Reads for a while, quickly or slowly."""
        most = self._chosen.choice((1, 3, 10, 100, 1000))
        pause = self._chosen.choice((0, 0, 0, 0.02))
        until = asyncio.get_running_loop().time() + self._chosen.uniform(0.1, 2)
        while len(opened.note.messages) < most and not self._mood.stopped:
            await self._mood.reading.wait()
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or await opened.read(left) is None:
                return
            if pause:
                await asyncio.sleep(pause)


class Follower:
    """A watcher that stays with one watch to its end, through all breaks."""

    def __init__(self, client: Client, request: Any, mood: Mood) -> None:
        self._client = client
        self._mood = mood
        self._watch = client.watch(request)
        self.note = self._watch.note
        """The last of the watches that it had to open."""
        self.marker = ""
        """The task with whose end it may leave, if the watch has none."""
        self.leaves = False
        """Whether it is to leave now, whatever it has seen."""
        self.left = asyncio.Event()

    async def work(self) -> None:
        """Follows until the last message, or the end of the marker."""
        while True:
            await self._read_on()
            await self._watch.close()
            if self.leaves or self._over() or not may_resume(self.note):
                self.left.set()
                return
            await asyncio.sleep(0.05)
            count = len(self.note.messages)
            self._watch = resume(self._client, self.note, count)
            self.note = self._watch.note

    async def _read_on(self) -> None:
        while self._watch.open and not self.leaves and not self._over():
            await self._mood.reading.wait()
            # A watch that waits hears of its marker by the next message at the latest.
            await self._watch.read(0.2)

    def _over(self) -> bool:
        if not self.note.messages:
            return False
        message = self.note.messages[-1][1]
        if message.last:
            return not self._watch.open
        return bool(
            self.marker
            and self.note.kind == "task"
            and message.task.task_id == self.marker
            and message.task.HasField("end_time")
        )


def may_resume(note: Stream) -> bool:
    """Whether a watch broke off, so that its client goes on with another."""
    put_off = note.reason in ("WATCHER_TOO_SLOW", "RATE_LIMITED")
    return put_off or note.code in ("UNAVAILABLE", "CANCELLED", DROPPED)


def of_record(kind: str, id: str, **fields: Any) -> Any:
    """Returns the request for a watch of a checkout or order."""
    if kind == "checkout":
        return c.WatchCheckoutRequest(checkout_id=id, **fields)
    return c.WatchOrderRequest(order_id=id, **fields)


def resume(client: Client, old: Stream, count: int) -> Watch:
    """Opens a watch that goes on after so many messages of another."""
    request = type(old.request)()
    request.CopyFrom(old.request)
    seen = [message for _, message in old.messages[:count]]
    if old.method != "WatchTasks":
        # A HEARTBEAT shows the present task, whose CHANGE may still be on its way.
        told = [getattr(m, old.kind).version for m in seen if m.type != HEARTBEAT]
        if told:
            request.after_version = told[-1]
        return client.watch(request)
    if not seen and old.parent is not None:
        return resume(client, *old.parent)
    if not seen:
        return client.watch(request)
    request.resume_token = seen[-1].resume_token
    return client.watch(request, parent=(old, count))
