"""What is done with a store's file before it is trusted, and when it is refused."""

import logging
import os
import sqlite3
import stat
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sqlite.connection import connect_reader
from countermand.store.sqlite.failures import open_failed
from countermand.store.sqlite.file.claim import PRIVATE, Claim
from countermand.store.sqlite.file.inspection import (
    check_end_of_log,
    check_header,
    check_identity,
    check_log,
    check_pair,
    check_parts,
    check_whole,
    damaged,
    no_pair,
)
from countermand.store.sqlite.file.pairing import read_pair
from countermand.store.sqlite.file.shrinking import empty_log
from countermand.store.sqlite.file.wal import Index, OpenIndex, read_index

log = logging.getLogger(__name__)


def inspect(claim: Claim, looking: ExitStack, kept: ExitStack, knobs: StoreKnobs) -> None:
    """Refuses what is no store of this program, or has lost something, before it is touched.

    Raises StoreRefused. A connection that only reads stays open until the end of `looking`, and
    descriptors until that of `kept`.
    """
    path, log_path = claim.path, Path(f"{claim.path}-wal")
    check_header(claim)
    has_log = log_path.exists() and log_path.stat().st_size > 0
    if os.fstat(claim.descriptor).st_size == 0:
        if has_log:
            raise damaged(claim.name, f"it is empty, and {log_path.name} is not")
        return
    told = _told(path)
    try:
        reader = connect_reader(path, knobs)
        looking.callback(reader.close)
        check_identity(reader, claim.name)
        _check_log(claim, reader, told, OpenIndex(path, kept) if has_log else None)
        check_parts(reader)
        if claim.is_distrusted():
            check_whole(reader, claim.name)
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_READONLY_ROLLBACK:
            return  # It was torn while it was made; the writer's connection undoes that.
        if has_log and _is_whole_without_log(path):
            raise no_pair(claim) from error
        raise open_failed(claim.name, error) from error


def _is_whole_without_log(path: Path) -> bool:
    """Whether a file that cannot be read with its log can be read without it. It drops SQLite's
    locks on the file."""
    name = f"{path.as_uri()}?immutable=1"
    try:
        with closing(sqlite3.connect(name, uri=True)) as reader:
            check_parts(reader)
    except sqlite3.Error:
        return False
    return True


def _told(path: Path) -> Index | None:
    """Returns what the last server said of its log. Once SQLite has the index open, it says how the
    log was found."""
    with suppress(FileNotFoundError), open(f"{path}-shm", "rb", buffering=0) as index:
        return read_index(index.fileno())
    return None


def _check_log(
    claim: Claim, reader: sqlite3.Connection, told: Index | None, index: OpenIndex | None
) -> None:
    """Refuses a log that is of another file, and one of which something is missing."""
    pair, frames = read_pair(reader), 0
    if index is not None:
        found = index.read()
        frames = found.frames if found else 0
    if frames:
        check_pair(claim, pair)
    check_log(claim, frames)
    check_end_of_log(claim, pair, told, frames)


def check_beside(claim: Claim) -> None:
    """Raises StoreRefused if what is no file has the name of a file of SQLite's."""
    for path in _beside(claim.path):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise StoreRefused(f"cannot open the store {claim.name}: {path.name} is no file")


def sync_log(claim: Claim) -> None:
    """Brings to disk what a server that was killed had written and not yet synced."""
    try:
        descriptor = os.open(f"{claim.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        claim.distrust()
        raise StoreRefused(
            f"cannot open the store {claim.name}: its log cannot be synced: {error.strerror}"
        ) from error
    finally:
        os.close(descriptor)


def regain_trust(claim: Claim, connection: sqlite3.Connection, index: OpenIndex) -> None:
    """Writes anew, and syncs, what stands in the log alone, if there is a note of distrust."""
    if not claim.is_distrusted():
        return
    if not empty_log(connection, index):
        raise StoreRefused(f"another program reads the store {claim.name}: let it end first")
    claim.trust()
    log.warning("read the whole store, since the last server could not trust its disk")


def make_private(claim: Claim) -> None:
    """Lets nobody but the owner read the files, as they are made; a copy that was restored is as
    open as its maker's umask let it be."""
    opened = []
    for path in (claim.path, *_beside(claim.path), claim.lock_path):
        with suppress(FileNotFoundError):
            if stat.S_IMODE(os.stat(path).st_mode) & ~PRIVATE:
                opened.append(path)
    if not opened:
        return
    try:
        for path in opened:
            os.chmod(path, PRIVATE)
    except OSError as error:
        log.warning("others may read the store, and that cannot be changed: %s", error)
    else:
        log.warning("others could read %s; now its owner alone can", ", ".join(map(str, opened)))


def _beside(path: Path) -> list[Path]:
    return [Path(f"{path}{ending}") for ending in ("-wal", "-shm", "-journal")]


def files_beside(path: Path) -> set[Path]:
    """Returns those files of SQLite that are there."""
    return {beside for beside in _beside(path) if beside.exists()}


def leave_nothing(claim: Claim, before: set[Path]) -> None:
    """Removes what was made for a store that was refused, but no log that has something in it."""
    log_path = Path(f"{claim.path}-wal")
    made = [path for path in _beside(claim.path) if path not in before]
    if not claim.is_new and log_path.exists() and log_path.stat().st_size:
        made = []
    for path in made:
        path.unlink(missing_ok=True)
    claim.discard()
