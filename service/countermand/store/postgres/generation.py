"""Generations of connections: all of one are to one server, and end together.

A server that is lost to the writer may come back as it was: an old primary that was frozen would
show its readers an old state. So with the writer's connection all others go, and readers follow to
where the writer found a server that takes writes.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import psycopg

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreFailed
from countermand.store.postgres.address import Address, Server, without_password
from countermand.store.postgres.failures import reason_of, text_of
from countermand.store.postgres.link import Candidate, Link
from countermand.store.postgres.migrating import read_store_id
from countermand.store.postgres.statements import PLAN_AHEAD

log = logging.getLogger(__name__)

Prepare = Callable[[psycopg.Connection[Any], "int | None"], "str | None"]
"""Makes a new connection ready for the writer, and returns the id of the store that is there, if
there is one; the number is that of the server's process for the connection before. Raises
StoreRefused if this database must not be written."""


class Breakable(Protocol):
    """What waits for the server, and can be broken."""

    def waits(self, now: float) -> float:
        """Returns for how many seconds it has been waiting, by the clock."""

    def shut(self) -> None:
        """Breaks it, from any thread."""


class Generation:
    """The connections to one server. Any thread may end it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.store_id: str | None = None
        """Which store the writer found there."""
        self.is_over = False
        self._links: set[Breakable] = set()
        self._lock = threading.Lock()

    def add(self, link: Breakable) -> None:
        """Has a connection end with the others."""
        with self._lock:
            self._links.add(link)
            if self.is_over:
                link.shut()

    def discard(self, link: Breakable) -> None:
        """Forgets a connection, which is closed."""
        with self._lock:
            self._links.discard(link)

    def end(self) -> None:
        """Breaks every connection of it, whatever it waits for."""
        with self._lock:
            self.is_over = True
            for link in self._links:
                link.shut()

    def shut_hung(self, seconds: float) -> None:
        """Breaks those that have been waiting for the server for so long."""
        now = time.monotonic()
        with self._lock:
            for link in self._links:
                if link.waits(now) > seconds:
                    link.shut()


class Generations:
    """Finds the server that takes writes, and connects to it."""

    def __init__(self, address: Address, knobs: PostgresKnobs, prepare: Prepare) -> None:
        self._address = address
        self._knobs = knobs
        self._prepare = prepare
        self._servers = address.servers
        self._lost_at: float | None = None
        self._why_away = ""
        """Why there is no server, once one was looked for in vain, or did not answer."""
        self._last_pid: int | None = None
        self._writer: Link | None = None
        self._candidate: Generation | None = None
        """What the writer tries just now."""
        self.current: Generation | None = None
        """The one that goes on; None before the first."""
        self.number = 0
        """How many there were."""
        self.was_reached = False
        """Whether a server was reached, be it of use or not."""

    @property
    def is_lost(self) -> bool:
        """Whether there is no server to write to, as far as is known."""
        return self.current is None or self.current.is_over

    @property
    def writer_pid(self) -> int | None:
        """The server's process for the writer, if there is one; from any thread."""
        writer = self._writer
        return None if writer is None else writer.pid

    def writer(self) -> Link:
        """Returns the writer's connection; on the writer's thread alone.

        One that was just lost is replaced, if that goes at once. Raises StoreFailed if no server
        takes writes, and StoreRefused if the database that does must not be written.
        """
        if not self._is_connected:
            self.end("its connection was closed")
            if self._why_away:  # Callers have waited for it before; `search` goes on.
                raise StoreFailed(f"the database is away: {self._why_away}")
            return self._begin()
        assert self._writer is not None
        return self._writer

    def search(self) -> None:
        """Tries each server once, unless the writer is connected; on its thread alone. Raises as
        `writer`."""
        if not self._is_connected:
            self.end("its connection was closed")
            self._begin()

    @property
    def _is_connected(self) -> bool:
        return self._writer is not None and not self._writer.is_over

    def reader(self, before: Link | None, *, writes: bool = False) -> Link:
        """Returns a connection in the place of an earlier one of that thread; it cannot write,
        unless it is for what is written beside the writer. Raises StoreFailed without a server."""
        generation = self.current
        if before is not None and before.generation is generation and not before.is_over:
            return before
        self.close_reader(before)
        driver, generation = self.connect_beside()
        try:
            driver.execute(PLAN_AHEAD.encode())
            driver.execute(
                "SELECT set_config('default_transaction_read_only', %s, false),"
                " set_config('statement_timeout', %s, false)",
                ["off" if writes else "on", str(round(self._knobs.max_wait * 1000))],
            )
            known = generation.store_id
            is_same = known is None or read_store_id(driver) == known
        except psycopg.Error as error:
            raise self._away(error, generation) from error
        if not is_same:  # What stands between us and the servers leads elsewhere now.
            driver.close()
            raise StoreFailed("the database is away: another store is in its place")
        link = Link(driver, self._knobs.max_prepared, generation)
        generation.add(link)
        return link

    def connect_beside(self) -> tuple[psycopg.Connection[Any], Generation]:
        """Returns a new connection to the server that the writer has. Raises StoreFailed if the
        database is away."""
        generation = self.current
        if generation is None or generation.is_over:
            raise StoreFailed("the database is away")
        try:
            return self._connect(generation.server, self._knobs.max_wait), generation
        except psycopg.Error as error:
            raise self._away(error, generation) from error

    def _away(self, error: psycopg.Error, generation: Generation) -> StoreFailed:
        """Returns what it means that a connection could not be made beside the writer's."""
        if "FATAL:" not in str(error):
            # It does not answer. The writer may not know yet, and looks for another.
            generation.end()
        return StoreFailed(f"the database is away: {self._reason(error)}")

    def close_reader(self, link: Link | None) -> None:
        """Closes the connection of a reader."""
        if link is not None:
            link.generation.discard(link)
            link.close()

    def end(self, why: str) -> None:
        """Ends the generation that goes on, if one does; on the writer's thread alone."""
        if self._writer is None:
            return
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            log.warning("the database was lost: %s", without_password(self._address, why))
        assert self.current is not None
        if self._writer.was_broken:
            self._why_away = "it did not answer"
        self.current.end()
        self._last_pid = self._writer.pid
        # The server that was lost is tried last.
        lost = [one for one in self._servers if one[:2] == self.current.server[:2]]
        self._servers = [one for one in self._servers if one not in lost] + lost
        self.current.discard(self._writer)
        self._writer.close()
        self._writer = None

    def is_silent_for(self, seconds: float) -> bool:
        """Whether there is no server to write to, or the writer has waited so long for its answer;
        from any thread. While it decides, it waits for nothing."""
        writer = self._writer
        return self.is_lost or (writer is not None and writer.waits(time.monotonic()) > seconds)

    def shut_hung(self) -> None:
        """Breaks what has been waiting too long for its server; from any thread."""
        for generation in (self.current, self._candidate):
            if generation is not None:
                generation.shut_hung(self._knobs.max_wait)

    def give_up(self) -> None:
        """Breaks what the writer waits for; from any thread."""
        for generation in (self.current, self._candidate):
            if generation is not None:
                generation.end()

    def close(self) -> None:
        """Closes the writer's connection; on the writer's thread alone."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _begin(self) -> Link:
        begin = time.monotonic()
        failures: list[str] = []
        for server in list(self._servers):
            left = self._knobs.max_search - (time.monotonic() - begin)
            if left < self._knobs.connect_timeout and failures:
                break  # It comes first in the next round.
            self._servers.append(self._servers.pop(0))
            try:
                driver = self._connect(server, left)
            except psycopg.Error as error:
                failures.append(f"{server}: {self._reason(error)}")
                continue
            return self._take(driver, server)
        self._why_away = "; ".join(failures)
        raise StoreFailed(f"the database is away: {self._why_away}")

    def _take(self, driver: psycopg.Connection[Any], server: Server) -> Link:
        self.was_reached = True
        generation = Generation(server._replace(hostaddr=driver.info.hostaddr))
        preparing = Candidate(driver)
        self._candidate = generation
        try:
            generation.add(preparing)
            generation.store_id = self._prepare(driver, self._last_pid)
        except BaseException as error:
            driver.close()
            self._why_away = without_password(self._address, text_of(error))
            if isinstance(error, psycopg.Error):
                raise StoreFailed(f"the database is away: {self._why_away}") from error
            raise
        finally:
            self._candidate = None
            generation.discard(preparing)
            preparing.close()
        self._writer = link = Link(driver, self._knobs.max_prepared, generation)
        generation.add(link)
        self.current = generation
        self.number += 1
        self._why_away = ""
        if self._lost_at is not None:
            seconds = time.monotonic() - self._lost_at
            log.warning("the database is back at %s after %.1f s", server, seconds)
            self._lost_at = None
        return link

    def _connect(self, server: Server, seconds: float) -> psycopg.Connection[Any]:
        timeout = min(seconds, self._knobs.connect_timeout)
        given = self._address.at(server) | {"connect_timeout": max(2, round(timeout))}
        try:
            return psycopg.connect(**given, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            # psycopg's frames and its error refer to each other: until a collection a server that
            # did not answer would keep a socket of each try.
            error.__context__ = None
            raise error.with_traceback(None) from None

    def _reason(self, error: psycopg.Error) -> str:
        return without_password(self._address, reason_of(error))
