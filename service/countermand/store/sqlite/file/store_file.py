"""The file of a store while this server has it: taken, looked at, and on disk."""

import logging
import os
import sqlite3
from contextlib import ExitStack, suppress
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.sqlite.connection import connect_writer
from countermand.store.sqlite.failures import open_failed, write_failed
from countermand.store.sqlite.file import opening
from countermand.store.sqlite.file.claim import Claim
from countermand.store.sqlite.file.pairing import Pairing
from countermand.store.sqlite.file.presence import Displaced, Presence
from countermand.store.sqlite.file.rescue import rescue
from countermand.store.sqlite.file.shrinking import WriteAheadLog
from countermand.store.sqlite.file.wal import OpenIndex

log = logging.getLogger(__name__)


class StoreFile:
    """Opens the file for its one writer, and closes it. No other process may write it meanwhile.

    All is done on the writer's thread.
    """

    def __init__(self, name: Path, knobs: StoreKnobs) -> None:
        self._name = name
        self._knobs = knobs
        self._opened = ExitStack()
        self._claim: Claim | None = None
        self._connection: sqlite3.Connection | None = None
        self._presence: Presence | None = None
        self._pairing: Pairing | None = None
        self._log: WriteAheadLog | None = None
        self._failure: str | None = None
        self.is_orphan = False
        """Whether the file has no name any more, and has all that was committed."""

    @property
    def path(self) -> Path:
        """The file's own name, once it is open, whichever name it was opened by."""
        assert self._claim is not None
        return self._claim.path

    def open(self) -> tuple[sqlite3.Connection, Pairing]:
        """Returns the connection that writes, and what has to be said in each transaction. All
        that the connection shows is on disk.

        Raises StoreRefused if another server has the file, and if it is damaged or no store of
        this program; then it stays as it was, and nothing is left beside it.
        """
        claim = Claim(self._name)
        try:
            return self._open(claim)
        except OSError as error:
            raise StoreRefused(f"cannot open the store {self._name}: {error.strerror}") from error

    def _open(self, claim: Claim) -> tuple[sqlite3.Connection, Pairing]:
        with ExitStack() as undo:
            undo.callback(claim.release)
            undo.callback(opening.leave_nothing, claim, opening.files_beside(claim.path))
            kept = undo.enter_context(ExitStack())
            opening.check_beside(claim)
            opening.sync_log(claim)
            with ExitStack() as looking:
                # While the log has a reader, SQLite does not read all of it again for the writer.
                opening.inspect(claim, looking, kept, self._knobs)
                connection = connect_writer(claim.path, self._knobs)
            undo.callback(connection.close)
            index = OpenIndex(claim.path, kept)
            pairing = Pairing(connection, claim.descriptor, index)
            try:
                pairing.settle()
                opening.regain_trust(claim, connection, index)
            except sqlite3.Error as error:
                raise open_failed(self._name, error) from error
            opening.make_private(claim)
            self._presence = Presence(claim, connection, index, kept)
            undo.pop_all()
        # The last of these is done first.
        self._opened.callback(claim.release)
        self._opened.callback(kept.close)
        self._opened.callback(connection.close)
        self._claim, self._connection, self._pairing = claim, connection, pairing
        self._log = WriteAheadLog(index, self._knobs)
        return connection, pairing

    def expect_present(self) -> None:
        """Raises StoreFailed once somebody was found to have taken the store's files away, or to
        have written to them. Call it before each commit."""
        if self._failure is not None:
            raise StoreFailed(self._failure, fatal=True)

    def tend(self) -> None:
        """Looks after the files, and keeps the log short. Call it after each commit, before that is
        answered, since it may have gone where nobody will find it.

        Raises StoreFailed then, sqlite3.Error if the disk fails, and OSError.
        """
        assert self._connection is not None
        assert self._pairing is not None
        assert self._log is not None
        assert self._presence is not None
        self._pairing.committed()
        try:
            size = self._presence.look()
        except Displaced as displaced:
            is_kept = self._save_from(displaced)
            raise StoreFailed(str(self._failure), fatal=True, committed=is_kept) from displaced
        except OSError as error:
            raise write_failed(error) from error
        self._log.tend(self._connection, size)

    def look(self) -> None:
        """Looks after the files when nothing was committed for a while. Raises StoreFailed if
        somebody took them away, or wrote to them, or they cannot be looked at."""
        self.expect_present()
        if self._presence is None or self._claim is None:
            return
        try:
            self._presence.look_at_all()
        except Displaced as displaced:
            self._save_from(displaced)
            raise StoreFailed(str(self._failure), fatal=True) from displaced
        except (OSError, sqlite3.Error) as error:
            raise write_failed(error) from error
        # The lock on the file holds without that on the other.
        with suppress(OSError, StoreRefused):
            self._claim.keep_lock_file()

    def rescue(self) -> None:
        """Saves the store if its file has no name any more, and would be gone with the process."""
        if self._claim is None or not self.is_orphan:
            return
        self.is_orphan = False
        try:
            saved = rescue(self._claim.descriptor, self._claim.path)
        except OSError as error:
            log.error("%s could not be saved: %s", self._claim.path, error.strerror)
        else:
            log.warning("what was in %s is saved as %s", self._claim.path, saved)

    def distrust(self) -> None:
        """Notes that the disk failed, so that whoever opens the file next reads all of it first.

        What a failed sync left in the log may be in the memory of the kernel and not on disk, now
        and forever: nothing may be built on it. The note need not outlive that memory.
        """
        if self._claim is not None:
            self._claim.distrust()

    def close(self) -> None:
        """Closes the file, which has no other connection any more. It may be called twice."""
        self._opened.close()
        self._claim = self._connection = self._pairing = None
        self._presence = self._log = None

    def _save_from(self, displaced: Displaced) -> bool:
        """Brings what was committed into the file. Returns whether it is there, under its name."""
        self._failure = str(displaced)
        if not displaced.is_whole:
            return False
        assert self._claim is not None
        assert self._connection is not None
        try:
            (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            cause = "somebody reads it" if busy else None
        except sqlite3.Error as error:
            cause = str(error)
        if cause is not None:
            self._failure += f"; its log could not be brought into the file: {cause}"
            return False
        self.is_orphan = os.fstat(self._claim.descriptor).st_nlink == 0
        return displaced.path != str(self._claim.path)
