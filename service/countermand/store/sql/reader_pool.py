"""The threads that read. What queued while they were busy is read together.

A hop to a thread and back costs more than finding one row, so readings are taken in batches, like
commits: an idle store reads at once, and ten thousand watchers that come back together share hops.

Namespaces take turns, and none has all threads while there are several: however much one reads, and
however long that takes, another's reading comes next.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import StoreFailed
from countermand.store.sql.reading_operator import OperatorReader
from countermand.store.sql.session import ReadingSession

Result = TypeVar("Result")


class _Reading(NamedTuple):
    read: Callable[[OperatorReader], Any]
    answer: asyncio.Future[Any]


class Lane(Protocol):
    """A thread that reads, with a connection of its own that cannot write."""

    @property
    def session(self) -> ReadingSession:
        """What it reads with once it is open, on its thread."""

    async def open(self) -> None:
        """Starts the thread, and has all that a reading needs. Raises StoreRefused."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """Returns what the function does on the thread; raises ValueError once it is closed."""

    async def close(self) -> None:
        """Ends the thread. It may be called twice, and after it could not be opened."""


class _Reader(NamedTuple):
    lane: Lane
    reader: OperatorReader


class Readers:
    """Runs readings on threads, each of which is a lane."""

    def __init__(
        self,
        knobs: StoreKnobs,
        lanes: Callable[[], Lane],
        *,
        threads: int,
        max_readings: int,
        mixed: bool = True,
    ) -> None:
        """A batch has at most so many readings, so that a long one keeps few others waiting; if it
        is not mixed, it is of one namespace, so that a long one keeps no other's waiting."""
        self._knobs = knobs
        self._max_readings = max_readings
        self._threads = threads
        self._make_lane = lanes
        self._lanes: list[Lane] = []
        self._idle: list[_Reader] = []
        self._working: set[asyncio.Task[None]] = set()
        self._mixed = mixed
        self._waiting: dict[int, deque[_Reading]] = {}
        """By namespaces, in the order of their turns."""
        self._at_work: Counter[int] = Counter()
        """On how many threads each namespace reads."""
        self._max_at_work = max(1, threads - 1)
        self._is_open = False

    async def open(self) -> None:
        """Starts the threads, each with a connection: later there may be no thread and no
        descriptor left to have. Raises StoreRefused."""
        for _ in range(self._threads):
            lane = self._make_lane()
            self._lanes.append(lane)
            await lane.open()
            self._idle.append(_Reader(lane, OperatorReader(lane.session, self._knobs)))
        self._is_open = True

    async def read(self, namespace: int, read: Callable[[OperatorReader], Result]) -> Result:
        """Returns what the function reads, in one snapshot that is not older than this call.

        It is the namespace's turn that it takes; what the server reads for itself is of 0. Raises
        StoreFailed.
        """
        if not self._is_open:
            raise _closed()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        self._waiting.setdefault(namespace, deque()).append(_Reading(read, answer))
        if self._idle:
            # Not at once: what the loop does before it waits again may read, too.
            loop.call_soon(self._begin, self._idle.pop())
        return await answer

    async def close(self) -> None:
        """Ends the threads. What still waits is refused. It may be called twice."""
        self._is_open = False
        _settle([(one, _closed()) for queue in self._waiting.values() for one in queue])
        self._waiting.clear()
        for lane in self._lanes:
            await lane.close()
        self._lanes.clear()
        self._idle.clear()

    def _begin(self, idle: _Reader) -> None:
        """Gives what waits to a thread."""
        batch, namespaces = self._next_batch()
        if not batch:
            self._idle.append(idle)
            return
        self._at_work.update(namespaces)
        working = asyncio.create_task(self._work(idle, batch, namespaces))
        self._working.add(working)
        working.add_done_callback(self._working.discard)

    def _next_batch(self) -> tuple[list[_Reading], list[int]]:
        """Returns the next readings, and whose they are. There are none while all that wait are of
        namespaces that read on enough threads."""
        having_turns = [
            namespace for namespace in self._waiting if self._at_work[namespace] < self._max_at_work
        ]
        if not self._mixed:
            del having_turns[1:]
        batch: list[_Reading] = []
        namespaces: list[int] = []
        for place, namespace in enumerate(having_turns):
            room = self._max_readings - len(batch)
            if not room:
                break
            queue = self._waiting.pop(namespace)
            share = max(1, room // (len(having_turns) - place))
            batch.extend(queue.popleft() for _ in range(min(share, len(queue))))
            namespaces.append(namespace)
            if queue:
                self._waiting[namespace] = queue  # Behind the others.
        return batch, namespaces

    async def _work(self, by: _Reader, batch: list[_Reading], namespaces: list[int]) -> None:
        """Answers a batch, and goes on with what queued meanwhile."""
        try:
            answers = await by.lane.run(lambda: _read_all(batch, by.reader))
        except ValueError:  # It was closed before the batch came to it.
            answers = [_closed() for _ in batch]
        _settle(list(zip(batch, answers, strict=True)))
        self._at_work.subtract(namespaces)
        self._at_work += Counter()  # Forgets those that have none.
        self._begin(by)


def _read_all(batch: list[_Reading], reader: OperatorReader) -> list[Any]:
    """Returns the answers of a batch; an exception stands for a reading that failed."""
    try:
        try:
            return [_read_one(one, reader) for one in batch]
        finally:
            reader.session.end_snapshot()
    except Exception as error:
        return [reader.session.failure(error) for _ in batch]


def _read_one(reading: _Reading, reader: OperatorReader) -> Any:
    if reading.answer.cancelled():
        return None
    session = reader.session
    try:
        try:
            session.begin_snapshot()
            return reading.read(reader)
        except Exception as error:
            if not session.is_worth_a_retry(error):
                raise
            session.end_snapshot()  # What was read until then was of that snapshot alone.
            session.begin_snapshot()
            return reading.read(reader)
    except Exception as error:
        return session.failure(error)


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
