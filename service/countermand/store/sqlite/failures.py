"""What an error of SQLite means: for who wanted to write, to read, or to open the store."""

import sqlite3
from pathlib import Path

from countermand.store.contract import StoreFailed, StoreRefused

BROKEN_CODES = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}


def is_full(error: sqlite3.Error) -> bool:
    """Whether there is no room on the disk."""
    # The index of the log grows with it, and that it cannot is an I/O error to SQLite.
    return _code(error) == sqlite3.SQLITE_FULL or _extended(error) == sqlite3.SQLITE_IOERR_SHMSIZE


def write_failed(error: sqlite3.Error | OSError, *, committed: bool = False) -> StoreFailed:
    """Says what a failed commit means, or a failure after one: full, broken, or a fault of ours."""
    if isinstance(error, OSError):
        return StoreFailed(str(error), fatal=True, committed=committed)
    if is_full(error):
        return StoreFailed(f"the disk is full: {error}", full=True, committed=committed)
    return StoreFailed(_text(error), fatal=_code(error) in BROKEN_CODES, committed=committed)


def read_failed(error: sqlite3.Error) -> StoreFailed:
    """Says that a reading was not possible.

    Whether it ever will be is not to be told: SQLite calls a file damaged when the disk fails, too.
    """
    return StoreFailed(f"cannot read: {_text(error)}")


def open_failed(path: Path, error: sqlite3.Error) -> StoreRefused:
    """Says why a store cannot be opened."""
    cause = "the disk is full" if is_full(error) else _text(error)
    return StoreRefused(f"cannot open the store {path}: {cause}")


def _text(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", None)
    return f"{error} ({name})" if name else str(error)


def _code(error: sqlite3.Error) -> int:
    return _extended(error) & 0xFF


def _extended(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code
