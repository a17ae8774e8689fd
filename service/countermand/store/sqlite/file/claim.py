"""One server for one store: a lock on the file itself, by whatever name it was opened."""

import errno
import fcntl
import logging
import os
import struct
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from countermand.store.contract import StoreRefused
from countermand.store.sqlite.file.folder import give_to_owner
from countermand.store.sqlite.file.naming import check_kind, check_mount, resolve

log = logging.getLogger(__name__)

PRIVATE = 0o600
FIRST_BYTE = 0x40000000 + 4096
"""Where the lock is. SQLite's own are on the 512 bytes from 0x40000000 on."""
LINUX_FLOCK = struct.Struct("hhqqi4x")
UNKNOWN_LOCK = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
HELD_BY_ANOTHER = {errno.EAGAIN, errno.EACCES}
DISTRUST = b"the last server could not trust its disk; the next one reads the whole store first\n"
FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

Identity = tuple[int, int]
"""Device and inode."""

_guard = threading.Lock()
_claimed: set[Identity] = set()
"""The files that this process has. They must not be opened again: see Claim."""


class StoreHeld(StoreRefused):
    """Another server, or another command, has the store."""


class Claim:
    """A store's file, taken for this server alone.

    The lock on the file holds whichever name another server comes by, and whatever becomes of the
    names. It lives in a descriptor of its own, which is closed after all of SQLite's: closing any
    descriptor of a file drops the locks that SQLite has on it in this process. So nothing else may
    open the file here.

    The lock on the file beside, `.lock`, holds where there are no locks of an open file (macOS).
    That file also keeps the note of a server that could not trust its disk.
    """

    def __init__(self, name: Path, *, replaces: bool = False) -> None:
        """Takes the file, and makes it if there is none. Raises StoreRefused, and then leaves
        nothing behind; StoreHeld if another has it.

        `replaces`: all of the store will be replaced, so a log without its file is no loss.
        """
        self.name = name
        self._replaces = replaces
        self.path = resolve(name)
        self.lock_path = Path(f"{self.path}.lock")
        self._made: list[Path] = []
        self._note: int | None = None
        try:
            with ExitStack() as undo:
                self.descriptor, self.identity = self._take_file(undo)
                self._note = self._take_lock_file()
                undo.pop_all()
        except OSError as error:
            raise StoreRefused(f"cannot open the store {name}: {error.strerror}") from error

    @property
    def is_new(self) -> bool:
        """Whether the file was made by this claim."""
        return self.path in self._made

    def release(self) -> None:
        """Gives the file up. SQLite must have no connection to it any more."""
        if self._note is not None:
            os.close(self._note)
        os.close(self.descriptor)
        _forget(self.identity)

    def discard(self) -> None:
        """Removes what the claim made: the store was refused after all. Call it before `release`,
        or another server may have taken it."""
        for path in self._made:
            if path != self.lock_path or not self.is_distrusted():
                path.unlink(missing_ok=True)
        self._made.clear()

    def keep(self) -> None:
        """Keeps what the claim made, whatever comes: a whole store is in its place now."""
        self._made.clear()

    def distrust(self) -> None:
        """Leaves the note that the disk cannot be trusted."""
        if self._note is not None:
            with suppress(OSError):
                os.pwrite(self._note, DISTRUST, 0)

    def is_distrusted(self) -> bool:
        """Whether there is that note."""
        return self._note is not None and os.fstat(self._note).st_size > 0

    def trust(self) -> None:
        """Takes the note away."""
        assert self._note is not None
        os.ftruncate(self._note, 0)

    def keep_lock_file(self) -> None:
        """Makes `.lock` anew if it was taken away. Raises OSError, or StoreRefused if another
        server has one now."""
        assert self._note is not None
        with suppress(FileNotFoundError):
            if identity_of(os.stat(self.lock_path)) == identity_of(os.fstat(self._note)):
                return
        is_distrusted = self.is_distrusted()
        note = self._take_lock_file()
        os.close(self._note)
        self._note = note
        if is_distrusted:
            self.distrust()
        log.warning("%s was taken away, and made anew", self.lock_path)

    def _take_file(self, undo: ExitStack) -> tuple[int, Identity]:
        with _guard:
            with suppress(FileNotFoundError):
                if identity_of(os.stat(self.path)) in _claimed:
                    raise self._held()
            descriptor = self._open_file()
            identity = identity_of(os.fstat(descriptor))
            _claimed.add(identity)
        undo.callback(_forget, identity)
        undo.callback(os.close, descriptor)
        if not _lock(descriptor):
            self._made.clear()  # Another server has it already.
            raise self._held()
        undo.callback(self.discard)
        check_kind(self.name, os.fstat(descriptor))
        check_mount(self.name, self.path)
        if identity_of(os.stat(self.path)) != identity:
            raise StoreRefused(f"the store {self.name} was replaced while it was opened")
        return descriptor, identity

    def _open_file(self) -> int:
        """Opens the file; a new one can be read by nobody else."""
        with suppress(FileNotFoundError):
            return os.open(self.path, FLAGS)
        with suppress(FileNotFoundError):
            if os.stat(f"{self.path}-wal").st_size and not self._replaces:
                raise StoreRefused(
                    f"the store {self.name} is missing, and its log {self.path.name}-wal is there: "
                    "bring the store back, or remove the log to begin with an empty one"
                )
        return self._make(self.path)

    def _take_lock_file(self) -> int:
        try:
            descriptor = os.open(self.lock_path, FLAGS)
        except FileNotFoundError:
            descriptor = self._make(self.lock_path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise self._held() from None
        return descriptor

    def _make(self, path: Path) -> int:
        descriptor = os.open(path, FLAGS | os.O_CREAT | os.O_EXCL, PRIVATE)
        self._made.append(path)
        os.fchmod(descriptor, PRIVATE)  # whatever the umask is
        give_to_owner(descriptor, path.parent)
        return descriptor

    def _held(self) -> StoreHeld:
        return StoreHeld(f"another server has the store {self.name} open")


def is_held(path: Path) -> bool:
    """Whether a server has the file of a store, by its lock on the file. Raises OSError."""
    with _guard:
        if identity_of(os.stat(path)) in _claimed:
            return True
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if sys.platform != "linux" or sys.maxsize <= 1 << 32:
            return False
        asked = LINUX_FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, FIRST_BYTE, 1, 0)
        kind, *_ = LINUX_FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))
    except OSError as error:
        if error.errno not in UNKNOWN_LOCK:
            raise
        return False
    finally:
        os.close(descriptor)
    return bool(kind != fcntl.F_UNLCK)


def identity_of(found: os.stat_result) -> Identity:
    """Returns what stays the same of a file under all of its names."""
    return found.st_dev, found.st_ino


def _forget(identity: Identity) -> None:
    with _guard:
        _claimed.discard(identity)


def _lock(descriptor: int) -> bool:
    """Locks an open file, in a place that SQLite does not use. Returns whether it was free."""
    try:
        if sys.platform == "linux" and sys.maxsize > 1 << 32:
            try:
                wanted = LINUX_FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, FIRST_BYTE, 1, 0)
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
                return True
            except OSError as error:
                if error.errno not in UNKNOWN_LOCK:
                    raise
        # This one is the process's, and gone with the first descriptor that is closed.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, FIRST_BYTE, os.SEEK_SET)
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        raise
    return True
