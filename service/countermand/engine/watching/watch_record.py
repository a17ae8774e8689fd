"""Watches of one checkout or order: its own versions, whatever its tasks do.

A commit only wakes the watcher, which then reads what is new: there are few versions, and each
message has the snapshot, which is large.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from math import inf
from typing import NamedTuple

from countermand.core.errors import Reason, Refused, not_found
from countermand.core.records import SECOND, Target
from countermand.core.versions import WatchedHolder, as_it_was, has_ended
from countermand.engine.watching.feed import Silence
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.messages import Kind
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.reads import Reads
from countermand.engine.watching.topics import record_topic
from countermand.store.contract import Store
from countermand.store.lists import HolderHistory, HolderReading, Trail


class RecordMessage(NamedTuple):
    """One message to who watches a checkout or order."""

    kind: Kind
    reading: HolderReading
    last: bool = False
    """Whether the watch ends with this message."""


class WatchRecord:
    """What every watch of a checkout or order uses."""

    def __init__(self, store: Store, hub: Hub, page_size: int, reads: Reads) -> None:
        """It reads so many versions at once."""
        self._store = store
        self._hub = hub
        self._reads = reads
        self._page_size = page_size

    async def follow(
        self,
        watcher: Watcher,
        target: Target,
        after_version: int | None,
        heartbeat_interval: int,
    ) -> AsyncGenerator[RecordMessage, None]:
        """Follows one checkout or order to its end. The interval is in microseconds.

        Raises Refused: NOT_FOUND, VERSION_AHEAD, VERSION_EXPIRED, or what the watch was ended with.
        """
        watcher.namespace = target.namespace
        silence = Silence(heartbeat_interval / SECOND)
        messages = self._messages(watcher, silence, target, after_version)
        async with aclosing(messages):
            async for message in messages:
                yield message
                silence.end()
                if message.last:
                    return

    async def _messages(
        self, watcher: Watcher, silence: Silence, target: Target, after_version: int | None
    ) -> AsyncGenerator[RecordMessage, None]:
        topic = record_topic(target)
        with self._hub.subscribe(topic, (topic,)) as subscription:
            alarms = subscription.alarms
            found = await self._reads.begin(lambda: self._read(target, after_version, None))
            present = found.reading
            if after_version is None:
                yield _now(Kind.SNAPSHOT, present)
            elif after_version > present.holder.version:
                raise _ahead(target, present.holder.version, after_version)
            elif after_version == present.holder.version:
                yield _now(Kind.HEARTBEAT, present)
            seen = present.holder.version if after_version is None else after_version
            while True:
                for message in _changes(target, found, seen):
                    watcher.check()
                    seen = message.reading.holder.version
                    yield message
                # A page that is not the last, or an alarm, leaves something to read.
                has_all = seen >= found.reading.holder.version and subscription.alarms == alarms
                is_idle = has_all and not await watcher.wait(subscription, silence.due)
                alarms = subscription.alarms
                found = await self._read_on(watcher, target, seen, found.trail)
                if is_idle and found.reading.holder.version == seen:
                    yield _now(Kind.HEARTBEAT, found.reading)

    async def _read_on(
        self, watcher: Watcher, target: Target, seen: int, trail: Trail | None
    ) -> HolderHistory:
        """Reads what comes next, unless the watch is ended before."""
        reading = asyncio.create_task(
            self._reads.go_on(lambda: self._read(target, seen, trail)), name="reading a record"
        )
        try:
            await watcher.wait_for(reading, inf)
            return reading.result()
        finally:
            if not reading.cancel() and not reading.cancelled():
                reading.exception()  # Nobody waits for it any more, so nobody is told.

    async def _read(
        self, target: Target, after_version: int | None, trail: Trail | None
    ) -> HolderHistory:
        found = await self._store.holder_history(target, after_version, self._page_size, trail)
        if found is None:
            raise not_found(target.kind.lower(), target.id)
        return found


def _now(kind: Kind, present: HolderReading) -> RecordMessage:
    return RecordMessage(kind, present, has_ended(_watched(present)))


def _changes(target: Target, found: HolderHistory, seen: int) -> Iterator[RecordMessage]:
    """Yields the versions of a page. Raises Refused if one is missing that was not kept."""
    present = _watched(found.reading)
    expected = seen + 1
    if seen < present.version and (not found.versions or found.versions[0].version != expected):
        kept = found.versions[0].version if found.versions else present.version + 1
        raise Refused(
            Reason.VERSION_EXPIRED,
            f"versions of {target.kind.lower()} {target.id} below {kept} were not kept",
            metadata={"version": str(kept)},
        )
    for then in found.versions:
        newest = then.version == present.version
        reading = found.reading._replace(holder=as_it_was(present, then))
        yield RecordMessage(Kind.CHANGE, reading, newest and has_ended(present))


def _watched(reading: HolderReading) -> WatchedHolder:
    holder = reading.holder
    assert isinstance(holder, WatchedHolder)
    return holder


def _ahead(target: Target, version: int, after_version: int) -> Refused:
    kind = target.kind.lower()
    return Refused(
        Reason.VERSION_AHEAD,
        f"{kind} {target.id} is at version {version}, not yet past {after_version}",
        metadata={f"{kind}_id": target.id, "version": str(version)},
    )
