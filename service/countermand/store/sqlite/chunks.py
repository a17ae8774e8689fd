"""Statements that take many rows of parameters at once."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.store.sqlite.statements import with_rows

Parameters = Sequence[Any]


def run_in_chunks(
    connection: sqlite3.Connection, name: str, parameters: Sequence[Parameters], max_rows: int
) -> Iterator[sqlite3.Cursor]:
    """Runs a statement for all rows of parameters, and yields the cursor of each run.

    A chunk, of `max_rows` at most, is padded with null rows to the next power of two: so there are
    few texts of each statement, and each is compiled once.
    """
    for start in range(0, len(parameters), max_rows):
        chunk = parameters[start : start + max_rows]
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
