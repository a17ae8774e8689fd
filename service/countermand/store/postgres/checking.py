"""Whether a store is sound: what its schema cannot hold. Whether pages are damaged PostgreSQL's own
tools find out."""

import json
from collections.abc import Iterator
from contextlib import closing

import psycopg
from psycopg.rows import TupleRow

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreRefused
from countermand.store.postgres.address import parse_address, without_password
from countermand.store.postgres.failures import text_of
from countermand.store.postgres.migrating import read_schema
from countermand.store.postgres.opening import check_server, check_whole
from countermand.store.postgres.statements import migrations, rules
from countermand.store.sql.checked import Checked, broken, broken_rules
from countermand.store.sql.rows.labels import label_digest

Connection = psycopg.Connection[TupleRow]
LABELS = "a task is not found by its labels"
_LABELLED = """
SELECT t.labels, coalesce(l.digests, '{}') FROM tasks AS t LEFT JOIN (
    SELECT namespace_no, task_no, array_agg(digest) AS digests
    FROM task_labels GROUP BY namespace_no, task_no
) AS l ON l.namespace_no = t.namespace_no AND l.task_no = t.task_no
WHERE t.labels <> '{}'
"""
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def check(url: str, knobs: PostgresKnobs) -> Checked:
    """Reads a whole store and returns what is wrong in it. All of it is one moment of the store,
    which servers may have open.

    The rows of an older schema are held to no rules. Raises StoreRefused if there is no store, or
    it cannot be read.
    """
    address = parse_address(url)
    try:
        with closing(psycopg.connect(**address.parameters, autocommit=True)) as connection:
            check_server(connection, address)
            schema = read_schema(connection, address)
            if schema is None:
                raise StoreRefused(f"the store {address} is empty, and no store")
            check_whole(connection, address)
            if schema.version != migrations()[-1][0]:
                return Checked([], schema.version, 0)
            connection.execute(_SNAPSHOT)
            return Checked([*_faults(connection)], schema.version, len(rules()) + 1)
    except psycopg.Error as error:
        why = without_password(address, text_of(error))
        raise StoreRefused(f"cannot check the store {address}: {why}") from error


def _faults(connection: Connection) -> Iterator[str]:
    def count(rule: str) -> int:
        [(rows,)] = connection.execute(rule.encode()).fetchall()
        return int(rows)

    yield from broken_rules(rules(), count)
    yield from broken(LABELS, count_not_found(connection))


def count_not_found(connection: Connection) -> int:
    """Returns how many tasks are not found by their labels, or by some that they do not have."""
    rows = 0
    with connection.cursor(name="labelled") as cursor:
        for labels, digests in cursor.execute(_LABELLED):
            wanted = {label_digest(*label) for label in json.loads(labels).items()}
            rows += wanted != set(digests)
    return rows
