"""What the readings have in common: statements that answer one JSON value, in one snapshot."""

import json
import sqlite3
from typing import Any

from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite.statements import statements, with_rows

NO_NUMBER = (1 << 63) - 1
"""Above the number of any row, and of any time."""


class Queries:
    """Runs statements on one connection that cannot write."""

    def __init__(self, connection: sqlite3.Connection, knobs: StoreKnobs) -> None:
        self._connection = connection
        self._max_scanned = knobs.max_scanned_rows
        self._max_rows = knobs.max_statement_rows
        self._max_walked = knobs.max_walked_events
        self._max_namespaces = knobs.max_namespaces

    def snapshot_begin(self) -> None:
        """Begins a reading, unless one goes on: all until the end is one moment of the store."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")

    def snapshot_end(self) -> None:
        """Ends a reading. A reader that stays in one keeps the log from being recycled."""
        if self._connection.in_transaction:  # A statement that failed may have ended it.
            self._connection.execute("ROLLBACK")

    def _one(self, name: str, parameters: Any) -> list[Any] | None:
        found = self._connection.execute(statements()[name], parameters).fetchone()
        return None if found is None else json.loads(found[0])

    def _row(self, name: str, parameters: Any) -> tuple[Any, ...]:
        """Returns the one row that must be there, as it is."""
        found: tuple[Any, ...] = self._connection.execute(statements()[name], parameters).fetchone()
        return found

    def _loaded(self, name: str, *key: Any) -> list[Any] | None:
        """Returns the one row that a commit's own statement finds."""
        found = self._connection.execute(with_rows(name, 1, len(key)), key).fetchone()
        return next(iter(json.loads(found[0])), None)

    def _all(self, name: str, parameters: Any) -> list[Any]:
        found = self._one(name, parameters)
        return [] if found is None else found
