"""`countermand` with a store that never syncs: what a test of power cuts must be able to tell."""

import sqlite3
from pathlib import Path

from countermand.cli.main import app_entry
from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite.connection import connect_writer
from countermand.store.sqlite.file import store_file as file


def _connect_without_sync(path: Path, knobs: StoreKnobs) -> sqlite3.Connection:
    connection = connect_writer(path, knobs)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


if __name__ == "__main__":
    file.connect_writer = _connect_without_sync
    app_entry()
