"""The store in the simulation: the real one, on a file in memory, with its threads run inline.

A hop to a thread is two drawn moments of virtual time: when the thread does the work, all of it at
once, and when its answer comes back. So one thread overtakes another, what was committed is read
before anybody is told, and a crash comes before the work, between work and answer, or after.
"""

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Generator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from countermand.core.decide import Batch
from countermand.core.idle import IdleClock
from countermand.core.knobs import StoreKnobs
from countermand.core.rows import Saves
from countermand.store.sqlite import SqliteStore
from countermand.store.sqlite.connection import Connection
from tests.simulation.stepping import Stepper, pause


class Trouble:
    """What the disk of one process does at present. All of it is off at first."""

    def __init__(self, chance: random.Random, max_hop: float) -> None:
        self.chance = chance
        self.max_hop = max_hop
        """Seconds that a hop takes at most, one way, when nothing is slow."""
        self.slow = 0.0
        """Seconds more that each commit takes, of which it says that it waited for the disk."""
        self.errors: deque[tuple[str, int]] = deque()
        """How the next commits fail: before or after they are done, and with which code."""
        self.read_errors = 0
        """How many of the next statements that read fail."""
        self.steps = False
        """Whether transactions can be left in their middle."""

    def delay(self) -> float:
        """Draws how long one way of a hop takes."""
        return self.max_hop * self.chance.random() ** 3


TROUBLE: ContextVar[Trouble] = ContextVar("trouble")


def disk_error(code: int) -> sqlite3.OperationalError:
    """Returns an error as SQLite raises it."""
    error = sqlite3.OperationalError("drawn")
    error.sqlite_errorcode = code
    error.sqlite_errorname = {10: "SQLITE_IOERR", 13: "SQLITE_FULL"}.get(code, "SQLITE_BUSY")
    return error


class SharedReader:
    """The one connection with which all readers of a process read: each reading is done at once,
    from the beginning of its snapshot to the end. Opening one, and compiling all statements for it,
    takes longer than most of what it reads."""

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self._users = 0

    def open(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        """Opens it for the first of those who read."""
        if self.connection is None:
            self.connection = connect()
        self._users += 1
        return self.connection

    def leave(self) -> None:
        """Closes it after the last of those who read."""
        self._users -= 1
        if self._users == 0 and self.connection is not None:
            self.connection.close()
            self.connection = None


class InlineConnection(Connection):
    """A connection whose thread is the event loop, at moments of its own."""

    def __init__(
        self, reader: SharedReader, connect: Callable[[], sqlite3.Connection], name: str
    ) -> None:
        self._reader = reader
        self._open_by = connect
        self._is_writer = name == "store-writer"
        self._trouble = TROUBLE.get()
        self._connection: sqlite3.Connection | None = None
        self._work: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._is_busy = False
        self.stepper: Stepper | None = None

    def __del__(self) -> None:
        pass

    def __await__(self) -> Generator[Any, None, Any]:
        return self._opened().__await__()

    async def _opened(self) -> "InlineConnection":
        self._connection = await self._hop(self._open)
        return self

    def _open(self) -> sqlite3.Connection:
        return self._open_by() if self._is_writer else self._reader.open(self._open_by)

    @property
    def driver(self) -> sqlite3.Connection:
        assert self._connection is not None
        if self._is_writer:
            return self._connection
        return _Reading(self._connection, self._trouble)  # type: ignore[return-value]

    async def run(self, work: Callable[[], Any]) -> Any:
        if self._connection is None:
            raise ValueError("Connection closed")
        return await self._hop(work)

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._hop(connection.close if self._is_writer else self._reader.leave)

    def _hop(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._work.append((work, answer))
        if not self._is_busy:
            self._begin(loop)
        return answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_busy = True
        seconds = self._trouble.delay()
        if self._is_writer:
            seconds += self._trouble.slow
        loop.call_later(seconds, self._do)

    def _do(self) -> None:
        work, answer = self._work.popleft()
        if self._is_writer and self._trouble.steps:
            self.stepper = Stepper(work)
            self._step(answer)
            return
        try:
            result = work()
        except Exception as raised:
            self._done(answer, None, raised)
        else:
            self._done(answer, result, None)

    def _step(self, answer: asyncio.Future[Any]) -> None:
        stepper = self.stepper
        assert stepper is not None
        if stepper.resume():
            self._done(answer, stepper.result, stepper.error)
        else:
            asyncio.get_running_loop().call_later(stepper.seconds, self._step, answer)

    def _done(self, answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._trouble.delay(), _settle, answer, result, error)
        self._is_busy = False
        if self._work:
            self._begin(loop)


def _settle(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)


class _SimulatedIdleClock(IdleClock):
    """Nothing that is done takes any time here, so no time is idle but what is drawn as slow."""

    def __init__(self) -> None:
        super().__init__()
        super().close()

    def __call__(self) -> float:
        return 0.0


class SimStore(SqliteStore):
    """The store on SQLite, with trouble."""

    def __init__(
        self,
        path: Path,
        knobs: StoreKnobs,
        on_purge: Callable[[], None],
        on_write: Callable[[Saves], None],
    ) -> None:
        self.reader = SharedReader()
        connections: Any = partial(InlineConnection, self.reader)
        super().__init__(path, knobs, connections, _SimulatedIdleClock)
        self._trouble = TROUBLE.get()
        self._on_purge = on_purge
        self._on_write = on_write

    def _begin(self, now: int) -> None:
        super()._begin(now)
        assert self._writer is not None
        save = self._writer._save

        def saving(saves: Saves) -> None:
            if saves.gone:
                self._on_purge()
            self._on_write(saves)
            save(saves)

        self._writer._save = saving  # type: ignore[method-assign]

    async def commit(self, batch: Batch) -> float:
        slow = self._trouble.slow
        return await super().commit(batch) + slow

    def _write(self, batch: Batch) -> None:
        assert self._writer is not None
        errors = self._trouble.errors
        if not errors and not self._trouble.steps:
            super()._write(batch)
            return
        when, code = errors.popleft() if errors else ("never", 0)
        writer, real = self._writer, self._writer._connection
        writer._connection = _Troubled(real, when, code, self._trouble)  # type: ignore[assignment]
        try:
            super()._write(batch)
        finally:
            writer._connection = real

    def abandon(self) -> None:
        """Closes all files of a process that died, after its history."""
        stepper = (
            self._connection.stepper if isinstance(self._connection, InlineConnection) else None
        )
        if stepper is not None:
            stepper.die()
        writer = self._connection
        if isinstance(writer, InlineConnection) and writer._connection is not None:
            writer._connection.close()
            writer._connection = None
        if self.reader.connection is not None:
            self.reader.connection.close()
            self.reader.connection = None
        self._file.close()


class _Reading:
    """A connection of a reader, whose statements fail when there is trouble."""

    def __init__(self, connection: sqlite3.Connection, trouble: Trouble) -> None:
        self._connection = connection
        self._trouble = trouble

    def execute(self, sql: str, *parameters: Any) -> Any:
        if self._trouble.read_errors > 0 and sql != "ROLLBACK":
            self._trouble.read_errors -= 1
            raise disk_error(sqlite3.SQLITE_IOERR)
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Troubled:
    """A connection whose transaction pauses, and fails at its commit or after it."""

    def __init__(
        self, connection: sqlite3.Connection, when: str, code: int, trouble: Trouble
    ) -> None:
        self._connection = connection
        self._when = when
        self._code = code
        self._trouble = trouble

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql == "COMMIT":
            pause(self._trouble.delay())
            if self._when == "never":
                return self._connection.execute(sql)
            if self._when == "after":
                self._connection.execute(sql)
            raise disk_error(self._code)
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
