"""The folder of a store: whose its files are, and when they are on disk."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Brings to disk which files a folder has. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_to_owner(descriptor: int, like: Path) -> None:
    """As root, gives a new file to whoever owns another, or a folder: the server that is to open it
    runs as somebody else. Raises OSError."""
    if os.geteuid() == 0:
        owner = os.stat(like)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
