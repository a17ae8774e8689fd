"""The store on one SQLite file."""

import asyncio
import logging
import sqlite3
from pathlib import Path

from countermand.core.cancellations import Cancellation
from countermand.core.chronicle import Stretch
from countermand.core.decide import Batch
from countermand.core.idle import IdleClock
from countermand.core.instant import Instant
from countermand.core.keys import Key
from countermand.core.knobs import StoreKnobs
from countermand.core.log import TaskFilter
from countermand.core.overdue import OverdueKind
from countermand.core.records import Cart, Target, Task
from countermand.core.states import SummaryKey
from countermand.store.contract import (
    Bookmark,
    CancellationReading,
    Due,
    History,
    HolderReading,
    LogPage,
    StoreFailed,
    Trail,
)
from countermand.store.lists import CancellationPage, CancellationQuery, TaskPage, TaskQuery
from countermand.store.sqlite.connection import Connection
from countermand.store.sqlite.failures import open_failed, write_failed
from countermand.store.sqlite.file.pairing import Pairing
from countermand.store.sqlite.file.store_file import StoreFile
from countermand.store.sqlite.reader_pool import Readers
from countermand.store.sqlite.writing import Writer

log = logging.getLogger(__name__)


class SqliteStore:
    """See countermand.store.contract.Store.

    A whole transaction is one function on the writer's thread, and a whole reading one function
    on a reader's: statement by statement, the decision of a large batch would stop the event loop.
    """

    name = "sqlite"

    def __init__(self, path: Path, knobs: StoreKnobs) -> None:
        self._path = path
        self._knobs = knobs
        self._file = StoreFile(path, knobs)
        self._connection = Connection(self._connect, "store-writer")
        self._pairing: Pairing | None = None
        self._writer: Writer | None = None
        self._idle_clock: IdleClock | None = None
        self._quick = Readers(
            knobs, threads=knobs.quick_threads, max_readings=knobs.max_quick_readings
        )
        """For readings that find a few rows by their key, which nothing long shall keep waiting."""
        self._long = Readers(
            knobs,
            threads=knobs.long_threads,
            max_readings=knobs.max_long_readings,
            mixed=False,
        )
        """For readings whose rows are many, or may be."""
        self._watches = Readers(
            knobs, threads=knobs.watch_threads, max_readings=knobs.max_watch_readings
        )
        """For the pages of watches that catch up, which are many and nobody else's burden."""
        self._agents = Readers(
            knobs, threads=knobs.agent_threads, max_readings=knobs.max_agent_readings
        )
        """For what agents are to stop: no list, count or watch shall keep that waiting."""
        self._all_readers = (self._quick, self._long, self._watches, self._agents)

    async def open(self, now: int) -> None:
        """See the contract."""
        await self._connection
        await self._connection.run(lambda: self._begin(now))
        for readers in self._all_readers:
            await readers.open(self._file.path)

    def _connect(self) -> sqlite3.Connection:
        connection, self._pairing = self._file.open()
        return connection

    def _begin(self, now: int) -> None:
        assert self._pairing is not None
        self._idle_clock = IdleClock()  # It is this thread's.
        try:
            self._writer = Writer(self._connection.driver, self._knobs, self._pairing)
            self._writer.begin(now)
        except sqlite3.Error as error:
            self._file.distrust()
            raise open_failed(self._path, error) from error

    async def watch(self) -> None:
        """See the contract."""
        while True:
            await asyncio.sleep(self._knobs.watch_interval)
            await self._connection.run(self._file.look)

    async def rescue(self) -> None:
        """See the contract."""
        if self._file.is_orphan:  # In any other case the thread may hang in the disk.
            await self._connection.run(self._file.rescue)

    async def close(self) -> None:
        """See the contract."""
        self._writer = None
        for readers in self._all_readers:
            await readers.close()
        await self._connection.close()
        if self._idle_clock is not None:
            self._idle_clock.close()
        self._file.close()

    async def commit(self, batch: Batch) -> float:
        """See the contract."""
        if self._writer is None:
            raise StoreFailed("the store is not open", fatal=True)
        return await self._connection.run(lambda: self._commit(batch))

    def break_off(self) -> None:
        """See the contract."""
        if self._writer is not None:
            self._writer.is_broken_off = True

    def _commit(self, batch: Batch) -> float:
        assert self._idle_clock is not None
        begin = self._idle_clock()
        self._write(batch)
        self._tend()
        return self._idle_clock() - begin

    def _write(self, batch: Batch) -> None:
        assert self._writer is not None
        try:
            self._file.expect_present()
            self._writer.commit(batch)
        except (sqlite3.IntegrityError, sqlite3.DataError):
            raise  # A row that the schema refuses is a fault of one command, not of the disk.
        except (sqlite3.Error, OSError) as error:
            failure = write_failed(error)
            if failure.fatal:
                self._file.distrust()
                self._file.look()  # That may be why.
            raise failure from error

    def _tend(self) -> None:
        """Keeps the log short, and looks after the file. The batch before it is on disk, whatever
        fails here.

        Raises StoreFailed if the disk cannot be trusted any more, or the file was taken away.
        """
        try:
            self._file.tend()
        except StoreFailed:
            raise
        except sqlite3.Error as error:
            failure = write_failed(error, committed=True)
            if failure.fatal:
                self._file.distrust()
                raise failure from error
            log.warning("the write-ahead log could not be emptied", exc_info=error)
        except Exception:
            log.exception("the write-ahead log could not be looked after")

    async def task(self, namespace: int, task_id: str) -> Task | None:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.task(namespace, task_id))

    async def holder(self, target: Target) -> HolderReading | None:
        """See the contract."""
        return await self._long.read(target.namespace, lambda reader: reader.holder(target))

    async def cart(self, namespace: int, cart_id: str) -> Cart | None:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.cart(namespace, cart_id))

    async def tasks(
        self, namespace: int, query: TaskQuery, before: int | None, limit: int
    ) -> TaskPage:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.tasks(namespace, query, before, limit)
        )

    async def cancellation(
        self, namespace: int, cancellation_id: str
    ) -> CancellationReading | None:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.cancellation(namespace, cancellation_id)
        )

    async def early_cancel(self, namespace: int, task_id: str) -> Cancellation | None:
        """See the contract."""
        return await self._quick.read(
            namespace, lambda reader: reader.early_cancel(namespace, task_id)
        )

    async def cancellations(
        self, namespace: int, query: CancellationQuery, before: str | None, limit: int
    ) -> CancellationPage:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.cancellations(namespace, query, before, limit)
        )

    async def summary(
        self, namespace: int, start_time: int | None, end_time: int | None, group_by: SummaryKey
    ) -> dict[str, int]:
        """See the contract."""
        return await self._long.read(
            namespace, lambda reader: reader.summary(namespace, start_time, end_time, group_by)
        )

    async def stops(self, namespace: int, agent_id: str, limit: int) -> list[Task]:
        """See the contract."""
        return await self._agents.read(
            namespace, lambda reader: reader.stops(namespace, agent_id, limit)
        )

    async def overdue(self, instant: Instant, lease_time: int) -> list[tuple[OverdueKind, int]]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.overdue(instant, lease_time))

    async def next_due(self) -> Due:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.next_due())

    async def clock_stretches(self) -> list[Stretch]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.clock_stretches())

    async def keys(self) -> list[Key]:
        """See the contract."""
        return await self._quick.read(0, lambda reader: reader.keys())

    async def history(
        self,
        namespace: int,
        task_id: str,
        after_version: int,
        limit: int,
        trail: Trail | None = None,
    ) -> History | None:
        """See the contract."""
        return await self._watches.read(
            namespace,
            lambda reader: reader.history(namespace, task_id, after_version, limit, trail),
        )

    async def bookmark(self, namespace: int, chosen: TaskFilter) -> Bookmark:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.bookmark(namespace, chosen))

    async def snapshot(
        self, namespace: int, chosen: TaskFilter, mark: Bookmark, after: int, limit: int
    ) -> TaskPage:
        """See the contract."""
        return await self._watches.read(
            namespace, lambda reader: reader.snapshot(namespace, chosen, mark, after, limit)
        )

    async def log(
        self,
        namespace: int,
        chosen: TaskFilter,
        after: int,
        limit: int,
        trail: Trail | None = None,
    ) -> LogPage:
        """See the contract."""
        return await self._watches.read(
            namespace, lambda reader: reader.log(namespace, chosen, after, limit, trail)
        )

    async def event_time(self, namespace: int, seq: int) -> int | None:
        """See the contract."""
        return await self._quick.read(namespace, lambda reader: reader.event_time(namespace, seq))
