"""Keeping the write-ahead log short, whether readers stay in it or the disk fails at it."""

import sqlite3

from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite.failures import is_full
from countermand.store.sqlite.file.wal import OpenIndex


class WriteAheadLog:
    """The log beside the file.

    It is copied into the file after some pages, and SQLite begins it anew once no reader is in it.
    While readings overlap without a gap that moment never comes, and it would grow forever. SQLite
    would copy it by itself, but would tell nobody when the disk fails at that.
    """

    def __init__(self, index: OpenIndex, knobs: StoreKnobs) -> None:
        self._index = index
        self._knobs = knobs
        self._limit = knobs.max_log_bytes

    def tend(self, connection: sqlite3.Connection, size: int) -> None:
        """Copies the log into the file if it is long, and empties it if it is too large on the
        disk, where it has that size. Call it on the writer's thread after each commit.

        Readings that begin meanwhile do without the log, so it waits for those under way alone.
        What does not succeed is tried again when the log has grown by as much. Raises sqlite3.Error
        if the disk fails.
        """
        if size > self._limit:
            more = self._knobs.max_log_bytes
            emptied = _empty(connection, self._index, self._knobs.checkpoint_patience_ms)
            self._limit = more if emptied else size + more
        frames, in_file = self._index.counts()
        if frames >= self._knobs.checkpoint_pages and in_file < frames:
            _checkpoint(connection, "PASSIVE")


def empty_log(connection: sqlite3.Connection, index: OpenIndex) -> bool:
    """Copies the log into the file, and makes it empty. Returns whether nothing was in the way.

    Raises sqlite3.Error, or OSError, if the disk fails.
    """
    if not _checkpoint(connection, "RESTART"):
        return False
    # After a power cut, an index that still speaks of commits says that an empty log has lost them.
    index.sync()
    return _checkpoint(connection, "TRUNCATE")


def _empty(connection: sqlite3.Connection, index: OpenIndex, patience_ms: int) -> bool:
    (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
    try:
        return empty_log(connection, index)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {before}")


def _checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Copies the log into the file. Returns whether nothing was in the way."""
    try:
        (busy, *_) = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    except sqlite3.OperationalError as error:
        # The file cannot grow now; what was committed is in the log, and safe there.
        if not is_full(error):
            raise
        return False
    return not busy
