"""Statements on one connection to the file."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from countermand.core.knobs import StoreKnobs
from countermand.store.sql.chunks import chunks
from countermand.store.sql.session import Parameters
from countermand.store.sqlite.failures import read_failed
from countermand.store.sqlite.statements import STATEMENTS


class Rows(list[tuple[Any, ...]]):
    """What a statement answered. It is taken at once, for one whose rows wait to be taken would be
    compiled anew when it is run again."""

    def one(self) -> tuple[Any, ...] | None:
        """See countermand.store.sql.session.Answer."""
        return self[0] if self else None

    def all(self) -> Sequence[tuple[Any, ...]]:
        """See countermand.store.sql.session.Answer."""
        return self


class SqliteSession:
    """See countermand.store.sql.session.ReadingSession. What is started is done at once."""

    def __init__(self, connection: sqlite3.Connection, knobs: StoreKnobs) -> None:
        self._connection = connection
        self._max_rows = knobs.max_statement_rows
        self._texts = STATEMENTS.texts

    def execute(self, name: str, parameters: Parameters | Mapping[str, Any] = ()) -> Rows:
        """See countermand.store.sql.session.Session."""
        return Rows(self._connection.execute(self._texts[name], parameters).fetchall())

    def execute_rows(self, name: str, rows: Sequence[Parameters]) -> Sequence[Rows]:
        """See countermand.store.sql.session.Session."""
        if len(rows) == 1:  # As of a command alone: there is nothing to put together.
            (row,) = rows
            text = STATEMENTS.with_rows(name, 1, len(row))
            return (Rows(self._connection.execute(text, row).fetchall()),)
        answers = []
        for size, width, values in chunks(rows, self._max_rows):
            text = STATEMENTS.with_rows(name, size, width)
            answers.append(Rows(self._connection.execute(text, values).fetchall()))
        return answers

    def begin_snapshot(self) -> None:
        """See countermand.store.sql.session.ReadingSession."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")

    def end_snapshot(self) -> None:
        """Ends a reading. A reader that stays in one keeps the log from being recycled."""
        if self._connection.in_transaction:  # A statement that failed may have ended it.
            self._connection.execute("ROLLBACK")

    def is_worth_a_retry(self, error: Exception) -> bool:
        """See countermand.store.sql.session.ReadingSession. Its file goes with the process."""
        return False

    def failure(self, error: Exception) -> Exception:
        """See countermand.store.sql.session.ReadingSession."""
        return read_failed(error) if isinstance(error, sqlite3.Error) else error
