"""Keeping the write-ahead log short when readers do not leave it alone."""

import os
import sqlite3
from pathlib import Path

MOST_BYTES = 64 * 1024 * 1024
"""How much of the log may stay on the disk; above it the log is emptied by force."""
PATIENCE_MS = 100
"""How long an attempt waits for readings that began before it, and the next commit with it."""


class WriteAheadLog:
    """The log beside the file.

    SQLite copies it into the file after every 1,000 pages, and begins it anew once no reader is in
    it. While readings overlap without a gap that moment never comes, and it would grow for ever.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}-wal")
        self._limit = MOST_BYTES

    def shrink(self, connection: sqlite3.Connection) -> None:
        """Empties the log if it is too large. Call it on the writer's thread between commits.

        Readings that begin meanwhile do without the log, so it waits for those under way alone.
        What does not succeed is tried again when the log has grown by as much.
        """
        try:
            size = os.stat(self._path).st_size
        except OSError:
            return  # The commit stands, whatever became of the file's name.
        if size > self._limit:
            self._limit = MOST_BYTES if _empty(connection) else size + MOST_BYTES


def _empty(connection: sqlite3.Connection) -> bool:
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    try:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        # The file cannot grow now; what was committed is in the log, and safe there.
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    return not busy
