"""Saving a store whose file has no name any more: it would be gone with the process."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from countermand.store.sqlite.file.claim import PRIVATE
from countermand.store.sqlite.file.folder import sync_folder


def rescue(descriptor: int, path: Path) -> Path:
    """Copies an open file to where it was, or beside it if another one is there now.

    Returns where it is. Raises OSError; then nothing is left behind.
    """
    aside = path.with_name(f"{path.name}.rescued-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    copy = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        os.fchmod(copy, PRIVATE)
        # SQLite has locks on the file that closing a descriptor would drop.
        with open(descriptor, "rb", closefd=False) as source, open(copy, "wb", closefd=False) as to:
            source.seek(0)
            shutil.copyfileobj(source, to)
        os.fsync(copy)
        with suppress(OSError):  # There is one, or this disk has no links.
            os.link(aside, path)
            aside.unlink()
            aside = path
        sync_folder(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    finally:
        os.close(copy)
    return aside
