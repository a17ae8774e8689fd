"""Whether the names of a store still lead to what this server has open.

SQLite goes on with a file that was removed, moved or replaced; what it commits then is gone when
the server is. So the names are looked at with each commit, and between.
"""

import os
import sqlite3
from contextlib import ExitStack, suppress

from countermand.store.sqlite.file.claim import Claim, Identity, identity_of
from countermand.store.sqlite.file.pairing import read_pair
from countermand.store.sqlite.file.wal import OpenIndex

UNREADABLE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Displaced(Exception):
    """A file was taken away, replaced or written by others; the text says which, and how.

    `is_whole`: all that was committed is still there, in what this server has open.
    """

    def __init__(self, path: str, what: str, *, is_whole: bool) -> None:
        super().__init__(f"{path} was {what} while the server ran")
        self.path = path
        self.is_whole = is_whole


class Presence:
    """Looks at the files of a store that is open. All is done on the writer's thread."""

    def __init__(
        self, claim: Claim, connection: sqlite3.Connection, index: OpenIndex, kept: ExitStack
    ) -> None:
        """Takes the connection that writes. Has the log open until the end of `kept`."""
        self._claim = claim
        self._connection = connection
        self._index = index
        self._file, self._log, self._shm = (f"{claim.path}{end}" for end in ("", "-wal", "-shm"))
        self._log_descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        kept.callback(os.close, self._log_descriptor)
        self._log_identity = identity_of(os.fstat(self._log_descriptor))
        self._shm_identity = identity_of(os.stat(self._shm))
        file = os.stat(self._file)
        self._seen = file.st_size, file.st_mtime_ns
        self._end = index.last_frame()

    def look(self) -> int:
        """Looks at the file and its log, and returns how long that is.

        Raises Displaced if somebody took one away, or wrote to one, and OSError if nobody can say
        whether they are there.
        """
        file = _status(self._file, self._claim.identity)
        log = _status(self._log, self._log_identity)
        # What cannot be read now, as a reading may fail, is looked at the next time.
        with suppress(OSError, sqlite3.OperationalError):
            self._look_into_file(file)
            self._look_into_log()
        return log.st_size

    def look_at_all(self) -> None:
        """Looks at the index, too, without which this server can do but others cannot."""
        self.look()
        _status(self._shm, self._shm_identity)

    def _look_into_file(self, file: os.stat_result) -> None:
        seen = file.st_size, file.st_mtime_ns
        if seen == self._seen:
            return
        # It may have been this server, at a checkpoint, or somebody who only touched it.
        if file.st_size < self._seen[0] or not self._is_same_file():
            raise Displaced(self._file, "overwritten", is_whole=False)
        self._seen = seen

    def _look_into_log(self) -> None:
        end = self._index.last_frame()
        # In a log that was begun anew since, nothing of before is owed any more.
        if end.salt == self._end.salt and not self._end.is_in(self._log_descriptor):
            raise Displaced(self._log, "overwritten", is_whole=False)
        self._end = end

    def _is_same_file(self) -> bool:
        try:
            pair = read_pair(self._connection)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in UNREADABLE:
                raise
            return False
        return pair is not None and pair.agrees_with(self._claim.descriptor)


def _status(path: str, identity: Identity) -> os.stat_result:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise Displaced(path, "taken away", is_whole=True) from None
    if identity_of(status) != identity:
        raise Displaced(path, "replaced", is_whole=True)
    return status
