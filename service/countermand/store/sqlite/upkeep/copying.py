"""A copy of a store, also of one that a server has open."""

import sqlite3
from contextlib import closing
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sqlite.failures import is_full
from countermand.store.sqlite.upkeep.facts import StoreFacts, read_facts
from countermand.store.sqlite.upkeep.partial import expect_free, partial
from countermand.store.sqlite.upkeep.viewing import viewing


def back_up(name: Path, target: Path, knobs: StoreKnobs) -> StoreFacts:
    """Copies a store into a new file, and returns what is in that.

    It holds all that was answered before the copy began. It has its name only when it is whole and
    on disk, and its owner alone can read it. Raises StoreRefused if there is a file of that name,
    if the store cannot be read, and if the copy cannot be written; then nothing is left of it.
    """
    expect_free(target)
    with viewing(name, knobs) as connection:
        try:
            with partial(target) as made:
                copy_pages(connection, made.path)
                with viewing(made.path, knobs) as copy:
                    facts = read_facts(copy, made.path)
                made.publish()
        except (OSError, sqlite3.Error) as error:
            raise not_written(target, error) from error
    return facts


def copy_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Copies all pages of one moment of a store into an empty file, which is not synced.

    All in one step: the copy begins anew whenever another process writes between two steps, which
    beside a busy server is forever. A step holds one reading open, in which nothing changes.
    Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = OFF")  # Half a copy is thrown away.
        copy.execute("PRAGMA synchronous = OFF")  # It is synced as a whole.
        connection.backup(copy)


def not_written(target: Path, error: OSError | sqlite3.Error) -> StoreRefused:
    """Returns the refusal of a copy that could not be written."""
    if isinstance(error, OSError):
        return StoreRefused(f"cannot write {target}: {error.strerror}")
    cause = "the disk is full" if is_full(error) else str(error)
    return StoreRefused(f"cannot write {target}: {cause}")
