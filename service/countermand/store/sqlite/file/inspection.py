"""What a file must be before it is trusted. It is only read, so what is refused stays as it is."""

import os
import sqlite3
from pathlib import Path

from countermand.store.contract import StoreRefused
from countermand.store.sqlite.file.claim import Claim
from countermand.store.sqlite.file.header import JOURNAL_MAGIC, read_header
from countermand.store.sqlite.file.pairing import Pair
from countermand.store.sqlite.file.wal import Ending, Index, ending_of, loses_commits
from countermand.store.sqlite.statements import migrations

APPLICATION_ID = 0x436D6E64
"""Stands in the header of every store, so that no other program's file is taken for one."""


def check_header(claim: Claim) -> None:
    """Raises StoreRefused if the file itself, whatever its log says, is no store of this program.

    A store whose first page is not written yet, and an empty file, are taken.
    """
    journal = Path(f"{claim.path}-journal")
    begins = _first_bytes(journal)
    header = read_header(claim.descriptor)
    if header is None:
        if os.fstat(claim.descriptor).st_size and not begins:
            raise StoreRefused(f"cannot open the store {claim.name}: file is not a database")
        return
    _check_owner(claim.name, header.application_id, header.schema, has_tables=header.has_tables)
    # A store writes a journal once, while its first page is made; SQLite would play back any.
    if header.application_id == APPLICATION_ID and begins == JOURNAL_MAGIC:
        raise StoreRefused(
            f"{journal.name} beside the store {claim.name} is of another database: remove it"
        )


def check_identity(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreRefused unless the file with its log is a store of this program, or empty."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    _check_owner(path, found, schema, has_tables=tables > 0)


def check_parts(connection: sqlite3.Connection) -> None:
    """Looks into each table: what is cut off or written over raises sqlite3.DatabaseError.

    It costs the same for a small store and a large one, and so does not find every damaged page.
    """
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in tables:
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()


def check_pair(claim: Claim, pair: Pair | None) -> None:
    """Raises StoreRefused if the file is not the one that the log was written for."""
    if pair is not None and not pair.agrees_with(claim.descriptor):
        raise no_pair(claim)


def no_pair(claim: Claim) -> StoreRefused:
    """Returns the refusal of a file and a log that do not belong together."""
    file = claim.path.name
    return StoreRefused(
        f"the store {claim.name} and the log {file}-wal beside it do not belong together, as when "
        f"a backup was restored: remove {file}-wal and {file}-shm to go on with the file alone, or "
        "bring back the file that the log is of"
    )


def check_log(claim: Claim, frames: int) -> None:
    """Raises StoreRefused if commits stand in the log behind what SQLite could read of it."""
    log = Path(f"{claim.path}-wal")
    if log.exists() and loses_commits(log, frames):
        raise damaged(claim.name, f"commits in the middle of {log.name} cannot be read")


def check_end_of_log(claim: Claim, pair: Pair | None, told: Index | None, frames: int) -> None:
    """Raises StoreRefused if the log ends before the commits that the last server had made.

    `told` is what that one said of its log, and `frames` how much there is of it. The log of a
    copy, such as a backup that was restored, ended with the store that was there before.
    """
    if told is None or (pair is not None and not pair.is_of(read_header(claim.descriptor))):
        return
    file = claim.path.name
    ending = ending_of(Path(f"{claim.path}-wal"), told, frames)
    if ending is Ending.IN_FILE:
        raise StoreRefused(
            f"the log {file}-wal is older than the store {claim.name}, which has all that was in "
            f"its own: remove {file}-wal and {file}-shm"
        )
    if ending is not Ending.WHOLE:
        way_out = f", or remove {file}-shm to go on without them" if ending is Ending.CUT else ""
        raise StoreRefused(
            f"the store {claim.name} was in use, and the last commits of its log {file}-wal are "
            f"gone: bring the log back, or restore a backup{way_out}"
        )


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Reads all of the file. Raises StoreRefused if something is wrong in it."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, found.replace("\n", " "))


def damaged(path: Path, what: str) -> StoreRefused:
    """Returns the refusal of a file of which something is lost."""
    return StoreRefused(f"the store {path} is damaged: {what}; restore a backup")


def _check_owner(path: Path, application_id: int, schema: int, *, has_tables: bool) -> None:
    if application_id != APPLICATION_ID and (application_id or has_tables):
        raise StoreRefused(f"{path} is a file of another program, and no store of Countermand")
    newest = migrations()[-1][0]
    if application_id == APPLICATION_ID and schema > newest:
        raise StoreRefused(
            f"the store {path} has schema {schema}, which a newer program wrote; "
            f"this one knows {newest}"
        )


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(JOURNAL_MAGIC))
    except OSError:
        return b""
