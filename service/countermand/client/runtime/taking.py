"""Takes pending tasks one after the other, beside other agents that do the same."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from itertools import islice
from typing import Protocol

from countermand.client.backoff import Backoff
from countermand.client.client import Client
from countermand.client.errors import CountermandError
from countermand.client.knobs import ClientKnobs
from countermand.client.runtime.errors import TaskLost
from countermand.client.runtime.insisting import is_open
from countermand.client.runtime.job import Job
from countermand.client.runtime.keeping import LIVE
from countermand.v1.task_pb2 import TASK_STATE_PENDING, Task, TaskFilter

Accept = Callable[[Task], bool]
_log = logging.getLogger("countermand.client.agent")


class Taker(Protocol):
    """What is needed of an agent that takes tasks."""

    client: Client
    agent_id: str
    knobs: ClientKnobs
    resume: bool
    jobs: dict[str, Job | None]


class Taking:
    """What may be taken, as a watch shows it, and what runs."""

    def __init__(
        self,
        agent: Taker,
        play: Callable[[str], Awaitable[None]],
        chosen: TaskFilter | None,
        accept: Accept | None,
    ) -> None:
        self._agent = agent
        self._play = play
        self._filter = chosen
        self._accept = accept
        self._open: dict[str, None] = {}
        """Tasks that may be taken, oldest first, as far as there is room."""
        self._left_out = False
        self._news: asyncio.Event
        self._backoff = Backoff(agent.knobs)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, max_tasks: int, drained: asyncio.Event) -> None:
        """Takes tasks until it is drained, or the watch ends and none is left."""
        self._news = asyncio.Event()
        watching = asyncio.create_task(self._watch())
        draining = asyncio.create_task(drained.wait())
        watching.add_done_callback(lambda _: self._news.set())
        draining.add_done_callback(lambda _: self._news.set())
        try:
            while not drained.is_set():
                while self._open and len(self._running) < max_tasks:
                    self._take()
                if watching.done() and not self._open and not self._running:
                    break
                self._news.clear()
                await self._news.wait()
            if self._running:
                await asyncio.wait(self._running)
            if watching.done():
                watching.result()
        finally:
            for each in (watching, draining, *self._running):
                each.cancel()
            await asyncio.gather(watching, draining, *self._running, return_exceptions=True)

    def _take(self) -> None:
        task_id = random.choice([*islice(self._open, self._agent.knobs.max_near_tasks)])
        del self._open[task_id]
        running = asyncio.create_task(self._run(task_id))
        self._running.add(running)
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._news.set()

    async def _run(self, task_id: str) -> None:
        try:
            await self._play(task_id)
            self._backoff.reset()
        except TaskLost as error:
            _log.warning("agent %s: %s", self._agent.agent_id, error)
        except CountermandError as error:
            if is_open(error):
                # Whether it was started is found out by the agent; if not, it is still pending.
                _log.warning("agent %s: %s: %s", self._agent.agent_id, task_id, error)
                await asyncio.sleep(self._backoff.next(error.retry_delay))
                self._open[task_id] = None
            else:
                _log.info("agent %s: did not get %s: %s", self._agent.agent_id, task_id, error)
        except Exception:
            _log.exception("agent %s: task %s failed", self._agent.agent_id, task_id)

    async def _watch(self) -> None:
        """Follows what may be taken; begins anew after what it had no room for was left out."""
        while True:
            self._left_out = False
            try:
                if await self._watch_once():
                    return
            except CountermandError as error:
                if not is_open(error) and error.reason != "RESUME_TOKEN_EXPIRED":
                    raise
                _log.warning("agent %s: cannot watch: %s", self._agent.agent_id, error)
                await asyncio.sleep(self._backoff.next(error.retry_delay))

    async def _watch_once(self) -> bool:
        """Returns whether the watch ended by itself; if not, there is room for what it left out."""
        async with aclosing(self._agent.client.watch_tasks(self._filter)) as messages:
            async for message in messages:
                if message.HasField("task"):
                    self._hear(message.task)
                if self._left_out and not self._open:
                    return False
        return True

    def _hear(self, task: Task) -> None:
        task_id = task.task_id
        ours = task.agent_id == self._agent.agent_id and task.state in LIVE
        may = task.state == TASK_STATE_PENDING or (self._agent.resume and ours)
        may = may and task_id not in self._agent.jobs
        if not may or not (self._accept is None or self._accept(task)):
            with suppress(KeyError):
                del self._open[task_id]
        elif len(self._open) < self._agent.knobs.max_open_tasks:
            self._open[task_id] = None
            self._news.set()
        else:
            self._left_out = True


async def take_tasks(
    agent: Taker,
    play: Callable[[str], Awaitable[None]],
    chosen: TaskFilter | None,
    accept: Accept | None,
    max_tasks: int,
    drained: asyncio.Event,
) -> None:
    """Takes pending tasks, and plays so many of them at a time."""
    if max_tasks < 1:
        raise ValueError("max_tasks is at least 1")
    await Taking(agent, play, chosen, accept).run(max_tasks, drained)
