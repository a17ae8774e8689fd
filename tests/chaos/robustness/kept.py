"""Where a run left its rows, to be read and held to the rules once no server has them open."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol
from uuid import UUID

from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite.upkeep.checking import check as check_store
from tests.chaos.robustness import reading
from tests.chaos.robustness.checks import rows
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.truth import Truth
from tests.support.postgres_store import postgres_store
from tests.support.stores import sqlite_store


class Kept(Protocol):
    """The rows of a run."""

    folder: Path
    """Where what explains a failure is written."""

    def read(self) -> Truth:
        """Returns what the store holds, read from the tables themselves."""

    async def check_rows(self, truth: Truth) -> list[Violation]:
        """Opens the store, as after any stop, and finds what does not add up."""


class KeptInFile:
    """The rows in a file of SQLite."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self._path = path

    def read(self) -> Truth:
        return reading.read(self._path)

    async def check_rows(self, truth: Truth) -> list[Violation]:
        store = sqlite_store(self._path)
        await store.open(time.time_ns() // 1000)
        try:
            found = await rows.broken(store, truth)
        finally:
            await store.close()
        with closing(sqlite3.connect(self._path)) as closed:
            faults = check_store(closed).faults
        return found + [Violation(Promise.COUNTS, fault) for fault in faults]


class KeptInDatabase:
    """The rows in a database of PostgreSQL, on whichever server is the primary at the end."""

    TABLES = (
        "cancellations",
        "request_ids",
        "joins",
        "groups",
        "checkouts",
        "orders",
        "carts",
        "order_checkouts",
        "tasks",
        "events",
    )

    def __init__(self, folder: Path, url: Callable[[], str]) -> None:
        self.folder = folder
        self._url = url

    def read(self) -> Truth:
        """Copies the tables as they are, and reads them as those of a file: one eye for both."""
        truth = Truth()
        with closing(sqlite3.connect(":memory:")) as copy:
            self._copy(copy)
            reading.read_tables(copy, truth)
        return truth

    def _copy(self, copy: sqlite3.Connection) -> None:
        import psycopg

        named = {table: f"SELECT * FROM {table}" for table in self.TABLES}
        named["namespaces"] = "SELECT * FROM namespaces JOIN positions USING (namespace_no)"
        with psycopg.connect(self._url()) as connection:
            for table, asked in named.items():
                cursor = connection.execute(asked.encode())
                assert cursor.description is not None
                columns = [column.name for column in cursor.description]
                copy.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
                places = ", ".join("?" * len(columns))
                found = (
                    [one.bytes if isinstance(one, UUID) else one for one in row] for row in cursor
                )
                copy.executemany(f"INSERT INTO {table} VALUES ({places})", found)

    async def check_rows(self, truth: Truth) -> list[Violation]:
        store = postgres_store(self._url(), StoreKnobs())
        await store.open(time.time_ns() // 1000)
        try:
            return await rows.broken(store, truth)
        finally:
            await store.close()
