"""Statements that take many rows of parameters, run on SQLite."""

import sqlite3
from collections.abc import Iterator, Sequence

from countermand.store.sql.chunks import chunks
from countermand.store.sql.session import Parameters
from countermand.store.sqlite.statements import with_rows


def run_in_chunks(
    connection: sqlite3.Connection, name: str, parameters: Sequence[Parameters], max_rows: int
) -> Iterator[sqlite3.Cursor]:
    """Runs a statement for all rows of parameters, and yields the cursor of each run."""
    for rows, width, values in chunks(parameters, max_rows):
        yield connection.execute(with_rows(name, rows, width), values)
