"""The embedded store: one SQLite file, one writer, some readers."""

from countermand.store.sqlite.file.naming import path_of
from countermand.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "path_of"]
