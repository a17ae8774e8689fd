"""The schema of the database, and its steps.

A step is applied once, in a transaction of its own, which says so in the table `schema`. There it
also says which is the oldest program that may serve the database from then on, by the number of the
newest step that it knows: a step that only adds leaves that as it was, so that the servers of the
release before go on while it is applied and after it.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import TupleRow

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreRefused
from countermand.store.postgres.address import Address

log = logging.getLogger(__name__)

Connection = psycopg.Connection[TupleRow]
Steps = list[tuple[int, str]]
TABLES = ("schema", "namespaces", "positions", "cancellations")
"""By which a store is known."""
_FOUND = """
SELECT count(*) FILTER (WHERE c.relname = ANY(%s) AND c.relkind = 'r'), count(*)
FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace(current_schema()) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
_LOCK = "hashtextextended('countermand migrate', 0)"
_BEGIN = f"SELECT pg_try_advisory_lock({_LOCK})"
_END = f"SELECT pg_advisory_unlock({_LOCK})"


class Schema(NamedTuple):
    """What a database says of its schema."""

    version: int
    """The number of the last step that was applied."""
    oldest_program: int
    """The newest step that the oldest program knows which may serve it."""


def read_schema(connection: Connection, address: Address) -> Schema | None:
    """Returns the schema of a store; None of an empty database. Raises StoreRefused for a database
    that is another program's."""
    [(ours, all_of_them)] = connection.execute(_FOUND, [list(TABLES)]).fetchall()
    if not all_of_them:
        return None
    other = StoreRefused(f"cannot open the store {address}: the database is another program's")
    if ours != len(TABLES):
        raise other
    try:
        found = connection.execute("SELECT version, oldest_program FROM schema").fetchall()
    except psycopg.errors.UndefinedColumn:
        raise other from None
    except psycopg.errors.InsufficientPrivilege:
        raise StoreRefused(
            f"cannot open the store {address}: {connection.info.user} may not read it"
        ) from None
    if len(found) != 1:
        raise other
    return Schema(*found[0])


def read_store_id(connection: psycopg.Connection[Any]) -> str:
    """Returns which store it is, of which there is no other; its schema is known to be there."""
    [(found,)] = connection.execute("SELECT store_id::text FROM schema").fetchall()
    return str(found)


def migrate(
    connection: Connection,
    address: Address,
    steps: Steps,
    knobs: PostgresKnobs,
    told: Callable[[int], None] = lambda step: None,
) -> Schema:
    """Applies the steps that the database has not seen, and calls `told` after each.

    Raises StoreRefused if another does so, if it is not possible, or if the database is newer.
    """
    [(alone,)] = connection.execute(_BEGIN).fetchall()
    if not alone:
        raise StoreRefused(f"the store {address} is being migrated by another command")
    try:
        return _migrate(connection, address, steps, knobs, told)
    finally:
        if not connection.closed:  # A server keeps it open, and others may migrate meanwhile.
            connection.execute(_END)


def _migrate(
    connection: Connection,
    address: Address,
    steps: Steps,
    knobs: PostgresKnobs,
    told: Callable[[int], None],
) -> Schema:
    schema = read_schema(connection, address)
    applied = schema.version if schema else 0
    newest = steps[-1][0]
    if schema and schema.oldest_program > newest:
        raise StoreRefused(f"the store {address} was written by a newer version")
    for number, sql in steps:
        if number > applied:
            _apply(connection, address, number, sql, knobs)
            told(number)
    found = read_schema(connection, address)
    assert found is not None
    if found.version != applied:
        log.info("the schema went from %d to %d", applied, found.version)
    return found


def _apply(
    connection: Connection, address: Address, number: int, sql: str, knobs: PostgresKnobs
) -> None:
    """Applies one step. What does not get its locks soon lets go of them, and tries again."""
    for tries in range(knobs.max_migration_tries):
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('lock_timeout', %s, true)",
                    [f"{round(knobs.migration_lock_timeout * 1000)}ms"],
                )
                connection.execute(sql.encode())
                connection.execute("UPDATE schema SET version = %s", [number])
            return
        except psycopg.errors.LockNotAvailable:
            if tries + 1 == knobs.max_migration_tries:
                raise StoreRefused(
                    f"step {number} of the store {address} did not get its locks: a transaction of "
                    "another holds them"
                ) from None
            time.sleep(knobs.migration_pause)
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreRefused(
                f"cannot make the schema of the store {address}: "
                f"{error.diag.message_primary or 'rights are missing'}"
            ) from None
