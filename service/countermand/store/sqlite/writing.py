"""One transaction: load what a batch wants, save what it changed. Runs on the writer's thread."""

import sqlite3

from countermand.core.changes import Saves
from countermand.core.decide import Batch
from countermand.core.knobs import StoreKnobs
from countermand.store.contract import CommitTooLong
from countermand.store.sql.loading import Loader
from countermand.store.sql.saving import Saver
from countermand.store.sqlite.failures import is_full
from countermand.store.sqlite.file.pairing import Pairing
from countermand.store.sqlite.session import SqliteSession


class Writer:
    """Turns batches into transactions on the one connection that writes."""

    def __init__(
        self, connection: sqlite3.Connection, knobs: StoreKnobs, pairing: Pairing | None = None
    ) -> None:
        """A database without a log, as in memory, needs no pairing."""
        self._connection = connection
        self._pairing = pairing
        (number,) = connection.execute("SELECT coalesce(max(task_no), 0) FROM tasks").fetchone()
        self._last_number: int = number
        session = SqliteSession(connection, knobs)
        self._loader = Loader(session)
        self._saver = Saver(session, self._loader, self._next_number)
        self._steps = knobs.steps_between_looks
        self.is_broken_off = False
        """Whether the commit under way is to end without being done. Others than its thread say so,
        and it looks every now and then."""
        self._owes_beginning = False
        """Whether there was no room for that when the store was opened."""

    def commit(self, batch: Batch) -> None:
        """Runs the batch's plan in one transaction, and returns when it is synced."""
        last_number = self._last_number
        self._loader.forget()
        self.is_broken_off = False
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.set_progress_handler(lambda: self.is_broken_off, self._steps)
        try:
            if self._pairing is not None:
                self._pairing.tie()
            if self._owes_beginning:
                self._begin(batch.rows.instant.steady)
            self._saver.renew(batch.renewal, batch.rows.instant.steady)
            self._save(self._decide(batch))
            self._expect_to_go_on()
            self._connection.set_progress_handler(None, 0)
            self._connection.execute("COMMIT")
            self._owes_beginning = False
        except BaseException as error:
            self._last_number = last_number
            self._connection.set_progress_handler(None, 0)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if self.is_broken_off and isinstance(error, sqlite3.OperationalError):
                raise CommitTooLong("a statement was broken off") from error
            raise

    def _expect_to_go_on(self) -> None:
        if self.is_broken_off:
            raise CommitTooLong("a commit was broken off")

    def begin(self, now: int) -> None:
        """Renews every live lease to its full duration, and lets the steady clock judge deadlines
        from now on; without room, with the next commit."""
        self._owes_beginning = self._pairing is not None and not self._pairing.is_settled
        if self._owes_beginning:
            return
        try:
            self._begin(now)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            self._owes_beginning = True

    def _begin(self, now: int) -> None:
        self._saver.begin(now)

    def _decide(self, batch: Batch) -> Saves:
        plan = batch.plan()
        try:
            wanted = next(plan)
            while True:
                self._expect_to_go_on()
                wanted = plan.send(self._loader.load(wanted, batch.rows.instant))
        except StopIteration as end:
            saves: Saves = end.value
            return saves

    def _save(self, saves: Saves) -> None:
        fill_in = self._saver.save(saves)
        fill_in()

    def _next_number(self, namespace: int) -> int:
        """Returns the number of the next task: here one counter serves all namespaces."""
        self._last_number += 1
        return self._last_number
