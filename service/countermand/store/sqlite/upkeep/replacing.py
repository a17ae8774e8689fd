"""Putting another file in the place of a store that no server has open."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sqlite.file.claim import Claim, StoreHeld
from countermand.store.sqlite.file.folder import sync_folder
from countermand.store.sqlite.file.header import read_header
from countermand.store.sqlite.file.inspection import APPLICATION_ID
from countermand.store.sqlite.file.naming import resolve
from countermand.store.sqlite.upkeep.checking import check
from countermand.store.sqlite.upkeep.copying import copy_pages, not_written
from countermand.store.sqlite.upkeep.facts import StoreFacts, read_facts
from countermand.store.sqlite.upkeep.partial import Partial, partial
from countermand.store.sqlite.upkeep.viewing import stands_alone, viewing


class Compacted(NamedTuple):
    """How large a store was, and is: file and log together, in bytes."""

    bytes_before: int
    bytes_after: int


def restore(backup: Path, name: Path, knobs: StoreKnobs, *, replaces: bool) -> StoreFacts:
    """Puts a copy of a backup in the place of a store, and returns what is in it.

    The backup is checked first. Whenever this is broken off, the store is the one of before; or it
    is the backup, and what may still lie there of the old log is refused by whoever opens it, until
    this was done once more. Raises StoreRefused if a server has the store open, if there is one and
    it is not to be replaced, and if the backup is none, or is damaged; then nothing has changed.
    """
    if not backup.exists():
        raise StoreRefused(f"there is no backup {backup}")
    with taken(name, replaces=True) as claim:
        if resolve(backup) == claim.path:
            raise StoreRefused(f"{backup} is the store itself")
        if not stands_alone(resolve(backup)):
            raise StoreRefused(
                f"{backup} is in use, or has a log beside it: `countermand store backup` makes a"
                " backup of it"
            )
        if not replaces and not claim.is_new and os.fstat(claim.descriptor).st_size:
            raise StoreRefused(f"there is a store {name} already: --replace replaces it")
        _expect_ours(claim)
        with viewing(backup, knobs) as connection:
            faults = check(connection).faults
            if faults:
                raise StoreRefused(f"the backup {backup} is damaged: {faults[0]}")
            with _swapped(claim) as made:
                copy_pages(connection, made.path)
                with viewing(made.path, knobs) as copy:
                    facts = read_facts(copy, made.path)
    return facts


def compact(name: Path, knobs: StoreKnobs) -> Compacted:
    """Writes a store anew without the room that nothing uses, and returns how large it was and is.

    It needs as much room as the new file takes, beside the old one, and the store stays as it is
    until the new one is whole. Raises StoreRefused if a server has the store open.
    """
    if not resolve(name).exists():
        raise StoreRefused(f"there is no store {name}")
    with taken(name) as claim:
        before = _size(claim.path)
        with viewing(name, knobs, claim=claim) as connection, _swapped(claim) as made:
            connection.execute("ROLLBACK")
            connection.execute("PRAGMA query_only = OFF")
            connection.execute("VACUUM INTO ?", (str(made.path),))
        return Compacted(before, _size(claim.path))


@contextmanager
def taken(name: Path, *, replaces: bool = False) -> Iterator[Claim]:
    """Has the store for this command alone, and leaves nothing behind that was made for that."""
    try:
        claim = Claim(name, replaces=replaces)
    except StoreHeld:
        raise StoreRefused(f"a server has the store {name} open: stop it first") from None
    try:
        try:
            yield claim
        except BaseException:
            claim.discard()
            raise
    finally:
        claim.release()


@contextmanager
def _swapped(claim: Claim) -> Iterator[Partial]:
    """Gives an empty file, and puts it in the place of the store when it was filled.

    First the file, then the log: a log without its file would be gone, but a log beside the wrong
    file is refused by whoever opens it.
    """
    try:
        with partial(claim.path) as made:
            yield made
            made.publish(replaces=True)
            claim.keep()
            for ending in ("-wal", "-shm", "-journal"):
                Path(f"{claim.path}{ending}").unlink(missing_ok=True)
            sync_folder(claim.path.parent)
    except (OSError, sqlite3.Error) as error:
        raise not_written(claim.path, error) from error


def _expect_ours(claim: Claim) -> None:
    """Raises StoreRefused if the file is a database of another program. A damaged one may be a
    store."""
    header = read_header(claim.descriptor)
    if header is None:
        return
    if header.application_id != APPLICATION_ID and (header.application_id or header.has_tables):
        raise StoreRefused(
            f"{claim.name} is a file of another program, and no store of Countermand"
        )


def _size(path: Path) -> int:
    size = 0
    for file in (path, f"{path}-wal"):
        with suppress(FileNotFoundError):
            size += os.stat(file).st_size
    return size
