"""The file with which most histories begin: a store that was migrated, and is empty."""

import tempfile
from functools import cache
from pathlib import Path

from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite.connection import connect_writer

FROM_NOTHING = 16
"""One history in so many begins without a file, and migrates one: that takes most of a start."""


@cache
def migrated_file() -> bytes:
    """Returns the file, made once in each process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "countermand.db"
        connect_writer(path, StoreKnobs()).close()
        return path.read_bytes()


def lay_out(path: Path, seed: int) -> None:
    """Puts the file where the server of a history looks for its store."""
    if seed % FROM_NOTHING:
        path.write_bytes(migrated_file())
