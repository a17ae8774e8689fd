"""The file of a store while this server has it: locked, looked at, and on disk."""

import logging
import os
import sqlite3
from contextlib import ExitStack, suppress
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sqlite.connection import connect_reader, connect_writer, lock
from countermand.store.sqlite.failures import open_failed
from countermand.store.sqlite.inspection import (
    check_identity,
    check_log,
    check_parts,
    check_whole,
    damaged,
)

log = logging.getLogger(__name__)

DISTRUST = b"the last server could not trust its disk; the next one reads the whole store first\n"


class StoreFile:
    """Opens the file for its one writer, and closes it. No other process may write it meanwhile."""

    def __init__(self, path: Path, knobs: StoreKnobs) -> None:
        self._path = path
        self._knobs = knobs
        self._log = Path(f"{path}-wal")
        self._index = Path(f"{path}-shm")
        self._lock: int | None = None
        self._opened = ExitStack()

    def open(self) -> sqlite3.Connection:
        """Returns the connection that writes. All that it shows is on disk.

        Raises StoreRefused if another server has the file, and if it is damaged or no store of
        this program; then it stays as it was.
        """
        self._lock = lock(self._path)
        self._opened.callback(os.close, self._lock)
        self._sync_log()
        with ExitStack() as looking:
            # While the log has a reader, SQLite does not read all of it again for the writer.
            self._look(looking)
            connection = connect_writer(self._path, self._knobs)
        self._opened.callback(connection.close)
        if self._is_distrusted():
            self._regain_trust(connection)
        return connection

    def distrust(self) -> None:
        """Notes that the disk failed, so that whoever opens the file next reads all of it first.

        What a failed sync left in the log may be in the memory of the kernel and not on disk, now
        and for ever: nothing may be built on it. The note need not outlive that memory.
        """
        if self._lock is not None:
            with suppress(OSError):
                os.pwrite(self._lock, DISTRUST, 0)

    def close(self) -> None:
        """Closes the file, which has no other connection any more. It may be called twice."""
        self._opened.close()
        self._lock = None

    def _sync_log(self) -> None:
        """Brings to disk what a server that was killed had written and not yet synced."""
        try:
            descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            self.distrust()
            raise StoreRefused(
                f"cannot open the store {self._path}: its log cannot be synced: {error.strerror}"
            ) from error
        finally:
            os.close(descriptor)

    def _look(self, looking: ExitStack) -> None:
        """Refuses what is no store of this program, or has lost something, before it is touched."""
        has_log = self._log.exists() and self._log.stat().st_size > 0
        if self._path.stat().st_size == 0:
            if has_log:
                raise damaged(self._path, f"it is empty, and {self._log.name} is not")
            return
        try:
            reader = connect_reader(self._path, self._knobs)
            looking.callback(reader.close)
            check_identity(reader, self._path)
            check_parts(reader)
            if self._is_distrusted():
                check_whole(reader, self._path)
            if has_log:
                check_log(self._path, self._log, self._open_index())
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_READONLY_ROLLBACK:
                return  # It was torn while it was made; the writer's connection undoes that.
            raise open_failed(self._path, error) from error

    def _open_index(self) -> int:
        """Opens the log's index, until the end: closing it would drop SQLite's locks on it."""
        index = os.open(self._index, os.O_RDONLY | os.O_CLOEXEC)
        self._opened.callback(os.close, index)
        return index

    def _is_distrusted(self) -> bool:
        return self._lock is not None and os.fstat(self._lock).st_size > 0

    def _regain_trust(self, connection: sqlite3.Connection) -> None:
        """Writes anew, and syncs, what stands in the log alone."""
        try:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise open_failed(self._path, error) from error
        if busy:
            raise StoreRefused(f"another program reads the store {self._path}: let it end first")
        assert self._lock is not None
        os.ftruncate(self._lock, 0)
        log.warning("read the whole store, since the last server could not trust its disk")
