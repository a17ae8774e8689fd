"""Keeping the write-ahead log short, whether readers stay in it or the disk fails at it."""

import os
import sqlite3
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite.failures import is_full


class WriteAheadLog:
    """The log beside the file.

    SQLite copies it into the file after every 1,000 pages, and begins it anew once no reader is in
    it. While readings overlap without a gap that moment never comes, and it would grow for ever.
    And it tells nobody when the disk fails at the copying.
    """

    def __init__(self, path: Path, knobs: StoreKnobs) -> None:
        self._path = Path(f"{path}-wal")
        self._knobs = knobs
        self._limit = knobs.max_log_bytes
        self._commits = 0

    def tend(self, connection: sqlite3.Connection) -> None:
        """Empties the log if it is too large. Call it on the writer's thread after each commit.

        Readings that begin meanwhile do without the log, so it waits for those under way alone.
        What does not succeed is tried again when the log has grown by as much. Raises sqlite3.Error
        if the disk fails.
        """
        self._commits += 1
        if self._commits % self._knobs.checkpoint_interval == 0:
            _checkpoint(connection, "PASSIVE")
        try:
            size = os.stat(self._path).st_size
        except OSError:
            return  # The commit stands, whatever became of the file's name.
        if size > self._limit:
            more = self._knobs.max_log_bytes
            emptied = _empty(connection, self._knobs.checkpoint_patience_ms)
            self._limit = more if emptied else size + more


def _empty(connection: sqlite3.Connection, patience_ms: int) -> bool:
    (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
    try:
        return _checkpoint(connection, "TRUNCATE")
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
