"""Opening the file: one writer, readers that only read, and a lock against a second server."""

import fcntl
import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sqlite.failures import open_failed
from countermand.store.sqlite.inspection import check_identity
from countermand.store.sqlite.statements import migrations


def lock(path: Path) -> int:
    """Takes the file for this server. Returns what to close at the end.

    The lock is on a file of its own: closing any descriptor of the database itself would drop the
    locks that SQLite holds on it.
    """
    descriptor = _open_private(Path(f"{path}.lock"), path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreRefused(f"another server has the store {path} open") from None
    # SQLite keeps the mode of a file that is there, and gives it to its other files.
    os.close(_open_private(path, path))
    return descriptor


def _open_private(file: Path, store: Path) -> int:
    """Opens a file of the store; if it is new, nobody else may read it."""
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreRefused(f"cannot open the store {store}: {error.strerror}") from error


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
            # What is removed or replaced is overwritten, lest buyers stand in free pages for ever.
            # It writes as much for a cancel of a task as without it, a fifth more for a checkout
            # with 20 kB, and half more again for a purge (measured).
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA cache_size = -{knobs.writer_cache_kib}")
            # What a statement would undo if it failed half-way is kept beside it; above 64 KiB that
            # is a new file for each statement, which costs more than all else that it does.
            connection.execute("PRAGMA temp_store = MEMORY")
            # Truncates the file after a checkpoint, so that one burst does not stay on disk.
            connection.execute(f"PRAGMA journal_size_limit = {knobs.max_log_bytes}")
            migrate(connection)
        except sqlite3.Error as error:
            raise open_failed(path, error) from error
        undo.pop_all()
    return connection


def connect_reader(path: Path, knobs: StoreKnobs) -> sqlite3.Connection:
    """Opens a connection that cannot write."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=knobs.max_cached_statements,
    )
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{knobs.reader_cache_kib}")
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    """Applies the steps that the file has not seen, each in a transaction of its own."""
    (applied,) = connection.execute("PRAGMA user_version").fetchone()
    for number, sql in migrations():
        if number > applied:
            connection.executescript(f"BEGIN;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
