"""The reaper: ends what nobody ends, so that nothing is ever stuck."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeGuard

from countermand.core.answers import Reaped
from countermand.core.cancellations import EARLY_CANCEL_LIFETIME
from countermand.core.commands import Reap
from countermand.core.errors import Reason, Refused
from countermand.core.knobs import ReaperKnobs
from countermand.core.leases import MAX_DELAY
from countermand.core.overdue import Chosen, OverdueKind
from countermand.core.records import SECOND, Checkout, Holder
from countermand.core.states import TaskState
from countermand.engine.clock import Clock
from countermand.engine.listeners import Committed
from countermand.engine.writer import Writer
from countermand.store.contract import Due, Store, StoreFailed
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


class Reaper:
    """Sleeps until the next deadline or end of a lease, and ends what is due through the writer."""

    def __init__(self, store: Store, writer: Writer, clock: Clock, knobs: ReaperKnobs) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._knobs = knobs
        self._due = 0
        """When it will wake, by the steady clock; what is due earlier must wake it."""
        self._next: int | None = None
        """When the next thing is due, as the last look at the store found; None: nothing is."""
        self._is_shared = store.shared is not None
        """Whether other servers may have to do what this one has, and what they leave."""
        self._failing = False
        """Whether something of what is due cannot be ended, which was said then."""
        self._wake = asyncio.Event()
        self._caught_up = asyncio.Event()
        writer.listen(self._hear)

    async def run(self) -> None:
        """Reaps forever. It ends only by being cancelled, or by an exception that is a fault."""
        while True:
            try:
                await self._reap()
                self._caught_up.set()
                await self._sleep()
            except Refused as refusal:
                await self._retry(refusal.reason)
            except StoreFailed as failure:
                await self._retry(str(failure))

    @property
    def lag(self) -> float:
        """For how many seconds something is due that was not ended yet."""
        due = self._next
        return 0.0 if due is None else max(0, self._clock.steady() - due) / SECOND

    async def catch_up(self) -> None:
        """Returns when all that was due at the start has ended, but after a moment at the latest.

        Without callers it goes faster, and so they meet little that should have ended before.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._knobs.max_catch_up):
                await self._caught_up.wait()

    async def _reap(self) -> None:
        """Ends all that is due, and of all that is due only what fails stays."""
        try:
            await self._reap_together()
            self._failing = False
        except Refused as refusal:
            if refusal.reason is not Reason.INTERNAL:
                raise
            await self._reap_apart()

    async def _reap_together(self) -> None:
        more, after = True, 0
        while more:
            reaped = await self._submit(self._knobs.max_batch, after=after)
            if reaped.others_turn:
                await asyncio.sleep(self._knobs.others_turn)  # They may leave something.
                return
            more, after = reaped.more, reaped.last

    async def _reap_apart(self) -> None:
        """Ends what is due kind by kind and namespace by namespace, and passes by what fails.

        Its batches grow smaller until what fails stands alone in one.
        """
        passed = 0
        for kind, namespace in await self._store.overdue(self._clock.instant(), self._lease_time()):
            passed += await self._pass_by(kind, namespace)
        if passed and not self._failing:
            log.error("some of what is overdue cannot be ended", extra=fields(passed_by=passed))
        self._failing = passed > 0
        if passed:
            await asyncio.sleep(self._knobs.retry_interval)

    async def _pass_by(self, kind: OverdueKind, namespace: int) -> int:
        """Ends what is due of one kind in one namespace. Returns how much of it failed."""
        limit, skip, more = self._knobs.max_batch, 0, True
        while more:
            try:
                reaped = await self._submit(limit, chosen=Chosen(kind, namespace, skip))
            except Refused as refusal:
                if refusal.reason is not Reason.INTERNAL:
                    raise
                skip += limit == 1
                limit = max(1, limit // 2)
            else:
                more, limit = reaped.more, min(2 * limit, self._knobs.max_batch)
        return skip

    def _lease_time(self) -> int:
        """By now, for a renewal that came before now is committed before what is reaped by it."""
        return self._clock.steady() - self._writer.lease_delay

    async def _submit(self, limit: int, *, after: int = 0, chosen: Chosen | None = None) -> Reaped:
        reaped: Reaped = await self._writer.submit(
            Reap(0, limit, self._lease_time(), after, chosen)
        )
        if reaped.ended or reaped.expired:
            log.info(
                "tasks were overdue",
                extra=fields(ended=reaped.ended, expired=reaped.expired),
            )
        if reaped.too_late:
            log.info("early cancels expired", extra=fields(too_late=reaped.too_late))
        return reaped

    async def _retry(self, reason: str) -> None:
        log.warning("reaping failed", extra=fields(reason=reason))
        await asyncio.sleep(self._knobs.retry_interval)

    async def _sleep(self) -> None:
        """Waits until something is due, or may be.

        Of what other servers commit nothing is heard here. They wake up for it themselves; but one
        that is gone does not, and so its neighbours look what it would have woken up for.
        """
        while not await self._sleep_until_due():
            pass

    async def _sleep_until_due(self) -> bool:
        """Sleeps. Returns whether something is due then, or may be."""
        self._wake.clear()
        self._due = self._clock.steady() + int(self._knobs.max_sleep * SECOND)
        found = await self._store.next_due()
        now = self._clock.steady()
        self._next = min(self._due_times(found, now), default=None)
        if self._next is not None:
            self._due = min(self._due, self._next)
        seconds = (self._due - now) / SECOND
        if seconds <= 0:
            return True
        pause = min(seconds, self._knobs.look_interval) if self._is_shared else seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()
        return self._wake.is_set() or pause == seconds

    def _due_times(self, due: Due, now: int) -> Iterator[int]:
        """Yields by the steady clock when the first of each kind is due."""
        if due.deadline is not None:
            yield due.deadline
        if due.lease is not None:
            yield due.lease + self._writer.lease_delay
        if due.wall is not None:
            yield now + due.wall - self._clock.now()
        if due.waiting_since is not None:
            yield now + due.waiting_since - self._clock.older_than(EARLY_CANCEL_LIFETIME)

    def wake(self) -> None:
        """Looks at once for what is due, as after the clock leapt."""
        self._wake.set()

    def _hear(self, committed: Committed) -> None:
        """Wakes up for a deadline, expiry or lease that ends before the present sleep does."""
        wakes = True  # also if it cannot be found out
        try:
            wakes = any(time < self._due for time in _times(committed))
        finally:
            if wakes:
                self._wake.set()


def _times(committed: Committed) -> Iterator[int]:
    """Yields when, by the steady clock, something is due that a commit changed."""
    saves, instant = committed.batch.saves, committed.batch.rows.instant
    for agent in saves.agents.values():
        if agent.lease_expire_time is not None:
            yield agent.lease_expire_time + MAX_DELAY
    expiries = [one.expire_time for one in saves.holders.values() if _expires(one)]
    for task in saves.tasks.values():
        # What is CANCELLING ends at its deadline, and does not expire.
        if task.state is TaskState.CANCELLING and task.due_time is not None:
            yield task.due_time
        elif not task.ended:
            expiries.append(task.expire_time)
    for time in expiries:
        if time is not None:
            yield instant.steady + time - instant.now


def _expires(holder: Holder) -> TypeGuard[Checkout]:
    return isinstance(holder, Checkout) and holder.open
