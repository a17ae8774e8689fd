"""One transaction: lock the tenants, load what a batch wants, save what it changed.

Each tenant has a row in `positions`. It is locked before anything else is read, and held until the
commit is visible: so the order of a tenant's log is the order of its commits, whoever sees a
position sees all before it, and the rules see each tenant as if nobody else wrote it. A lock that
was taken last would keep the order too, and not the rules: a cancel could miss the task that is
being created beside it, for there is no row to lock for what does not exist.

A batch never waits for a tenant with others locked: what another writes at present is passed by,
and the batch is given back. A transaction takes two turns to the server where the rules ask once:
the locks with what they ask for, and all that changed with the commit.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from countermand.core.changes import Saves
from countermand.core.decide import Batch
from countermand.core.knobs import StoreKnobs
from countermand.core.large import LARGE
from countermand.core.leases import Renewal
from countermand.core.overdue import OTHERS_TURN, OUTAGE
from countermand.core.rows import Loaded, Wanted
from countermand.store.contract import CommitTooLong, TenantsBusy
from countermand.store.postgres.link import Link
from countermand.store.postgres.listening import NOTIFY
from countermand.store.postgres.reap_turn import Beginning, ReapRow, Turn
from countermand.store.postgres.session import PostgresSession
from countermand.store.postgres.shared import passed_since
from countermand.store.postgres.started import Started
from countermand.store.sql.loading import Loader
from countermand.store.sql.saving import Saver
from countermand.store.sql.tenants import tenants_of_saves, tenants_of_wanted

LOCK = """
SELECT namespace_no, last_number FROM positions
WHERE namespace_no = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))
ORDER BY namespace_no FOR NO KEY UPDATE SKIP LOCKED
"""
KNOWN = """
SELECT namespace_no FROM positions
WHERE namespace_no = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))
"""

LATEST = """
SELECT max(e.time) FROM positions AS p JOIN events AS e
    ON e.namespace_no = p.namespace_no AND e.seq = p.last_seq
WHERE p.namespace_no = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))
"""
"""When tenants had their last change. It is a statement of its own: one that has waited for a lock
still sees all other tables as they were before. Servers read their clocks before they have a
tenant, and no two clocks are equal: without it times would go back in a log, and the changes of one
cancel have two."""
ALLOW_IDLE = "SELECT set_config('idle_in_transaction_session_timeout', $1::text, true)"


class OthersWanted(Exception):
    """A batch came upon tenants that it has not locked. Nothing was done; it is to begin anew with
    these, too, for what it read of them was not locked."""

    def __init__(self, namespaces: set[int]) -> None:
        super().__init__(namespaces)
        self.namespaces = namespaces


class Writer:
    """Turns batches into transactions, on the writer's thread."""

    def __init__(self, knobs: StoreKnobs, replica: str) -> None:
        self._large_timeout = f"{round(knobs.postgres.large_transaction_timeout * 1000)}ms"
        self._reap_row = ReapRow(replica, knobs.postgres)
        self._session = PostgresSession(knobs)
        self._loader = Loader(self._session)
        self._saver = Saver(self._session, self._loader, self._next_number)
        self._last_numbers: dict[int, int] = {}
        """The number of the last task of each tenant that is locked."""
        self._latest: Started | None = None
        self.began = 0.0
        """When the batch began, by the monotonic clock in seconds."""
        self.is_broken_off = False
        """Whether the commit under way is to end without being done. Others than its thread say so,
        and it looks between its turns."""

    def begin(self, link: Link, now: int) -> Beginning:
        """Goes on with the clock of the servers of the store, and returns what it says.

        Every live lease is renewed to its full duration if no server ran for a while. The first one
        of all begins that clock, with `now`: it judges deadlines from then on.
        """
        self._session.link = link
        link.start("BEGIN", keep=True)
        beginning = self._reap_row.begin(link, now)
        if beginning.is_first:
            self._saver.begin(now)
        elif beginning.was_out:
            self._saver.renew_leases(beginning.steady)
        link.commit()
        return beginning

    def commit(self, link: Link, batch: Batch, namespaces: set[int]) -> None:
        """Runs the batch's plan in one transaction with these tenants locked. It returns when the
        server has said that it is committed.

        Whatever else it raises, the transaction is left to be rolled back. Raises TenantsBusy if
        another has some of the tenants, and OthersWanted if it wants more of them.
        """
        self._session.link = link
        self._loader.forget()
        saves = self._decide(link, batch, namespaces)
        self._expect(namespaces, tenants_of_saves(saves))
        self._expect_to_go_on()
        fill_in = self._saver.save(saves)
        is_of_interest = saves.events or saves.attached or saves.records or saves.keys or saves.gone
        link.commit(NOTIFY if is_of_interest else "")
        fill_in()

    def _decide(self, link: Link, batch: Batch, namespaces: set[int]) -> Saves:
        locking: Started | None = None
        plan, loaded = batch.plan(), None
        try:
            wanted = next(plan)
            while True:
                self._expect_to_go_on()
                self._expect(namespaces, tenants_of_wanted(wanted))
                locking = locking or self._begin(link, batch, namespaces)
                take = self._start_to_load(link, wanted, batch)
                if loaded is None:
                    self._take_locks(locking, batch, namespaces)
                wanted = plan.send(loaded := take())
        except StopIteration as end:
            if locking is None:  # It wants to see nothing.
                self._take_locks(self._begin(link, batch, namespaces), batch, namespaces)
            saves: Saves = end.value
            return saves

    def _start_to_load(self, link: Link, wanted: Wanted, batch: Batch) -> Callable[[], Loaded]:
        """Starts to load what is wanted; what is due only if it is this server's turn to look."""
        steady, others = batch.rows.instant.steady, None
        if wanted.overdue is not None:
            turn = self._reap_row.take(link)
            if turn is not Turn.PASS:
                self._reap_row.note(link, steady + passed_since(self.began))
            if turn is Turn.RENEW:
                self._saver.renew(Renewal(all=True), steady)
            if turn is not Turn.REAP:
                others = OTHERS_TURN if turn is Turn.PASS else OUTAGE
                wanted = replace(wanted, overdue=None)
        take = self._loader.start(wanted, batch.rows.instant)
        return take if others is None else lambda: take()._replace(overdue=others)

    def _begin(self, link: Link, batch: Batch, namespaces: set[int]) -> Started:
        link.start("BEGIN", keep=True)
        if any(isinstance(command, LARGE) for command in batch.commands):
            link.start(ALLOW_IDLE, [self._large_timeout], keep=True)
        locking = self._start(LOCK, namespaces)
        self._latest = self._start(LATEST, namespaces)
        self._saver.renew(batch.renewal, batch.rows.instant.steady)
        return locking

    def _take_locks(self, locking: Started, batch: Batch, namespaces: set[int]) -> None:
        self._last_numbers = dict(locking.all())
        missing = namespaces - self._last_numbers.keys()
        if missing:
            found = {number for (number,) in self._start(KNOWN, missing).all()}
            if unknown := missing - found:
                raise LookupError(f"there is no namespace {sorted(unknown)}")
            raise TenantsBusy(missing)
        assert self._latest is not None
        [(time,)] = self._latest.all()
        instant = batch.rows.instant
        batch.rows.instant = instant.not_before(time or 0, passed_since(self.began))

    def _start(self, text: str, namespaces: set[int]) -> Started:
        assert self._session.link is not None
        return self._session.link.start(text, [json.dumps(sorted(namespaces))], keep=True)

    def _expect(self, locked: set[int], namespaces: set[int]) -> None:
        if others := namespaces - locked:
            raise OthersWanted(others)

    def _expect_to_go_on(self) -> None:
        if self.is_broken_off:
            raise CommitTooLong("a commit was broken off")

    def _next_number(self, namespace: int) -> int:
        """Returns the number of the next task of a tenant; the table keeps the last one itself."""
        self._last_numbers[namespace] += 1
        return self._last_numbers[namespace]
