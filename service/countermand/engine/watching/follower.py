"""Hears what other servers commit to the same store, and gives the hub all commits in order.

The positions of each namespace's log have no gap and are taken in the order of the commits. So a
commit of this server whose first position is the one after the last that the hub heard of goes to
the hub at once, from memory. Before any other, somebody else has committed: then the store is asked
what changed up to the end of the log, and who watches that reads it from there.

Whatever wakes the follower is a hint, and so is what a poll finds: a commit that is found twice,
late, or only by the next poll costs a reading and skips nothing. A commit of which this server
never heard whether it was done is found the same way.

A database that was lost and found again may have lost its last commits. Then a log ends before what
the hub heard of, or has something else at that position: its watches have shown what never was.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from countermand.core.changes import Saves
from countermand.core.knobs import FollowerKnobs
from countermand.core.log import Event, RecordEvent, TaskFilter
from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.topics import Topic, record_topic, task_topic
from countermand.store.contract import LogChanges, LogEnd, SharedLogs, StoreFailed, Touched
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)

NO_END = LogEnd()
"""Of a log that has no entry yet."""


class _Taken(NamedTuple):
    """The positions that a batch took in one log."""

    first: int
    last: int
    time: int


class Follower:
    """Keeps the hub in step with a store to which others commit, too."""

    def __init__(
        self,
        logs: SharedLogs,
        hub: Hub,
        knobs: FollowerKnobs,
        lose: Callable[[int], None],
        give_up: Callable[[], None],
    ) -> None:
        """Calls `lose` with a namespace that lost commits of which its watches may have told, and
        `give_up` when the store has been away for too long."""
        self._logs = logs
        self._hub = hub
        self._knobs = knobs
        self._lose = lose
        self._give_up = give_up
        self._ends: dict[int, LogEnd] = {}
        """Up to where the hub has heard of everything in each namespace that is watched."""
        self._generation = -1
        """In which generation of the store that was found to hold."""
        self._wake = asyncio.Event()
        self._looked = asyncio.Event()
        """That the next look has ended well."""
        self._away_since: float | None = None
        """Since when no look was possible, by the loop's time."""
        hub.hear_first = self.wake
        logs.listen(self.wake)

    def wake(self) -> None:
        """Looks at once for what others committed."""
        self._wake.set()

    def take(self, saves: Saves) -> None:
        """Takes what this server committed. It goes to the hub at once if nothing lies between."""
        watched = self._hub.watched
        taken = _taken(saves) if watched is None or watched else {}
        if watched is not None:
            taken = {number: one for number, one in taken.items() if number in watched}
        if not all(self._is_next(number, one.first) for number, one in taken.items()):
            self._hub.take_removals(saves)
            self.wake()
            return
        self._hub.take(saves)
        for number, one in taken.items():
            self._ends[number] = self._ends[number]._replace(seq=one.last, time=one.time)

    def _is_next(self, namespace: int, first: int) -> bool:
        end = self._ends.get(namespace)
        if end is None or self._generation != self._logs.generation:
            return False
        return end.seq == first - 1

    async def run(self) -> None:
        """Looks for what others committed, while anybody watches, until cancelled."""
        while True:
            watched = self._hub.watched
            is_idle = watched is not None and not watched
            with suppress(TimeoutError):
                async with asyncio.timeout(None if is_idle else self._knobs.poll_interval):
                    await self._wake.wait()
            self._wake.clear()
            begin = asyncio.get_running_loop().time()
            try:
                await self.look()
            except StoreFailed:  # What it missed is found when the store is back.
                self._note_failure(begin)
            else:
                self._away_since = None
            await asyncio.sleep(self._knobs.min_pause)

    def _note_failure(self, begin: float) -> None:
        if self._away_since is None:
            self._away_since = begin
        if asyncio.get_running_loop().time() - self._away_since >= self._knobs.max_away:
            self._give_up()

    async def settle(self) -> None:
        """Returns once it is known whether the store, if it was lost and found, lost commits: else
        what was just read could be shown behind what never was."""
        while self._generation != self._logs.generation:
            self.wake()
            await self._looked.wait()

    async def look(self) -> None:
        """Tells the hub of all that was committed until now. Raises StoreFailed."""
        generation = self._logs.generation
        watched = self._hub.watched
        if watched is not None:
            watched = sorted(watched)
            for number in self._ends.keys() - set(watched):
                del self._ends[number]
            if not watched:
                self._end_look(generation)
                return
        known = dict(self._ends)
        ends = await self._logs.log_ends(watched)
        for number in known.keys() | ends.keys() if watched is None else watched:
            await self._follow(number, known.get(number), ends.get(number, NO_END))
        self._end_look(generation)

    def _end_look(self, generation: int) -> None:
        self._generation = generation
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()

    async def _follow(self, namespace: int, known: LogEnd | None, end: LogEnd) -> None:
        """`known` is what was known before the log was found to end there."""
        if known is None:
            # Who watches a log that is new to the hub may have read it before its end.
            self._hub.outdate(namespace, None, end)
            self._ends[namespace] = end
            return
        removed = end.floor != known.floor or end.size < known.size
        is_ours = known.seq < end.seq <= self._ends[namespace].seq
        if not is_ours and (end.seq, end.time) != (known.seq, known.time):
            changes = LogChanges(None, None)
            if end.seq >= known.seq:
                changes = await self._changes(namespace, known, end)
            if changes.time != known.time:
                self._note_loss(namespace, end)
                return
            touched = changes.touched
            topics = None if touched is None else {*_topics_of(namespace, touched)}
            self._hub.outdate(namespace, topics, end)
        if removed:
            self._hub.alarm_holders(namespace)
        # This server may have committed meanwhile, after the last position that was known.
        newest = max(end, self._ends[namespace], key=lambda one: one.seq)
        self._ends[namespace] = newest._replace(floor=end.floor, size=end.size)

    def _note_loss(self, namespace: int, end: LogEnd) -> None:
        log.error("the store lost what was committed last", extra=fields(namespace=namespace))
        self._hub.lose(namespace, end)
        self._ends[namespace] = end
        self._lose(namespace)

    async def _changes(self, namespace: int, known: LogEnd, end: LogEnd) -> LogChanges:
        """Returns what happened, with the time of the position that was known."""
        found = await self._logs.log_changes(namespace, known.seq, end.seq, self._knobs.max_touched)
        # The beginning has no time, and a position that was removed has lost it.
        is_gone = found.time is None and known.seq <= end.floor
        return found._replace(time=known.time) if is_gone else found


def _taken(saves: Saves) -> dict[int, _Taken]:
    """Returns the positions that a batch took in each namespace's log."""
    taken: dict[int, _Taken] = {}
    entries: list[Event | RecordEvent] = [*saves.events, *saves.attached, *saves.records]
    for event in entries:
        seq = event.seq
        before = taken.get(event.namespace)
        if before is None:
            taken[event.namespace] = _Taken(seq, seq, event.time)
        elif seq > before.last:
            taken[event.namespace] = _Taken(min(before.first, seq), seq, event.time)
        elif seq < before.first:
            taken[event.namespace] = before._replace(first=seq)
    return taken


def _topics_of(namespace: int, touched: Iterable[Touched]) -> Iterable[Topic]:
    yield ("all", namespace)
    for one in touched:
        if one.task_id is not None:
            yield task_topic(namespace, one.task_id)
        if one.agent_id is not None:
            yield ("agent", namespace, one.agent_id)
        yield from TaskFilter(one.group_id, one.checkout_id, None).targets(namespace)
        for order_id in one.order_ids:
            yield Target(TargetKind.ORDER, namespace, order_id)
        if one.record is not None:
            yield record_topic(one.record)
