"""Hints that another server has committed: NOTIFY, heard on a connection of its own.

Each writer sends one behind its commit, as a transaction of its own: inside the commit it would
hold a lock of the whole cluster while that is flushed. So it may be lost with its server, and
behind a pooler of transactions none arrives; whoever gets hints has to look now and then without
one, too.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreFailed
from countermand.store.postgres.generation import Generation, Generations
from countermand.store.postgres.link import duplicate, shut
from countermand.store.postgres.worker import Worker

CHANNEL = "countermand"
NOTIFY = f"NOTIFY {CHANNEL}"
LISTEN = f"LISTEN {CHANNEL}"


class Ear:
    """A connection that listens. It ends with the other connections to its server."""

    def __init__(self, driver: psycopg.Connection[Any], generation: Generation) -> None:
        self.generation = generation
        self._driver = driver
        self._socket = duplicate(driver)
        self._since: float | None = time.monotonic()

    @property
    def descriptor(self) -> int:
        """That of its socket, to wait on."""
        return self._socket.fileno()

    def begin(self) -> None:
        """Listens from now on. Raises psycopg.Error."""
        self._driver.execute(LISTEN)
        self._since = None

    def hear(self) -> list[int]:
        """Returns the server's processes that notified, once the socket has something to read.

        Raises psycopg.Error once it is gone.
        """
        pgconn = self._driver.pgconn
        pgconn.consume_input()
        heard = []
        while (notify := pgconn.notifies()) is not None:
            heard.append(notify.be_pid)
        return heard

    def waits(self, now: float) -> float:
        """Returns for how many seconds it has been waiting for an answer; from any thread."""
        since = self._since
        return 0.0 if since is None else now - since

    def shut(self) -> None:
        """Breaks it, from any thread."""
        shut(self._socket)

    def close(self) -> None:
        """Closes it."""
        self.generation.discard(self)
        self._driver.close()
        self._socket.close()


class Listener:
    """Calls whoever wants hints for each that comes from another server."""

    def __init__(self, generations: Generations, knobs: PostgresKnobs) -> None:
        self._generations = generations
        self._knobs = knobs
        self._worker = Worker("store-listener")
        self._ear: Ear | None = None
        self.hint: Callable[[], None] = lambda: None
        """Is called in the event loop."""

    async def run(self) -> None:
        """Listens, and begins anew when the connection is lost, until cancelled."""
        while True:
            # Or no descriptor or thread is left; who gets hints goes on without them.
            with suppress(StoreFailed, OSError, RuntimeError):
                await self._worker.run(self._connect)
                await self._listen()
            await asyncio.sleep(self._knobs.reconnect_interval)

    async def close(self) -> None:
        """Closes the connection. It may be called twice."""
        with suppress(TimeoutError, ValueError):  # It hangs, and ends with the process; or closed.
            async with asyncio.timeout(self._knobs.close_timeout):
                await self._worker.run(self._hang_up)
        await self._worker.close(self._knobs.close_timeout)

    def _connect(self) -> None:
        self._hang_up()
        driver, generation = self._generations.connect_beside()
        try:
            self._ear = ear = Ear(driver, generation)
        except OSError:
            driver.close()
            raise
        generation.add(ear)
        try:
            ear.begin()
        except psycopg.Error as error:
            raise StoreFailed(f"cannot listen: {error}") from error

    def _hang_up(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()

    async def _listen(self) -> None:
        """Hears until the connection is gone."""
        ear = self._ear
        assert ear is not None
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        loop.add_reader(ear.descriptor, self._hear, ear, gone)
        self.hint()  # Of what was committed before nobody tells.
        try:
            await gone
        finally:
            loop.remove_reader(ear.descriptor)

    def _hear(self, ear: Ear, gone: "asyncio.Future[None]") -> None:
        try:
            heard = ear.hear()
        except psycopg.Error:
            if not gone.done():
                gone.set_result(None)
            return
        own = self._generations.writer_pid
        if any(pid != own for pid in heard):
            self.hint()
