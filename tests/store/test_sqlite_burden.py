"""What one large request costs in the store for each of its tasks: nobody else is served meanwhile.

It is counted in calls of the store's functions and in rows, which no load on the machine changes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from countermand.core import commands as c
from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.store.sqlite.connection import connect_writer
from countermand.store.sqlite.writing import Writer
from tests.support.ask import FIRST_TIME, G1, NS, cancel_group, new, uid
from tests.support.calls import calls_of
from tests.support.knobs import PRODUCTION

FEW, MANY = 20, 120
LABELS = {f"key-{number}": "value" for number in range(16)}
STORED_LABELS = "countermand.core.labels"
MAX_OF_CREATED = 10
"""Calls for each task that is created."""


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect_writer(tmp_path / "store.db", PRODUCTION.store)) as connection:
        connection.execute(
            "INSERT INTO namespaces (tenant, environment) VALUES ('acme', 'sandbox')"
        )
        yield connection


def calls(raw: sqlite3.Connection, *commands: c.Command) -> int:
    """Commits commands in one batch. Returns how many functions of the store that called."""
    writer = Writer(raw, PRODUCTION.store)
    batch = Batch(commands, Instant.at(FIRST_TIME), UuidMaker())
    return calls_of(lambda: writer.commit(batch), "countermand.store")


def creation(count: int, first: int, labels: dict[str, str]) -> c.CreateGroup:
    tasks = tuple(new(uid(first + number), labels=labels) for number in range(count))
    return c.CreateGroup(NS, uid(first * 1000), closed=False, tasks=tasks)


@pytest.mark.parametrize("labels", [{}, LABELS], ids=["plain", "labels"])
def test_a_creation_costs_little_for_each_of_its_tasks(
    raw: sqlite3.Connection, labels: dict[str, str]
) -> None:
    few = calls(raw, creation(FEW, 1000, labels))
    many = calls(raw, creation(MANY, 2000, labels))
    assert (many - few) / (MANY - FEW) <= MAX_OF_CREATED
    rows = raw.execute("SELECT count(*) FROM task_labels").fetchone()
    assert rows == (len(labels) * (FEW + MANY),)


def test_a_cascade_reads_none_of_the_labels_of_its_tasks(raw: sqlite3.Connection) -> None:
    calls(raw, creation(MANY, 1000, LABELS))
    batch = Batch([cancel_group(uid(1000_000))], Instant.at(FIRST_TIME), UuidMaker())
    writer = Writer(raw, PRODUCTION.store)
    kept = calls_of(lambda: writer.commit(batch), "countermand.core.labels")
    (answer,) = batch.answers
    assert len(answer.covered) == MANY
    read = calls_of(
        lambda: [dict(task.labels) for task in answer.covered], "countermand.core.labels"
    )
    assert kept == MANY
    assert read > MANY


def test_a_label_has_one_row_in_one_order(raw: sqlite3.Connection) -> None:
    """A second order, by the task, would cost a creation as much again."""
    calls(raw, c.CreateGroup(NS, G1, closed=False, tasks=(new(labels=LABELS),)))
    assert raw.execute("PRAGMA index_list(task_labels)").fetchall() == [
        (0, "sqlite_autoindex_task_labels_1", 1, "pk", 0)
    ]
