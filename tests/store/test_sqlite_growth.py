"""Under steady traffic the file and its log grow to a size and stay there."""

import asyncio
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest

from countermand.core.knobs import StoreKnobs
from countermand.core.records import SECOND
from countermand.core.retention import DAY
from countermand.store.sqlite import SqliteStore
from countermand.store.sqlite.connection import connect_reader
from countermand.store.sqlite.file import shrinking
from tests.support.ask import (
    FIRST_TIME,
    acknowledged,
    cancel,
    cancel_checkout,
    change_cart,
    create,
    create_checkout,
    create_group,
    create_order,
    reap,
    start,
    uid,
)
from tests.support.knobs import PRODUCTION
from tests.support.stores import Keeper, sqlite_store
from tests.support.waiting import until

RETENTION = 2 * DAY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def _opened(path: Path, knobs: StoreKnobs = PRODUCTION.store) -> Keeper:
    keeper = Keeper(sqlite_store(path, knobs))
    await keeper.store.open(FIRST_TIME)
    await keeper.settle_in()
    return keeper


async def _day_of_traffic(keeper: Keeper, day: int) -> None:
    """Tasks alone and in a group, all cancelled; a sale, a cart, and an agent of the day."""
    ids = [str(uuid.uuid4()) for _ in range(200)]
    sale = {name: f"{name}-{day}" for name in ("checkout_id", "cart_id")}
    await keeper.run(*[create(id) for id in ids[:100]])
    await keeper.run(create_group(*ids[100:], group_id=str(uuid.uuid4())))
    await keeper.run(*[start(id, f"agent-{day}", lease=SECOND) for id in ids])
    await keeper.run(*[cancel(id, request_id=str(uuid.uuid4())) for id in ids])
    await keeper.run(*[acknowledged(id) for id in ids])
    task_id, group_id = str(uuid.uuid4()), str(uuid.uuid4())
    await keeper.run(create_checkout(task_id, group_id=group_id, snapshot=b"x" * 20_000, **sale))
    await keeper.run(create_order(order_id=f"o-{day}", checkout_ids=(sale["checkout_id"],)))
    await keeper.run(cancel_checkout(sale["checkout_id"], request_id=str(uuid.uuid4())))
    await keeper.run(change_cart(sale["cart_id"], b"y" * 5000))
    await keeper.run(*[cancel(str(uuid.uuid4()), allow_missing=True) for _ in range(20)])
    keeper.now += DAY
    await keeper.run(reap())


async def test_the_file_levels_off_at_what_the_retention_keeps(path: Path) -> None:
    keeper = await _opened(path)
    pages, events = [], []
    for day in range(12):
        await _day_of_traffic(keeper, day)
        # Without the purges it grows by as much with each day, or this test would show nothing.
        if day >= 3:
            await keeper.purge(RETENTION)
        with closing(connect_reader(path, PRODUCTION.store)) as reader:
            pages.append(reader.execute("PRAGMA page_count").fetchone()[0])
            events.append(reader.execute("SELECT count(*) FROM events").fetchone()[0])
    assert pages[2] - pages[1] > 0.1 * pages[2]
    assert max(pages[5:]) <= 1.1 * pages[3], pages
    assert len(set(events[3:])) == 1, events
    with closing(connect_reader(path, PRODUCTION.store)) as reader:
        for table in ("tasks", "cancellations", "request_ids", "groups", "checkouts", "orders"):
            (found,) = reader.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert 0 < found <= 4 * 221, table
        for table in ("carts", "agents"):
            (found,) = reader.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert 0 < found <= 4, table
    await keeper.store.close()


async def test_the_room_that_was_freed_can_be_given_back_while_no_server_runs(path: Path) -> None:
    keeper = await _opened(path)
    for day in range(3):
        await _day_of_traffic(keeper, day)
    keeper.now += 10 * DAY
    await keeper.purge(RETENTION)
    await keeper.store.close()
    before = os.stat(path).st_size
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("VACUUM")
    assert os.stat(path).st_size < before / 2
    keeper.store = sqlite_store(path)
    await keeper.store.open(keeper.now)
    await _day_of_traffic(keeper, 4)
    await keeper.store.close()


# The log.


@contextmanager
def _readings_that_overlap(path: Path) -> Iterator[None]:
    """Two readers of which always one is inside a reading, each longer than a commit."""
    stop = threading.Event()
    inside = [threading.Event(), threading.Event()]

    def read(mine: threading.Event, others: threading.Event) -> None:
        with closing(connect_reader(path, PRODUCTION.store)) as reader:
            while not stop.is_set():
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM keys").fetchone()
                mine.set()
                others.wait(1)
                others.clear()
                stop.wait(0.03)
                reader.execute("ROLLBACK")

    threads = [threading.Thread(target=read, args=order) for order in (inside, inside[::-1])]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


async def _write_until(keeper: Keeper, enough: Callable[[], bool]) -> None:
    for number in count():
        if enough():
            return
        assert number < 1000
        await keeper.run(*[create(str(uuid.uuid4())) for _ in range(100)])


async def test_the_log_is_emptied_although_readings_overlap_without_a_gap(
    path: Path,
) -> None:
    keeper = await _opened(path, StoreKnobs(max_log_bytes=500_000))
    log = Path(f"{path}-wal")
    sizes: list[int] = []

    def emptied_twice() -> bool:
        sizes.append(os.stat(log).st_size)
        return sum(size < before for before, size in pairwise(sizes)) == 2

    with _readings_that_overlap(path):
        await _write_until(keeper, emptied_twice)
    await keeper.store.close()


async def test_a_reading_that_never_ends_keeps_the_log_and_holds_up_no_commit_for_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again only when the log has grown by as much, not with every commit."""
    log, tries = Path(f"{path}-wal"), []
    empty = shrinking._empty

    def counted(connection: sqlite3.Connection, index: int, patience_ms: int) -> bool:
        tries.append(os.stat(log).st_size)
        return empty(connection, index, patience_ms)

    monkeypatch.setattr(shrinking, "_empty", counted)
    keeper = await _opened(path, StoreKnobs(max_log_bytes=200_000))
    with closing(connect_reader(path, PRODUCTION.store)) as reader:
        tries.clear()
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM keys").fetchone()
        await _write_until(keeper, lambda: len(tries) == 3)
        assert tries[2] > tries[1] + 200_000 > tries[0] + 400_000
    await _write_until(keeper, lambda: len(tries) == 4)
    assert os.stat(log).st_size == 0
    await keeper.store.close()


async def test_pages_are_not_kept_in_memory_once_callers_are_quiet(path: Path) -> None:
    """By no connection, and again after each burst; what the server does for itself is none."""
    knobs = replace(PRODUCTION.store, watch_interval=0.001, looks_before_shrinking=3)
    keeper = await _opened(path, knobs)
    store = keeper.store
    assert isinstance(store, SqliteStore)
    drivers = [store._connection.driver, *(lane.connection.driver for lane in store._lanes)]
    shrunk: list[sqlite3.Connection] = []

    def hear(driver: sqlite3.Connection) -> Callable[[str], None]:
        return lambda sql: shrunk.append(driver) if sql == "PRAGMA shrink_memory" else None

    for driver in drivers:
        driver.set_trace_callback(hear(driver))
    watching = asyncio.create_task(store.watch())
    for burst in (1, 2):
        await keeper.run(create(uid(burst)))
        await until(lambda: len(shrunk) == burst * len(drivers))  # noqa: B023
        await keeper.run(reap())
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert all(shrunk.count(driver) == 2 for driver in drivers)
    await store.close()
