"""The threads that read the file."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sqlite.connection import Connection, connect_reader, shrink_memory
from countermand.store.sqlite.failures import open_failed
from countermand.store.sqlite.session import SqliteSession

Result = TypeVar("Result")


class ReaderLane:
    """See countermand.store.sql.reader_pool.Lane."""

    session: SqliteSession

    def __init__(
        self, path: Path, knobs: StoreKnobs, connections: type[Connection] = Connection
    ) -> None:
        self._path = path
        self._knobs = knobs
        self.connection = connections(self._connect, "store-reader")

    async def open(self) -> None:
        """Starts the thread, with a connection. Raises StoreRefused."""
        try:
            await self.connection
        except sqlite3.Error as error:
            raise open_failed(self._path, error) from error
        except RuntimeError as error:  # no thread is left
            raise StoreRefused(f"cannot open the store {self._path}: {error}") from error
        self.session = SqliteSession(self.connection.driver, self._knobs)

    def _connect(self) -> sqlite3.Connection:
        connection = connect_reader(self._path, self._knobs)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # opens all files
        return connection

    async def run(self, work: Callable[[], Result]) -> Result:
        """Returns what the function does on the thread, behind all that was handed to it before."""
        return await self.connection.run(work)

    async def shrink(self) -> None:
        """Keeps no pages of the file in memory that no reading uses."""
        await self.connection.run(lambda: shrink_memory(self.connection.driver))

    async def close(self) -> None:
        """Ends the thread. It may be called twice, and after it could not be opened."""
        await self.connection.close()
