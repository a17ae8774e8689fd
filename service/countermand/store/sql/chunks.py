"""Statements that take many rows of parameters at once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.store.sql.session import Parameters


class Chunk(NamedTuple):
    """What one run of a statement takes."""

    rows: int
    width: int
    values: list[Any]
    """Those of all rows, one after the other."""


def chunks(rows: Sequence[Parameters], max_rows: int) -> Iterator[Chunk]:
    """Yields the rows of parameters in chunks of `max_rows` at most.

    A chunk is padded with null rows to the next power of two: so there are few texts of each
    statement, and each is compiled once.
    """
    for start in range(0, len(rows), max_rows):
        chunk = rows[start : start + max_rows]
        width = len(chunk[0])
        size = 1 << (len(chunk) - 1).bit_length()
        values = list(chain.from_iterable(chunk))
        values.extend([None] * (width * (size - len(chunk))))
        yield Chunk(size, width, values)


def by_kind(targets: Iterable[Target]) -> dict[TargetKind, list[Target]]:
    """Returns the targets of each kind."""
    kinds: dict[TargetKind, list[Target]] = {}
    for target in targets:
        kinds.setdefault(target.kind, []).append(target)
    return kinds
