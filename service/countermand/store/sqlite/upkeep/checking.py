"""Whether a store is sound: every page, every reference, and what its schema cannot hold."""

import sqlite3
from collections.abc import Iterator

from countermand.store.sql.checked import Checked, broken_rules
from countermand.store.sql.rows.labels import label_digest
from countermand.store.sqlite.statements import migrations, rules


def check(connection: sqlite3.Connection) -> Checked:
    """Reads a whole store and returns what is wrong in it. All of it is one moment of the store.

    The rows of an older schema are held to no rules: those are of the schema that this program
    brings a store to when it opens it.
    """
    connection.execute("PRAGMA cell_size_check = ON")
    connection.create_function("label_digest", 2, label_digest, deterministic=True)
    inside = connection.in_transaction
    if not inside:
        connection.execute("BEGIN")
    try:
        return _check(connection)
    finally:
        if not inside and connection.in_transaction:
            connection.execute("ROLLBACK")


def _check(connection: sqlite3.Connection) -> Checked:
    try:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        faults = [*_damaged_pages(connection), *_loose_references(connection)]
        if faults:
            return Checked(faults, schema, 0)
        if schema != migrations()[-1][0]:
            return Checked([], schema, 0)
        found = broken_rules(rules(), lambda rule: int(connection.execute(rule).fetchone()[0]))
        return Checked([*found], schema, len(rules()))
    except sqlite3.DatabaseError as error:
        return Checked([f"it cannot be read: {error}"], 0, 0)


def _damaged_pages(connection: sqlite3.Connection) -> Iterator[str]:
    for (found,) in connection.execute("PRAGMA integrity_check"):
        if found != "ok":
            yield from (line for line in found.split("\n") if not line.startswith("***"))


def _loose_references(connection: sqlite3.Connection) -> Iterator[str]:
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to a row of {parent} that is not there"
