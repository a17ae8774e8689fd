"""One connection to PostgreSQL: its turns, and what the end of a commit says."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from countermand.core.knobs import PostgresKnobs
from countermand.store.contract import StoreFailed
from countermand.store.postgres.address import parse_address
from countermand.store.postgres.failures import ConnectionGone, ends_generation, is_worth_a_retry
from countermand.store.postgres.generation import Generations
from countermand.store.postgres.link import Link
from tests.support.postgres import Cluster, started_cluster
from tests.support.postgres_proxy import Proxy, proxy_to

SECONDS = 10
INSERT = "INSERT INTO rows VALUES ($1::bigint)"


@pytest.fixture(scope="module")
def standby() -> Iterator[Cluster]:
    """The synchronous standby of a primary, which is `standby.primary`."""
    with started_cluster() as primary:
        primary.execute("CREATE TABLE rows (n bigint PRIMARY KEY)")
        standby = primary.standby()
        primary.set(synchronous_standby_names="*")
        standby.primary = primary
        yield standby
        standby.stop()


@pytest.fixture
def primary(standby: Cluster) -> Iterator[Cluster]:
    primary: Cluster = standby.primary
    yield primary
    standby.thaw()
    primary.execute("TRUNCATE rows")


@pytest.fixture
def proxy(primary: Cluster) -> Iterator[Proxy]:
    with proxy_to(primary.port) as proxy:
        yield proxy


def generations(url: str, **knobs: float) -> Generations:
    return Generations(parse_address(url), PostgresKnobs(**knobs), lambda driver, own: None)


@pytest.fixture
def found(primary: Cluster, proxy: Proxy) -> Iterator[Generations]:
    found = generations(primary.url(port=proxy.port))
    yield found
    found.close()


@pytest.fixture
def link(found: Generations) -> Link:
    return found.writer()


def insert(link: Link, n: int = 1) -> None:
    link.start("BEGIN")
    link.start(INSERT, [n], keep=True)


def rows(cluster: Cluster) -> int:
    return int(cluster.value("SELECT count(*) FROM rows"))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "hint", ["NOTIFY countermand", "SELECT 1/0", "DO $$ BEGIN RAISE WARNING 'full'; END $$"]
)
def test_a_hint_behind_a_commit_adds_no_turn_and_does_no_harm_if_it_fails(
    link: Link, proxy: Proxy, primary: Cluster, hint: str
) -> None:
    insert(link)
    link.commit(hint)
    insert(link, 2)
    link.commit()  # Neither its error nor its warning is this one's.
    assert rows(primary) == 2
    assert [one for one in proxy.statements if one == hint] == [hint]
    if hint.startswith("NOTIFY"):
        assert proxy.turns_of_writers == 2


def test_values_come_as_they_were_sent(link):
    sent = [-7, "ü\n", b"0123456789abcdef", b"\0\xff", "[1]", None]
    text = "SELECT $1::bigint, $2::text, $3::uuid, $4::bytea, $5::json, $6::text"
    assert link.start(text, sent).one() == tuple(sent)


def test_what_is_started_together_is_one_turn(proxy, link):
    link.settle()
    proxy.forget()
    insert(link)
    answers = [link.start("SELECT $1::bigint", [n], keep=True) for n in range(5)]
    assert [answer.one() for answer in answers] == [(n,) for n in range(5)]
    assert proxy.turns == 1
    link.start(INSERT, [2], keep=True)
    link.commit()
    assert proxy.turns == 2


def test_a_statement_that_fails_undoes_all_and_the_connection_goes_on(primary, link):
    insert(link)
    link.commit()
    insert(link, 2)
    link.start(INSERT, [1])
    link.start(INSERT, [3])
    with pytest.raises(psycopg.errors.UniqueViolation):
        link.commit()
    link.rollback()
    insert(link, 4)
    link.commit()
    assert primary.execute("SELECT n FROM rows ORDER BY n") == [(1,), (4,)]


def test_a_statement_that_could_not_be_kept_is_prepared_anew(link):
    insert(link)
    link.start("SELECT 1 / 0")
    link.start("SELECT $1::bigint", [1], keep=True)
    with pytest.raises(psycopg.errors.DivisionByZero):
        link.settle()
    link.rollback()
    assert link.start("SELECT $1::bigint", [5], keep=True).one() == (5,)


def test_a_commit_that_answers_rollback_does_not_count(link):
    insert(link)
    link.start("SELECT 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        link.settle()
    with pytest.raises(StoreFailed) as failure:
        link.commit()
    assert failure.value.unknown


@pytest.mark.parametrize(("where", "there"), [("before", 0), ("in", 1), ("after", 1)])
def test_a_connection_cut_at_its_commit_leaves_the_outcome_unknown(
    primary, proxy, link, where, there
):
    proxy.cut_at("COMMIT", where)
    insert(link)
    with pytest.raises(StoreFailed) as failure:
        link.commit()
    assert failure.value.unknown
    assert link.is_gone
    until(lambda: rows(primary) == there)
    assert proxy.cancels == 0


def test_a_connection_cut_before_anything_was_sent_is_worth_a_retry(proxy, link):
    proxy.cut_all()
    with pytest.raises(ConnectionGone) as failure:
        insert_and_settle(link)
    assert is_worth_a_retry(failure.value)


def insert_and_settle(link: Link) -> None:
    insert(link)
    link.settle()


def test_an_error_before_a_cut_says_that_nothing_was_done(primary, link):
    insert(link)
    link.start("SELECT 1 / 0")
    link.start(f"SELECT pg_terminate_backend({link.pid})")
    with pytest.raises(psycopg.errors.DivisionByZero):
        link.commit()


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_commit_without_its_standby_never_counts(primary, standby, proxy, link, how):
    """Whatever ends the wait for the standby, the commit is there, but on no standby."""
    insert(link)
    link.settle()
    standby.freeze()
    ending = threading.Thread(target=end_wait, args=(primary, link.pid, how))
    ending.start()
    with pytest.raises(StoreFailed) as failure:
        link.commit()
    ending.join()
    assert failure.value.unknown
    assert proxy.cancels == 0


def end_wait(primary: Cluster, pid: int, how: str) -> None:
    asked = f"SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = {pid}"
    until(lambda: bool(primary.value(asked)))
    primary.execute(f"SELECT {how}({pid})")


def test_whoever_waits_on_a_frozen_server_can_be_broken_by_another_thread(proxy, found, link):
    insert(link)
    link.settle()
    proxy.freeze()
    breaking = threading.Timer(0.1, found.give_up)
    breaking.start()
    with pytest.raises(StoreFailed) as failure:
        link.commit()
    assert failure.value.unknown
    breaking.join()
    proxy.thaw()
    with pytest.raises(StoreFailed, match="did not answer"):
        found.writer()  # Callers have waited long enough.
    found.search()
    assert not found.writer().is_gone


def test_what_waits_too_long_is_broken(primary, proxy):
    found = generations(primary.url(port=proxy.port), max_wait=0.05)
    link = found.writer()
    proxy.freeze()
    looking = threading.Timer(0.3, found.shut_hung)
    looking.start()
    with pytest.raises(ConnectionGone):
        link.start("SELECT 1::bigint").one()
    looking.join()
    proxy.thaw()
    found.close()


def test_readers_go_with_the_writer_and_cannot_write(found, link):
    reader = found.reader(None)
    assert found.reader(reader) is reader
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as failure:
        insert_and_settle(reader)
    assert ends_generation(failure.value)
    found.end("a test says so")
    assert reader.is_over
    with pytest.raises(StoreFailed):
        found.reader(reader)
    found.writer()
    again = found.reader(None)
    assert again.start("SELECT 1::bigint").one() == (1,)
    found.close_reader(again)


def test_of_several_servers_the_one_that_takes_writes_is_found(primary, standby):
    name = f"postgres:correct-horse@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/postgres"
    found = generations(f"postgresql://{name}")
    assert found.writer().generation.server.port == str(primary.port)
    found.close()
    alone = generations(standby.url())
    with pytest.raises(StoreFailed, match="takes no writes"):
        alone.writer()
