"""Connections to the file: one writer, and readers that only read."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import aiosqlite

from countermand.core.knobs import StoreKnobs
from countermand.store.sql.rows.labels import label_digest
from countermand.store.sqlite.failures import open_failed
from countermand.store.sqlite.file.inspection import check_identity
from countermand.store.sqlite.statements import migrations

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Connection(aiosqlite.Connection):
    """A connection on a thread of its own, to which it hands whole transactions and readings.

    One function is one hop to the thread and back, and an await that is cancelled leaves no
    statement and no transaction behind. Await it to open it.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        """Opens with what the function returns, which is called on the thread of that name."""
        super().__init__(connect, iter_chunk_size=1)  # of cursors, which we do not use
        self._thread.name = name

    @property
    def driver(self) -> sqlite3.Connection:
        """What it opened, for functions that run on its thread."""
        return self._conn

    async def run(self, work: Callable[[], Result]) -> Result:
        """Returns what the function does on the thread, behind all that was handed to it before."""
        result: Result = await self._execute(work)  # type: ignore[no-untyped-call]
        return result

    async def close(self) -> None:
        """Closes it when all is done that was handed to it. It may be called twice, and after it
        could not be opened."""
        await super().close()
        if self._thread.is_alive():
            self._thread.join()


def connect_writer(path: Path, knobs: StoreKnobs) -> sqlite3.Connection:
    """Opens the one connection that writes and checkpoints, and migrates the schema.

    FULL syncs every commit: with less, an acknowledged cancel can be lost in a power cut. SQLite
    below 3.51.3 can corrupt a WAL file when two connections write or checkpoint at once, so no
    other connection does either.
    """
    with ExitStack() as undo:
        try:
            connection = sqlite3.connect(
                path,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=knobs.max_cached_statements,
            )
            # Closing rolls back what a broken migration left open, and frees the file.
            undo.callback(connection.close)
            check_identity(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            # What is removed or replaced is overwritten, lest buyers stand in free pages forever.
            # It writes as much for a cancel of a task as without it, a fifth more for a checkout
            # with 20 kB, and half more again for a purge (measured).
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA cache_size = -{knobs.writer_cache_kib}")
            # What a statement would undo if it failed half-way is kept beside it; above 64 KiB that
            # is a new file for each statement, which costs more than all else that it does.
            connection.execute("PRAGMA temp_store = MEMORY")
            # Truncates the file after a checkpoint, so that one burst does not stay on disk.
            connection.execute(f"PRAGMA journal_size_limit = {knobs.max_log_bytes}")
            # The log is copied into the file by us: not before it is known that that is ours.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            migrate(connection)
        except sqlite3.Error as error:
            raise open_failed(path, error) from error
        undo.pop_all()
    return connection


def connect_reader(path: Path, knobs: StoreKnobs, *, frozen: bool = False) -> sqlite3.Connection:
    """Opens a connection that cannot write. Raises sqlite3.Error, and has nothing open then.

    A frozen file is one that nobody writes: it is read without its log, and without a lock.
    """
    with ExitStack() as undo:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{'immutable=1' if frozen else 'mode=ro'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=knobs.max_cached_statements,
        )
        undo.callback(connection.close)
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{knobs.reader_cache_kib}")
        # A sort would be in a file otherwise, for which there may be no descriptor and no room.
        connection.execute("PRAGMA temp_store = MEMORY")
        undo.pop_all()
    return connection


def shrink_memory(connection: sqlite3.Connection) -> None:
    """Gives back what a connection keeps in memory of the file, and does not use at the moment."""
    connection.execute("PRAGMA shrink_memory").fetchall()


def migrate(connection: sqlite3.Connection) -> None:
    """Applies the steps that the file has not seen, each in a transaction of its own."""
    connection.create_function("label_digest", 2, label_digest, deterministic=True)
    (applied,) = connection.execute("PRAGMA user_version").fetchone()
    for number, sql in migrations():
        if number > applied:
            connection.executescript(f"BEGIN;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
    newest = migrations()[-1][0]
    if 0 < applied < newest:
        log.info("the schema went from %d to %d", applied, newest)
