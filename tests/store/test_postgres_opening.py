"""Opening a store on PostgreSQL: what is refused, in one line, soon, and without the password."""

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.postgres.address import parse_address
from countermand.store.postgres.database import Database
from countermand.store.postgres.failures import ConnectionGone
from countermand.store.postgres.link import Link
from countermand.store.postgres.migrating import Schema, migrate, read_schema
from countermand.store.postgres.opening import migrate_store
from countermand.store.postgres.receiving import receiving
from countermand.store.postgres.statements import migrations
from tests.support.postgres import PASSWORD, Cluster
from tests.support.postgres_proxy import proxy_to
from tests.support.waiting import until

NEWEST = migrations()[-1][0]


def database_of(url: str, **knobs: float) -> Database:
    return Database(parse_address(url), PostgresKnobs(**knobs))


@asynccontextmanager
async def opened(url: str, **knobs: float) -> AsyncIterator[Database]:
    database = database_of(url, **knobs)
    try:
        await database.open()
        yield database
    finally:
        await database.close()


def refusal_to_copy(url: str) -> str:
    """Why another store cannot be copied into this one."""
    with (
        pytest.raises(StoreRefused) as caught,
        receiving(url, PostgresKnobs(handover_timeout=0.05)),
    ):
        pass
    return str(caught.value)


async def refusal(url: str) -> str:
    """What is said when a store cannot be opened, which must be said well."""
    begin = time.monotonic()
    with pytest.raises(StoreRefused) as refused:
        async with opened(url):
            pass
    assert time.monotonic() - begin < 5
    said = str(refused.value)
    assert len(said.splitlines()) == 1
    assert PASSWORD not in said
    return said


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture(scope="module")
def made(cluster: Cluster) -> Iterator[str]:
    """The name of a database with the schema, of which tests make their own."""
    with cluster.database() as url:
        migrate_store(url, PostgresKnobs())
        yield name_of(url)


@pytest.fixture
def store(cluster: Cluster, made: str) -> Iterator[str]:
    with cluster.database(made) as url:
        yield url


async def test_a_server_that_cannot_be_reached_is_refused(cluster):
    assert "refused" in await refusal(f"postgresql://u:{PASSWORD}@127.0.0.1:1/db")
    unknown = await refusal(f"postgresql://u:{PASSWORD}@no-such-host.invalid/db")
    assert "no-such-host.invalid" in unknown


async def test_a_wrong_password_and_a_database_that_is_not_there_are_refused(cluster):
    wrong = cluster.url(password="wrong-battery")
    said = await refusal(wrong)
    assert "password authentication failed" in said
    assert "wrong-battery" not in said
    assert 'database "gone" does not exist' in await refusal(cluster.url("gone"))


async def test_a_server_that_answers_nothing_is_refused_soon_and_keeps_no_socket():
    def sockets() -> int:
        return len(os.listdir("/proc/self/fd"))

    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = sockets()
        gc.disable()  # A server seldom collects.
        try:
            said = await refusal(f"postgresql://u:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/d")
            assert sockets() <= before
        finally:
            gc.enable()
    assert "timeout" in said


async def test_an_older_server_is_refused(cluster, database):
    with proxy_to(cluster.port) as proxy:
        proxy.rewritten = (b"server_version\x0015", b"server_version\x0014")
        url = cluster.url(name_of(database), port=proxy.port)
        assert "PostgreSQL 14, and 15 or newer is needed" in await refusal(url)


async def test_a_database_that_is_not_in_utf8_is_refused(cluster):
    cluster.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    assert "LATIN1" in await refusal(cluster.url("latin"))


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE TABLE blog (n int)",
        "CREATE TABLE schema (n int)",
        "CREATE TABLE schema (n int); CREATE TABLE namespaces (n int);"
        "CREATE TABLE positions (n int); CREATE TABLE cancellations (n int)",
    ],
)
async def test_a_database_of_another_program_is_refused_and_left_as_it_was(
    cluster, database, theirs
):
    cluster.execute(theirs, name_of(database))
    tables = "SELECT count(*) FROM pg_class"
    before = cluster.value(tables, name_of(database))
    assert "another program's" in await refusal(database)
    assert cluster.value(tables, name_of(database)) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (f"SET version = {NEWEST + 1}, oldest_program = {NEWEST + 1}", "by a newer version"),
        (f"SET version = {NEWEST - 1}", "run `countermand migrate` first"),
    ],
)
async def test_a_schema_that_is_newer_or_older_is_refused(cluster, store, change, said):
    cluster.execute(f"UPDATE schema {change}", name_of(store))
    assert said in await refusal(store)


async def test_a_newer_schema_that_older_programs_may_serve_is_served(cluster, store):
    cluster.execute(f"UPDATE schema SET version = {NEWEST + 1}", name_of(store))
    async with opened(store):
        pass


async def test_missing_rights_are_refused(cluster, store, database):
    if not cluster.execute("SELECT FROM pg_roles WHERE rolname = 'reader'"):
        cluster.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    on_empty = cluster.url(name_of(database), user="reader")
    assert "permission denied" in await refusal(on_empty)
    on_store = cluster.url(name_of(store), user="reader")
    assert "reader may not read it" in await refusal(on_store)
    cluster.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", name_of(store))
    assert "reader may not read and write agents, " in await refusal(on_store)


async def test_several_servers_have_a_store_open_at_once_and_none_while_it_is_copied_into(store):
    async with opened(store), opened(store):
        assert "in use by another server" in refusal_to_copy(store)
    with receiving(store, PostgresKnobs()):
        assert "another store is being copied into" in await refusal(store)


async def test_a_server_makes_the_schema_of_an_empty_database_and_leaves_the_next_to_others(
    cluster, database
):
    async with opened(database):
        assert cluster.value("SELECT version FROM schema", name_of(database)) == NEWEST
        assert migrate_store(database, PostgresKnobs()).version == NEWEST


async def test_a_store_that_is_lost_is_not_made_anew_in_an_empty_database(cluster, store):
    """As when a name leads to a server that somebody has set up again."""
    with cluster.database() as empty, proxy_to(cluster.port) as proxy:
        url = cluster.url(name_of(store), port=proxy.port)
        async with opened(url) as database:
            asked, given = name_of(store), name_of(empty)
            assert len(asked) == len(given)
            proxy.database = (asked.encode(), given.encode())
            proxy.cut_all()
            with pytest.raises(ConnectionGone):
                await database.write(lambda link: link.start("SELECT 1::bigint").one())
            with pytest.raises(StoreFailed, match="is not in the database that was found"):
                await database.write(lambda link: link.start("SELECT 1::bigint").one())
        assert cluster.value("SELECT to_regclass('tasks') IS NULL", name_of(empty))


async def test_another_store_is_never_served_in_the_place_of_one_that_is_lost(cluster, store):
    """As when a name leads to another database, with a schema like it. The right one is served
    again once it is back, by who reads and who writes."""
    with cluster.database() as url:
        migrate_store(url, PostgresKnobs())
        asked, given = name_of(store), name_of(url)
        with proxy_to(cluster.port) as proxy:
            ours = cluster.url(asked, port=proxy.port)
            async with opened(ours, reconnect_interval=0.02) as database:
                watching = asyncio.create_task(database.watch())
                read = database.generations.reader(None)
                proxy.database = (asked.encode(), given.encode())
                # Somebody lets new connections go elsewhere, and leaves the writer's as it is.
                with pytest.raises(StoreFailed, match="another store is in its place"):
                    database.generations.reader(_lost(read))
                proxy.cut_all()
                with pytest.raises(ConnectionGone):
                    await database.write(_look)
                for _ in range(3):
                    with pytest.raises(StoreFailed, match="another store is where the store"):
                        await database.write(_look)
                proxy.database = (b"", b"")
                await until(lambda: not database.generations.is_lost)
                await database.write(_look)
                database.generations.close_reader(database.generations.reader(None))
                watching.cancel()


def _look(link: Link) -> None:
    link.start("SELECT 1::bigint").one()


def _lost(link: Link) -> Link:
    link.shut()
    with pytest.raises(ConnectionGone):
        _look(link)
    return link


async def test_a_lost_server_is_found_again_and_no_store_is_copied_into_it_then(cluster, store):
    with proxy_to(cluster.port) as proxy:
        url = cluster.url(name_of(store), port=proxy.port)
        async with opened(url, reconnect_interval=0.02, away_after=0.1) as database:
            watching = asyncio.create_task(database.watch())
            proxy.refuse()
            proxy.cut_all()
            with pytest.raises(ConnectionGone):
                await database.write(lambda link: link.start("SELECT 1::bigint").one())
            await until(lambda: database.is_away)
            proxy.refuse(False)
            await until(lambda: not database.is_away)
            await database.write(lambda link: link.start("SELECT 1::bigint").one())
            assert "in use by another server" in refusal_to_copy(store)
            watching.cancel()


async def test_a_writer_that_decides_is_not_away_and_one_that_waits_is(store):
    entered, decided = threading.Event(), threading.Event()

    def decide(link: Link) -> None:
        entered.set()
        decided.wait(10)
        link.start("SELECT pg_sleep(0.3)::text").one()

    async with opened(store) as database:
        writing = asyncio.create_task(database.write(decide))
        await asyncio.to_thread(entered.wait)
        assert not database.generations.is_silent_for(0.0)
        decided.set()
        await until(lambda: database.generations.is_silent_for(0.1))
        await writing
        assert not database.generations.is_silent_for(0.0)


def test_a_step_that_does_not_get_its_locks_lets_go_of_them_and_tries_again(cluster, store):
    steps = [*migrations(), (NEWEST + 1, "ALTER TABLE tasks ADD COLUMN more bigint")]
    knobs = PostgresKnobs(migration_lock_timeout=0.01, migration_pause=0.001, max_migration_tries=3)
    address = parse_address(store)
    with (
        psycopg.connect(store) as busy,
        psycopg.connect(store, autocommit=True) as connection,
    ):
        busy.execute("SELECT count(*) FROM tasks")
        with pytest.raises(StoreRefused, match="did not get its locks"):
            migrate(connection, address, steps, knobs)
        busy.rollback()
        told: list[int] = []
        found = migrate(connection, address, steps, knobs, told.append)
        assert found == Schema(NEWEST + 1, read_schema(connection, address).oldest_program)
        assert told == [NEWEST + 1]
        assert migrate(connection, address, steps, knobs, told.append) == found
        assert told == [NEWEST + 1]


def test_two_do_not_migrate_at_once(store):
    address, knobs = parse_address(store), PostgresKnobs()
    steps = [*migrations(), (NEWEST + 1, "SELECT 1")]
    with (
        psycopg.connect(store, autocommit=True) as first,
        psycopg.connect(store, autocommit=True) as second,
    ):

        def meanwhile(_step: int) -> None:
            with pytest.raises(StoreRefused, match="being migrated by another"):
                migrate(second, address, steps, knobs)

        migrate(first, address, steps, knobs, meanwhile)
        assert migrate(second, address, steps, knobs).version == NEWEST + 1
