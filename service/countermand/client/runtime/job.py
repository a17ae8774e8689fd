"""One task in an agent's hands: what was heard of it, and what is said of it to the server."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from countermand.client.client import Client
from countermand.client.errors import CountermandError
from countermand.client.knobs import ClientKnobs
from countermand.client.runtime.errors import ChargeRefused, Stopped, TaskLost
from countermand.client.runtime.insisting import insist, is_open
from countermand.v1.agent_service_pb2 import (
    FINISH_OUTCOME_CANCELLED,
    FINISH_OUTCOME_COMPLETED,
    FINISH_OUTCOME_FAILED,
    FinishOutcome,
    Stop,
)
from countermand.v1.task_pb2 import (
    CHARGE_STATE_BEGUN,
    CHARGE_STATE_CAPTURED,
    CHARGE_STATE_FAILED,
    TASK_STATE_CANCELLING,
    ChargeState,
    Task,
)

_NOT_OURS = {"FENCED", "TASK_NOT_RUNNING", "TASK_NOT_FOUND"}
_MAX_MESSAGE = 500


class Hands(Protocol):
    """What a job needs of its agent."""

    client: Client
    agent_id: str
    knobs: ClientKnobs
    turns: asyncio.Semaphore

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begins work that goes on whoever is cancelled."""


class Job:
    """A task that was started, up to its end. It lives in the event loop of its agent."""

    def __init__(self, hands: Hands, task: Task, fence: int) -> None:
        self._hands = hands
        self.task = task
        """The task as it was last heard of."""
        self.fence = fence
        self.stop: Stop | None = None
        """What the server asked for, once it asks to stop."""
        self.lost = ""
        """Why the task is not the agent's any more; empty while it is."""
        self.closing = False
        self.ending = False
        self.charging = False
        """Whether money is being taken: nothing interrupts that."""
        self._untaken = False
        self._asking: asyncio.Task[Task] | None = None
        self._news: asyncio.Event | None = None
        self._deferred = False
        self.interrupt: Callable[[], None] = lambda: None
        """Has the body stopped, or lets it know; what runs in threads looks by itself."""
        self.hear(task)

    @property
    def patience(self) -> float:
        """How many seconds who gives up the body waits for its end to be sent."""
        return self._hands.knobs.settle_timeout

    def is_to_stop(self) -> bool:
        """Whether the body is to stop, for whatever reason."""
        return self.stop is not None or bool(self.lost) or self.closing

    def hear(self, task: Task) -> None:
        """Takes in a version of the task that may still be worked on."""
        if task.state == TASK_STATE_CANCELLING:
            self.hear_stop(stop_of(task))

    def hear_stop(self, stop: Stop) -> None:
        """Takes in that it is to stop; a repeat may bring a nearer deadline."""
        known, self.stop = self.stop, stop
        if known is None:
            self._tell()

    def lose(self, why: str, task: Task | None = None) -> None:
        """Takes in that the task is not the agent's any more."""
        if task is not None:
            self.task = task
        if not self.lost and not self.ending:
            self.lost = why
            self._tell()

    def close(self) -> None:
        """Takes in that the agent ends before the body did."""
        self.closing = True
        self._tell()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
        if self.charging:
            self._deferred = True
        elif not self.ending:
            self.interrupt()

    async def wait_for_stop(self) -> Stop:
        """Returns when the server asks to stop; raises Stopped when all is over without that."""
        if self._news is None:
            self._news = asyncio.Event()
        if not self.is_to_stop():
            await self._news.wait()
        if self.stop is None:
            raise Stopped
        return self.stop

    async def begin_charge(self, again: bool) -> None:
        """Returns when money may be taken; `end_charge` must follow. Raises Stopped, ChargeRefused
        or CountermandError: then none may be."""
        if self.is_to_stop():
            raise Stopped
        if self.task.charge_state == CHARGE_STATE_BEGUN and not again:
            raise ChargeRefused(self.task, "what came of an earlier charge is unknown")
        self.charging = True
        self._asking = self._hands.spawn(self._ask())
        allowed = False
        try:
            await asyncio.wait([self._asking])
            self.task = self._asking.result()
            if self.task.charge_state == CHARGE_STATE_CAPTURED:
                raise ChargeRefused(self.task, "money was taken already")
            if self.is_to_stop():  # it was allowed, but who stops now takes none
                self._untaken = True
                raise Stopped
            allowed = True
        except CountermandError as error:
            self._heed(error)
            raise
        except asyncio.CancelledError:
            self._untaken = True
            raise
        finally:
            if not allowed:
                self._charge_is_over()

    async def _ask(self) -> Task:
        client = self._hands.client
        return (await client.begin_charge(self.task.task_id, self.fence)).task

    def _heed(self, error: CountermandError) -> None:
        """Takes in what a refused charge says of the task. Raises Stopped if it is to stop."""
        if error.reason == "CANCELLATION_REQUESTED":
            if self.stop is None:
                self.hear_stop(Stop(task_id=self.task.task_id))
            raise Stopped from error
        if error.reason in _NOT_OURS:
            self.lose(error.reason)
            raise Stopped from error
        self._untaken = is_open(error)

    def take_nothing(self) -> None:
        """Takes in that a charge was allowed, and the body was interrupted before it began."""
        self._untaken = True
        self._charge_is_over()

    async def end_charge(self, outcome: ChargeState | None) -> None:
        """Says what came of the charge, for as long as it takes; None says nothing: it stays BEGUN,
        and somebody is asked to decide. Raises CountermandError."""
        try:
            if outcome is not None:
                await asyncio.wait([said := self._hands.spawn(self._report(outcome))])
                said.result()
        finally:
            self._charge_is_over()

    def _charge_is_over(self) -> None:
        self.charging = False
        if self._deferred:
            self._deferred = False
            self.interrupt()

    async def _report(self, outcome: ChargeState) -> None:
        client, task_id = self._hands.client, self.task.task_id
        async with self._hands.turns:
            answer = await insist(
                lambda: client.report_charge(task_id, self.fence, outcome), self._hands.knobs
            )
        self.task = answer.task

    def verdict(self, error: BaseException | None) -> tuple[FinishOutcome, str]:
        """Returns how the task ends when its body left with this error, or without one."""
        if error is None:
            return FINISH_OUTCOME_COMPLETED, ""
        if not isinstance(error, Stopped | asyncio.CancelledError):
            said = " ".join(f"{type(error).__name__}: {error}".replace("\0", " ").split())
            return FINISH_OUTCOME_FAILED, said.encode(errors="replace").decode()[:_MAX_MESSAGE]
        if self.stop is not None:
            return FINISH_OUTCOME_CANCELLED, ""
        if self.lost:
            return FINISH_OUTCOME_FAILED, f"the agent stopped: {self.lost}"
        why = "it was closed" if self.closing else "its program gave up the task"
        return FINISH_OUTCOME_FAILED, f"the agent stopped: {why}"

    def is_settled(self, error: BaseException | None, stopped: bool, stands: bool) -> bool:
        """Whether the block of the body ends in peace, though it may have raised what stopped it.

        Raises TaskLost if the task ended without the agent.
        """
        if error is not None and not (stopped and self.is_to_stop()):
            return False
        if self.stop is None and (error is not None or not stands):
            raise TaskLost(self.task) from None
        return True

    async def end(self, outcome: FinishOutcome, message: str) -> bool:
        """Ends the task, for as long as it takes. Returns whether this end stands; if not, somebody
        else ended it, or took it. Raises CountermandError."""
        self.ending = True
        if self._asking is not None and not self._asking.done():
            await asyncio.wait([self._asking])
        client, task_id, fence = self._hands.client, self.task.task_id, self.fence
        try:
            if self._untaken:
                await self._report(CHARGE_STATE_FAILED)
            async with self._hands.turns:
                answer = await insist(
                    lambda: client.finish_task(task_id, fence, outcome, failure_message=message),
                    self._hands.knobs,
                )
        except CountermandError as error:
            if error.reason not in _NOT_OURS:
                raise
            self.lost = self.lost or error.reason
            return False
        self.task = answer.task
        return True


def stop_of(task: Task) -> Stop:
    """Returns what a Heartbeat says of a task that is CANCELLING."""
    return Stop(
        task_id=task.task_id,
        reason=task.cancel_reason,
        message=task.cancel_message,
        deadline_time=task.deadline_time,
    )
