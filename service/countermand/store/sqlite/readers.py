"""The threads that read. What queued while they were busy is read together.

A hop to a thread and back costs more than finding one row, so readings are taken in batches, like
commits: an idle store reads at once, and ten thousand watchers that come back together share hops.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.sqlite.connection import connect_reader
from countermand.store.sqlite.failures import open_failed, read_failed
from countermand.store.sqlite.reading import Reader

Result = TypeVar("Result")


class _Reading(NamedTuple):
    read: Callable[[Reader], Any]
    answer: asyncio.Future[Any]


class Readers:
    """Runs readings on threads, each with a connection of its own that cannot write."""

    def __init__(self, knobs: StoreKnobs, *, threads: int, max_readings: int) -> None:
        """A batch has at most so many readings, so that a long one keeps few others waiting."""
        self._knobs = knobs
        self._max_readings = max_readings
        self._count = threads
        self._idle = 0
        self._threads = ThreadPoolExecutor(threads, "store-reader")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._waiting: deque[_Reading] = deque()
        self._is_open = False

    async def open(self, path: Path) -> None:
        """Starts the threads, each with a connection: later there may be no thread and no
        descriptor left to have. Raises StoreRefused."""
        loop = asyncio.get_running_loop()
        # Each waits for all, or the first to be ready would do the work of the next.
        together = threading.Barrier(self._count)
        starting = []
        try:
            for _ in range(self._count):
                starting.append(loop.run_in_executor(self._threads, self._start, path, together))
        except RuntimeError as error:
            together.abort()
            raise StoreRefused(f"cannot open the store {path}: {error}") from error
        finally:
            ended = await asyncio.gather(*starting, return_exceptions=True)
        for failure in ended:
            if isinstance(failure, sqlite3.Error):
                raise open_failed(path, failure) from failure
        self._idle = self._count
        self._is_open = True

    def _start(self, path: Path, together: threading.Barrier) -> None:
        try:
            connection = connect_reader(path, self._knobs)
            self._connections.append(connection)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # opens all files
        except sqlite3.Error:
            together.abort()
            raise
        self._local.reader = Reader(connection, self._knobs)
        together.wait()

    async def read(self, read: Callable[[Reader], Result]) -> Result:
        """Returns what the function reads, in one snapshot that is not older than this call.

        Raises StoreFailed.
        """
        if not self._is_open:
            raise _closed()
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Reading(read, answer))
        if self._idle:
            self._idle -= 1
            # Not at once: what the loop does before it waits again may read, too.
            asyncio.get_running_loop().call_soon(self._begin)
        return await answer

    def close(self) -> None:
        """Ends the threads. What still waits is refused."""
        self._is_open = False
        self._threads.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        _settle([(one, _closed()) for one in self._waiting])
        self._waiting.clear()

    def _begin(self) -> None:
        """Gives what waits to a thread."""
        count = min(len(self._waiting), self._max_readings)
        batch = [self._waiting.popleft() for _ in range(count)]
        if batch:
            self._threads.submit(self._work, batch, asyncio.get_running_loop())
        else:
            self._idle += 1

    def _work(self, batch: list[_Reading], loop: asyncio.AbstractEventLoop) -> None:
        """Reads a batch, on a thread."""
        answers = self._read_all(batch)
        loop.call_soon_threadsafe(self._end, list(zip(batch, answers, strict=True)))

    def _end(self, answered: list[tuple[_Reading, Any]]) -> None:
        """Answers a batch, and goes on with what queued meanwhile."""
        _settle(answered)
        self._begin()

    def _read_all(self, batch: list[_Reading]) -> list[Any]:
        """Returns the answers of a batch; an exception stands for a reading that failed."""
        try:
            reader: Reader = self._local.reader
            try:
                return [_read_one(one, reader) for one in batch]
            finally:
                reader.snapshot_end()
        except sqlite3.Error as error:
            return [read_failed(error) for _ in batch]


def _read_one(reading: _Reading, reader: Reader) -> Any:
    if reading.answer.cancelled():
        return None
    try:
        reader.snapshot_begin()
        return reading.read(reader)
    except sqlite3.Error as error:
        return read_failed(error)
    except Exception as error:
        return error


def _closed() -> StoreFailed:
    return StoreFailed("cannot read: the store is not open")


def _settle(answered: list[tuple[_Reading, Any]]) -> None:
    """Gives every reading its answer, if its caller still waits."""
    for reading, answer in answered:
        if reading.answer.done():
            continue
        if isinstance(answer, Exception):
            reading.answer.set_exception(answer)
        else:
            reading.answer.set_result(answer)
