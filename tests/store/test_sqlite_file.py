"""What holds for the SQLite file alone: its lock, its schema, its settings."""

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path

import pytest

from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.sqlite import SqliteStore, connection
from countermand.store.sqlite.connection import connect_reader, connect_writer, migrate
from countermand.store.sqlite.statements import migrations
from tests.support.ask import FIRST_TIME, NS, T1, create
from tests.support.knobs import PRODUCTION
from tests.support.stores import Keeper, sqlite_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def _opened(path: Path) -> Keeper:
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(FIRST_TIME)
    return keeper


async def test_a_second_open_of_the_same_file_is_refused(path: Path) -> None:
    first = await _opened(path)
    second = sqlite_store(path)
    with pytest.raises(StoreRefused, match="another server has the store"):
        await second.open(FIRST_TIME)
    await second.close()
    await first.settle_in()
    await first.store.close()
    third = await _opened(path)
    await third.run(create(T1))
    await third.store.close()


async def test_another_process_is_refused_too_and_a_killed_one_leaves_no_lock(path: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite import SqliteStore
async def main():
    await SqliteStore(Path(sys.argv[1]), StoreKnobs()).open(0)
    print("open", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(path), stdin=PIPE, stdout=PIPE
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"open\n"
    store = sqlite_store(path)
    with pytest.raises(StoreRefused):
        await store.open(FIRST_TIME)
    await store.close()
    other.kill()
    await other.communicate()
    keeper = await _opened(path)
    await keeper.store.close()


async def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "nowhere" / "store.db")
    with pytest.raises(StoreRefused, match="cannot open the store"):
        await store.open(FIRST_TIME)
    await store.close()


@pytest.fixture
def no_store(path: Path) -> Path:
    path.write_bytes(b"no database at all " * 100)
    return path


async def test_a_file_that_is_no_store_is_refused(no_store: Path) -> None:
    store = sqlite_store(no_store)
    with pytest.raises(StoreRefused, match="cannot open the store"):
        await store.open(FIRST_TIME)
    await store.close()


async def test_a_schema_of_a_newer_program_is_refused_and_left_as_it_is(path: Path) -> None:
    await (await _opened(path)).store.close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 4711")
    store = sqlite_store(path)
    with pytest.raises(StoreRefused, match="4711, which a newer program wrote"):
        await store.open(FIRST_TIME)
    await store.close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (4711,)


async def test_a_commit_to_a_store_that_is_not_open_is_fatal(path: Path) -> None:
    keeper = Keeper(sqlite_store(path))
    with pytest.raises(StoreFailed) as caught:
        await keeper.run(create(T1))
    assert caught.value.fatal
    await keeper.store.close()


# Migrations.


def _schema(path: Path) -> tuple[int, set[str]]:
    with closing(sqlite3.connect(path)) as raw:
        (version,) = raw.execute("PRAGMA user_version").fetchone()
        return version, {name for (name,) in raw.execute("SELECT name FROM sqlite_schema")}


def test_migrations_are_numbered_from_1_without_gaps() -> None:
    assert [number for number, _ in migrations()] == [*range(1, len(migrations()) + 1)]


def test_each_migration_is_applied_once_and_in_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [
        (1, "CREATE TABLE log (step TEXT); INSERT INTO log VALUES ('one');"),
        (2, "INSERT INTO log VALUES ('two'); -- a comment at the end"),
    ]
    monkeypatch.setattr(connection, "migrations", lambda: steps[:1])
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        migrate(raw)
        migrate(raw)
        steps_now = [*steps, (3, "INSERT INTO log VALUES ('three');")]
        monkeypatch.setattr(connection, "migrations", lambda: steps_now)
        migrate(raw)
        migrate(raw)
        assert raw.execute("SELECT step FROM log").fetchall() == [("one",), ("two",), ("three",)]
    assert _schema(path) == (3, {"log"})


@pytest.mark.parametrize(
    "broken",
    [
        "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1); CREATE TABLE rest (a);",
        "CREATE TABLE half (a); INSERT INTO namespaces (tenant, environment) VALUES ('a', 'moon');",
        "CREATE TABLE half (a); this is no SQL;",
        "DROP TABLE events; DROP TABLE nowhere;",
    ],
)
async def test_a_broken_step_leaves_the_old_schema_and_its_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    keeper = await _opened(path)
    await keeper.settle_in()
    await keeper.run(create(T1))
    await keeper.store.close()
    before = _schema(path)
    known = migrations()
    monkeypatch.setattr(connection, "migrations", lambda: [*known, (len(known) + 1, broken)])
    store = sqlite_store(path)
    with pytest.raises(StoreRefused):
        await store.open(FIRST_TIME)
    await store.close()
    assert _schema(path) == before
    monkeypatch.setattr(connection, "migrations", lambda: known)
    keeper = await _opened(path)
    assert await keeper.store.task(NS, T1) is not None
    await keeper.store.close()


# Settings.


def test_the_writer_syncs_every_commit_and_the_reader_cannot_write(path: Path) -> None:
    with (
        closing(connect_writer(path, PRODUCTION.store)) as writer,
        closing(connect_reader(path, PRODUCTION.store)) as reader,
    ):
        settings = {
            name: writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "foreign_keys")
        }
        assert settings == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM tasks")


async def test_a_commit_that_finds_no_room_says_so_and_nothing_was_done(path: Path) -> None:
    keeper = await _opened(path)
    await keeper.settle_in()
    store = keeper.store
    assert isinstance(store, SqliteStore)
    assert store._writer is not None
    connection = store._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    with pytest.raises(StoreFailed) as caught:
        await keeper.run(*[create(f"{n:08x}-0000-4000-8000-000000000000") for n in range(1, 900)])
    assert (caught.value.full, caught.value.fatal) == (True, False)
    connection.execute("PRAGMA max_page_count = 100000").fetchone()
    assert await store.task(NS, "00000001-0000-4000-8000-000000000000") is None
    await keeper.run(create(T1))
    await store.close()
