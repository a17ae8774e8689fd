"""A store as it is now, for who only reads it: served, stopped, killed, or a backup."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sqlite.connection import connect_reader
from countermand.store.sqlite.failures import is_full, open_failed
from countermand.store.sqlite.file import opening
from countermand.store.sqlite.file.claim import Claim, StoreHeld, is_held
from countermand.store.sqlite.file.header import read_header
from countermand.store.sqlite.file.inspection import APPLICATION_ID, check_identity
from countermand.store.sqlite.file.naming import check_kind, resolve
from countermand.store.sqlite.file.pairing import read_pair


@contextmanager
def viewing(
    name: Path, knobs: StoreKnobs, *, claim: Claim | None = None
) -> Iterator[sqlite3.Connection]:
    """Gives a connection that reads one moment of a store, and leaves nothing beside it.

    What is in the log counts. A server may have the store open; it goes on, and is not disturbed
    but for its log, which is not emptied before the reading ends. Who has the store already gives
    the claim. Raises StoreRefused if there is
    no store of Countermand, if its files are damaged or do not belong together, and for what fails
    while it is read.
    """
    try:
        path = resolve(name)
        if not path.exists():
            raise StoreRefused(f"there is no store {name}")
        check_kind(name, path.stat())
        with _view(name, path, knobs, claim) as connection:
            connection.execute("BEGIN")
            _check_is_store(connection, name)
            yield connection
    except sqlite3.Error as error:
        if is_full(error):
            raise StoreRefused("the disk is full") from error
        raise open_failed(name, error) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise StoreRefused(f"cannot read the store {name}: {error.strerror}{where}") from error


def _view(
    name: Path, path: Path, knobs: StoreKnobs, claim: Claim | None
) -> AbstractContextManager[sqlite3.Connection]:
    if claim is not None:
        return _claimed(claim, knobs)
    return _frozen(name, path, knobs) if stands_alone(path) else _with_log(name, path, knobs)


def stands_alone(path: Path) -> bool:
    """Whether all of a store is in its file, which nobody writes: it was closed, or is a backup."""
    return _has_all(path) and not is_held(path)


def _has_all(path: Path) -> bool:
    """Whether nothing of a store is beside its file."""
    log, journal = Path(f"{path}-wal"), Path(f"{path}-journal")
    has_log = log.exists() and log.stat().st_size > 0
    return not (has_log or journal.exists())


@contextmanager
def _frozen(name: Path, path: Path, knobs: StoreKnobs) -> Iterator[sqlite3.Connection]:
    """Reads the file alone, without a lock and without files beside it: it may be on a disk that
    takes nothing. Raises StoreRefused at the end if somebody wrote it meanwhile."""
    before = _state(path)
    with closing(connect_reader(path, knobs, frozen=True)) as connection:
        yield connection
    if _state(path) != before or not stands_alone(path):
        raise StoreRefused(f"the store {name} was changed while it was read: try again")


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _claimed(claim: Claim, knobs: StoreKnobs) -> Iterator[sqlite3.Connection]:
    """Reads what nobody else has. Once it was looked at as a server would, the file alone is read
    if all is in it: so whoever is killed meanwhile leaves nothing beside it."""
    with ExitStack() as kept:
        connection = kept.enter_context(_with_own_log(claim, knobs))
        if _has_all(claim.path):
            kept.close()
            connection = kept.enter_context(closing(connect_reader(claim.path, knobs, frozen=True)))
        yield connection


@contextmanager
def _with_log(name: Path, path: Path, knobs: StoreKnobs) -> Iterator[sqlite3.Connection]:
    """Reads beside the server that has the store, or what a killed one left."""
    try:
        claim = Claim(name)
    except StoreHeld:
        with _beside(name, path, knobs) as connection:
            yield connection
        return
    try:
        with _with_own_log(claim, knobs) as connection:
            yield connection
    finally:
        claim.discard()
        claim.release()


@contextmanager
def _beside(name: Path, path: Path, knobs: StoreKnobs) -> Iterator[sqlite3.Connection]:
    """Reads beside whoever has the store: a server, or a command that is about to replace it."""
    with ExitStack() as kept:
        # Closed after the connection: with it go the locks that SQLite has on the file.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        kept.callback(os.close, descriptor)
        connection = kept.enter_context(closing(connect_reader(path, knobs)))
        pair = read_pair(connection)
        if pair is not None and not pair.is_of(read_header(descriptor)):
            raise StoreRefused(f"the store {name} is being replaced: try again")
        yield connection


@contextmanager
def _with_own_log(claim: Claim, knobs: StoreKnobs) -> Iterator[sqlite3.Connection]:
    """Reads as a server would before it trusts a store, and leaves nothing that was not there."""
    before = opening.files_beside(claim.path)
    with ExitStack() as kept:
        kept.callback(opening.leave_nothing, claim, before)
        opened = kept.enter_context(ExitStack())
        opening.check_beside(claim)
        opening.inspect(claim, opened, opened, knobs)
        yield opened.enter_context(closing(connect_reader(claim.path, knobs)))


def _check_is_store(connection: sqlite3.Connection, name: Path) -> None:
    check_identity(connection, name)
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found != APPLICATION_ID:
        raise StoreRefused(f"{name} is empty, and no store")
