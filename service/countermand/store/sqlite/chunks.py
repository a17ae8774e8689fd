"""Statements that take many rows of parameters at once."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.store.sqlite.statements import with_rows

Parameters = Sequence[Any]

MOST_ROWS = 1024
"""How many rows of parameters one statement takes; SQLite takes 32,766 parameters."""


def run_in_chunks(
    connection: sqlite3.Connection, name: str, parameters: Sequence[Parameters]
) -> Iterator[sqlite3.Cursor]:
    """Runs a statement for all rows of parameters, and yields the cursor of each run.

    A chunk is padded with null rows to the next power of two: so there are eleven texts of each
    statement, and each is compiled once.
    """
    for start in range(0, len(parameters), MOST_ROWS):
        chunk = parameters[start : start + MOST_ROWS]
        width = len(chunk[0])
        size = 1 << (len(chunk) - 1).bit_length()
        values = [value for row in chunk for value in row]
        values.extend([None] * (width * (size - len(chunk))))
        yield connection.execute(with_rows(name, size, width), values)


def by_kind(targets: Iterable[Target]) -> dict[TargetKind, list[Target]]:
    """Returns the targets of each kind."""
    kinds: dict[TargetKind, list[Target]] = {}
    for target in targets:
        kinds.setdefault(target.kind, []).append(target)
    return kinds
