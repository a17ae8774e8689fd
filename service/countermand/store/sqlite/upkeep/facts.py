"""What is in a store, in numbers."""

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

COUNTED = (
    "tasks",
    "groups",
    "checkouts",
    "orders",
    "carts",
    "agents",
    "cancellations",
    "request_ids",
    "events",
    "keys",
)
"""Tables that every schema has."""


class StoreFacts(NamedTuple):
    """What a store holds at one moment. Sizes are in bytes, times microseconds since 1970."""

    schema: int
    file_bytes: int
    log_bytes: int
    """Of the write-ahead log beside it: 0 of a store that was closed, and of a backup."""
    free_bytes: int
    """Of the file, that hold nothing; later rows take them."""
    tenants: int
    counts: dict[str, int]
    """How many rows there are, by their kind."""
    task_states: dict[str, int]
    open_cancellations: int
    """How many cancellations are in progress."""
    oldest_time: int | None
    """When the oldest task that is kept was created."""
    newest_time: int | None
    """When the last change of a task was committed."""


def read_facts(connection: sqlite3.Connection, path: Path) -> StoreFacts:
    """Returns what a store holds, in the reading that is open. Raises sqlite3.Error."""

    def one(statement: str) -> int | None:
        found: tuple[int | None] | None = connection.execute(statement).fetchone()
        return found[0] if found else None

    def number(statement: str) -> int:
        return one(statement) or 0

    states = connection.execute("SELECT state, count(*) FROM tasks GROUP BY state ORDER BY state")
    return StoreFacts(
        schema=number("PRAGMA user_version"),
        file_bytes=_size(path),
        log_bytes=_size(Path(f"{path}-wal")),
        free_bytes=number("PRAGMA freelist_count") * number("PRAGMA page_size"),
        tenants=number("SELECT count(DISTINCT tenant) FROM namespaces"),
        counts={table: number(f"SELECT count(*) FROM {table}") for table in COUNTED},
        task_states=dict(states.fetchall()),
        open_cancellations=number("SELECT count(*) FROM cancellations WHERE state = 'IN_PROGRESS'"),
        oldest_time=one("SELECT create_time FROM tasks ORDER BY task_no LIMIT 1"),
        newest_time=one(
            "SELECT max(time) FROM namespaces AS n JOIN events AS e"
            " ON e.namespace_no = n.namespace_no AND e.seq = n.last_seq"
        ),
    )


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
