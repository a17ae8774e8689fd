"""The group-commit writer: one task that turns commands into transactions.

It takes whatever queued while the last commit ran, so one sync serves a whole batch, and an idle
server adds no delay. In a crowd of callers it waits some milliseconds for more of them. The write
belongs to this task: a caller that goes away cannot tear it.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from typing import Any

from countermand.core import commands as c
from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused, unavailable
from countermand.core.ids import UuidMaker
from countermand.core.knobs import PulseKnobs, WriterKnobs
from countermand.core.quotas import Room
from countermand.core.records import SECOND
from countermand.core.trace import TraceContext
from countermand.engine.clock import Clock
from countermand.engine.leases import Leases
from countermand.engine.listeners import Committed, Listener, Listeners
from countermand.engine.suspend_detector import Pulse
from countermand.engine.write_queue import Request, WriteQueue
from countermand.store.contract import Store, StoreFailed, TenantsBusy
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)

OWN = (c.Reap, c.Purge)
"""What no caller asks for, and is tried again when it fails."""


class Writer:
    """Commits commands in groups. Start it with `run`; it ends by `close`, or by a fatal fault."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: UuidMaker,
        knobs: WriterKnobs,
        pulse: PulseKnobs,
        max_tenant_bytes: int | None = None,
        idle_clock: Callable[[], float] | None = None,
    ) -> None:
        """Each tenant may store so many bytes; None: as many as the disk has. Without another idle
        clock it is that of the thread that runs it."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._knobs = knobs
        self._room = Room(max_tenant_bytes)
        self._queue = WriteQueue(knobs)
        self._wake = asyncio.Event()
        self._listeners = Listeners()
        self._closed = False
        self._pulse = Pulse(
            self._look, pulse, clock=lambda: clock.steady() / SECOND, idle_clock=idle_clock
        )
        self._leases = Leases(self._pulse, shared=store.shared is not None)
        self._running: asyncio.Task[None] | None = None
        self._since: float | None = None
        """When the present commit began, by the pulse."""
        self._hangs = False
        self._is_failing = False
        """Whether the last commit failed, which was said then."""
        self._fault = ""
        """How the last one of our own commands failed that did."""
        self._hear_failure: Callable[[str], None] = lambda _: None

    def listen(self, listener: Listener) -> None:
        """Calls the listener after every commit, before the callers are answered."""
        self._listeners.add(listener)

    def listen_to_failures(self, hear: Callable[[str], None]) -> None:
        """Calls it for every commit that fails from now on: with `full` or `disk`, or with `fault`
        if it is ours. It must not raise."""
        self._hear_failure = hear

    @property
    def waiting(self) -> int:
        """How many commands wait for their commit."""
        return len(self._queue)

    @property
    def lease_delay(self) -> int:
        """How long after its end a lease counts as run out, in microseconds."""
        return self._leases.delay

    def hinder_agents(self) -> None:
        """Notes that no agent could renew its lease: the next batch renews every live one."""
        self._leases.hinder()

    def submit(self, command: c.Command, trace: TraceContext | None = None) -> asyncio.Future[Any]:
        """Queues a command. The future has its answer once that is on disk, or raises Refused.

        Cancelling the future does not take the command back, but for a large one that still waits.
        """
        answer = asyncio.get_running_loop().create_future()
        if self._closed:
            answer.set_exception(unavailable())
            return answer
        try:
            self._queue.put(Request(command, answer, trace))
        except Refused as refusal:
            answer.set_exception(refusal)
            return answer
        self._wake.set()
        return answer

    async def run(self) -> None:
        """Commits until closed and empty. Raises StoreFailed if the store cannot be trusted."""
        taken: list[Request] = []
        self._running = asyncio.current_task()
        try:
            with self._pulse:
                while self._queue or not self._closed:
                    if not self._queue:
                        if await self._idle() > self._knobs.max_gathering:
                            taken = []  # The crowd, if there was one, is gone.
                        continue
                    if len(taken) + self._queue.small_count >= self._knobs.crowd:
                        await self._gather()
                    taken = self._queue.take(self._clock.steady() / SECOND)
                    if taken:
                        await self._commit(taken)
                    elif self._queue:
                        await self._rest()
        finally:
            self._closed = True
            for request in taken + self._queue.drain():
                _settle(request, unavailable())

    async def _idle(self) -> float:
        """Waits for a command, or to be closed. Returns for how many seconds."""
        begin = self._clock.steady()
        self._wake.clear()
        await self._wake.wait()
        return (self._clock.steady() - begin) / SECOND

    async def _rest(self) -> None:
        """Waits for a command while all that wait are of tenants that another writes."""
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._queue.rest(self._clock.steady() / SECOND)):
                await self._wake.wait()

    async def _gather(self) -> None:
        """Waits while commands come, so that the next sync serves more of them."""
        end = self._clock.steady() + self._knobs.max_gathering * SECOND
        queue, before = self._queue, -1
        while before < queue.small_count < self._knobs.max_batch and self._clock.steady() < end:
            before = queue.small_count
            await asyncio.sleep(self._knobs.gathering_step)

    def close(self) -> None:
        """Takes no more commands; `run` ends once the queued ones are committed."""
        self._closed = True
        self._wake.set()

    async def _commit(self, requests: Sequence[Request]) -> None:
        try:
            committed, waited, failure = await self._commit_together(requests)
        except StoreFailed as refusal:
            self._refuse(requests, refusal)
        except TenantsBusy as busy:
            await self._commit_without(busy.namespaces, requests)
        except Exception:
            if len(requests) == 1:
                self._log_fault(requests[0].command)
                self._hear_failure("fault")
                _settle(requests[0], Refused(Reason.INTERNAL, "internal error"))
                return
            log.exception("a batch failed unexpectedly; trying its commands one by one")
            for request in requests:
                await self._commit([request])
        else:
            self._queue.committed(requests)
            self._is_failing = False
            # Out of reach of the second try: whatever fails from here on, the batch is on disk.
            self._leases.committed(committed.batch, waited, self._clock.steady())
            self._listeners.announce(committed)
            for request, answer in zip(requests, committed.batch.answers, strict=True):
                _settle(request, answer)
            if failure is not None:
                raise failure

    async def _commit_without(self, busy: Set[int], requests: Sequence[Request]) -> None:
        """Puts the commands of tenants back that another writes, and commits the others.

        One of ours that came upon such a tenant waits with all of ours.
        """
        present = {one.command.namespace for one in requests}
        resting = present & busy or present & {0} or present
        theirs = [one for one in requests if one.command.namespace in resting]
        for request in self._queue.put_back(theirs, self._clock.steady() / SECOND):
            _settle(request, unavailable("another server writes for this tenant; try again"))
        others = [one for one in requests if one.command.namespace not in resting]
        if others:
            await self._commit(others)

    def _log_fault(self, command: c.Command) -> None:
        """Says how a command failed; of one of our own, which come again and again, once."""
        fault = f"{type(command).__name__}: {sys.exception()!r}"
        if not isinstance(command, OWN) or fault != self._fault:
            log.exception(
                "a command failed unexpectedly", extra=fields(command=type(command).__name__)
            )
        if isinstance(command, OWN):
            self._fault = fault

    async def _commit_together(
        self, requests: Sequence[Request]
    ) -> tuple[Committed, float, StoreFailed | None]:
        """Commits them in one batch. Returns it, the seconds that it waited for the disk, and what
        failed after it was on disk."""
        start_ns, begin, failed_after = time.time_ns(), self._clock.steady(), None
        commands = [request.command for request in requests]
        batch = Batch(
            commands, self._clock.instant(), self._ids, self._leases.renewal(), self._room
        )
        traces = [request.trace for request in requests if request.trace and request.trace.sampled]
        waited = 0.0
        try:
            waited = await self._run(batch)
        except StoreFailed as failure:
            if not failure.committed:
                raise
            failed_after = failure
        seconds = (self._clock.steady() - begin) / SECOND
        return Committed(batch, traces, start_ns, time.time_ns(), seconds), waited, failed_after

    async def _run(self, batch: Batch) -> float:
        self._since = self._pulse.awake()
        try:
            return await self._store.commit(batch)
        except asyncio.CancelledError:
            if not self._hangs:
                raise
            message = f"a commit took longer than {self._knobs.commit_timeout} s"
            raise StoreFailed(message, fatal=True) from None
        finally:
            self._since = None

    def _look(self) -> None:
        """Breaks off a commit that works too long, and gives one up that hangs.

        It looks with each beat, since a timer for each would cost too much.
        """
        # While the process is suspended no commit can end, so that time does not count.
        if self._since is None:
            return
        seconds = self._pulse.awake() - self._since
        if seconds >= self._knobs.max_commit:
            self._store.break_off()
        if seconds < self._knobs.commit_timeout or self._store.outlives_hangs:
            return
        assert self._running is not None
        self._hangs = True
        self._running.cancel()

    def _refuse(self, requests: Sequence[Request], failure: StoreFailed) -> None:
        if failure.fatal or not self._is_failing:  # One line, however long the disk is full.
            log.error("a commit failed", extra=fields(cause=str(failure), fatal=failure.fatal))
        self._is_failing = True
        self._leases.hinder()
        self._hear_failure("full" if failure.full else "disk")
        for request in requests:
            _settle(request, _refusal(failure))
        if failure.fatal:
            raise failure


def _settle(request: Request, answer: object) -> None:
    """Answers a caller, if it still waits."""
    if request.answer.done():
        return
    if isinstance(answer, Refused):
        request.answer.set_exception(answer)
    else:
        request.answer.set_result(answer)


def _refusal(failure: StoreFailed) -> Refused:
    if failure.full:
        return Refused(Reason.STORE_FULL, "the store's disk is full; nothing was changed")
    return unavailable()
