"""The moving parts on a real store: a writer, a hub, watches, and faults on command."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from countermand.core.commands import Command
from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.knobs import Knobs, StoreKnobs, WatchersKnobs
from countermand.core.leases import Renewal
from countermand.core.log import Event, TaskFilter
from countermand.core.retention import Old
from countermand.engine.clock import NANOSECONDS, Clock
from countermand.engine.listeners import Committed
from countermand.engine.purger import Purger
from countermand.engine.reaper import Reaper
from countermand.engine.watching.hub import Hub, Subscription
from countermand.engine.watching.messages import Message
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.page_cache import PageCache
from countermand.engine.watching.places import Place
from countermand.engine.watching.reads import Reads
from countermand.engine.watching.watch import Watch
from countermand.engine.writer import Writer
from tests.support.ask import FIRST_TIME, NS
from tests.support.knobs import DRAWN, PRODUCTION
from tests.support.stores import Keeper, put_empty_store, sqlite_store

HOUR = 3_600_000_000


class HandClock(Clock):
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.time = FIRST_TIME
        self.ahead = 0
        """How far the wall clock is ahead of the time that passed."""
        super().__init__(
            PRODUCTION.clock,
            wall=lambda: (self.time + self.ahead) * NANOSECONDS,
            monotonic=lambda: self.time * NANOSECONDS,
        )


class LeapingClock(Clock):
    """The clock of this machine, of which the wall clock can be set."""

    def __init__(self, ahead: int = 0) -> None:
        self.ahead = ahead
        """How far it is set ahead, in microseconds."""
        super().__init__(PRODUCTION.clock, wall=lambda: time.time_ns() + self.ahead * NANOSECONDS)


class TroubledStore:
    """A real store whose commits can be held up, or fail before or after they are done."""

    def __init__(self, path: Path, knobs: StoreKnobs = DRAWN.store) -> None:
        self.real = sqlite_store(path, knobs)
        self.batches: list[list[Command]] = []
        """What each commit was asked to do."""
        self.renewals: list[Renewal] = []
        """Which leases each was asked to renew."""
        self.slowness = 0.0
        """For how many seconds more each says that it waited for the disk."""
        self.before: Callable[[Batch], None] = lambda batch: None
        self.after: Callable[[Batch], None] = lambda batch: None
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.entered = asyncio.Event()
        """Set when a commit stands before the gate."""
        self.looked = asyncio.Event()
        """Set when somebody looks for what is old."""

    async def commit(self, batch: Batch) -> float:
        self.batches.append(list(batch.commands))
        self.renewals.append(batch.renewal)
        self.entered.set()
        await self.open_gate.wait()
        self.before(batch)
        waited: float = await self.real.commit(batch)
        self.after(batch)
        return waited + self.slowness

    async def namespaces_with_old(self, old: Old) -> list[int]:
        found: list[int] = await self.real.namespaces_with_old(old)
        self.looked.set()
        return found

    def hold(self) -> None:
        """Lets no commit begin until `release`."""
        self.open_gate.clear()
        self.entered.clear()

    def release(self) -> None:
        self.open_gate.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Engine:
    """One store with its writer, hub and watches."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        knobs: Knobs = DRAWN,
    ) -> None:
        self.knobs = knobs
        self.store: Any = TroubledStore(path, knobs.store)
        self.clock = clock or Clock(knobs.clock)
        self.ids = UuidMaker()
        self.writer = Writer(self.store, self.clock, self.ids, knobs.writer, knobs.pulse)
        self.hub = Hub(knobs.watching.hub)
        self.writer.listen(lambda committed: self.hub.take(committed.batch.saves))
        self.cache = PageCache(knobs.watching.pages)
        self.watch = Watch(self.store, self.hub, self.cache, Reads())

    def reaper(self) -> Reaper:
        return Reaper(self.store, self.writer, self.clock, self.knobs.reaper)

    def purger(self, retention: int) -> Purger:
        return Purger(self.store, self.writer, self.clock, retention, self.knobs.purger)

    def submit(self, command: Command) -> asyncio.Future[Any]:
        return self.writer.submit(command)

    async def do(self, *commands: Command) -> list[Any]:
        """Submits commands together. Returns their answers, or raises the first refusal."""
        return await asyncio.gather(*[self.writer.submit(command) for command in commands])

    def when(self, wanted: Callable[[Event], bool]) -> asyncio.Future[Event]:
        """Returns a future of the first event, from now on, that is wanted."""
        found: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def hear(committed: Committed) -> None:
            for event in committed.batch.saves.events:
                if wanted(event) and not found.done():
                    found.set_result(event)

        self.writer.listen(hear)
        return found

    def task(self, task_id: str, after: int | None = None, heartbeat: int = HOUR) -> "Following":
        watcher = SeenWatcher("key-1", self.knobs.watching.watchers)
        return Following(watcher, self.watch.task(watcher, NS, task_id, after, heartbeat))

    def tasks(
        self, chosen: TaskFilter, place: Place | None = None, heartbeat: int = HOUR
    ) -> "Following":
        watcher = SeenWatcher("key-1", self.knobs.watching.watchers)
        return Following(watcher, self.watch.tasks(watcher, NS, chosen, place, heartbeat))


class SeenWatcher(Watcher):
    """A watcher of which a test can tell that it has nothing to do."""

    def __init__(self, key_id: str, knobs: WatchersKnobs) -> None:
        super().__init__(key_id, knobs)
        self.idle = asyncio.Event()
        """Set when it first waits for something new."""
        self.reads = asyncio.Event()
        """Set when it first waits for a page."""

    async def wait(self, subscription: Subscription, until: float) -> bool:
        self.idle.set()
        return await super().wait(subscription, until)

    async def wait_for(self, reading: "asyncio.Task[Any]", until: float) -> bool:
        self.reads.set()
        return await super().wait_for(reading, until)


class Following:
    """One watch: an `async for`, or `take` some messages. Close it, or read it to its end."""

    def __init__(self, watcher: SeenWatcher, messages: Any) -> None:
        self.watcher = watcher
        self.messages = messages

    async def take(self, count: int) -> list[Message]:
        return [await anext(self.messages) for _ in range(count)]

    async def rest(self) -> list[Message]:
        """Returns all messages until the watch ends by itself."""
        return [message async for message in self.messages]

    async def close(self) -> None:
        await self.messages.aclose()


@asynccontextmanager
async def running(path: Path, **options: Any) -> AsyncIterator[Engine]:
    """An engine whose writer runs, on a store with the two namespaces."""
    engine = Engine(put_empty_store(path), **options)
    keeper = Keeper(engine.store.real)
    await keeper.store.open(engine.clock.now())
    if not await keeper.store.keys():
        await keeper.settle_in()
    writing = asyncio.create_task(engine.writer.run())
    try:
        yield engine
    finally:
        engine.store.release()
        engine.writer.close()
        with suppress(Exception):
            await writing
        await keeper.store.close()
