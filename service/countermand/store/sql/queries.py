"""What the readings have in common: statements that answer one JSON value, in one snapshot."""

from typing import Any

from countermand.core.knobs import StoreKnobs
from countermand.store.sql.session import Parameters, ReadingSession, value_of, values_of

NO_NUMBER = (1 << 63) - 1
"""Above the number of any row, and of any time."""


class Queries:
    """Runs statements on one connection that cannot write."""

    def __init__(self, session: ReadingSession, knobs: StoreKnobs) -> None:
        self.session = session
        self._max_scanned = knobs.max_scanned_rows
        self._max_walked = knobs.max_walked_events
        self._max_namespaces = knobs.max_namespaces

    def _one(self, name: str, parameters: Any) -> list[Any] | None:
        found: list[Any] | None = value_of(self.session.execute(name, parameters))
        return found

    def _row(self, name: str, parameters: Any) -> Parameters:
        """Returns the one row that must be there, as it is."""
        found = self.session.execute(name, parameters).one()
        assert found is not None
        return found

    def _loaded(self, name: str, *key: Any) -> list[Any] | None:
        """Returns the one row that a commit's own statement finds."""
        return next(iter(self._rows(name, [key])), None)

    def _rows(self, name: str, wanted: Parameters) -> list[Any]:
        """Returns what a statement finds that takes rows of parameters."""
        return values_of(self.session.execute_rows(name, wanted))

    def _all(self, name: str, parameters: Any) -> list[Any]:
        found = self._one(name, parameters)
        return [] if found is None else found
