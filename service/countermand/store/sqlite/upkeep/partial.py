"""A file that has its name only once it is whole and on disk."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from countermand.store.contract import StoreRefused
from countermand.store.sqlite.file.claim import PRIVATE, identity_of
from countermand.store.sqlite.file.folder import give_to_owner, sync_folder


class Partial:
    """A file that is being made, beside the name that it will have.

    Its own name begins with a dot and ends with `.partial`, so that nothing takes it for what it
    is not yet. One that a killed command left is made anew by the next.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.partial")

    def publish(self, *, replaces: bool = False) -> None:
        """Brings the file to disk and gives it its name. Raises StoreRefused if that is taken and
        nothing is to be replaced, and OSError."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not replaces:
            expect_free(self.target)
        os.rename(self.path, self.target)
        sync_folder(self.target.parent)


@contextmanager
def partial(target: Path) -> Iterator[Partial]:
    """Gives an empty file that the owner alone can read, and removes it unless it was published.

    As root, it gets the owner of the file that it will replace, or of the folder: a server that
    runs as somebody else must be able to open it. Raises StoreRefused while another command makes
    the same file, and OSError.
    """
    made = Partial(target)
    descriptor = os.open(made.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
    try:
        _take(made, descriptor)
        os.ftruncate(descriptor, 0)
        os.fchmod(descriptor, PRIVATE)  # whatever the umask is
        has_owner = target.exists() and target.stat().st_size > 0
        give_to_owner(descriptor, target if has_owner else target.parent)
        try:
            yield made
        finally:
            with suppress(FileNotFoundError):
                if identity_of(os.stat(made.path)) == identity_of(os.fstat(descriptor)):
                    made.path.unlink()
    finally:
        os.close(descriptor)


def expect_free(target: Path) -> None:
    """Raises StoreRefused if there is something of that name already."""
    if os.path.lexists(target):
        raise StoreRefused(f"{target} is there already, and is not overwritten")


def _take(made: Partial, descriptor: int) -> None:
    """Makes sure that nobody else makes this file, nor has published it since it was opened."""
    busy = StoreRefused(f"another command makes {made.target} now")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if identity_of(os.stat(made.path)) != identity_of(os.fstat(descriptor)):
            raise busy
    except (BlockingIOError, FileNotFoundError):
        raise busy from None
