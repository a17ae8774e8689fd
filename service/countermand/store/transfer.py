"""A store on SQLite, copied into PostgreSQL."""

from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreRefused
from countermand.store.postgres.receiving import Target, packed, receiving, sum_of
from countermand.store.sql.tables import TABLES
from countermand.store.sqlite.upkeep.handing_over import Source, handing_over


class Step(NamedTuple):
    """How far a copy is."""

    doing: str
    """What is done with which table, as a person reads it."""
    done: int
    all: int
    """In rows, of all tables; those that are compared count once more."""


Told = Callable[[Step], None]


def copy(source: Path, target: str, knobs: StoreKnobs, told: Told) -> dict[str, int]:
    """Copies a store into an empty database, or goes on with a copy that was broken off.

    Returns how many rows each table has. Raises StoreRefused if a server has either open, if the
    source is damaged or the target not empty: then nothing has changed. It also raises that if both
    are not the same in the end, or the database is lost meanwhile.
    """
    with (
        handing_over(source, knobs) as ours,
        receiving(target, knobs.postgres) as (theirs, address),
    ):
        if not theirs.is_begun:
            ours.expect_sound()
        theirs.begin(ours.mark(), address)
        counts = {table.name: ours.count(table) for table in TABLES}
        progress = _Progress(told, 2 * sum(counts.values()))
        _copy(ours, theirs, progress, knobs.max_copied_rows)
        _compare(ours, theirs, progress)
        theirs.finish()
        return counts


class _Progress:
    def __init__(self, told: Told, all: int) -> None:
        self._told = told
        self._all = all
        self._done = 0

    def add(self, doing: str, rows: int) -> None:
        self._done += rows
        self._told(Step(doing, self._done, self._all))


def _copy(ours: Source, theirs: Target, progress: _Progress, size: int) -> None:
    for table in TABLES:
        doing = f"copying {table.name}"
        place, copied = theirs.place(table)
        progress.add(doing, copied)
        with closing(ours.rows(table, place)) as rows:
            while chunk := list(islice(rows, size)):
                theirs.take(table, chunk)
                progress.add(doing, len(chunk))


def _compare(ours: Source, theirs: Target, progress: _Progress) -> None:
    for table in TABLES:
        doing = f"comparing {table.name}"
        progress.add(doing, 0)
        with closing(ours.rows(table)) as rows:
            wanted = sum_of(map(packed, rows))
        found = theirs.sum(table)
        if found != wanted:
            raise StoreRefused(
                f"the copy is not the same: {table.name} has {found.rows} rows and the checksum"
                f" {found.digest:016x}, and the source {wanted.rows} and {wanted.digest:016x};"
                " make that database anew"
            )
        progress.add(doing, wanted.rows)
