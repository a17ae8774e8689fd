"""All rows of another store, taken into an empty database.

Each 10,000 rows are one transaction, which notes the place where they end: so a copy that was
broken off goes on there. Until all of it is here a table of that name says so, and no server takes
the database for a store.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreRefused
from countermand.store.postgres.address import Address, parse_address, without_password
from countermand.store.postgres.failures import text_of
from countermand.store.postgres.opening import check_schema, check_server, take_alone
from countermand.store.postgres.values import sent
from countermand.store.sql.tables import TABLES, Table

Connection = psycopg.Connection[TupleRow]
Place = Sequence[Any]
"""The key of a row."""

SIGNATURE = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"
END = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
OURS = {"positions": "namespace_no > 0"}
"""Which rows of a table came from elsewhere, where some are there from the beginning."""
COUNTED = {
    "namespaces": "namespace_no",
    "keys": "key_no",
    "groups": "group_no",
    "checkouts": "checkout_no",
    "carts": "cart_no",
    "orders": "order_no",
    "clock_stretches": "stretch_no",
}
"""The columns to which the database itself gives the next number."""
TRIGGERED = (
    "tasks",
    "groups",
    "checkout_snapshots",
    "cart_lines",
    "order_snapshots",
    "webhooks",
    "deliveries",
)
"""Whose triggers count what a namespace has: it comes counted."""


class Sum(NamedTuple):
    """What two tables have in common that have the same rows, in whatever order."""

    rows: int
    digest: int


def packed(row: Iterable[Any]) -> bytes:
    """Returns a row as it is sent, and comes back."""
    fields = [sent(value) for value in row]
    parts = [len(fields).to_bytes(2, "big")]
    for field in fields:
        parts.append(NULL if field is None else len(field).to_bytes(4, "big") + field)
    return b"".join(parts)


def sum_of(rows: Iterable[bytes]) -> Sum:
    """Returns the sum of rows that are packed."""
    count = digest = 0
    for row in rows:
        count += 1
        digest += int.from_bytes(blake2b(row, digest_size=8).digest(), "big")
    return Sum(count, digest & ((1 << 64) - 1))


class Target:
    """A database that a store is copied into."""

    def __init__(self, connection: Connection, knobs: PostgresKnobs) -> None:
        self._connection = connection
        self._knobs = knobs
        self._places: dict[str, tuple[Place | None, int]] = {}

    @property
    def is_begun(self) -> bool:
        """Whether a copy was begun that has not ended: its source was found sound then."""
        [(begun,)] = self._connection.execute(
            "SELECT to_regclass('copy_state') IS NOT NULL"
        ).fetchall()
        return bool(begun)

    def begin(self, mark: str, address: Address) -> None:
        """Makes an empty database ready, or goes on where a copy of the same source ended.

        Raises StoreRefused for one that holds something else.
        """
        check_schema(self._connection, address, self._knobs, may_make=True)
        if not self.is_begun:
            self._begin(mark, address)
        state = self._connection.execute("SELECT name, mark, place, copied FROM copy_state")
        for name, of, place, copied in state.fetchall():
            if of != mark:
                raise StoreRefused(
                    f"a copy of another store, or of this one before a server had it open, was "
                    f"begun in {address}: make that database anew"
                )
            self._places[name] = (None if place is None else _read(place), copied)

    def _begin(self, mark: str, address: Address) -> None:
        for table in TABLES:
            [(some,)] = self._connection.execute(
                sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(
                    sql.Identifier(table.name), sql.SQL(OURS.get(table.name, "true"))
                )
            ).fetchall()
            if some:
                raise StoreRefused(f"the store {address} is not empty: it has {table.name}")
        with self._connection.transaction():
            self._connection.execute(
                "CREATE TABLE copy_state (name text PRIMARY KEY, mark text NOT NULL, place text,"
                " copied bigint NOT NULL)"
            )
            for table in TABLES:
                self._connection.execute(
                    "INSERT INTO copy_state (name, mark, copied) VALUES (%s, %s, 0)",
                    [table.name, mark],
                )
            self._switch_triggers("DISABLE")

    def place(self, table: Table) -> tuple[Place | None, int]:
        """Returns the key of the last row of a table that is here, and how many are."""
        return self._places[table.name]

    def take(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Takes the next rows of a table, all of them or none."""
        keys = [table.columns.index(column) for column in table.key]
        place, (_, copied) = [rows[-1][key] for key in keys], self._places[table.name]
        copied += len(rows)
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(
                sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
                    sql.Identifier(table.name), columns
                )
            ) as copy:
                copy.write(b"".join([SIGNATURE, *map(packed, rows), END]))
            cursor.execute(
                "UPDATE copy_state SET place = %s, copied = %s WHERE name = %s",
                [_written(place), copied, table.name],
            )
        self._places[table.name] = (place, copied)

    def sum(self, table: Table) -> Sum:
        """Returns the sum of what is here of a table."""
        return sum_of(self._rows(table))

    def _rows(self, table: Table) -> Iterator[bytes]:
        with (
            self._connection.cursor() as cursor,
            cursor.copy(
                sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT BINARY)").format(
                    sql.SQL(", ").join(map(sql.Identifier, table.columns)),
                    sql.Identifier(table.name),
                    sql.SQL(OURS.get(table.name, "true")),
                )
            ) as copy,
        ):
            for message in copy:
                row = bytes(message).removeprefix(SIGNATURE)
                if row != END:
                    yield row

    def finish(self) -> None:
        """Makes a store of the database, now that all is here."""
        with self._connection.transaction():
            # Above what its tasks have, and apart from other tenants', as a new tenant's.
            self._connection.execute(
                "UPDATE positions AS p SET last_number = greatest("
                "coalesce((SELECT max(task_no) FROM tasks AS t"
                " WHERE t.namespace_no = p.namespace_no), 0),"
                " floor(random() * 549755813888)::bigint) WHERE namespace_no > 0"
            )
            for table, column in COUNTED.items():
                self._connection.execute(
                    sql.SQL(
                        "SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {}"
                        " HAVING max({}) IS NOT NULL"
                    ).format(table, column, *map(sql.Identifier, (column, table, column)))
                )
            self._switch_triggers("ENABLE")
            self._connection.execute("DROP TABLE copy_state")
        self._connection.execute("ANALYZE")

    def _switch_triggers(self, word: str) -> None:
        for table in TRIGGERED:
            self._connection.execute(
                sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(
                    sql.Identifier(table), sql.SQL(word)
                )
            )


@contextmanager
def receiving(url: str, knobs: PostgresKnobs) -> Iterator[tuple[Target, Address]]:
    """Gives a database that no server has open. Raises StoreRefused, also for what fails while it
    is used; what was taken until then stays."""
    address = parse_address(url)
    try:
        with closing(psycopg.connect(**address.parameters, autocommit=True)) as connection:
            check_server(connection, address)
            take_alone(connection, address, knobs)
            yield Target(connection, knobs), address
    except psycopg.Error as error:
        why = without_password(address, text_of(error))
        raise StoreRefused(f"cannot copy into {address}: {why}") from error


def _written(place: Place) -> str:
    return json.dumps(
        [{"bytes": value.hex()} if isinstance(value, bytes) else value for value in place]
    )


def _read(place: str) -> Place:
    return [
        bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value
        for value in json.loads(place)
    ]
