"""What a file must be before it is trusted. It is only read, so what is refused stays as it is."""

import sqlite3
from pathlib import Path

from countermand.store.contract import StoreRefused
from countermand.store.sqlite.statements import migrations
from countermand.store.sqlite.wal import loses_commits

APPLICATION_ID = 0x436D6E64
"""Stands in the header of every store, so that no other program's file is taken for one."""


def check_identity(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreRefused unless the file is a store of this program, or empty."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if found != APPLICATION_ID and (found or tables):
        raise StoreRefused(f"{path} is a file of another program, and no store of Countermand")
    newest = migrations()[-1][0]
    if schema > newest:
        raise StoreRefused(
            f"the store {path} has schema {schema}, which a newer program wrote; "
            f"this one knows {newest}"
        )


def check_parts(connection: sqlite3.Connection) -> None:
    """Looks into each table: what is cut off or written over raises sqlite3.DatabaseError.

    It costs the same for a small store and a large one, and so does not find every damaged page.
    """
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in tables:
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()


def check_log(path: Path, log: Path, index: int) -> None:
    """Raises StoreRefused if commits stand in the log behind what SQLite could read of it."""
    if loses_commits(log, index):
        raise damaged(path, f"commits in the middle of {log.name} cannot be read")


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Reads all of the file. Raises StoreRefused if something is wrong in it."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, found.replace("\n", " "))


def damaged(path: Path, what: str) -> StoreRefused:
    """Returns the refusal of a file of which something is lost."""
    return StoreRefused(f"the store {path} is damaged: {what}; restore a backup")
