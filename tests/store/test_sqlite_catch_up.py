"""What it costs a watch to catch up: in proportion to what it missed, however small its pages.

Counted in steps of SQLite's machine, which no other load on the computer changes.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from countermand.core.commands import Command
from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.core.log import TaskFilter
from countermand.core.records import SECOND
from countermand.store.sql.reading import Reader
from countermand.store.sqlite.connection import connect_writer
from countermand.store.sqlite.session import SqliteSession
from countermand.store.sqlite.writing import Writer
from tests.support.ask import (
    FIRST_TIME,
    G1,
    NS,
    O1,
    T1,
    X1,
    cancel,
    create,
    create_checkout,
    create_group,
    create_order,
    start,
    target,
    uid,
    update_order,
)
from tests.support.counting import Counted
from tests.support.knobs import PRODUCTION, changed

PAGE = 4
GROUP, CHECKOUT, ORDER = TaskFilter(G1), TaskFilter(checkout_id=X1), TaskFilter(order_id=O1)


class File:
    """A file that is written and read on one connection, whose steps are counted."""

    def __init__(self, raw: sqlite3.Connection, **knobs: int) -> None:
        store = changed({f"store.{name}": value for name, value in knobs.items()}).store
        self.ids = UuidMaker()
        self.writer = Writer(Counted(raw), store)
        self.reader = Reader(SqliteSession(raw, store), store)
        self.steps = 0
        raw.set_progress_handler(self.count, 10)

    def count(self) -> int:
        self.steps += 1
        return 0

    def do(self, *commands: Command) -> None:
        for command in commands:
            self.writer.commit(Batch([command], Instant.at(FIRST_TIME), self.ids))

    def cost(self, read: Callable[[], int]) -> tuple[int, int]:
        """Returns what a reading found, and its steps."""
        before = self.steps
        return read(), self.steps - before

    def read_task(self) -> int:
        """Reads all versions of T1, page by page. Returns how many there were."""
        found, trail = 0, None
        while page := self.reader.history(NS, T1, found, PAGE, trail):
            assert [event.task.version for event in page.events if event.task] == [
                *range(found + 1, found + 1 + len(page.events))
            ]
            found, trail = found + len(page.events), page.trail
            if found == page.task.version:
                break
        return found

    def read_log(self, chosen: TaskFilter) -> int:
        """Reads all that a filter chooses, page by page. Returns how many events there were."""
        found, after, trail = 0, 0, None
        while True:
            page = self.reader.log(NS, chosen, after, PAGE, trail)
            found, after, trail = found + len(page.events), page.through, page.trail
            if after == page.mark.seq:
                return found

    def read_order(self) -> int:
        """Reads all versions of O1, page by page. Returns how many there were."""
        found, trail = 0, None
        while page := self.reader.holder_history(target("order", O1), found, PAGE, trail):
            assert [one.version for one in page.versions] == [
                *range(found + 1, found + 1 + len(page.versions))
            ]
            found, trail = found + len(page.versions), page.trail
            if found == page.reading.holder.version:
                break
        return found


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A new file with one namespace."""
    with closing(connect_writer(tmp_path / "store.db", PRODUCTION.store)) as connection:
        connection.execute(
            "INSERT INTO namespaces (tenant, environment) VALUES ('acme', 'sandbox')"
        )
        yield connection


def test_a_task_is_caught_up_with_in_proportion_to_its_versions(raw: sqlite3.Connection) -> None:
    file = File(raw)
    file.do(create(T1), start(T1), cancel(T1, grace=3600 * SECOND))
    costs = {}
    for grace in range(3500, 3000, -1):
        file.do(cancel(T1, grace=grace * SECOND))
        if grace in (3401, 3001):
            versions, steps = file.cost(file.read_task)
            costs[versions] = steps
    few, many = sorted(costs)
    assert (few, many) == (103, 503)
    assert costs[many] / costs[few] < 1.2 * many / few


@pytest.mark.parametrize(
    "knobs",
    [{}, {"max_walked_events": 8}],
    ids=["walked", "scanned"],
)
@pytest.mark.parametrize("chosen", [GROUP, CHECKOUT, ORDER], ids=["group", "checkout", "order"])
def test_a_holder_is_caught_up_with_in_proportion_to_what_its_tasks_did(
    raw: sqlite3.Connection, chosen: TaskFilter, knobs: dict[str, int]
) -> None:
    file = File(raw, **knobs)
    tasks = [uid(number) for number in range(1, 401)]
    if chosen is GROUP:
        file.do(create_group(*tasks))
    elif chosen is CHECKOUT:
        file.do(create_checkout(*tasks))
    else:
        file.do(create_order(*tasks))
    costs = {}
    for number, id in enumerate(tasks, start=1):
        file.do(start(id))
        if number in (100, 400):
            events, steps = file.cost(lambda: file.read_log(chosen))
            costs[events] = steps
    few, many = sorted(costs)
    assert (few, many) == (500, 800)
    assert costs[many] / costs[few] < 1.2 * many / few


def test_an_order_is_caught_up_with_in_proportion_to_its_versions(
    raw: sqlite3.Connection,
) -> None:
    file = File(raw)
    file.do(create_order())
    costs = {}
    for number in range(2, 501):
        file.do(update_order(data=str(number).encode()))
        if number in (100, 500):
            versions, steps = file.cost(file.read_order)
            costs[versions] = steps
    few, many = sorted(costs)
    assert (few, many) == (100, 500)
    assert costs[many] / costs[few] < 1.2 * many / few


def test_a_small_group_is_caught_up_with_whatever_happened_elsewhere(
    raw: sqlite3.Connection,
) -> None:
    file = File(raw)
    file.do(create_group(T1))
    _, alone = file.cost(lambda: file.read_log(GROUP))
    file.do(*[create(uid(number)) for number in range(100, 600)])
    events, crowded = file.cost(lambda: file.read_log(GROUP))
    assert events == 1
    assert crowded < 1.5 * alone
