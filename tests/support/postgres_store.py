"""The store on PostgreSQL for tests, each with no row of another."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import Store
from tests.support.postgres import Cluster

if TYPE_CHECKING:
    import psycopg


def postgres_store(url: str, knobs: StoreKnobs) -> Store:
    """A store on the database, not yet opened. psycopg is not needed before."""
    from countermand.store.postgres.store import PostgresStore

    return PostgresStore(url, knobs)


class EmptyStores:
    """One database with the tables of a store, which is emptied for each who asks.

    To make a database for each test costs twenty times as much.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._connection: psycopg.Connection | None = None
        self._url = ""
        self._emptying = ""

    @contextmanager
    def database(self) -> Iterator[str]:
        """Gives the URL of an empty store. At the end nobody is connected to it any more."""
        if self._connection is None:
            self._make()
        yield self._url
        self._empty()

    def close(self) -> None:
        """Ends its own connection."""
        if self._connection is not None:
            self._connection.close()

    def _make(self) -> None:
        import psycopg

        from countermand.store.postgres.statements import migrations

        self._url = self._cluster.url(self._cluster.create_database())
        self._connection = psycopg.connect(self._url, autocommit=True)
        for number, sql in migrations():
            self._connection.execute(sql.encode())
            self._connection.execute("UPDATE schema SET version = %s", [number])
        found = self._connection.execute(
            "SELECT relname, relkind FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')"
        ).fetchall()
        kept = "WHERE namespace_no <> 0"
        self._emptying = "; ".join(
            [
                "SET session_replication_role = replica",  # else triggers count what goes
                *(
                    f"DELETE FROM {name} {kept if name == 'positions' else ''}"
                    for name, kind in found
                    if kind == "r" and name not in ("schema", "cluster")
                ),
                "UPDATE cluster SET time = 0, noted = 0, version = 0, by = ''",
                "UPDATE positions SET last_seq = 0, last_number = 0, stored_bytes = 0",
                *(f"SELECT setval('{name}', 1, false)" for name, kind in found if kind == "S"),
            ]
        )

    def _empty(self) -> None:
        assert self._connection is not None
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        self._connection.execute(self._emptying.encode())
