"""All rows of a store, table by table in the order of their keys, for another database."""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.sql.tables import Table
from countermand.store.sqlite.file.naming import resolve
from countermand.store.sqlite.statements import migrations
from countermand.store.sqlite.upkeep.checking import check
from countermand.store.sqlite.upkeep.replacing import taken
from countermand.store.sqlite.upkeep.viewing import viewing

_FROM = {
    "positions": "namespaces",
    "cart_lines": "carts JOIN cart_lines USING (namespace_no, cart_id)",
    "checkout_snapshots": "checkout_snapshots JOIN checkouts USING (checkout_no)",
    "order_snapshots": "order_snapshots JOIN orders USING (order_no)",
}
"""Where the rows of a table are that others keep in it."""
_COLUMNS = {"cart_no": "carts.rowid"}
"""What is called otherwise here."""


class Source:
    """A store that is handed over, at one moment. Nobody can write it meanwhile."""

    def __init__(self, connection: sqlite3.Connection, name: Path) -> None:
        self._connection = connection
        self._name = name

    def mark(self) -> str:
        """Returns what is another once a server had the store open."""
        [*found] = self._connection.execute(
            "SELECT lower(hex(log_id)), cookie, (SELECT sum(last_seq) FROM namespaces),"
            " (SELECT max(until) FROM clock_stretches), (SELECT count(*) FROM keys) FROM pairing"
        ).fetchall()
        return repr(found)

    def expect_sound(self) -> None:
        """Raises StoreRefused if the store is damaged, or of an older schema."""
        found = check(self._connection)
        if found.faults:
            raise StoreRefused(f"the store {self._name} is damaged: {found.faults[0]}")
        newest = migrations()[-1][0]
        if found.schema != newest:
            raise StoreRefused(
                f"the store {self._name} has schema {found.schema}, and {newest} is needed: start "
                "a server of this version on it once"
            )

    def count(self, table: Table) -> int:
        """Returns how many rows a table has."""
        name = "namespaces" if table.name == "positions" else table.name
        [(count,)] = self._connection.execute(f"SELECT count(*) FROM {name}").fetchall()
        return int(count)

    def rows(
        self, table: Table, after: Sequence[Any] | None = None
    ) -> Generator[tuple[Any, ...], None, None]:
        """Yields the rows of a table in the order of its key, those behind a place if one is
        given."""
        key = ", ".join(map(_column, table.key))
        columns = ", ".join(map(_column, table.columns))
        places = ", ".join("?" * len(table.key))
        behind = "" if after is None else f" WHERE ({key}) > ({places})"
        yield from self._connection.execute(
            f"SELECT {columns} FROM {_FROM.get(table.name, table.name)}{behind} ORDER BY {key}",
            after or (),
        )


def _column(name: str) -> str:
    return _COLUMNS.get(name, name)


@contextmanager
def handing_over(name: Path, knobs: StoreKnobs) -> Iterator[Source]:
    """Gives a store that no server has open, and leaves it as it is. Raises StoreRefused."""
    if not resolve(name).exists():
        raise StoreRefused(f"there is no store {name}")
    with taken(name) as claim:
        try:
            with viewing(name, knobs, claim=claim) as connection:
                yield Source(connection, name)
        finally:
            claim.discard()
