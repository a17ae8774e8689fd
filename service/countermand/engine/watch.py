"""The watches: what a watcher is told, in which order, and when it ends.

A watcher subscribes, then reads the log from its place, then follows the hub. It is told only
what is committed, every version once and in order, however slowly it takes it.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import NamedTuple

from countermand.core.errors import Reason, Refused, not_found
from countermand.core.log import Event, TaskFilter
from countermand.core.records import SECOND, Target, Task
from countermand.engine.hub import Entry, Hub, filter_topic, task_topic
from countermand.engine.places import Place, expect_kept, expect_place
from countermand.engine.watchers import Watcher
from countermand.store.contract import Bookmark, Store

PAGE = 500
"""How many entries or tasks one reading takes."""


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

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub

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
            if after_version is None:
                yield Message(Kind.SNAPSHOT, task, task.ended)
            elif after_version > task.version:
                raise Refused(
                    Reason.VERSION_AHEAD,
                    f"task {task_id} is at version {task.version}, not yet past {after_version}",
                    metadata={"task_id": task_id, "version": str(task.version)},
                )
            elif after_version == task.version:
                yield Message(Kind.HEARTBEAT, task, task.ended)
            else:
                for entry in await self._versions(namespace, task_id, after_version):
                    task = entry.event.task or task
                    yield _change(entry, last=task.ended)
            while not task.ended:
                watcher.check()
                entries = subscription.after(task.seq)
                if entries is None:
                    entries = await self._versions(namespace, task_id, task.version)
                elif not entries:
                    if not await watcher.wait(subscription, heartbeat_interval / SECOND):
                        watcher.check()
                        yield Message(Kind.HEARTBEAT, task)
                    continue
                for entry in entries:
                    watcher.check()
                    task = entry.event.task or task
                    yield _change(entry, last=task.ended)

    async def _versions(self, namespace: int, task_id: str, after: int) -> list[Entry]:
        history = await self._store.history(namespace, task_id, after)
        if history is None:
            raise not_found("task", task_id)
        return _entries(history.events)

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
            told = False
            if place is None:
                place = Place(mark.seq, mark.time, 0, mark.last_number)
            else:
                await expect_place(self._store, namespace, place, mark.floor)
                mark = Bookmark(place.seq, place.snapshot_last, over=False, time=place.time)
            if place.snapshot_after is not None:
                pages = self._snapshot(namespace, chosen, mark, place.snapshot_after)
                async with aclosing(pages):
                    async for message in pages:
                        watcher.check()
                        yield message
                told = True
                yield Message(Kind.SYNCED, None, mark.over, place=Place(mark.seq, mark.time))
                if mark.over:
                    return

            here, caught_up = Place(mark.seq, mark.time), False
            targets = chosen.targets(namespace)
            while True:
                watcher.check()
                entries = subscription.after(here.seq) if caught_up else None
                over = False
                if entries is None:
                    page = await self._store.log(namespace, chosen, here.seq, PAGE)
                    expect_kept(page.mark, here.seq)
                    caught_up = page.through >= page.mark.seq
                    over = caught_up and page.mark.over
                    messages = _from_log(page.events, over=over)
                    # It is told once the end is reached, whose time the mark has.
                    here = Place(page.through, page.mark.time)
                else:
                    messages = _from_hub(entries, chosen, targets)
                    here = _place(entries[-1]) if entries else here
                for message in messages:
                    watcher.check()
                    told = True
                    yield message
                    if message.last:
                        return
                if over:
                    yield Message(Kind.HEARTBEAT, None, last=True, place=here)
                    return
                if not caught_up or subscription.after(here.seq) != []:
                    continue
                if told and await watcher.wait(subscription, heartbeat_interval / SECOND):
                    continue
                watcher.check()
                told = True
                # It goes on also while nothing happens here, so that its token does not grow old.
                if subscription.after(here.seq) == []:
                    here = max(here, Place(*self._hub.end(namespace)))
                yield Message(Kind.HEARTBEAT, None, place=here)

    async def _snapshot(
        self, namespace: int, chosen: TaskFilter, mark: Bookmark, after: int
    ) -> AsyncGenerator[Message, None]:
        next_number: int | None = after
        while next_number is not None:
            page = await self._store.snapshot(namespace, chosen, mark, next_number, PAGE)
            for task in page.tasks:
                place = Place(mark.seq, mark.time, task.number, mark.last_number)
                yield Message(Kind.SNAPSHOT, task, place=place)
            next_number = page.next_number


def _entries(events: Iterable[Event]) -> list[Entry]:
    return [Entry(event) for event in events]


def _place(entry: Entry) -> Place:
    return Place(entry.event.seq, entry.event.time)


def _change(entry: Entry, *, last: bool, place: Place | None = None) -> Message:
    return Message(Kind.CHANGE, entry.event.task, last, entry, place)


def _from_log(events: Sequence[Event], *, over: bool) -> Iterable[Message]:
    """Returns a stretch of the log, which holds only what the filter chooses."""
    for place, entry in enumerate(_entries(events), start=1):
        last = over and place == len(events)
        yield _change(entry, last=last, place=_place(entry))


def _from_hub(
    entries: Iterable[Entry], chosen: TaskFilter, targets: Iterable[Target]
) -> Iterable[Message]:
    """Returns what a filter lets through; the end of what is watched is always told."""
    for entry in entries:
        event = entry.event
        last = not event.over.isdisjoint(targets)
        if event.chosen_by(chosen):
            yield _change(entry, last=last, place=_place(entry))
        elif last:
            yield Message(Kind.HEARTBEAT, None, last, place=_place(entry))
