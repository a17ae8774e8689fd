"""One connection in pipeline mode: what is started together is one turn to the server.

It uses psycopg's wrapper of libpq, beneath its cursors: these would wait after each statement that
the writer starts, and adapt each value by its type.
"""

import os
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, Format

from countermand.store.postgres.failures import ConnectionGone, commit_unknown, text_of
from countermand.store.postgres.started import Hint, Preparing, Started
from countermand.store.postgres.values import sent

if TYPE_CHECKING:
    from countermand.store.postgres.generation import Generation

COMMIT = "COMMIT"
IDLE = "25P03"
"""With which the server ends a connection whose transaction was idle for too long."""
TOO_MUCH = "the server answered more than it was asked"


def duplicate(driver: psycopg.Connection[Any]) -> socket.socket:
    """Returns the socket of a connection under a number of its own: that of libpq may be another's
    once it has closed it."""
    return socket.socket(fileno=os.dup(driver.pgconn.socket))


def shut(used: socket.socket) -> None:
    """Breaks a connection, whoever waits on it."""
    with suppress(OSError):  # It is closed, or the other side is gone.
        used.shutdown(socket.SHUT_RDWR)


class Link:
    """One connection to the database. One thread uses it; any may break it with `shut`."""

    def __init__(
        self, driver: psycopg.Connection[Any], max_prepared: int, generation: "Generation"
    ) -> None:
        """Takes the connection over. The server keeps so many statements at most."""
        self.generation = generation
        self._driver = driver
        self._pgconn = driver.pgconn
        self._max_prepared = max_prepared
        self._socket = duplicate(driver)
        self._started: deque[Started | None] = deque()
        """What has not been answered yet, in order; None is the end of a turn."""
        self._prepared: dict[str, bytes] = {}
        self._names = 0
        self._warnings: list[str] = []
        driver.add_notice_handler(self._hear)
        self._pgconn.enter_pipeline_mode()
        self._waits_since: float | None = None
        self.was_broken = False
        """Whether somebody broke it, mostly since the server does not answer."""
        self.pid: int = self._pgconn.backend_pid
        """The server's process for it."""

    @property
    def is_gone(self) -> bool:
        """Whether nothing more can be asked on it."""
        return self._driver.closed or self._pgconn.status != ConnStatus.OK

    @property
    def is_over(self) -> bool:
        """Whether it is gone, or must not be used any more."""
        return self.generation.is_over or self.is_gone

    @property
    def transaction(self) -> int:
        """Whether a transaction goes on, or has failed: a psycopg.pq.TransactionStatus."""
        return self._pgconn.transaction_status

    def waits(self, now: float) -> float:
        """Returns for how many seconds it has been waiting for the server, by the clock."""
        since = self._waits_since
        return 0.0 if since is None else now - since

    def start(self, text: str, values: Sequence[Any] = (), *, keep: bool = False) -> Started:
        """Starts a statement with values for $1, $2 and so on. Nothing waits.

        `keep` has the server keep it for the next time. Raises ConnectionGone.
        """
        if self.is_gone:
            raise ConnectionGone("the connection is lost")
        given = [sent(value) for value in values]
        try:
            self._send(text, given, keep=keep)
        except psycopg.OperationalError as error:
            self._lose(error, None)
        started = Started(self)
        self._started.append(started)
        return started

    def _send(self, text: str, given: Sequence[bytes | None], *, keep: bool) -> None:
        formats = [Format.BINARY] * len(given)
        if keep and text not in self._prepared and len(self._prepared) < self._max_prepared:
            self._prepare(text)
        name = self._prepared.get(text)
        if name is not None:
            self._pgconn.send_query_prepared(name, given, formats, Format.BINARY)
        else:
            self._pgconn.send_query_params(text.encode(), given, None, formats, Format.BINARY)

    def _prepare(self, text: str) -> None:
        self._names += 1
        self._prepared[text] = name = b"s%d" % self._names
        self._pgconn.send_prepare(name, text.encode())
        self._started.append(Preparing(self, text))

    def forget(self, text: str) -> None:
        """Notes that the server did not keep a statement."""
        self._prepared.pop(text, None)

    def end_turn(self) -> None:
        """Sends what was started, and waits for nothing: its answers come with the next turn."""
        if not self.is_gone:
            self._sync()
            self._pgconn.flush()

    def settle(self, hint: str = "") -> None:
        """Waits for the answers of all that was started.

        A hint is sent behind it, as a statement of its own, and its answer not waited for. Raises
        the first error that the server answered, or ConnectionGone.
        """
        first: Started | None = None
        self._warnings.clear()
        try:
            self._sync()
            unanswered = len(self._started)
            if hint:
                self._send(hint, [], keep=False)
                self._started.append(Hint(self))
                self._sync()
            self._waits_since = time.monotonic()
            for _ in range(unanswered):
                started = self._started.popleft()
                if started is None:
                    self._expect_sync()
                    continue
                started.take(self._result())
                self._waits_since = time.monotonic()  # It answers, however much there is.
                if first is None and started.error is not None:
                    first = started
                if self._result() is not None:
                    raise ConnectionGone(TOO_MUCH)
                if isinstance(started, Hint):
                    self._warnings.clear()  # They say nothing of what follows.
        except psycopg.Error as error:
            self._lose(error, first)
        finally:
            self._waits_since = None
        if first is not None and first.error is not None:
            raise first.error

    def commit(self, hint: str = "") -> None:
        """Commits with all that was started, in one turn, and sends a hint behind it.

        Raises an error of psycopg if nothing was done, and StoreFailed with `unknown` if nobody can
        say.
        """
        committing = self.start(COMMIT)
        try:
            self.settle(hint)
        except ConnectionGone as gone:
            if gone.failed_before:
                raise
            raise commit_unknown(text_of(gone)) from gone
        if committing.tag != COMMIT or self._warnings:
            raise commit_unknown("; ".join([f"it answered {committing.tag}", *self._warnings]))

    def rollback(self) -> None:
        """Ends a transaction, of which nothing is done. Raises ConnectionGone."""
        with suppress(psycopg.errors.DatabaseError):  # What was started may fail; it is undone.
            if not self.is_gone:
                self.settle()
        self.start("ROLLBACK")
        self.settle()

    def shut(self) -> None:
        """Breaks the connection, from any thread: whoever waits on it goes on with ConnectionGone.

        The server is not asked for anything: it may be in a commit.
        """
        self.was_broken = True
        shut(self._socket)

    def close(self) -> None:
        """Closes it. It may be called twice."""
        self._driver.close()
        self._socket.close()

    def _sync(self) -> None:
        if not self._started or self._started[-1] is not None:
            self._pgconn.pipeline_sync()
            self._started.append(None)

    def _expect_sync(self) -> None:
        result = self._result()
        if result is None or result.status != ExecStatus.PIPELINE_SYNC:
            raise ConnectionGone(TOO_MUCH)

    def _result(self) -> Any:
        """Returns the next result; None stands behind those of one statement."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        unsent = self._pgconn.flush()
        while self._pgconn.is_busy():
            poll.modify(self._socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            poll.poll()
            self._pgconn.consume_input()
            if unsent:
                unsent = self._pgconn.flush()
        return self._pgconn.get_result()

    def _lose(self, error: psycopg.Error, first: Started | None) -> NoReturn:
        """Says that the connection is lost, and what the server said before."""
        said = [error] if first is None or first.error is None else [first.error, error]
        gone = ConnectionGone("; ".join([*map(text_of, said), *self._warnings]))
        # A transaction that was idle had not got its commit.
        was_idle = f"({IDLE})" in text_of(gone)
        gone.failed_before = was_idle or (first is not None and first.is_refused)
        gone.was_broken = self.was_broken
        for started in self._started:
            if started is not None and started.error is None:
                started.error = gone
        self._started.clear()
        shut(self._socket)
        raise gone from error

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized in ("WARNING", "FATAL", "PANIC"):
            self._warnings.append(f"{notice.message_primary} ({notice.sqlstate})")


class Candidate:
    """A connection that is made ready for the writer, which waits with each statement."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self._socket = duplicate(driver)
        self._since = time.monotonic()

    def waits(self, now: float) -> float:
        """Returns for how many seconds it has been, by the clock."""
        return now - self._since

    def shut(self) -> None:
        """Breaks it, from any thread."""
        shut(self._socket)

    def close(self) -> None:
        """Forgets it; the connection itself goes on."""
        self._socket.close()
