"""What the servers of one store share beside its rows. See countermand.store.shared.

Each of these is one statement, and so one transaction, on a connection of its own: a commit that
takes long delays none of them. All spans are taken by the clock of the database, which all servers
see alike; what it says is of no consequence.
"""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import TypeVar

import psycopg

from countermand.core.ids import UuidMaker
from countermand.core.knobs import PostgresKnobs
from countermand.core.records import SECOND
from countermand.core.retention import DAY
from countermand.store.contract import KeyUse, Seen, StoreFailed
from countermand.store.postgres.failures import read_failed
from countermand.store.postgres.generation import Generations
from countermand.store.postgres.link import Link
from countermand.store.postgres.worker import Worker

Result = TypeVar("Result")

HOUR = DAY // 24
NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The database's clock, in microseconds."""
LOOK = f"""
SELECT r.time, k.version, r.by, {NOW} - r.noted
FROM cluster AS r, cluster AS k WHERE r.name = 'reap' AND k.name = 'keys'
"""
# Who holds the row looks for what is due just now, and notes the time with it.
PULSE = f"""
WITH taken AS (
    SELECT {NOW} - noted AS age FROM cluster
    WHERE name = 'reap' AND {NOW} - noted NOT BETWEEN 0 AND $3::bigint FOR UPDATE SKIP LOCKED
), noted AS (
    UPDATE cluster SET time = greatest(time, $1::bigint), noted = {NOW}, by = $2::text
    FROM taken WHERE name = 'reap' RETURNING time
), renewed AS (
    UPDATE agents SET lease_expire_time = (SELECT time FROM noted) + lease_duration
    FROM taken WHERE age NOT BETWEEN 0 AND $4::bigint AND lease_expire_time IS NOT NULL
)
SELECT age NOT BETWEEN 0 AND $4::bigint FROM taken
"""
KEEP = f"""
INSERT INTO replicas (replica, retention, noted) VALUES ($1::text, $2::bigint, {NOW})
ON CONFLICT (replica) DO UPDATE SET retention = excluded.retention, noted = excluded.noted
"""
TAKE_PURGE = f"""
UPDATE cluster SET noted = {NOW}, by = $1::text
WHERE name = 'purge' AND {NOW} - noted NOT BETWEEN 0 AND $2::bigint - 1
RETURNING (SELECT max(retention) FROM replicas WHERE {NOW} - noted < $3::bigint)
"""
FORGET_REPLICAS = f"DELETE FROM replicas WHERE {NOW} - noted > $1::bigint"
FORGET_USES = f"DELETE FROM key_use WHERE noted < {NOW} - $1::bigint"
TAKE_FIRST_KEY = f"""
UPDATE cluster SET by = $1::text, noted = {NOW}
WHERE name = 'keys' AND NOT EXISTS (SELECT FROM keys)
    AND (by IN ('', $1::text) OR {NOW} - noted NOT BETWEEN 0 AND $2::bigint)
RETURNING 1::bigint
"""
LEAVE_FIRST_KEY = "UPDATE cluster SET by = '' WHERE name = 'keys' AND by = $1::text"
NOTE_USE = f"""
INSERT INTO key_use (key_id, kind, replica, used, asked, noted)
VALUES ($1::text, $2::text, $3::text, $4::bigint, $5::bigint, {NOW})
ON CONFLICT (key_id, kind, replica)
DO UPDATE SET used = excluded.used, asked = excluded.asked, noted = excluded.noted
"""
USES = f"""
SELECT key_id, kind, used, asked, replica FROM key_use
WHERE noted > {NOW} - $1::bigint AND replica <> $2::text
"""


def passed_since(began: float) -> int:
    """Returns how many microseconds have passed since then, by the monotonic clock."""
    return round((monotonic() - began) * SECOND)


class SharedRows:
    """See countermand.store.shared.SharedState."""

    def __init__(
        self, generations: Generations, knobs: PostgresKnobs, replica: str | None = None
    ) -> None:
        self._generations = generations
        self._knobs = knobs
        self._worker = Worker("store-shared")
        self._link: Link | None = None
        self.replica = replica or UuidMaker()(0)
        """By which this server is known to the others."""

    async def look(self, steady: int) -> Seen:
        """See the contract."""
        began = monotonic()
        return await self._run(lambda link: self._look(link, steady, began))

    def _look(self, link: Link, steady: int, began: float) -> Seen:
        found = link.start(LOOK, keep=True).one()
        assert found is not None
        time, keys, reaper, age = found
        pulse = round(self._knobs.pulse_interval * SECOND)
        if 0 <= age <= pulse:
            return Seen(time + age, keys, reaper)
        # It may have waited for its thread and its connection.
        steady += passed_since(began)
        outage = round(self._knobs.outage * SECOND)
        taken = link.start(PULSE, [steady, self.replica, pulse, outage], keep=True).one()
        if taken is None:
            return Seen(time, keys, reaper)
        return Seen(time, keys, self.replica, bool(taken[0]))

    async def take_purge(self, interval: float, retention: int) -> int | None:
        """See the contract."""
        return await self._run(lambda link: self._take_purge(link, interval, retention))

    def _take_purge(self, link: Link, interval: float, retention: int) -> int | None:
        link.start(KEEP, [self.replica, retention])
        link.start(FORGET_REPLICAS, [DAY])
        link.start(FORGET_USES, [HOUR])
        found = link.start(TAKE_PURGE, [self.replica, round(interval * SECOND), HOUR]).one()
        return None if found is None else int(found[0])

    async def take_first_key(self, seconds: float) -> bool:
        """See the contract."""
        span = round(seconds * SECOND)
        return await self._run(
            lambda link: link.start(TAKE_FIRST_KEY, [self.replica, span]).one() is not None
        )

    async def leave_first_key(self) -> None:
        """See the contract."""
        await self._run(lambda link: link.start(LEAVE_FIRST_KEY, [self.replica]).all())

    async def note_key_uses(self, uses: Iterable[KeyUse], seconds: float) -> list[KeyUse]:
        """See the contract."""
        return await self._run(lambda link: self._note_key_uses(link, uses, seconds))

    def _note_key_uses(self, link: Link, uses: Iterable[KeyUse], seconds: float) -> list[KeyUse]:
        for use in uses:
            values = [use.key_id, use.kind, self.replica, use.used, use.asked]
            link.start(NOTE_USE, values, keep=True)
        found = link.start(USES, [round(seconds * SECOND), self.replica], keep=True).all()
        return [KeyUse(*row) for row in found]

    async def close(self) -> None:
        """Ends its thread. It may be called twice."""
        try:
            await self._worker.run(self._close)
        except ValueError:  # It was closed before.
            return
        await self._worker.close(self._knobs.close_timeout)

    def _close(self) -> None:
        self._generations.close_reader(self._link)
        self._link = None

    async def _run(self, work: Callable[[Link], Result]) -> Result:
        try:
            return await self._worker.run(lambda: self._do(work))
        except psycopg.Error as error:
            raise read_failed(error) from error
        except ValueError as error:
            raise StoreFailed("the store is closed") from error

    def _do(self, work: Callable[[Link], Result]) -> Result:
        self._link = self._generations.reader(self._link, writes=True)
        return work(self._link)
