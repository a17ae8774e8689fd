"""Whose turn it is to look for what is due, and what the clock of all servers says.

Leases and deadlines are stamped by one server and judged by any, so all of them go by one clock,
and its row notes what it said last. Whoever looks for what is due holds the row meanwhile, so that
the others neither look for the same nor renew leases beneath it.
"""

from enum import Enum, auto
from time import monotonic
from typing import NamedTuple

from countermand.core.knobs import PostgresKnobs
from countermand.core.records import SECOND
from countermand.store.postgres.link import Link
from countermand.store.postgres.shared import NOW

TAKE = f"""
SELECT {NOW} - noted FROM cluster WHERE name = 'reap' FOR UPDATE SKIP LOCKED
"""
NOTE = f"""
UPDATE cluster SET time = greatest(time, $1::bigint), noted = {NOW}, by = $2::text
WHERE name = 'reap'
"""
READ = f"SELECT time, {NOW} - noted FROM cluster WHERE name = 'reap' FOR UPDATE"


class Turn(Enum):
    """What a server is to do that would look for what is due."""

    PASS = auto()
    """Nothing: another does it just now."""
    RENEW = auto()
    """Renew every lease first: nobody has looked for so long that no agent could."""
    REAP = auto()


class Beginning(NamedTuple):
    """How the clock goes on for a server that opens the store."""

    steady: int
    """What it says at a moment of the monotonic clock, in seconds."""
    moment: float
    is_first: bool
    """Whether no server has opened it before; then its own clock begins that of all."""
    was_out: bool
    """Whether none ran for so long that agents could not renew their leases."""


class ReapRow:
    """The row by which servers take turns, as the writer's transactions see it."""

    def __init__(self, replica: str, knobs: PostgresKnobs) -> None:
        self._replica = replica
        self._outage = round(knobs.outage * SECOND)

    def take(self, link: Link) -> Turn:
        """Takes the row for the transaction, if nobody else has it."""
        found = link.start(TAKE, keep=True).one()
        if found is None:
            return Turn.PASS
        return Turn.REAP if self._is_recent(found[0]) else Turn.RENEW

    def note(self, link: Link, steady: int) -> None:
        """Starts to note what the clock says, with the transaction."""
        link.start(NOTE, [steady, self._replica], keep=True)

    def begin(self, link: Link, now: int) -> Beginning:
        """Takes the row in a transaction with which a server opens the store, and notes in it what
        the clock says. `now` is what its own does."""
        found, moment = link.start(READ).one(), monotonic()
        assert found is not None
        time, age = found
        steady = now
        if time:
            # The database's clock went on. If it was set back since, that of this server has to do.
            steady = time + age if age >= 0 else max(now, time)
        self.note(link, steady)
        return Beginning(steady, moment, not time, not self._is_recent(age))

    def _is_recent(self, age: int) -> bool:
        return 0 <= age <= self._outage
