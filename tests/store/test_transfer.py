"""A store on SQLite, copied into PostgreSQL: whole, whatever broke it off, or not at all."""

import asyncio
import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from countermand.cli.main import run
from countermand.store.contract import StoreRefused
from countermand.store.sql.tables import TABLES
from tests.store.test_outbox import new_webhook
from tests.support import ask
from tests.support.ask import C1, NS, OTHER, T1, T2, T3, X1, uid
from tests.support.knobs import PRODUCTION
from tests.support.stores import Keeper, sqlite_store

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
from countermand.store import transfer  # noqa: E402
from countermand.store.postgres.address import parse_address  # noqa: E402
from countermand.store.postgres.database import Database  # noqa: E402

KNOBS = PRODUCTION.store
ONLY_SQLITE = {"pairing", "sqlite_sequence"}
ONLY_POSTGRES = {
    "schema": {"only_row", "version", "oldest_program", "store_id"},
    "positions": {"last_number"},
    # What servers share while they run.
    "cluster": {"name", "time", "noted", "version", "by"},
    "key_use": {"key_id", "kind", "replica", "used", "asked", "noted"},
    "replicas": {"replica", "retention", "noted"},
    "webhook_claims": {"namespace_no", "webhook_id", "claim", "claimed_by", "claimed_until"},
    "webhooks": {"revision"},
}


def nothing(step: transfer.Step) -> None:
    """Tells nobody how far a copy is."""


async def make(path: Path) -> None:
    """Makes a store that was served and stopped, with rows in every table."""
    keeper = Keeper(sqlite_store(path, KNOBS))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    await keeper.run(new_webhook(NS))
    await keeper.run(
        ask.renew(),
        ask.create(T1, labels={"café": "crème"}, merchant="shop\u20ac"),
        ask.create_group(T2, T3),
        ask.change_cart(),
        ask.create_checkout(uid(40), cart_id=C1),
        ask.create_order(uid(41), checkout_ids=(X1,)),
    )
    await keeper.run(ask.start(T2), ask.start(T3), ask.create(T1, ns=OTHER))
    await keeper.run(ask.cancel(T2, request_id=uid(60)), ask.cancel_group())
    await keeper.run(ask.cancel(T2, request_id=uid(61)), ask.cancel(uid(50), allow_missing=True))
    await keeper.run(*(ask.create(uid(number)) for number in range(100, 130)))
    await keeper.store.close()
    with closing(sqlite3.connect(path)) as connection:
        # What comes of clocks and of endpoints that do not answer.
        connection.execute("INSERT INTO ids_ahead VALUES (9, 8)")
        connection.execute("INSERT INTO clock_stretches (since, until, wall) VALUES (1, 2, 3)")
        connection.execute(
            "INSERT INTO deliveries SELECT namespace_no, webhook_id, 1, 5, 't', 's', 'b', '',"
            " 'PENDING', '[]', 0, 0, 5, 6, NULL, 0 FROM webhooks"
        )
        connection.commit()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of which each test has a copy."""
    path = tmp_path_factory.mktemp("made") / "store.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    """A store that no server has open."""
    return Path(shutil.copy(made, tmp_path / "store.db"))


def read(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Returns what a statement finds in a database."""
    with closing(psycopg.connect(url)) as connection:
        return list(connection.execute(statement.encode()).fetchall())


def files(path: Path) -> dict[str, str]:
    """Returns what stands in a folder."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.parent.iterdir())
    }


def test_nothing_of_a_store_is_forgotten(source: Path, database: str) -> None:
    """Each column of each table of both databases is handed over, but for what only one needs."""
    before = files(source)

    def told(step: transfer.Step) -> None:
        assert files(source) == before  # Whoever is killed now leaves nothing.

    counts = transfer.copy(source, database, KNOBS, told)
    assert files(source) == before
    assert all(counts.values()), {name for name, count in counts.items() if not count}
    handed = {table.name: set(table.columns) for table in TABLES}
    found: dict[str, set[str]] = {}
    for table, column in read(
        database,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'",
    ):
        found.setdefault(table, set()).add(column)
    for name, columns in ONLY_POSTGRES.items():
        found[name] -= columns
    assert {name: columns for name, columns in found.items() if columns} == handed
    with closing(sqlite3.connect(source)) as connection:
        kept = dict(
            connection.execute(
                "SELECT m.name, json_group_array(c.name) FROM sqlite_schema AS m"
                " JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' GROUP BY 1"
            )
        )
    assert kept.keys() - ONLY_SQLITE == handed.keys() - {"positions"}


def test_a_copy_goes_on_with_the_numbers_of_its_source(source: Path, database: str) -> None:
    transfer.copy(source, database, KNOBS, nothing)
    with closing(sqlite3.connect(source)) as connection:
        [(highest,)] = connection.execute("SELECT max(task_no) FROM tasks").fetchall()
        [(orders,)] = connection.execute("SELECT max(order_no) FROM orders").fetchall()
    [(lowest,)] = read(database, "SELECT min(last_number) FROM positions WHERE namespace_no > 0")
    assert lowest >= highest - 1
    insert = (
        "INSERT INTO orders (namespace_no, order_id, state, version, task_count, live_count,"
        " completed_count, owed_count, create_time, update_time)"
        " VALUES (1, 'new', 'OPEN', 1, 0, 0, 0, 0, 0, 0) RETURNING order_no"
    )
    assert read(database, insert) == [(orders + 1,)]
    # What is stored is counted again from now on.
    stored = "SELECT stored_bytes FROM positions WHERE namespace_no = 1"
    [(before,)] = read(database, stored)
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute("DELETE FROM tasks WHERE namespace_no = 1")
    assert read(database, stored)[0][0] < before


class Killed(BaseException):
    """What ends a copy here, as a signal would."""


def test_a_copy_that_is_killed_goes_on_where_it_was(source: Path, database: str) -> None:
    """Killed each time that twenty more rows were taken, in the middle of a table or behind one."""
    knobs = replace(KNOBS, max_copied_rows=7)
    killed = done = 0
    counts: dict[str, int] = {}
    while not counts:

        def told(step: transfer.Step) -> None:
            nonlocal done
            if step.done >= done + 20 and step.doing.startswith("copying"):
                done = step.done
                raise Killed

        try:
            counts = transfer.copy(source, database, knobs, told)
        except Killed:
            killed += 1
    assert killed >= 4
    assert read(database, "SELECT to_regclass('copy_state')") == [(None,)]
    assert [(counts["events"],)] == read(database, "SELECT count(*) FROM events")


def test_a_damaged_source_is_refused(source: Path, database: str) -> None:
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("DELETE FROM events WHERE seq = 3")
        connection.commit()
    before = files(source)
    with pytest.raises(StoreRefused, match="is damaged"):
        transfer.copy(source, database, KNOBS, nothing)
    assert files(source) == before
    assert read(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


async def test_a_source_that_a_server_has_open_is_refused(source: Path, database: str) -> None:
    keeper = Keeper(sqlite_store(source, KNOBS))
    await keeper.store.open(keeper.now)
    try:
        with pytest.raises(StoreRefused, match=r"a server has the store .* open: stop it first"):
            transfer.copy(source, database, KNOBS, nothing)
        await keeper.run(ask.create(uid(77)))
    finally:
        await keeper.store.close()
    assert read(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_target_that_is_not_empty_is_refused(source: Path, database: str, tmp_path: Path) -> None:
    transfer.copy(source, database, KNOBS, nothing)
    tasks = read(database, "SELECT * FROM tasks ORDER BY namespace_no, task_no")
    with pytest.raises(StoreRefused, match="is not empty"):
        transfer.copy(source, database, KNOBS, nothing)
    assert read(database, "SELECT * FROM tasks ORDER BY namespace_no, task_no") == tasks
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("CREATE TABLE somebody (name text)")
    with pytest.raises(StoreRefused, match="another program's"):
        transfer.copy(source, database, KNOBS, nothing)
    with pytest.raises(StoreRefused, match="there is no store"):
        transfer.copy(tmp_path / "none.db", database, KNOBS, nothing)
    assert not (tmp_path / "none.db").exists()


async def test_half_a_copy_is_no_store_and_goes_on_with_no_other_source(
    source: Path, database: str
) -> None:
    def told(step: transfer.Step) -> None:
        if step.doing == "copying tasks":
            raise Killed

    with pytest.raises(Killed):
        transfer.copy(source, database, KNOBS, told)
    half = Database(parse_address(database), KNOBS.postgres)
    with pytest.raises(StoreRefused, match="has not ended: run `countermand copy` again"):
        await half.open()
    await half.close()
    keeper = Keeper(sqlite_store(source, KNOBS))
    await keeper.store.open(keeper.now)
    await keeper.run(ask.create(uid(77)))
    await keeper.store.close()
    with pytest.raises(StoreRefused, match="before a server had it open"):
        transfer.copy(source, database, KNOBS, nothing)


def test_the_command_copies_a_store_and_says_how_many_rows_it_has(
    source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ["copy", "--from", f"sqlite:///{source}", "--to", database]
    assert run([*asked, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["tasks"] == 36
    assert run(asked) == 1
    error = capfd.readouterr().err
    assert "is not empty: it has namespaces" in error
    assert "correct-horse" not in error
    assert run(["copy", "--from", "sqlite:///gone.db", "--to", "postgresql://h/d"]) == 1
    assert "there is no store gone.db" in capfd.readouterr().err


def test_what_is_not_the_same_in_the_end_is_no_copy(source: Path, database: str) -> None:
    def told(step: transfer.Step) -> None:
        if step.doing == "comparing keys":
            with closing(psycopg.connect(database, autocommit=True)) as connection:
                connection.execute("UPDATE tasks SET fence = fence + 1 WHERE task_no = 1")

    with pytest.raises(StoreRefused, match="not the same: tasks has"):
        transfer.copy(source, database, KNOBS, told)
    assert read(database, "SELECT count(*) FROM copy_state") == [(len(TABLES),)]
