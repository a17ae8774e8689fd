"""The store on one SQLite file."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage

from countermand.core.decide import Batch
from countermand.core.idle import IdleClock
from countermand.core.knobs import StoreKnobs
from countermand.core.quotas import grows
from countermand.store.contract import StoreFailed
from countermand.store.lists import StoreStatus
from countermand.store.sql.store_readings import StoreReadings
from countermand.store.sqlite.connection import Connection, shrink_memory
from countermand.store.sqlite.failures import open_failed, write_failed
from countermand.store.sqlite.file.pairing import Pairing
from countermand.store.sqlite.file.store_file import StoreFile
from countermand.store.sqlite.lanes import ReaderLane
from countermand.store.sqlite.writing import Writer

log = logging.getLogger(__name__)


class SqliteStore(StoreReadings):
    """See countermand.store.contract.Store.

    A whole transaction is one function on the writer's thread, and a whole reading one function
    on a reader's: statement by statement, the decision of a large batch would stop the event loop.
    """

    name = "sqlite"
    is_away = False
    outlives_hangs = False
    shared = None

    def __init__(
        self,
        path: Path,
        knobs: StoreKnobs,
        connections: type[Connection] = Connection,
        idle_clock: Callable[[], IdleClock] = IdleClock,
    ) -> None:
        """The connections decide where and when work is done that is handed to them. `idle_clock`
        makes the clock of the writer's thread, on it."""
        self._path = path
        self._make_idle_clock = idle_clock
        self._knobs = knobs
        self._file = StoreFile(path, knobs)
        self._connection = connections(self._connect, "store-writer")
        self._pairing: Pairing | None = None
        self._writer: Writer | None = None
        self._idle_clock: IdleClock | None = None
        self._connections = connections
        self._lanes: list[ReaderLane] = []
        self._make_readers(knobs, self._make_lane)
        self._asked = 0
        """How many commits had a command of a caller."""

    async def open(self, now: int) -> None:
        """See the contract."""
        await self._connection
        await self._connection.run(lambda: self._begin(now))
        for readers in self._all_readers:
            await readers.open()

    def _connect(self) -> sqlite3.Connection:
        connection, self._pairing = self._file.open()
        return connection

    def _begin(self, now: int) -> None:
        assert self._pairing is not None
        self._idle_clock = self._make_idle_clock()
        try:
            self._writer = Writer(self._connection.driver, self._knobs, self._pairing)
            self._writer.begin(now)
        except sqlite3.Error as error:
            self._file.distrust()
            raise open_failed(self._path, error) from error

    def _make_lane(self) -> ReaderLane:
        lane = ReaderLane(self._file.path, self._knobs, self._connections)
        self._lanes.append(lane)
        return lane

    async def watch(self) -> None:
        """See the contract."""
        asked, looks = self._asked, 0
        while True:
            await asyncio.sleep(self._knobs.watch_interval)
            await self._connection.run(self._file.look)
            asked, looks = self._asked, looks + 1 if asked == self._asked else 0
            if looks == self._knobs.looks_before_shrinking:
                await self._shrink()

    async def _shrink(self) -> None:
        """Keeps nothing of the file in memory, on no thread."""
        for lane in self._lanes:
            await lane.shrink()
        await self._connection.run(lambda: shrink_memory(self._connection.driver))

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

    async def status(self, steady: int) -> StoreStatus:
        """See the contract."""
        found = await self._long.read(0, lambda reader: reader.status(steady))
        return await asyncio.to_thread(self._with_sizes, found)

    def _with_sizes(self, found: StoreStatus) -> StoreStatus:
        path = self._file.path
        log = path.with_name(f"{path.name}-wal")
        try:
            return found._replace(
                bytes=path.stat().st_size,
                wal_bytes=log.stat().st_size if log.exists() else 0,
                free_bytes=disk_usage(path.parent).free,
            )
        except OSError as error:
            raise StoreFailed(f"the store's file cannot be looked at: {error.strerror}") from error

    def break_off(self) -> None:
        """See the contract."""
        if self._writer is not None:
            self._writer.is_broken_off = True

    def _commit(self, batch: Batch) -> float:
        assert self._idle_clock is not None
        begin = self._idle_clock()
        self._asked += any(command.namespace for command in batch.commands)
        self._write(batch)
        self._tend()
        return self._idle_clock() - begin

    def _write(self, batch: Batch) -> None:
        assert self._writer is not None
        try:
            self._file.expect_present()
            if self._knobs.min_free_bytes and any(map(grows, batch.commands)):
                free = disk_usage(self._file.path.parent).free
                kept = max(0, free - self._knobs.min_free_bytes)
                batch.room = batch.room._replace(free_bytes=kept)
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
