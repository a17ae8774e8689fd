"""The database as a store uses it: one writer's thread, and a server that is found again."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.postgres.address import Address
from countermand.store.postgres.failures import ends_generation, text_of
from countermand.store.postgres.generation import Generations
from countermand.store.postgres.link import Link
from countermand.store.postgres.opening import (
    check_same,
    check_schema,
    check_server,
    check_whole,
    set_limits,
    share,
)
from countermand.store.postgres.worker import Worker

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Database:
    """Runs transactions on the server that takes writes, whichever that is."""

    def __init__(self, address: Address, knobs: PostgresKnobs) -> None:
        self._address = address
        self.knobs = knobs
        self._worker = Worker("store-writer")
        self.generations = Generations(address, knobs, self._prepare)
        self._silence = 0.0
        """For how many seconds the server has not answered the writer."""
        self._store_id: str | None = None
        """Which store this is, once it was found: no other is ever served in its place."""
        self._refusal = ""
        """Why the database that is there is of no use, if it is not."""

    @property
    def is_away(self) -> bool:
        """Whether the server has not answered for a while; it is looked for all the time."""
        return self._silence > self.knobs.away_after

    async def open(self) -> None:
        """Connects the writer. Raises StoreRefused, in one line, within five seconds."""
        connecting = asyncio.ensure_future(self._worker.run(self.generations.search))
        try:
            await asyncio.wait([connecting], timeout=self.knobs.open_timeout)
            if not connecting.done() and not self.generations.was_reached:
                connecting.cancel()
                raise StoreRefused(f"cannot open the store {self._address}: it does not answer")
            await connecting
        except StoreFailed as failure:
            raise StoreRefused(f"cannot open the store {self._address}: {failure}") from failure

    async def write(self, work: Callable[[Link], Result]) -> Result:
        """Returns what the function does on the writer's thread, with the connection that writes.

        What it leaves of a transaction is rolled back. Raises what it raises, and StoreFailed if no
        server takes writes.
        """
        return await self._worker.run(lambda: self._write(work))

    async def watch(self) -> None:
        """Looks for the server while it is away, and ends what waits too long, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look())
            tasks.create_task(self._keep())

    async def close(self) -> None:
        """Closes the writer's connection. It may be called twice."""
        try:
            async with asyncio.timeout(self.knobs.close_timeout):
                await self._worker.run(self.generations.close)
        except TimeoutError:
            self.generations.give_up()
        except ValueError:  # It was closed before.
            return
        await self._worker.close(self.knobs.close_timeout)

    def _prepare(self, driver: psycopg.Connection[Any], own: int | None) -> str:
        check_server(driver, self._address)
        set_limits(driver, self.knobs)
        share(driver, self._address)
        check_schema(driver, self._address, self.knobs, may_make=own is None)
        check_whole(driver, self._address)
        self._store_id = check_same(driver, self._address, self._store_id)
        return self._store_id

    def _write(self, work: Callable[[Link], Result]) -> Result:
        try:
            link = self.generations.writer()
        except StoreRefused as refusal:
            raise StoreFailed(f"the database cannot be used: {refusal}") from refusal
        try:
            result = work(link)
        except BaseException as error:
            if link.is_gone or ends_generation(error):
                self.generations.end(text_of(error))
            else:
                self._undo(link)
            raise
        self._silence = 0.0
        return result

    def _undo(self, link: Link) -> None:
        if link.transaction == TransactionStatus.IDLE:
            return
        try:
            link.rollback()
        except psycopg.Error as error:
            self.generations.end(text_of(error))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self.knobs.look_interval)
            is_silent = self.generations.is_silent_for(self.knobs.look_interval)
            self._silence = self._silence + self.knobs.look_interval if is_silent else 0.0
            self.generations.shut_hung()

    async def _keep(self) -> None:
        """Asks the server now and then whether it is there, and looks for one if it is not."""
        idle = 0.0
        while True:
            pause = self.knobs.reconnect_interval * random.uniform(0.5, 1.5)
            await asyncio.sleep(pause)
            idle += pause
            is_lost = self.generations.is_lost
            if not is_lost and idle < self.knobs.ping_interval:
                continue
            idle = 0.0
            try:
                if is_lost:
                    await self._worker.run(self.generations.search)
                await self.write(_ping)
                self._refusal = ""
            except (StoreFailed, psycopg.Error, ValueError):  # or it was closed
                continue
            except StoreRefused as refusal:
                if self._refusal != str(refusal):
                    self._refusal = str(refusal)
                    log.error("the database cannot be used: %s", refusal)


def _ping(link: Link) -> None:
    link.start("SELECT 1::bigint").one()
