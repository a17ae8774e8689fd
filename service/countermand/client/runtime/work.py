"""What the body of a task sees of it, in asyncio."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Literal, Self

from countermand.client.runtime.errors import Stopped
from countermand.client.runtime.job import Job
from countermand.v1.agent_service_pb2 import Stop
from countermand.v1.task_pb2 import (
    CHARGE_STATE_CAPTURED,
    CHARGE_STATE_FAILED,
    CHARGE_STATE_VOIDED,
    ChargeState,
    Task,
)

OnStop = Literal["cancel", "offer"]
"""What a request to stop does to the body: `cancel` raises asyncio.CancelledError in it at its next
await, `offer` leaves it to the body to look."""


class Outcome:
    """What came of a charge, as the body says it; the last word counts."""

    def __init__(self) -> None:
        self._said: ChargeState | None = None

    def captured(self) -> None:
        """Money was taken. A block that ends without an error says so by itself."""
        self._said = CHARGE_STATE_CAPTURED

    def failed(self) -> None:
        """No money was taken, for certain."""
        self._said = CHARGE_STATE_FAILED

    def voided(self) -> None:
        """Money was taken, and was given back."""
        self._said = CHARGE_STATE_VOIDED

    def verdict(self, error: BaseException | None) -> ChargeState | None:
        """Returns what to report; None if nobody can know."""
        return self._said or (CHARGE_STATE_CAPTURED if error is None else None)


class Charge(Outcome):
    """The block in which money is taken. Nothing that the runtime does interrupts it."""

    def __init__(self, job: Job, again: bool) -> None:
        super().__init__()
        self._job = job
        self._again = again

    async def __aenter__(self) -> Self:
        await self._job.begin_charge(self._again)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._job.end_charge(self.verdict(error))
        if error is None:
            await asyncio.sleep(0)  # what was held back until now ends the body here


class Work:
    """One task that this agent runs. Its block is the body."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Job]],
        finish: Callable[[Job, BaseException | None], "asyncio.Task[bool]"],
        on_stop: OnStop,
    ) -> None:
        self._start = start
        self._finish = finish
        self._on_stop = on_stop
        self._cancels = 0
        self._job: Job
        self._body: asyncio.Task[object]

    async def __aenter__(self) -> Self:
        """Starts the task. Raises CountermandError, for example `TASK_NOT_PENDING`."""
        self._job = await self._start()
        body = asyncio.current_task()
        assert body is not None
        self._body = body
        self._before = self._body.cancelling()
        self._job.interrupt = self._interrupt
        if self._job.is_to_stop():
            self._interrupt()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Sends the end: CANCELLED if the body stopped because it was asked to, FAILED with its
        error, else COMPLETED. Raises TaskLost if the task ended without the agent."""
        ours = self._take_back() and isinstance(error, asyncio.CancelledError)
        given_up = isinstance(error, asyncio.CancelledError) and not ours
        ended = self._finish(self._job, error)
        while not ended.done():
            try:
                await asyncio.wait([ended], timeout=self._job.patience if given_up else None)
            except asyncio.CancelledError:
                # One of ours may come late. Whoever else cancels need not wait: it is sent anyway.
                if self._is_cancelled():
                    raise
            if given_up:
                break
        if given_up:
            return False
        return self._job.is_settled(error, ours or isinstance(error, Stopped), ended.result())

    def _interrupt(self) -> None:
        offered = self._on_stop == "offer" and not (self._job.lost or self._job.closing)
        if not offered:
            self._cancels += 1
            self._body.cancel()

    def _take_back(self) -> bool:
        """Takes back our cancels, and returns whether there were no others."""
        for _ in range(self._cancels):
            self._body.uncancel()
        return self._cancels > 0 and not self._is_cancelled()

    def _is_cancelled(self) -> bool:
        return self._body.cancelling() > self._before

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

    async def wait_for_stop(self) -> Stop:
        """Returns when the body is asked to stop. Raises Stopped if the task was lost."""
        return await self._job.wait_for_stop()

    def charge(self, *, again: bool = False) -> Charge:
        """Asks whether money may be taken, and says what came of it: `async with work.charge():`.

        The block takes the money, once. If it ends without an error, CAPTURED is reported. If it
        raises, nobody can know, unless it said so before (`captured`, `failed` or `voided` of what
        the `async with` gives): the charge stays BEGUN, and the end of the task asks for a decision
        about a refund. A request to stop waits for the end of the block.

        Raises Stopped if a cancel was accepted, ChargeRefused if money may have been taken already
        (`again` asks all the same, where taking it twice does no harm, as with an idempotency key),
        and CountermandError; then take no money.
        """
        return Charge(self._job, again)
