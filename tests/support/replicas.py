"""Several servers' worth of moving parts on one store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from countermand.core.commands import Command
from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.knobs import Knobs
from countermand.engine.clock import Clock
from countermand.engine.watching.follower import Follower
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.page_cache import PageCache
from countermand.engine.watching.watch import Watch
from countermand.engine.writer import Writer
from countermand.store.contract import Store
from countermand.store.sql.log_readings import LogReadings
from tests.support.engine import Following, SeenWatcher
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
        logs = LogReadings(self.real._watches)
        self.log_ends, self.log_changes = logs.log_ends, logs.log_changes

    def listen(self, hint: Callable[[], None]) -> None:
        """Nobody gives hints."""

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
        self.writer = Writer(store, Clock(knobs.clock), UuidMaker(), knobs.writer, knobs.pulse)
        self.hub = Hub(knobs.watching.hub)
        self.lost: list[int] = []
        """The namespaces that lost commits."""
        self.follower = Follower(
            store.shared_logs, self.hub, knobs.watching.follower, self.lost.append
        )
        self.writer.listen(lambda committed: self.follower.take(committed.batch.saves))
        self.watch = Watch(store, self.hub, PageCache(knobs.watching.pages))

    async def do(self, *commands: Command) -> list[Any]:
        """Submits commands together. Returns their answers, or raises the first refusal."""
        return await asyncio.gather(*[self.writer.submit(command) for command in commands])

    def following(self, watch: Any, *asked: Any) -> Following:
        watcher = SeenWatcher("key-1", self.knobs.watching.watchers)
        return Following(watcher, watch(watcher, *asked))


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
        await store.open(servers[0].writer._clock.now())
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
