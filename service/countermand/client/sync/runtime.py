"""The runtime of an agent without asyncio: bodies run in threads, and look whether to stop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import TracebackType
from typing import Self

from countermand.client.runtime.agent import LEASE
from countermand.client.runtime.agent import Agent as AsyncAgent
from countermand.client.runtime.errors import Stopped
from countermand.client.runtime.job import Job
from countermand.client.runtime.taking import Accept, take_tasks
from countermand.client.runtime.work import Outcome
from countermand.client.sync.client import Client
from countermand.v1.agent_service_pb2 import Stop
from countermand.v1.task_pb2 import Task, TaskFilter


class Agent:
    """Runs tasks under one id, which no other process may use at the same time.

    Open it with `with`, while its client is open. Until it is closed it renews its lease each third
    of `lease_duration` in the client's thread, and hears at once which tasks are to stop.
    """

    def __init__(
        self,
        client: Client,
        agent_id: str,
        *,
        lease_duration: timedelta = LEASE,
        resume: bool = False,
    ) -> None:
        """Takes an open client; nothing is sent yet. All is as in `countermand.client.Agent`, but
        that a thread cannot be cancelled: each body calls `work.check()` from time to time."""
        self._client = client
        self._agent = AsyncAgent(
            client._client, agent_id, lease_duration=lease_duration, resume=resume
        )

    def __enter__(self) -> Self:
        self._client._run(self._agent.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets the bodies know that they are to stop, sends all ends, and lets the lease run out.

        What cannot be sent within a while is left to the server, which ends it with the lease.
        """
        self._client._run(self._agent.__aexit__(kind, error, trace))

    def task(self, task_id: str) -> "Work":
        """Runs one task: `with agent.task(task_id) as work:`, around its body.

        The body calls `work.check()` wherever it can stop: that raises Stopped when it is to. The
        end of the block is the end of the task: COMPLETED; CANCELLED if the body stopped because it
        was asked to; FAILED if it raised anything else. TaskLost is raised if the task ended
        without the agent. Raises CountermandError, for example `TASK_NOT_PENDING`.
        """
        return Work(self._client, self._agent, task_id)

    def run(
        self,
        handler: Callable[["Work"], None],
        *,
        filter: TaskFilter | None = None,
        accept: Accept | None = None,
        max_tasks: int = 10,
    ) -> None:
        """Takes pending tasks, oldest first, and has the handler run each, in a thread of its own,
        so many at a time.

        It takes those of the filter, without one all of the key's, that `accept` says yes to. An
        error of the handler ends its task FAILED, and goes to the log. Returns after `drain`, and
        when all tasks of the group, checkout or order in the filter have ended. An interrupt, as by
        Ctrl-C, lets the bodies know that they are to stop, and waits for them. Raises
        CountermandError if the tasks cannot be watched.
        """

        def body(task_id: str) -> None:
            with self.task(task_id) as work:
                handler(work)

        async def run(pool: ThreadPoolExecutor) -> None:
            loop = asyncio.get_running_loop()

            async def play(task_id: str) -> None:
                await loop.run_in_executor(pool, body, task_id)

            agent = self._agent
            await take_tasks(agent, play, filter, accept, max_tasks, agent.drained)

        with ThreadPoolExecutor(max(max_tasks, 1), self._agent.agent_id) as pool:
            try:
                self._client._run(run(pool))
            except BaseException:
                self._client._run(_close_all(self._agent))
                raise

    def drain(self) -> None:
        """Has `run` take no more tasks, and return when those that it took have ended."""
        self._client._run(_drain(self._agent))


class Work:
    """One task that this agent runs. Its block is the body, in one thread."""

    def __init__(self, client: Client, agent: AsyncAgent, task_id: str) -> None:
        self._client = client
        self._agent = agent
        self._task_id = task_id
        self._job: Job

    def __enter__(self) -> Self:
        """Starts the task. Raises CountermandError, for example `TASK_NOT_PENDING`."""
        self._job = self._client._run(self._agent.start(self._task_id))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Sends the end: CANCELLED if the body stopped because it was asked to, FAILED with its
        error, else COMPLETED. Raises TaskLost if the task ended without the agent."""
        stands = self._client._run(_end(self._agent, self._job, error))
        return self._job.is_settled(error, isinstance(error, Stopped), stands)

    @property
    def task(self) -> Task:
        """The task as this agent last heard of it."""
        return self._job.task

    @property
    def fence(self) -> int:
        """The number that StartTask gave, for calls of your own."""
        return self._job.fence

    @property
    def stop(self) -> Stop | None:
        """Why to stop, and by when (`deadline_time`); None while nobody asks."""
        return self._job.stop

    def check(self) -> None:
        """Raises Stopped if the body is to stop."""
        if self._job.is_to_stop():
            raise Stopped

    def wait_for_stop(self, timeout: float | None = None) -> Stop | None:
        """Returns when the body is asked to stop, or None after so many seconds without that.

        Raises Stopped if the task was lost.
        """
        return self._client._run(_wait_for_stop(self._job, timeout))

    def charge(self, *, again: bool = False) -> "Charge":
        """Asks whether money may be taken, and says what came of it: `with work.charge():`.

        The block takes the money, once. If it ends without an error, CAPTURED is reported. If it
        raises, nobody can know, unless it said so before (`captured`, `failed` or `voided` of what
        the `with` gives): the charge stays BEGUN, and the end of the task asks for a decision about
        a refund.

        Raises Stopped if a cancel was accepted, ChargeRefused if money may have been taken already
        (`again` asks all the same, where taking it twice does no harm, as with an idempotency key),
        and CountermandError; then take no money.
        """
        return Charge(self._client, self._job, again)


class Charge(Outcome):
    """The block in which money is taken."""

    def __init__(self, client: Client, job: Job, again: bool) -> None:
        super().__init__()
        self._client = client
        self._job = job
        self._again = again

    def __enter__(self) -> Self:
        self._client._run(self._job.begin_charge(self._again))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client._run(self._job.end_charge(self.verdict(error)))


async def _end(agent: AsyncAgent, job: Job, error: BaseException | None) -> bool:
    ended = agent.finish(job, error)
    await asyncio.wait([ended])  # it is sent also when the caller is interrupted
    return ended.result()


async def _wait_for_stop(job: Job, timeout: float | None) -> Stop | None:
    try:
        async with asyncio.timeout(timeout):
            return await job.wait_for_stop()
    except TimeoutError:
        return None


async def _close_all(agent: AsyncAgent) -> None:
    agent.close_jobs()


async def _drain(agent: AsyncAgent) -> None:
    agent.drain()
