"""One running Countermand without its network side: store, writer, hub, reaper and keys."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from countermand.core.errors import Refused, unavailable
from countermand.core.ids import UuidMaker
from countermand.core.knobs import Knobs, StoreKnobs
from countermand.core.leases import MAX_DELAY
from countermand.engine.clock import Clock
from countermand.engine.key_uses import KeyUses
from countermand.engine.keyring import Keyring
from countermand.engine.last_commit import LastCommit
from countermand.engine.listeners import Committed, Listener
from countermand.engine.membership import Membership
from countermand.engine.purger import Purger
from countermand.engine.reaper import Reaper
from countermand.engine.task_counts import TaskCounts
from countermand.engine.timekeeper import Timekeeper
from countermand.engine.watching.follower import Follower
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.open_watches import Watchers
from countermand.engine.watching.page_cache import PageCache
from countermand.engine.watching.reads import PatientReads, Reads
from countermand.engine.watching.watch import Watch
from countermand.engine.writer import Writer
from countermand.store.contract import Store, StoreFailed, StoreRefused
from countermand.store.names import NEEDS_PSYCOPG, is_postgres
from countermand.store.sqlite import SqliteStore, path_of


def open_store(url: str, knobs: StoreKnobs, replica: str | None = None) -> Store:
    """Returns the store that the URL names, not yet opened, for this replica of the server. Raises
    StoreRefused for another."""
    if not is_postgres(url):
        return SqliteStore(path_of(url, or_else=", or postgresql:// and a database"), knobs)
    try:  # Whoever has no database does without what drives it.
        from countermand.store.postgres.store import PostgresStore
    except ImportError as error:
        if not (error.name or "").startswith("psycopg") and "psycopg" not in str(error):
            raise
        raise StoreRefused(NEEDS_PSYCOPG) from error
    return PostgresStore(url, knobs, replica)


class App:
    """The parts, wired."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        knobs: Knobs,
        max_watches: int | None = None,
        max_tenant_bytes: int | None = None,
        idle_clock: Callable[[], float] | None = None,
        replica: str | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.knobs = knobs
        self.ids = UuidMaker()
        """Of the tasks and groups that callers leave to us; the writer's thread has its own."""
        self.hub = Hub(knobs.watching.hub)
        self.writer = Writer(
            store, clock, UuidMaker(), knobs.writer, knobs.pulse, max_tenant_bytes, idle_clock
        )
        self.key_uses = None if store.shared is None else KeyUses(knobs.key_use)
        """How much of the limits of keys this server and others have used, if there can be some."""
        self.watchers = Watchers(knobs.watching.watchers, max_watches, self.key_uses)
        self.page_cache = PageCache(knobs.watching.pages)
        self.follower: Follower | None = None
        """Hears what other servers commit, if any can."""
        take = self.hub.take
        if store.shared_logs is not None:
            self.follower = Follower(
                store.shared_logs,
                self.hub,
                knobs.watching.follower,
                self._lose,
                lambda: self.watchers.end_present(_away),
            )
            take = self.follower.take
        self.writer.listen(lambda committed: take(committed.batch.saves))
        self.reaper = Reaper(store, self.writer, clock, knobs.reaper)
        reads = Reads()
        if self.follower is not None:
            reads = PatientReads(self.follower, knobs.watching.follower)
        self.watch = Watch(store, self.hub, self.page_cache, reads)
        self.keyring = Keyring(store, self.writer, clock, knobs.keyring)
        self.timekeeper = Timekeeper(store, self.writer, clock, knobs.clock, self.reaper.wake)
        self.writer.listen(self._end_watches)  # after the keyring has heard
        self.last_commit = LastCommit()
        self.writer.listen(self.last_commit)
        self.task_counts = TaskCounts(store, clock, knobs.task_counts)
        shared = store.shared
        if shared is not None:
            replica = shared.replica
        self.replica_id = replica or self.ids(clock.now())
        """This server among those that share its store, or may; anew with each start."""
        self.membership: Membership | None = None
        """What keeps it in step with other servers; None if it has the store for itself."""
        if shared is not None:
            member = Membership(shared, clock, self.keyring, knobs.membership, self._sweep)
            self.membership = member

    def _lose(self, namespace: int) -> None:
        """Ends the watches that may have told of commits which the store lost."""
        self.page_cache.lose(namespace)
        self.watchers.end_lost(namespace)

    def _end_watches(self, committed: Committed) -> None:
        """Ends the watches of keys that this commit ended."""
        if not all(map(self.keyring.is_live, committed.batch.saves.keys)):
            self._sweep()

    def _sweep(self) -> None:
        self.watchers.sweep_now(self.keyring.is_live)


def _away() -> Refused:
    return unavailable("the store is away; watch again")


@asynccontextmanager
async def running(
    store: Store,
    knobs: Knobs,
    *,
    retention: int | None = None,
    max_watches: int | None = None,
    max_tenant_bytes: int | None = None,
    listeners: Iterable[Listener] = (),
    opened: Callable[[], None] = lambda: None,
    clock: Clock | None = None,
    idle_clock: Callable[[], float] | None = None,
    replica: str | None = None,
) -> AsyncIterator[tuple[App, asyncio.Task[None]]]:
    """Opens a store and runs the parts on it. Gives them, and the task that ends if one fails.

    What is older than the retention, in microseconds, is removed; None keeps all. So many watches
    may be open at once, and each tenant may store so many bytes; None: any number. The listeners
    hear of every commit from the first on, which may be before this gives anything; `opened` is
    called before that, once the store is open. `replica` is this server's id, a UUID. Without other
    clocks they are this machine's. Raises StoreRefused. At the end, what was submitted is committed
    before the store is closed; raises StoreFailed if it cannot be. Then the store stays open, since
    a thread may hang in it, and the process should leave.
    """
    clock = clock or Clock(knobs.clock)
    app = App(store, clock, knobs, max_watches, max_tenant_bytes, idle_clock, replica)
    for listener in listeners:
        app.writer.listen(listener)
    try:
        begin = clock.steady()
        steady = await store.open(clock.now())
        if steady is not None:
            clock.go_on_from(steady)
        opened()
        if clock.steady() - begin >= MAX_DELAY:
            app.writer.hinder_agents()  # They were renewed as of the beginning.
        async with _running_parts(app, retention) as failing:
            yield app, failing
    except StoreFailed:
        await store.rescue()
        raise
    except BaseException:
        await store.close()
        raise
    else:
        await store.close()


@asynccontextmanager
async def _running_parts(app: App, retention: int | None) -> AsyncIterator[asyncio.Task[None]]:
    writing = asyncio.create_task(app.writer.run(), name="writer")
    helpers: list[asyncio.Task[None]] = []
    try:
        await app.timekeeper.load()
        if app.membership is None:
            await app.keyring.load()
        else:
            await app.membership.look()
            helpers.append(asyncio.create_task(app.membership.run(), name="membership"))
        if app.store.shared is not None and app.key_uses is not None:
            exchanging = app.key_uses.run(app.store.shared, app.keyring.has_limits)
            helpers.append(asyncio.create_task(exchanging, name="key uses"))
        helpers += [
            asyncio.create_task(app.timekeeper.run(), name="timekeeper"),
            asyncio.create_task(app.store.watch(), name="store"),
            asyncio.create_task(app.reaper.run(), name="reaper"),
            asyncio.create_task(app.watchers.sweep(app.keyring.is_live), name="sweeper"),
            asyncio.create_task(app.keyring.run(), name="keyring"),
        ]
        if app.follower is not None:
            helpers.append(asyncio.create_task(app.follower.run(), name="follower"))
        if retention is not None:
            purger = Purger(app.store, app.writer, app.clock, retention, app.knobs.purger)
            helpers.append(asyncio.create_task(purger.run(), name="purger"))
        failing = asyncio.create_task(_first_end([writing, *helpers]), name="supervisor")
        helpers.append(failing)
        await app.reaper.catch_up()
        yield failing
    finally:
        for task in helpers:
            task.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        await app.keyring.note_uses()
        await app.timekeeper.note()
        app.writer.close()
        await writing


async def _first_end(tasks: list[asyncio.Task[None]]) -> None:
    """Returns when one of the tasks ended, which none should; raises what ended it."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
