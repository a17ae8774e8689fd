"""The threads that read: what is read together, and what a reading does to its neighbours."""

import asyncio
import os
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.sql.reader_pool import Readers
from countermand.store.sql.reading import Reader
from countermand.store.sqlite.lanes import ReaderLane
from tests.support.ask import NS, T1, cancel, create, start
from tests.support.knobs import PRODUCTION
from tests.support.stores import Keeper, sqlite_store


class Gate:
    """A reading that holds its thread until it is told to go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, reader: Reader) -> str:
        self.entered.set()
        self.open.wait(30)
        return "through"


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE seen (number)")
        db.execute("INSERT INTO seen VALUES (1)")
        db.commit()
    return path


def readers_of(file: Path, **bounds: Any) -> Readers:
    return Readers(PRODUCTION.store, lambda: ReaderLane(file, PRODUCTION.store), **bounds)


@pytest.fixture
async def readers(file: Path) -> AsyncIterator[Readers]:
    readers = readers_of(file, threads=1, max_readings=64)
    await readers.open()
    yield readers
    await readers.close()


def count(reader: Reader) -> int:
    return reader.session._connection.execute("SELECT count(*) FROM seen").fetchone()[0]


def fail(reader: Reader) -> None:
    reader.session._connection.execute("SELECT * FROM nowhere")


def fault(reader: Reader) -> None:
    raise LookupError("not there")


async def queued(readers: Readers, *readings: Callable[[Reader], object]) -> list[object]:
    """Queues readings behind one that holds the only thread. Returns their answers."""
    gate = Gate()
    first = asyncio.create_task(readers.read(1, gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    waiting = [asyncio.create_task(readers.read(1, reading)) for reading in readings]
    await asyncio.sleep(0)
    gate.open.set()
    assert await first == "through"
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_queued_is_read_together_in_one_snapshot(readers: Readers, file: Path) -> None:
    def count_and_add(reader: Reader) -> int:
        seen = count(reader)
        with closing(sqlite3.connect(file)) as db:
            db.execute("INSERT INTO seen VALUES (2)")
            db.commit()
        return seen

    assert await queued(readers, count_and_add, count, count) == [1, 1, 1]
    assert await readers.read(1, count) == 2


async def test_a_reading_that_fails_leaves_its_neighbours_be(readers: Readers) -> None:
    before, failed, faulty, after = await queued(readers, count, fail, fault, count)
    assert (before, after) == (1, 1)
    assert isinstance(failed, StoreFailed)
    assert not failed.fatal
    assert isinstance(faulty, LookupError)


async def test_a_reading_that_nobody_waits_for_is_left_out(readers: Readers) -> None:
    gate, ran = Gate(), []
    first = asyncio.create_task(readers.read(1, gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    given_up = asyncio.create_task(readers.read(1, ran.append))
    last = asyncio.create_task(readers.read(1, count))
    await asyncio.sleep(0)
    given_up.cancel()
    gate.open.set()
    assert await last == 1
    assert await first == "through"
    assert ran == []


async def test_a_store_that_cannot_be_opened_is_refused_before_any_reading(tmp_path: Path) -> None:
    for threads in (1, 2, 3):
        readers = readers_of(tmp_path / "missing.db", threads=threads, max_readings=64)
        with pytest.raises(StoreRefused, match=r"missing\.db"):
            await readers.open()
        with pytest.raises(StoreFailed):
            await readers.read(1, count)
        await readers.close()


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Nothing can be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_reading_needs_no_descriptor_not_even_to_sort(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.executemany("INSERT INTO seen VALUES (?)", ((number,) for number in range(100_000)))
        db.commit()

    def sort(reader: Reader) -> int:
        reader.session._connection.execute(
            "PRAGMA cache_size = 10"
        )  # above that, SQLite sorts in a file
        sorting = "SELECT number FROM seen ORDER BY number % 1000, number DESC"
        return len(reader.session._connection.execute(sorting).fetchall())

    readers = readers_of(file, threads=2, max_readings=1)
    await readers.open()
    with no_descriptor_left():
        with pytest.raises(OSError, match="Too many open files"):
            os.dup(0)
        found = await asyncio.gather(*[readers.read(1, sort) for _ in range(4)])
    await readers.close()
    assert found == [100_001] * 4


async def test_a_closed_one_refuses_what_waits_and_what_comes(readers: Readers) -> None:
    gate = Gate()
    first = asyncio.create_task(readers.read(1, gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    waiting = asyncio.create_task(readers.read(1, count))
    await asyncio.sleep(0)
    gate.open.set()
    await readers.close()
    with pytest.raises(StoreFailed):
        await waiting
    with pytest.raises(StoreFailed):
        await readers.read(1, count)
    assert await first == "through"  # it was under way


# Turns.


async def gated(readers: Readers, namespace: int) -> tuple[Gate, "asyncio.Task[str]"]:
    """Returns a reading that holds a thread until its gate is opened."""
    gate = Gate()
    reading = asyncio.create_task(readers.read(namespace, gate))
    assert await asyncio.to_thread(gate.entered.wait, 10)
    return gate, reading


async def test_another_namespaces_reading_comes_next_however_many_wait(file: Path) -> None:
    readers = readers_of(file, threads=1, max_readings=2, mixed=False)
    await readers.open()
    try:
        gate, first = await gated(readers, 1)
        order: list[int] = []
        waiting = [
            asyncio.create_task(readers.read(ns, lambda reader, ns=ns: order.append(ns)))
            for ns in [*[1] * 20, 2, *[3] * 3]
        ]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *waiting)
        assert order[:6] == [1, 1, 2, 3, 3, 1]
        assert len(order) == 24
    finally:
        await readers.close()


async def test_a_mixed_batch_has_something_of_each_namespace(readers: Readers) -> None:
    gate, first = await gated(readers, 1)
    order: list[int] = []
    waiting = [
        asyncio.create_task(readers.read(ns, lambda reader, ns=ns: order.append(ns)))
        for ns in [*[1] * 200, 2]
    ]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, *waiting)
    assert 2 in order[:64]


async def test_no_namespace_reads_on_all_threads(file: Path) -> None:
    readers = readers_of(file, threads=2, max_readings=2, mixed=False)
    await readers.open()
    try:
        gate, first = await gated(readers, 1)
        second = asyncio.create_task(readers.read(1, count))
        await asyncio.sleep(0)
        assert await readers.read(2, count) == 1
        assert not second.done()
        gate.open.set()
        assert await first == "through"
        assert await second == 1
    finally:
        await readers.close()


async def test_what_agents_are_to_stop_waits_for_no_list_and_no_count(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "store.db")
    keeper = Keeper(store)
    await store.open(keeper.now)
    try:
        await keeper.settle_in()
        await keeper.run(create(T1), start(T1, "agent"), cancel(T1))
        held = [
            await gated(readers, namespace)
            for readers in (store._quick, store._long, store._watches)
            for namespace in range(100, 100 + readers._threads)
        ]
        stops = await asyncio.wait_for(store.stops(NS, "agent", 10), 10)
        assert [task.task_id for task in stops] == [T1]
        for gate, reading in held:
            gate.open.set()
            await reading
    finally:
        await store.close()
