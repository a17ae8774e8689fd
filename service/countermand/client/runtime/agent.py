"""The agent: keeps its lease, hears what to stop, and has a hand in each of its tasks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from countermand.client.client import Client
from countermand.client.runtime.job import Job
from countermand.client.runtime.keeping import Keeper
from countermand.client.runtime.taking import Accept, take_tasks
from countermand.client.runtime.work import OnStop, Work
from countermand.v1.task_pb2 import TaskFilter

LEASE = timedelta(seconds=30)
_log = logging.getLogger("countermand.client.agent")


class Agent:
    """Runs tasks under one id, which no other process may use at the same time.

    Open it with `async with`, in the event loop of its client. While it is open it renews its lease
    each third of `lease_duration`, and hears at once which tasks are to stop.
    """

    def __init__(
        self,
        client: Client,
        agent_id: str,
        *,
        lease_duration: timedelta = LEASE,
        resume: bool = False,
    ) -> None:
        """Takes an open client; nothing is sent yet.

        If the server is not heard of for as long as the lease lives (1 s to 1 h), the bodies of all
        tasks are stopped, because the server may then end them. A task that an earlier process of
        this id left RUNNING is ended: FAILED, or CANCELLED if it is to stop. With `resume` it is
        left for `task`, and `run` takes it up.
        """
        self.client = client
        self.agent_id = agent_id
        self.knobs = client._knobs
        self.turns: asyncio.Semaphore
        self._lease_duration = lease_duration
        self.resume = resume
        self.jobs: dict[str, Job | None] = {}
        """The tasks in its hands, by their ids; None while one is being started."""
        self.ended: dict[str, None] = {}
        """Tasks that ended lately."""
        self._works: set[asyncio.Task[Any]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._keeper = Keeper(self, lease_duration)
        self._empty: asyncio.Event
        self.drained: asyncio.Event
        self._closing = False

    async def __aenter__(self) -> Self:
        self.turns = asyncio.Semaphore(self.knobs.max_agent_calls)
        self._empty, self.drained = asyncio.Event(), asyncio.Event()
        self._empty.set()
        self._closing = False
        self._keeper = Keeper(self, self._lease_duration)
        self._loops = self._keeper.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the bodies that still run, sends all ends, and lets the lease run out.

        What cannot be sent within a while is left to the server, which ends it with the lease.
        """
        self._closing = True
        self.drained.set()
        self.close_jobs()
        try:
            async with asyncio.timeout(self.knobs.settle_timeout):
                await self._empty.wait()
                while self._works:
                    await asyncio.wait(set(self._works))
        except TimeoutError:
            _log.warning("agent %s: %d tasks end with its lease", self.agent_id, len(self.jobs))
        finally:
            self._keeper.stop()
            rest = [*self._loops, *self._works]
            self._loops = []
            for each in rest:
                each.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            self.jobs.clear()

    def task(self, task_id: str, *, on_stop: OnStop = "cancel") -> Work:
        """Runs one task: `async with agent.task(task_id) as work:`, around its body.

        A request to stop cancels the body at its next await; with `on_stop="offer"` the body looks
        at `work.stop` or awaits `work.wait_for_stop()`, and raises Stopped (as `work.check()` does)
        when it has stopped. A body that is lost or FENCED is cancelled in any case.

        The end of the block is the end of the task: COMPLETED; CANCELLED if the body stopped
        because it was asked to; FAILED if it raised anything else. TaskLost is raised if the
        task ended without the agent. Raises CountermandError, for example `TASK_NOT_PENDING`.
        """
        return Work(lambda: self.start(task_id), self.finish, on_stop)

    async def run(
        self,
        handler: Callable[[Work], Awaitable[None]],
        *,
        filter: TaskFilter | None = None,
        accept: Accept | None = None,
        max_tasks: int = 10,
        on_stop: OnStop = "cancel",
    ) -> None:
        """Takes pending tasks, oldest first, and has the handler run each, so many at a time.

        It takes those of the filter, without one all of the key's, that `accept` says yes to. An
        error of the handler ends its task FAILED, and goes to the log. Returns after `drain`, and
        when all tasks of the group, checkout or order in the filter have ended. Raises
        CountermandError if the tasks cannot be watched.
        """

        async def play(task_id: str) -> None:
            async with self.task(task_id, on_stop=on_stop) as work:
                await handler(work)

        await take_tasks(self, play, filter, accept, max_tasks, self.drained)

    def drain(self) -> None:
        """Has `run` take no more tasks, and return when those that it took have ended."""
        self.drained.set()

    # What follows is for the parts of the runtime.

    def close_jobs(self) -> None:
        """Has all bodies stop that run now."""
        for job in list(self.jobs.values()):
            if job is not None:
                job.close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begins work that goes on whoever is cancelled; closing waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._works.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.info("agent %s: %s", self.agent_id, error)

    async def start(self, task_id: str) -> Job:
        """Starts a task. If the caller is cancelled meanwhile, it is ended again."""
        starting = self.spawn(self._start(task_id.lower()))
        try:
            await asyncio.wait([starting])
        except asyncio.CancelledError as error:
            self.spawn(self._give_up(starting, error))
            raise
        job: Job = starting.result()
        return job

    async def _start(self, task_id: str) -> Job:
        if self._closing or not self._loops:
            raise RuntimeError("the agent is not open: use it in `async with`")
        if task_id in self.jobs:
            raise RuntimeError(f"this agent runs the task {task_id} already")
        self.jobs[task_id] = None
        self._empty.clear()
        try:
            async with self.turns:
                sent = asyncio.get_running_loop().time()
                answer = await self.client.start_task(
                    task_id, self.agent_id, lease_duration=self._lease_duration
                )
                await self._keeper.started(sent)
        except BaseException:
            self._let_go(task_id)
            raise
        self.jobs[task_id] = job = Job(self, answer.task, answer.fence)
        if self._is_closing():
            job.close()
        return job

    def _is_closing(self) -> bool:
        return self._closing

    async def _give_up(self, starting: "asyncio.Task[Job]", error: BaseException) -> None:
        await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await asyncio.wait([self.finish(starting.result(), error)])

    def finish(self, job: Job, error: BaseException | None) -> asyncio.Task[bool]:
        """Begins to end a task whose body left with this error, or without one."""
        outcome, message = job.verdict(error)
        job.ending = True  # the body has left: nothing interrupts it any more
        return self.spawn(self.end(job, outcome, message))

    async def end(self, job: Job, outcome: Any, message: str) -> bool:
        """Ends a task. Returns whether this end stands. Raises CountermandError."""
        task_id = job.task.task_id
        try:
            stands = await job.end(outcome, message)
            # The watch may still be behind, and show it as it was.
            self.ended[task_id] = None
            if len(self.ended) > self.knobs.max_open_tasks:
                del self.ended[next(iter(self.ended))]
            return stands
        finally:
            self._let_go(task_id)

    def _let_go(self, task_id: str) -> None:
        self.jobs.pop(task_id, None)
        if not self.jobs:
            self._empty.set()
