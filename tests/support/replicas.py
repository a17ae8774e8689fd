"""Several servers' worth of moving parts on one store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from countermand.core.commands import Command
from countermand.core.decide import Batch
from countermand.core.errors import unavailable
from countermand.core.ids import UuidMaker
from countermand.core.knobs import Knobs
from countermand.engine.clock import Clock
from countermand.engine.watching.follower import Follower
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.open_watches import Watchers
from countermand.engine.watching.page_cache import PageCache
from countermand.engine.watching.reads import PatientReads
from countermand.engine.watching.watch import Watch
from countermand.engine.writer import Writer
from countermand.store.contract import LogChanges, LogEnd, Store
from countermand.store.sql.log_readings import LogReadings
from tests.support.knobs import DRAWN
from tests.support.postgres_store import postgres_store
from tests.support.stores import Keeper, sqlite_store

HOUR = 3_600_000_000


class SharedStore:
    """One SQLite store to which several writers commit, one after the other."""

    def __init__(self, path: Path, knobs: Knobs) -> None:
        self.real = sqlite_store(path, knobs.store)
        self._turn = asyncio.Lock()
        self.generation = 0
        self.shared_logs = self

    def listen(self, hint: Callable[[], None]) -> None:
        """Nobody gives hints."""

    def become(self, other: "SharedStore") -> None:
        """As when it was lost, and another is found in its place."""
        self.real = other.real
        self.generation += 1

    async def log_ends(self, namespaces: Collection[int] | None) -> dict[int, LogEnd]:
        return await LogReadings(self.real._watches).log_ends(namespaces)

    async def log_changes(self, *asked: int) -> LogChanges:
        return await LogReadings(self.real._watches).log_changes(*asked)

    async def commit(self, batch: Batch) -> float:
        async with self._turn:
            return await self.real.commit(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Replica:
    """The writer, the hub and the watches of one server."""

    def __init__(self, store: Any, knobs: Knobs) -> None:
        self.knobs = knobs
        self.store = store
        self.clock = Clock(knobs.clock)
        self.writer = Writer(store, self.clock, UuidMaker(), knobs.writer, knobs.pulse)
        self.hub = Hub(knobs.watching.hub)
        self.watchers = Watchers(knobs.watching.watchers)
        self.cache = PageCache(knobs.watching.pages)
        following = knobs.watching.follower
        self.follower = Follower(
            store.shared_logs,
            self.hub,
            following,
            self._lose,
            lambda: self.watchers.end_present(unavailable),
        )
        self.writer.listen(lambda committed: self.follower.take(committed.batch.saves))
        self.watch = Watch(store, self.hub, self.cache, PatientReads(self.follower, following))

    def _lose(self, namespace: int) -> None:
        self.cache.lose(namespace)
        self.watchers.end_lost(namespace)

    async def do(self, *commands: Command) -> list[Any]:
        """Submits commands together. Returns their answers, or raises the first refusal."""
        return await asyncio.gather(*[self.writer.submit(command) for command in commands])

    async def following(self, watch: Any, *asked: Any) -> AsyncIterator[Any]:
        """Gives the messages of a watch, which counts as open meanwhile."""
        with self.watchers.opened("key-1") as watcher:
            async for message in watch(watcher, *asked):
                yield message


@asynccontextmanager
async def replicas(path: Path, count: int, knobs: Knobs = DRAWN) -> AsyncIterator[list[Replica]]:
    """So many servers on one SQLite store with the two namespaces, which write and follow."""
    store = SharedStore(path, knobs)
    async with running([store.real], [Replica(store, knobs) for _ in range(count)]) as servers:
        yield servers


@asynccontextmanager
async def postgres_replicas(
    urls: Sequence[str], knobs: Knobs = DRAWN
) -> AsyncIterator[list[Replica]]:
    """A server for each of the ways to one database, with the two namespaces."""
    stores = [postgres_store(url, knobs.store) for url in urls]
    async with running(stores, [Replica(store, knobs) for store in stores]) as servers:
        yield servers


@asynccontextmanager
async def running(stores: Sequence[Store], servers: list[Replica]) -> AsyncIterator[list[Replica]]:
    """Opens stores, and has the servers on them write and follow."""
    for store in stores:
        await store.open(servers[0].clock.now())
    await Keeper(stores[0]).settle_in()
    writing = [asyncio.create_task(one.writer.run()) for one in servers]
    others = [asyncio.create_task(one.follower.run()) for one in servers]
    others += [asyncio.create_task(store.watch()) for store in stores]
    try:
        yield servers
    finally:
        for task in others:
            task.cancel()
        for one in servers:
            one.writer.close()
        with suppress(Exception):
            await asyncio.gather(*writing)
        await asyncio.gather(*others, return_exceptions=True)
        for store in stores:
            await store.close()
