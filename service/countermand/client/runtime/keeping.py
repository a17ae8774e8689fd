"""Keeps an agent's lease, and hears what becomes of its tasks."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from countermand.client.backoff import Backoff
from countermand.client.client import Client
from countermand.client.errors import CountermandError
from countermand.client.knobs import ClientKnobs
from countermand.client.runtime.job import Job
from countermand.v1.agent_service_pb2 import (
    FINISH_OUTCOME_CANCELLED,
    FINISH_OUTCOME_FAILED,
    HeartbeatResponse,
)
from countermand.v1.cancellation_service_pb2 import WATCH_TYPE_SYNCED
from countermand.v1.task_pb2 import (
    TASK_STATE_CANCELLING,
    TASK_STATE_RUNNING,
    Task,
    TaskFilter,
)

LIVE = (TASK_STATE_RUNNING, TASK_STATE_CANCELLING)
MAX_STOPS = 1000
"""How many stops a Heartbeat lists."""
_log = logging.getLogger("countermand.client.agent")


class Tasks(Protocol):
    """What the keeper needs of its agent."""

    client: Client
    agent_id: str
    knobs: ClientKnobs
    resume: bool
    jobs: dict[str, Job | None]
    ended: dict[str, None]

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begins work that goes on whoever is cancelled."""

    async def start(self, task_id: str) -> Job:
        """Starts a task."""

    async def end(self, job: Job, outcome: Any, message: str) -> bool:
        """Ends a task."""


class Keeper:
    """The lease of one agent while it is open, and the news of its tasks."""

    def __init__(self, agent: Tasks, lease_duration: timedelta) -> None:
        self._agent = agent
        self._lease_duration = lease_duration
        self._lease = lease_duration.total_seconds()
        self._expiry: asyncio.TimerHandle | None = None
        self._backoff = Backoff(agent.knobs)
        """Between two watches; it begins anew with each that shows what there is."""
        self._left: dict[str, bool] = {}
        """Tasks of this agent in nobody's hands; whether they were so for a while."""

    def start(self) -> list[asyncio.Task[None]]:
        """Begins its work, which goes on until it is cancelled."""
        return [asyncio.create_task(each) for each in (self._keep_lease(), self._listen())]

    def stop(self) -> None:
        """Forgets the lease."""
        if self._expiry is not None:
            self._expiry.cancel()

    def renewed(self, sent: float) -> None:
        """Takes in that a renewal was answered that was sent at this time of the event loop.

        The server counts from its answer, which is later: so who is cut off stops in time.
        """
        loop = asyncio.get_running_loop()
        if self._expiry is not None:
            if self._expiry.when() >= sent + self._lease and not self._expiry.cancelled():
                return
            self._expiry.cancel()
        self._expiry = loop.call_at(sent + self._lease, self._expire)

    async def started(self, sent: float) -> None:
        """Takes in that a task was started, by a call that may have had to wait for the server."""
        now = asyncio.get_running_loop().time()
        if now - sent < self._lease / 3:
            self.renewed(sent)
            return
        with suppress(CountermandError):  # the next one comes soon
            await self._renew()

    async def _renew(self) -> HeartbeatResponse:
        sent = asyncio.get_running_loop().time()
        timeout = max(self._lease / 3, min(self._lease, self._agent.knobs.heartbeat_timeout))
        answer = await self._agent.client._heartbeat(
            self._agent.agent_id, self._lease_duration, timeout
        )
        self.renewed(sent)
        return answer

    def _expire(self) -> None:
        for job in list(self._agent.jobs.values()):
            if job is not None:
                job.lose("its lease ran out, and the server was not heard of")

    async def _keep_lease(self) -> None:
        """Renews the lease each third of it, and hears what is to stop."""
        loop = asyncio.get_running_loop()
        interval = self._lease / 3
        backoff, silent = Backoff(self._agent.knobs), False
        while True:
            sent = loop.time()
            try:
                answer = await self._renew()
            except CountermandError as error:
                if not silent:
                    _log.warning("agent %s: no Heartbeat: %s", self._agent.agent_id, error)
                silent = True
                await asyncio.sleep(min(interval, backoff.next(error.retry_delay)))
                continue
            silent = False
            backoff.reset()
            self._hear_stops(answer.stops)
            if len(answer.stops) >= MAX_STOPS:
                await self._hear_all_stops()
            self._take_care_of_what_is_left()
            await asyncio.sleep(sent + interval - loop.time())

    def _hear_stops(self, stops: Any) -> None:
        for stop in stops:
            job = self._agent.jobs.get(stop.task_id)
            if job is not None:
                job.hear_stop(stop)

    async def _hear_all_stops(self) -> None:
        """Lists what a Heartbeat has no room for."""
        mine = TaskFilter(agent_id=self._agent.agent_id)
        try:
            async for task in self._agent.client.iter_tasks(mine, states=[TASK_STATE_CANCELLING]):
                self._hear(task)
        except CountermandError as error:
            _log.warning("agent %s: cannot list its tasks: %s", self._agent.agent_id, error)

    async def _listen(self) -> None:
        """Hears at once what becomes of the tasks. Heartbeats do the rest while it is broken."""
        while True:
            try:
                await self._listen_once()
            except CountermandError as error:
                _log.warning("agent %s: cannot watch: %s", self._agent.agent_id, error)
            await asyncio.sleep(self._backoff.next())

    async def _listen_once(self) -> None:
        """Follows a watch. What it does not show at first had ended before it."""
        missing = {task_id for task_id, job in self._agent.jobs.items() if job is not None}
        mine = TaskFilter(agent_id=self._agent.agent_id)
        async for message in self._agent.client.watch_tasks(mine):
            if message.HasField("task"):
                missing.discard(message.task.task_id)
                self._hear(message.task)
            if message.type == WATCH_TYPE_SYNCED:
                self._backoff.reset()
                for task_id in missing:
                    self._agent.spawn(self._look(task_id))
                missing = set()

    async def _look(self, task_id: str) -> None:
        try:
            self._hear((await self._agent.client.get_task(task_id)).task)
        except CountermandError as error:
            _log.warning("agent %s: cannot read %s: %s", self._agent.agent_id, task_id, error)

    def _hear(self, task: Task) -> None:
        job = self._agent.jobs.get(task.task_id)
        if task.state in LIVE:
            if job is not None:
                job.hear(task)
            elif not self._is_known(task.task_id) and not self._agent.resume:
                self._left.setdefault(task.task_id, False)
            return
        self._left.pop(task.task_id, None)
        if job is not None:
            job.lose("the server ended it", task)

    def _is_known(self, task_id: str) -> bool:
        return task_id in self._agent.jobs or task_id in self._agent.ended

    def _take_care_of_what_is_left(self) -> None:
        """Ends what nobody runs: of a process that is gone, or a start whose answer was lost.

        A task that has just ended may still be shown as it was, so each is left alone for a while.
        """
        for task_id, is_old in list(self._left.items()):
            if self._is_known(task_id):
                del self._left[task_id]
            elif is_old:
                del self._left[task_id]
                self._agent.spawn(self._end_left(task_id))
            else:
                self._left[task_id] = True

    async def _end_left(self, task_id: str) -> None:
        try:
            job = await self._agent.start(task_id)
            outcome = FINISH_OUTCOME_CANCELLED if job.stop is not None else FINISH_OUTCOME_FAILED
            message = "" if job.stop is not None else "the process that ran it is gone"
            await self._agent.end(job, outcome, message)
        except (CountermandError, RuntimeError) as error:
            _log.info("agent %s: %s was not left over: %s", self._agent.agent_id, task_id, error)
