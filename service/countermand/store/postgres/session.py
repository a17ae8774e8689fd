"""Statements on one connection to the server, by their names.

What is started waits in the connection until an answer is taken, and goes to the server with all
that was started since: so a round of a batch, its savings with their commit, or a reading are one
turn each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from countermand.core.knobs import StoreKnobs
from countermand.store.postgres.failures import ConnectionGone, read_failed
from countermand.store.postgres.generation import Generations
from countermand.store.postgres.link import Link
from countermand.store.postgres.started import Started
from countermand.store.postgres.statements import statement, with_rows
from countermand.store.sql.chunks import chunks
from countermand.store.sql.session import Parameters

BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresSession:
    """See countermand.store.sql.session.Session."""

    def __init__(self, knobs: StoreKnobs) -> None:
        self._max_rows = knobs.max_statement_rows
        self.link: Link | None = None
        """The connection at present; a new one follows the server that takes writes."""

    def execute(self, name: str, parameters: Parameters | Mapping[str, Any] = ()) -> Started:
        """See countermand.store.sql.session.Session."""
        assert self.link is not None
        text, names = statement(name)
        if isinstance(parameters, Mapping):
            parameters = [parameters[one] for one in names]
        return self.link.start(text, parameters, keep=True)

    def execute_rows(self, name: str, rows: Sequence[Parameters]) -> Sequence[Started]:
        """See countermand.store.sql.session.Session."""
        assert self.link is not None
        return [
            self.link.start(with_rows(name, size, width), values, keep=True)
            for size, width, values in chunks(rows, self._max_rows)
        ]


class SnapshotSession(PostgresSession):
    """See countermand.store.sql.session.ReadingSession. It runs on one thread."""

    def __init__(self, generations: Generations, knobs: StoreKnobs) -> None:
        super().__init__(knobs)
        self._generations = generations
        self._reads = False

    def begin_snapshot(self) -> None:
        """See countermand.store.sql.session.ReadingSession. Raises StoreFailed without a server."""
        if self._reads:
            return
        self.link = self._generations.reader(self.link)
        self.link.start(BEGIN_SNAPSHOT)
        self._reads = True

    def end_snapshot(self) -> None:
        """See countermand.store.sql.session.ReadingSession. Nobody waits for it."""
        if self._reads and self.link is not None:
            self._reads = False
            if not self.link.is_gone:
                self.link.start("ROLLBACK")
                self.link.end_turn()

    def is_worth_a_retry(self, error: Exception) -> bool:
        """See countermand.store.sql.session.ReadingSession. A server that was started anew has
        ended all connections, which only who uses one sees; one that does not answer has had its
        time."""
        return isinstance(error, ConnectionGone) and not error.was_broken

    def failure(self, error: Exception) -> Exception:
        """See countermand.store.sql.session.ReadingSession. What the server refused ends the
        snapshot, which would refuse all that is read after it."""
        if not isinstance(error, psycopg.Error):
            return error
        self.end_snapshot()
        return read_failed(error)

    def close(self) -> None:
        """Closes the connection; on its thread."""
        self._generations.close_reader(self.link)
        self.link = None
