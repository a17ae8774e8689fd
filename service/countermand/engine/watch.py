"""The watches: what a watcher is told, in which order, and when it ends.

A watcher subscribes, then reads the log from its place, then follows the hub. It is told only
what is committed, every version once and in order, however slowly it takes it.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from enum import StrEnum
from typing import NamedTuple

from countermand.core.errors import Reason, Refused, not_found
from countermand.core.knobs import WatchKnobs
from countermand.core.log import Event, TaskFilter
from countermand.core.records import SECOND, Target, Task
from countermand.engine.hub import Entry, Hub, filter_topic, task_topic
from countermand.engine.pages import Pages
from countermand.engine.places import Place, expect_kept, expect_place
from countermand.engine.watchers import Watcher
from countermand.store.contract import Bookmark, Store

NOWHERE = -1
"""A place that the hub never holds: what follows must be read."""


class Kind(StrEnum):
    """What a message is."""

    SNAPSHOT = "SNAPSHOT"
    CHANGE = "CHANGE"
    HEARTBEAT = "HEARTBEAT"
    SYNCED = "SYNCED"


class Message(NamedTuple):
    """One message to a watcher."""

    kind: Kind
    task: Task | None
    last: bool = False
    """Whether the watch ends with this message."""
    entry: Entry | None = None
    """The entry that the task is from, which keeps its encoded form for other watchers."""
    place: Place | None = None
    """The place after this message; of watches of many tasks only."""


class Watch:
    """What every watch of a server uses."""

    def __init__(self, store: Store, hub: Hub, pages: Pages, knobs: WatchKnobs) -> None:
        self._store = store
        self._hub = hub
        self._pages = pages
        self._knobs = knobs

    async def task(
        self,
        watcher: Watcher,
        namespace: int,
        task_id: str,
        after_version: int | None,
        heartbeat_interval: int,
    ) -> AsyncGenerator[Message, None]:
        """Follows one task to its end. The interval is in microseconds.

        Raises Refused: TASK_NOT_FOUND, VERSION_AHEAD, or what the watch was ended with.
        """
        with self._hub.subscribe(task_topic(namespace, task_id)) as subscription:
            task = await self._store.task(namespace, task_id)
            if task is None:
                raise not_found("task", task_id)
            version, seq, last = task.version, task.seq, task.ended
            if after_version is None:
                yield Message(Kind.SNAPSHOT, task, last)
            elif after_version > version:
                raise Refused(
                    Reason.VERSION_AHEAD,
                    f"task {task_id} is at version {version}, not yet past {after_version}",
                    metadata={"task_id": task_id, "version": str(version)},
                )
            elif after_version == version:
                yield Message(Kind.HEARTBEAT, task, last)
            else:
                version, seq, last = after_version, NOWHERE, False
            while not last:
                watcher.check()
                entries = subscription.after(seq)
                if entries is None:
                    entries = await self._versions(namespace, task_id, version)
                for entry in entries:
                    watcher.check()
                    task = entry.event.task or task
                    version, seq, last = task.version, task.seq, task.ended
                    yield _change(entry, last=last)
                if entries or await watcher.wait(subscription, heartbeat_interval / SECOND):
                    continue
                watcher.check()
                yield Message(Kind.HEARTBEAT, task)

    async def _versions(self, namespace: int, task_id: str, after: int) -> list[Entry]:
        limit = self._knobs.history_page_size
        history = await self._store.history(namespace, task_id, after, limit)
        if history is None:
            raise not_found("task", task_id)
        return [Entry(event) for event in history.events]

    async def tasks(
        self,
        watcher: Watcher,
        namespace: int,
        chosen: TaskFilter,
        place: Place | None,
        heartbeat_interval: int,
    ) -> AsyncGenerator[Message, None]:
        """Follows many tasks, from the beginning or from a place. The interval is in microseconds.

        With a group, checkout or order it ends when that is over. Raises Refused: NOT_FOUND of
        one of those, RESUME_TOKEN_EXPIRED, or what the watch was ended with.
        """
        with self._hub.subscribe(filter_topic(namespace, chosen)) as subscription:
            mark = await self._store.bookmark(namespace, chosen)
            expect_kept(mark, mark.seq)
            if place is None:
                place = Place(mark.seq, mark.time, 0, mark.last_number)
            else:
                await expect_place(self._store, namespace, place, mark.floor)
                mark = Bookmark(place.seq, place.snapshot_last, over=False, time=place.time)
            told = place.snapshot_after is not None
            if told:
                async with aclosing(self._snapshot(namespace, chosen, mark, place)) as beginning:
                    async for message in beginning:
                        watcher.check()
                        yield message
                        if message.last:
                            return

            here, caught_up = Place(mark.seq, mark.time), False
            targets = chosen.targets(namespace)
            while True:
                watcher.check()
                entries = subscription.after(here.seq) if caught_up else None
                if entries is None:
                    async with aclosing(self._log(namespace, chosen, here.seq)) as messages:
                        async for message in messages:
                            watcher.check()
                            here = message.place or here
                            if message.kind is Kind.CHANGE or message.last or not told:
                                told = True
                                yield message
                            if message.last:
                                return
                    caught_up = True
                else:
                    for message in _from_hub(entries, chosen, targets):
                        watcher.check()
                        yield message
                        if message.last:
                            return
                    here = _place(entries[-1].event) if entries else here
                if subscription.after(here.seq) != []:
                    continue
                if await watcher.wait(subscription, heartbeat_interval / SECOND):
                    continue
                watcher.check()
                # It goes on also while nothing happens here, so that its token does not grow old.
                if subscription.after(here.seq) == []:
                    here = max(here, Place(*self._hub.end(namespace)))
                yield Message(Kind.HEARTBEAT, None, place=here)

    async def _snapshot(
        self, namespace: int, chosen: TaskFilter, mark: Bookmark, place: Place
    ) -> AsyncGenerator[Message, None]:
        """Tells the tasks as they were at the mark, from a place between them on."""
        after, limit = place.snapshot_after, self._knobs.snapshot_page_size
        while after is not None:
            page = await self._store.snapshot(namespace, chosen, mark, after, limit)
            with self._pages.hold(page.tasks) as held:
                for task in held:
                    after = task.number
                    place = Place(mark.seq, mark.time, after, mark.last_number)
                    yield Message(Kind.SNAPSHOT, task, place=place)
            if not held.taken_back:
                after = page.next_number
        yield Message(Kind.SYNCED, None, mark.over, place=Place(mark.seq, mark.time))

    async def _log(
        self, namespace: int, chosen: TaskFilter, after: int
    ) -> AsyncGenerator[Message, None]:
        """Tells the log from a place to its end; a HEARTBEAT says where that is."""
        while True:
            page = await self._store.log(namespace, chosen, after, self._knobs.log_page_size)
            expect_kept(page.mark, after)
            caught_up = page.through >= page.mark.seq
            over = caught_up and page.mark.over
            with self._pages.hold(page.events) as held:
                for event in held:
                    after = event.seq
                    yield _change(Entry(event), last=over and not held, place=_place(event))
            if held.taken_back:
                continue
            after = page.through
            if caught_up:
                place = Place(page.mark.seq, page.mark.time)
                yield Message(Kind.HEARTBEAT, None, over, place=place)
                return


def _place(event: Event) -> Place:
    return Place(event.seq, event.time)


def _change(entry: Entry, *, last: bool, place: Place | None = None) -> Message:
    return Message(Kind.CHANGE, entry.event.task, last, entry, place)


def _from_hub(
    entries: Iterable[Entry], chosen: TaskFilter, targets: Iterable[Target]
) -> Iterable[Message]:
    """Returns what a filter lets through; the end of what is watched is always told."""
    for entry in entries:
        event = entry.event
        last = not event.over.isdisjoint(targets)
        if event.chosen_by(chosen):
            yield _change(entry, last=last, place=_place(event))
        elif last:
            yield Message(Kind.HEARTBEAT, None, last, place=_place(event))
