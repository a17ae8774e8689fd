"""On which store the servers of a test run: SQLite, or all of them on PostgreSQL.

`make test STORE=postgresql` chooses that for a whole run. Each file that a store would have is then
a database of the run's cluster; servers that would share the file share the database.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Cluster

STORE = os.environ.get("COUNTERMAND_TEST_STORE") or "sqlite"
ON_POSTGRES = STORE == "postgresql"
assert STORE in ("sqlite", "postgresql"), STORE


def on_sqlite_alone(why: str) -> pytest.MarkDecorator:
    """Leaves a test out where servers run on PostgreSQL, with the reason."""
    return pytest.mark.skipif(ON_POSTGRES, reason=f"of a store on SQLite: {why}")


class Databases:
    """Databases in the places of files."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._template = ""
        self._names: dict[Path, str] = {}

    def url(self, file: Path, *, makes_store: bool = False) -> str:
        """Returns the URL of the database in the place of a file. It has the tables of a store,
        unless a server is to make them."""
        if file not in self._names:
            template = "template0" if makes_store else self._made_template()
            self._names[file] = self._cluster.create_database(template)
        return self._cluster.url(self._names[file])

    def drop(self, folder: Path) -> None:
        """Removes the databases that are in the places of a folder's files."""
        for file in [file for file in self._names if file.is_relative_to(folder)]:
            self._cluster.drop_database(self._names.pop(file))

    def _made_template(self) -> str:
        if not self._template:
            import psycopg

            from countermand.store.postgres.statements import migrations

            self._template = self._cluster.create_database()
            with psycopg.connect(self._cluster.url(self._template), autocommit=True) as connection:
                for number, sql in migrations():
                    connection.execute(sql.encode())
                    connection.execute("UPDATE schema SET version = %s", [number])
        return self._template


databases: list[Databases] = []
"""Those of this run, if its servers run on PostgreSQL."""


def url_of(file: Path, *, makes_store: bool = False) -> str:
    """Returns how a server is told which store to serve, by the file that it would be."""
    if not databases:
        return f"sqlite:///{file}"
    return databases[0].url(file, makes_store=makes_store)


def execute(url: str, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Runs a statement on a store, past its server, and returns the rows. A parameter is a `?`."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            return file.execute(statement, parameters).fetchall()
    import psycopg

    with psycopg.connect(url) as connection:
        found = connection.execute(statement.replace("?", "%s").encode(), parameters or None)
        return found.fetchall() if found.description else []


def columns(url: str) -> list[tuple[str, str]]:
    """Returns the tables of a store, each with each of its columns."""
    if url.startswith("sqlite:"):
        return execute(
            url,
            "SELECT m.name, c.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table'",
        )
    return execute(
        url,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'",
    )


def contents(url: str) -> bytes:
    """Returns all that a store keeps: what is in its files, or in its rows."""
    if url.startswith("sqlite:"):
        file = Path(url.removeprefix("sqlite:///"))
        return b"".join(one.read_bytes() for one in file.parent.iterdir())
    rows = [row for table in dict(columns(url)) for row in execute(url, f'SELECT * FROM "{table}"')]
    return b"\n".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )
