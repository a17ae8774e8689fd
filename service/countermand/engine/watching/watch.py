"""Watches of one task: what a watcher is told, in which order, and when it ends.

A watcher subscribes, then reads the log from its place until a page says that there is no more,
then follows the hub. It is told only what is committed, every version once and in order, however
slowly it takes it.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from countermand.core.errors import Reason, Refused, not_found
from countermand.core.log import TaskFilter
from countermand.core.records import SECOND, Task
from countermand.engine.watching.entries import Entry
from countermand.engine.watching.feed import Feed, Part, Silence
from countermand.engine.watching.hub import Hub, Subscription
from countermand.engine.watching.messages import Kind, Message, change
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.page_cache import Page, PageCache, SharedPages
from countermand.engine.watching.places import Place
from countermand.engine.watching.reads import Reads
from countermand.engine.watching.topics import task_topic
from countermand.engine.watching.watch_all import WatchAll
from countermand.engine.watching.watch_record import WatchRecord
from countermand.store.contract import Store
from countermand.store.lists import Trail

NOWHERE = -1
"""A place that no topic knows: what follows must be read."""


class Watch:
    """What every watch of a server uses."""

    def __init__(self, store: Store, hub: Hub, cache: PageCache, reads: Reads) -> None:
        self._store = store
        self._hub = hub
        self._cache = cache
        self._reads = reads
        self._many = self.all = WatchAll(store, hub, cache, reads)
        self.records = WatchRecord(store, hub, cache.max_batch, reads)

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
        watcher.namespace = namespace
        silence = Silence(heartbeat_interval / SECOND)
        messages = self._task(watcher, silence, namespace, task_id, after_version)
        async with aclosing(messages):
            async for message in messages:
                yield message
                silence.end()

    async def tasks(
        self,
        watcher: Watcher,
        namespace: int,
        chosen: TaskFilter,
        place: Place | None,
        heartbeat_interval: int,
    ) -> AsyncGenerator[Message, None]:
        """Follows many tasks, from the beginning or from a place. The interval is in microseconds.

        With a group, checkout or order it ends when one of these is over. Raises Refused: NOT_FOUND
        of one of those, RESUME_TOKEN_EXPIRED, or what the watch was ended with.
        """
        watcher.namespace = namespace
        silence = Silence(heartbeat_interval / SECOND)
        messages = self._many.follow(watcher, silence, namespace, chosen, place)
        async with aclosing(messages):
            async for message in messages:
                yield message
                silence.end()

    async def _task(
        self,
        watcher: Watcher,
        silence: Silence,
        namespace: int,
        task_id: str,
        after_version: int | None,
    ) -> AsyncGenerator[Message, None]:
        with self._hub.subscribe(task_topic(namespace, task_id)) as subscription:
            task = await self._reads.begin(lambda: self._store.task(namespace, task_id))
            if task is None:
                raise not_found("task", task_id)
            if after_version is not None and after_version > task.version:
                raise _ahead(task, after_version)
            with self._feed(watcher, silence, subscription, namespace, task_id) as feed:
                if after_version is None or after_version == task.version:
                    kind = Kind.SNAPSHOT if after_version is None else Kind.HEARTBEAT
                    subscription.was_read(task.seq)
                    feed.begin(task.seq, task.version)
                    yield Message(kind, task, task.ended)
                    if task.ended:
                        return
                else:
                    feed.begin(NOWHERE, after_version)
                async with aclosing(_versions(watcher, feed, task)) as messages:
                    async for message in messages:
                        yield message

    def _feed(
        self,
        watcher: Watcher,
        silence: Silence,
        subscription: Subscription,
        namespace: int,
        task_id: str,
    ) -> Feed:
        def open_pages() -> SharedPages[Entry]:
            return self._cache.open(("task", namespace, task_id), read)

        async def read(after: int, limit: int, trail: Trail | None) -> Page[Entry]:
            found = await self._reads.go_on(
                lambda: self._store.history(namespace, task_id, after, limit, trail)
            )
            if found is None:
                raise not_found("task", task_id)
            last = after + len(found.events)
            complete = last >= found.task.version
            return Page(
                items=[Entry(event) for event in found.events],
                cursors=list(range(after + 1, last + 1)),
                end=last,
                complete=complete,
                seq=found.task.seq if complete else found.events[-1].seq,
                head=found.task,
                trail=found.trail,
            )

        return Feed(watcher, silence, subscription, open_pages, _version)


async def _versions(watcher: Watcher, feed: Feed, present: Task) -> AsyncGenerator[Message, None]:
    """Tells every version that comes; `present` is the newest that is known before."""
    while True:
        part = await feed.next()
        if part is None:
            yield Message(Kind.HEARTBEAT, present)
            continue
        present = _newest(present, part)
        for number, entry in enumerate(part.entries, start=1):
            watcher.check()
            task = entry.event.task
            assert task is not None
            is_newest = part.complete and number == len(part.entries)
            last = task.ended and is_newest and task.version >= present.version
            yield change(entry, last=last)
            if last:
                return


def _newest(present: Task, part: Part) -> Task:
    """Returns the newest version of a task that is known."""
    known = [present, *(entry.event.task for entry in part.entries[-1:])]
    if isinstance(part.head, Task):
        known.append(part.head)
    return max((task for task in known if task is not None), key=lambda task: task.version)


def _version(entry: Entry) -> int:
    return entry.event.task.version if entry.event.task is not None else 0


def _ahead(task: Task, after_version: int) -> Refused:
    return Refused(
        Reason.VERSION_AHEAD,
        f"task {task.task_id} is at version {task.version}, not yet past {after_version}",
        metadata={"task_id": task.task_id, "version": str(task.version)},
    )
