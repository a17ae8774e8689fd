"""Hears what other servers commit to the same store, and gives the hub all commits in order.

The places of each namespace's log have no gap and are taken in the order of the commits. So a
commit of this server whose first place is the one after the last that the hub heard of goes to the
hub at once, from memory. Before any other, somebody else has committed: then the store is asked
what changed up to its last place, and who watches that reads it from the log.

Whatever wakes the follower is a hint, and so is what a poll finds: a commit that is found twice,
late, or only by the next poll costs a reading and skips nothing.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from countermand.core.changes import Saves
from countermand.core.knobs import FollowerKnobs
from countermand.core.log import TaskFilter
from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.topics import Topic, record_topic, task_topic
from countermand.store.contract import SharedLogs, StoreFailed
from countermand.store.lists import LogEnd, Touched

NO_END = LogEnd(0, 0, 0)
"""Of a log that has no entry yet."""


class Follower:
    """Keeps the hub in step with a store to which others commit, too."""

    def __init__(self, store: SharedLogs, hub: Hub, knobs: FollowerKnobs) -> None:
        self._store = store
        self._hub = hub
        self._knobs = knobs
        self._ends: dict[int, int] = {}
        """The last place of each watched namespace of which the hub has heard, with all below."""
        self._floors: dict[int, int] = {}
        """Where the log of each began when it was last looked at."""
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Looks at once for what others committed."""
        self._wake.set()

    def take(self, saves: Saves) -> None:
        """Takes what this server committed. It goes to the hub at once if nothing lies between."""
        watched = self._hub.watched
        firsts = _firsts(saves)
        if watched is not None:
            firsts = {number: first for number, first in firsts.items() if number in watched}
        if any(self._ends.get(number) != first - 1 for number, first in firsts.items()):
            self.wake()
            return
        self._hub.take(saves)
        self._ends |= {number: saves.positions[number] for number in firsts}

    async def run(self) -> None:
        """Looks for what others committed, again and again, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._knobs.poll_interval):
                    await self._wake.wait()
            self._wake.clear()
            with suppress(StoreFailed):  # What it missed is found when the store is back.
                await self.look()

    async def look(self) -> None:
        """Tells the hub of all that was committed until now. Raises StoreFailed."""
        watched = self._hub.watched
        if watched is not None:
            watched = sorted(watched)
            for number in self._ends.keys() - set(watched):
                del self._ends[number], self._floors[number]
            if not watched:
                return
        known = dict(self._ends)
        ends = await self._store.log_ends(watched)
        for number in ends if watched is None else watched:
            await self._follow(number, known.get(number), ends.get(number, NO_END))

    async def _follow(self, namespace: int, known: int | None, end: LogEnd) -> None:
        """`known` is what was known before the log was found to end there."""
        is_same = known is not None and known <= end.seq and self._floors[namespace] == end.floor
        if is_same and end.seq <= self._ends[namespace]:
            return
        topics: Iterable[Topic] | None = None
        if is_same and known is not None:
            limit = self._knobs.max_touched
            touched = await self._store.touched(namespace, known, end.seq, limit)
            topics = None if touched is None else {*_topics_of(namespace, touched)}
        # Who watches a log that is new to the hub, or is another than it was, reads it anew.
        self._hub.outdate(namespace, topics, end)
        # This server may have committed meanwhile, after the last place that was known.
        self._ends[namespace] = max(end.seq, self._ends.get(namespace, 0)) if is_same else end.seq
        self._floors[namespace] = end.floor


def _firsts(saves: Saves) -> dict[int, int]:
    """Returns the first place that a batch took in each namespace's log."""
    firsts: dict[int, int] = {}
    places = [(event.namespace, event.seq) for event in (*saves.events, *saves.attached)]
    places += [(event.namespace, event.seq) for event in saves.records]
    for namespace, seq in places:
        firsts[namespace] = min(seq, firsts.get(namespace, seq))
    return firsts


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
