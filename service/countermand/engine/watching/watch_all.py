"""Watches of the tasks of many tenants: an operator's.

What the hub has of all namespaces is in the order in which it was published. A watcher that fell
behind reads the log of each namespace from the last event that it gave of it, and then goes on from
what was published when that reading began; what it has given already it leaves out.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import NamedTuple

from countermand.core.log import TaskFilter
from countermand.core.records import SECOND
from countermand.engine.watching.feed import Pages, Silence
from countermand.engine.watching.hub import Subscription
from countermand.engine.watching.messages import Kind, Message, change
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.places import Place
from countermand.engine.watching.topics import EVERY
from countermand.engine.watching.watch_many import Asked, WatchMany
from countermand.store.contract import Bookmark

EVERYTHING = TaskFilter()


class Tenants(NamedTuple):
    """Whose tasks are followed, also those who come later."""

    all: Callable[[], Iterable[int]]
    """Returns their namespaces as they are now."""
    has: Callable[[int], bool]
    """Whether a namespace is one of theirs."""


class WatchAll(WatchMany):
    """What every watch of an operator uses."""

    async def follow_all(
        self, watcher: Watcher, tenants: Tenants, heartbeat_interval: int
    ) -> AsyncGenerator[Message, None]:
        """Follows all tasks of some tenants. The interval is in microseconds.

        It does not end by itself. Raises what the watch was ended with.
        """
        silence = Silence(heartbeat_interval / SECOND)
        with self._hub.subscribe(EVERY) as subscription:
            messages = self._follow(watcher, silence, subscription, tenants)
            async with aclosing(messages):
                async for message in messages:
                    watcher.check()
                    yield message
                    silence.end()

    async def _follow(
        self, watcher: Watcher, silence: Silence, subscription: Subscription, tenants: Tenants
    ) -> AsyncGenerator[Message, None]:
        place = self._hub.published
        subscription.was_read(place)
        ends: dict[int, int] = {}
        for namespace in tenants.all():
            asked = Asked(watcher, silence, namespace, EVERYTHING)
            mark = await self._bookmark(namespace)
            begin = Place(mark.seq, mark.time, 0, mark.last_number)
            async with aclosing(self._snapshot(asked, begin, over=False)) as snapshot:
                async for message in snapshot:
                    if message.kind is not Kind.SYNCED:
                        yield message
            ends[namespace] = mark.seq
        yield Message(Kind.SYNCED, None)
        while True:
            entries = subscription.after(place)
            if entries is None:
                place = self._hub.published
                for namespace in tenants.all():
                    if self._hub.end(namespace)[0] > ends.get(namespace, 0):
                        asked = Asked(watcher, silence, namespace, EVERYTHING)
                        async with aclosing(self._catch_up(asked, ends)) as missed:
                            async for message in missed:
                                yield message
                continue
            for entry in entries:
                place += 1
                event = entry.event
                if event.seq > ends.get(event.namespace, 0) and tenants.has(event.namespace):
                    ends[event.namespace] = event.seq
                    if event.task is not None:
                        yield change(entry, last=False)
            if not entries and not await watcher.wait(subscription, silence.due):
                yield Message(Kind.HEARTBEAT, None)

    async def _bookmark(self, namespace: int) -> Bookmark:
        return await self._reads.begin(lambda: self._store.bookmark(namespace, EVERYTHING))

    async def _catch_up(self, asked: Asked, ends: dict[int, int]) -> AsyncGenerator[Message, None]:
        """Gives what the log of one namespace has after what was given of it."""
        pages = Pages(asked.watcher, asked.silence, self._open_log(asked))
        after, complete = ends.get(asked.namespace, 0), False
        try:
            while not complete:
                found = await pages.next(after)
                if found is None:
                    yield Message(Kind.HEARTBEAT, None)
                    continue
                for entry in found.items:
                    yield change(entry, last=False)
                after, complete = found.end, found.complete
        finally:
            pages.close()
        ends[asked.namespace] = after
