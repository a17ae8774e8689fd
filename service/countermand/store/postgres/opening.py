"""What must hold of a database before it is written: whose it is, and how it keeps text."""

import time
from collections.abc import Callable

import psycopg
from psycopg.rows import TupleRow

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.postgres.address import Address, parse_address
from countermand.store.postgres.generation import Generations
from countermand.store.postgres.migrating import Schema, migrate, read_schema, read_store_id
from countermand.store.postgres.statements import PLAN_AHEAD, migrations

OLDEST_SERVER = 15
Connection = psycopg.Connection[TupleRow]
_LOCK = "hashtextextended('countermand ' || current_schema(), 0)"
_RIGHTS = """
SELECT coalesce(string_agg(c.relname, ', ' ORDER BY c.relname), '') FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
"""


def migrate_store(
    url: str, knobs: PostgresKnobs, told: Callable[[int], None] = lambda step: None
) -> Schema:
    """Brings the schema of a store up to date, and returns it; `told` is called after each step.

    Servers may have the store open. Raises StoreRefused.
    """
    address, found = parse_address(url), Schema(0, 0)

    def prepare(connection: Connection, own: int | None) -> None:
        nonlocal found
        check_server(connection, address)
        found = migrate(connection, address, migrations(), knobs, told)

    generations = Generations(address, knobs, prepare)
    try:
        generations.search()
    except StoreFailed as failure:
        raise StoreRefused(f"cannot open the store {address}: {failure}") from failure
    finally:
        generations.close()
    return found


def check_server(connection: Connection, address: Address) -> None:
    """Raises StoreRefused unless the server and its database can keep a store."""
    version = connection.info.server_version // 10000
    if version < OLDEST_SERVER:
        raise StoreRefused(
            f"cannot open the store {address}: it is PostgreSQL {version}, and {OLDEST_SERVER} or "
            "newer is needed"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreRefused(
            f"cannot open the store {address}: the database keeps text as {encoding}, and not as "
            "UTF8; make it with ENCODING 'UTF8'"
        )


def check_schema(
    connection: Connection, address: Address, knobs: PostgresKnobs, *, may_make: bool
) -> None:
    """Raises StoreRefused unless the database is a store of this program's; it may make one of an
    empty database, but not when it looks for a store that is lost."""
    schema = read_schema(connection, address)
    if schema is None:
        if not may_make:
            raise StoreRefused(f"the store {address} is not in the database that was found")
        schema = migrate(connection, address, migrations(), knobs)
    newest = migrations()[-1][0]
    if schema.oldest_program > newest:
        raise StoreRefused(
            f"the store {address} was written by a newer version (schema {schema.version}; this one"
            f" knows {newest})"
        )
    if schema.version < newest:
        raise StoreRefused(
            f"the store {address} has schema {schema.version}, and {newest} is needed: run "
            "`countermand migrate` first"
        )
    [(lacking,)] = connection.execute(_RIGHTS).fetchall()
    if lacking:
        raise StoreRefused(
            f"cannot open the store {address}: {connection.info.user} may not read and write "
            f"{lacking}"
        )


def check_whole(connection: Connection, address: Address) -> None:
    """Raises StoreRefused while a copy of another store into the database has not ended."""
    [(copying,)] = connection.execute("SELECT to_regclass('copy_state') IS NOT NULL").fetchall()
    if copying:
        raise StoreRefused(
            f"a copy into the store {address} has not ended: run `countermand copy` again"
        )


def check_same(connection: Connection, address: Address, known: str | None) -> str:
    """Returns the id of the store that is there. Raises StoreRefused unless it is the known one, if
    one is known: keys, positions and tokens of another mean something else."""
    found = read_store_id(connection)
    if known not in (None, found):
        raise StoreRefused(
            f"another store is where the store {address} was: it is not served before a restart"
        )
    return found


def share(connection: Connection, address: Address) -> None:
    """Says that a server has the store open, as others may: none is copied into it meanwhile.

    The connection says so until it is closed. Raises StoreRefused while a copy is under way.
    """
    [(shared,)] = connection.execute(f"SELECT pg_try_advisory_lock_shared({_LOCK})").fetchall()
    if not shared:
        raise StoreRefused(f"another store is being copied into {address}")


def take_alone(connection: Connection, address: Address, knobs: PostgresKnobs) -> None:
    """Raises StoreRefused if a server has the store open, and keeps it open for a while: of one
    that has just left, the database may not know yet. None opens it while this is connected."""
    end = time.monotonic() + knobs.handover_timeout
    while True:
        [(taken,)] = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK})").fetchall()
        if taken:
            return
        if time.monotonic() > end:
            break
        time.sleep(knobs.handover_pause)
    raise StoreRefused(f"the store {address} is in use by another server")


def set_limits(connection: Connection, knobs: PostgresKnobs) -> None:
    """Has the server end what a writer leaves that was frozen, so that others can go on, and plan
    its statements as they are meant."""
    connection.execute(PLAN_AHEAD.encode())
    limits = {
        "idle_in_transaction_session_timeout": knobs.idle_transaction_timeout,
        "lock_timeout": knobs.lock_timeout,
    }
    for name, seconds in limits.items():
        value = f"{round(seconds * 1000)}ms"
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
