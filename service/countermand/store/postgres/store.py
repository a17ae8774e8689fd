"""The store on PostgreSQL."""

import asyncio
import time
from functools import partial

import psycopg

from countermand.core.commands import Reap
from countermand.core.decide import Batch
from countermand.core.idle import IdleClock
from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.lists import StoreStatus
from countermand.store.postgres.address import parse_address
from countermand.store.postgres.claiming import PostgresClaims
from countermand.store.postgres.database import Database
from countermand.store.postgres.failures import is_of_the_server, is_worth_a_retry, write_failed
from countermand.store.postgres.lanes import ReaderLane
from countermand.store.postgres.link import Link
from countermand.store.postgres.listening import Listener
from countermand.store.postgres.logs import PostgresLogs
from countermand.store.postgres.reap_turn import Beginning
from countermand.store.postgres.session import SnapshotSession
from countermand.store.postgres.shared import SharedRows, passed_since
from countermand.store.postgres.writing import OthersWanted, Writer
from countermand.store.sql.reading_operator import OperatorReader
from countermand.store.sql.store_readings import StoreReadings

SIZE = "SELECT pg_database_size(current_database())"


class PostgresStore(StoreReadings):
    """See countermand.store.contract.Store.

    A whole transaction is one function on the writer's thread, and a whole reading one function on
    a reader's: so nothing of it waits for the event loop while a tenant is locked.
    """

    name = "postgresql"
    outlives_hangs = True

    def __init__(self, url: str, knobs: StoreKnobs, replica: str | None = None) -> None:
        """Others know this server as `replica`, a UUID. Raises StoreRefused for an address that is
        none."""
        self._database = Database(parse_address(url), knobs.postgres)
        self.shared = SharedRows(self._database.generations, knobs.postgres, replica)
        self._writer = Writer(knobs, self.shared.replica)
        self._idle_clock: IdleClock | None = None
        generations = self._database.generations
        self._make_readers(knobs, lambda: ReaderLane(generations, knobs))
        self._listener = Listener(generations, knobs.postgres)
        self.shared_logs = logs = PostgresLogs(generations, self._listener, knobs)
        self._all_readers.append(logs.readers)
        self.claims = PostgresClaims(self._database, self._long)

    @property
    def is_away(self) -> bool:
        """See the contract."""
        return self._database.is_away

    async def open(self, now: int) -> int:
        """See the contract."""
        await self._database.open()
        beginning = await self._go_on(now)
        for readers in self._all_readers:
            await readers.open()
        return beginning.steady + passed_since(beginning.moment)

    async def _go_on(self, now: int) -> Beginning:
        """Goes on with the clock of all servers. One that is frozen while it looks for what is due
        keeps the others from that until the database ends its transaction."""
        knobs = self._database.knobs
        tries = 1 + int(knobs.idle_transaction_timeout / knobs.lock_timeout)
        while True:
            try:
                return await self._database.write(lambda link: self._begin(link, now))
            except psycopg.Error as error:
                tries -= 1
                if not tries or not isinstance(error, psycopg.errors.LockNotAvailable):
                    raise write_failed(error) from error

    def _begin(self, link: Link, now: int) -> Beginning:
        self._idle_clock = self._idle_clock or IdleClock()
        return self._writer.begin(link, now)

    async def watch(self) -> None:
        """See the contract."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._database.watch())
            tasks.create_task(self._listener.run())

    async def rescue(self) -> None:
        """See the contract. What is committed is the server's to keep."""

    async def close(self) -> None:
        """See the contract."""
        await self._listener.close()
        for readers in self._all_readers:
            await readers.close()
        await self.shared.close()
        await self._database.close()
        if self._idle_clock is not None:
            self._idle_clock.close()

    async def commit(self, batch: Batch) -> float:
        """See the contract."""
        # Whoever looks for what is due takes turns by a row of its own.
        namespaces = {one.namespace for one in batch.commands if not isinstance(one, Reap)}
        self._writer.is_broken_off = False
        self._writer.began = time.monotonic()
        may_fail = True
        while True:
            try:
                return await self._database.write(partial(self._commit, batch, namespaces))
            except StoreRefused as refusal:  # What takes writes now is not to be written.
                raise StoreFailed(str(refusal)) from refusal
            except OthersWanted as others:
                namespaces = namespaces | others.namespaces
            except psycopg.Error as error:
                if not may_fail or not is_worth_a_retry(error):
                    if is_of_the_server(error):
                        raise write_failed(error) from error
                    raise  # A row that the schema refuses is a fault of one command.
                may_fail = False
            batch.restart()

    def _commit(self, batch: Batch, namespaces: set[int], link: Link) -> float:
        if self._idle_clock is None:
            raise StoreFailed("the store is not open", fatal=True)
        begin = self._idle_clock()
        self._writer.commit(link, batch, namespaces)
        return self._idle_clock() - begin

    def break_off(self) -> None:
        """See the contract."""
        self._writer.is_broken_off = True

    async def status(self, steady: int) -> StoreStatus:
        """See the contract. What its disk has left is not ours to know."""
        return await self._long.read(0, lambda reader: _status(reader, steady))


def _status(reader: OperatorReader, steady: int) -> StoreStatus:
    session = reader.session
    assert isinstance(session, SnapshotSession)
    assert session.link is not None
    [(size,)] = session.link.start(SIZE).all()
    return reader.status(steady)._replace(bytes=size)
