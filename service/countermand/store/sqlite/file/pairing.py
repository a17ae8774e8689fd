"""Whether a file and the log beside it belong together.

SQLite replays whatever log it finds beside a file. After a backup was put in the place of a store
whose server was killed, that is the log of what was there before, and the two make a mixture.

So the table `pairing` has one row that says two things, and what lies in the file itself, without
its log, must agree with what the two show together:

- The cookie. SQLite gives each copy that it makes of a database (a backup, VACUUM) another schema
  cookie, in the first page. A store takes one at random whenever its cookie is not the one in the
  row; so a copy is known as such, even if its pages are those of the store to the last bit.
- The id of the log. Each time that the log begins anew, its first transaction writes a new id into
  the row. All logs before have reached the file then, so the file has either that id or the one
  before it. A file that is older, or another store's, has neither.

A file of before this table, or a log that another program wrote, has nothing to say, and is taken.
"""

import secrets
import sqlite3
from typing import NamedTuple

from countermand.store.sqlite.failures import is_full
from countermand.store.sqlite.file.header import Header, read_header, read_only_row
from countermand.store.sqlite.file.shrinking import empty_log
from countermand.store.sqlite.file.wal import OpenIndex

COOKIES = range(1 << 20, 1 << 31)
"""Far above those that SQLite counts up from, as it does in copies."""

LOG_ID = 3
"""Which column of the row it is; the first is empty on the disk, since it is the row's number."""

_ROW = "SELECT cookie, previous_cookie, log_id, previous_log_id FROM pairing"
_TIE = """
UPDATE pairing
SET previous_cookie = cookie, previous_log_id = log_id, log_id = randomblob(16)
"""
_SETTLE = """
INSERT INTO pairing (only_row, cookie, previous_cookie, log_id)
VALUES (1, :cookie, :on_disk, randomblob(16))
ON CONFLICT DO UPDATE SET cookie = :cookie, previous_cookie = :on_disk
"""


class Pair(NamedTuple):
    """What the row says, and the page that it is in."""

    page: int
    cookie: int
    previous_cookie: int
    log_id: bytes
    previous_log_id: bytes | None

    def is_of(self, header: Header | None) -> bool:
        """Whether this is the header of the file that the row is about, and of no copy."""
        return header is not None and header.cookie in (self.cookie, self.previous_cookie)

    def agrees_with(self, descriptor: int) -> bool:
        """Whether the file itself is the one that the row is about, and no older."""
        header = read_header(descriptor)
        if header is None or not self.is_of(header):
            return False
        row = read_only_row(descriptor, self.page, header.page_size)
        log_id = row[LOG_ID] if row and len(row) > LOG_ID else None
        return log_id in (self.log_id, self.previous_log_id)


def read_pair(connection: sqlite3.Connection) -> Pair | None:
    """Returns the row, or None in a store of before it."""
    page = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'pairing'"
    ).fetchone()
    row = connection.execute(_ROW).fetchone() if page else None
    return Pair(*page, *row) if row else None


class Pairing:
    """Keeps the row of a store while it is open. All is done on the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, descriptor: int, index: OpenIndex) -> None:
        """Takes a new connection that has not checkpointed yet, and a descriptor of the file."""
        self._connection = connection
        header = read_header(descriptor)
        self._on_disk = 0 if header is None else header.cookie
        self._index = index
        self.is_settled = False
        """Whether the store's cookie is the one in the row."""

    def settle(self) -> None:
        """Makes the store's cookie the one in the row. Call it once, before any checkpoint.

        Without room on the disk the next commit does it. Raises sqlite3.Error.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            has_changed = self._settle()
            self._begin_log()
            self._connection.execute("COMMIT")
            self.committed()
            if has_changed:
                # The cookie of before may be that of the next copy, too.
                empty_log(self._connection, self._index)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if not is_full(error):
                raise

    def tie(self) -> None:
        """Writes what must be in a transaction: nothing, unless it may be a log's first one.

        SQLite begins the log anew with the first transaction after all of it has reached the file.
        """
        if not self.is_settled:
            self._settle()
        self._begin_log()

    def committed(self) -> None:
        """Notes that the transaction is on disk."""
        self.is_settled = True

    def _begin_log(self) -> None:
        frames, in_file = self._index.counts()
        if frames == in_file:
            self._connection.execute(_TIE)

    def _settle(self) -> bool:
        (cookie,) = self._connection.execute("PRAGMA schema_version").fetchone()
        pair = read_pair(self._connection)
        if pair is not None and pair.cookie == cookie:
            return False
        cookie = secrets.choice(COOKIES)
        self._connection.execute(f"PRAGMA schema_version = {cookie}")
        self._connection.execute(_SETTLE, {"cookie": cookie, "on_disk": self._on_disk})
        return True
