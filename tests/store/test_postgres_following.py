"""Servers on one database: what any of them commits, the watches on all of them show."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from countermand.core.decide import Batch, Plan
from countermand.core.errors import Reason, Refused
from countermand.core.ids import UuidMaker
from countermand.core.log import TaskFilter
from countermand.store.contract import TenantsBusy
from tests.support.ask import NS, R1, T1, T2, cancel, create, start, uid
from tests.support.engine import HOUR
from tests.support.followed import follow_everything
from tests.support.knobs import drawn_with
from tests.support.postgres import Cluster
from tests.support.postgres_proxy import Proxy, proxy_to
from tests.support.postgres_store import EmptyStores
from tests.support.replicas import Replica, postgres_replicas
from tests.support.waiting import until

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
POLL = "watching.follower.poll_interval"
ALL = TaskFilter()


@pytest.fixture
def url(empty_stores: EmptyStores) -> Iterator[str]:
    with empty_stores.database() as url:
        yield url


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    with proxy_to(cluster.port) as proxy:
        yield proxy


def through(proxy: Proxy, url: str) -> str:
    return url.replace(f":{proxy.target}/", f":{proxy.port}/")


def versions(messages: Sequence[Any]) -> list[tuple[str, int]]:
    return [(message.task.task_id, message.task.version) for message in messages]


async def take(messages: AsyncIterator[Any], count: int) -> list[Any]:
    async with asyncio.timeout(60):
        return [await anext(messages) for _ in range(count)]


async def refusal(messages: AsyncIterator[Any]) -> Reason:
    """Why a watch ends, which shows nothing before."""
    with pytest.raises(Refused) as caught:
        await take(messages, 1)
    return caught.value.reason


async def synced(server: Replica, place: Any = None) -> AsyncIterator[Any]:
    """A watch of all tasks that has shown all that there was."""
    messages = server.following(server.watch.tasks, NS, ALL, place, HOUR)
    async with asyncio.timeout(60):
        async for message in messages:
            if str(message.kind) == "SYNCED":
                break
    return messages


@pytest.mark.parametrize("poll_interval", [0.01, 3600.0], ids=["polled", "hinted"])
async def test_every_watch_on_every_server_shows_every_version_once_in_order(
    url: str, poll_interval: float
) -> None:
    async with postgres_replicas([url] * 3, drawn_with({POLL: poll_interval})) as servers:
        await follow_everything(servers, seed=1)


class RolledBack(Exception):
    """A transaction was not to be committed."""


class HeldBatch(Batch):
    """One that holds its tenant for a while once it has decided, and may then fail."""

    hold = 0.0
    fails = False

    def plan(self) -> Plan:
        saves = yield from super().plan()
        time.sleep(self.hold)
        if self.fails:
            raise RolledBack
        return saves


def expect_shown(shown: Sequence[Any], committed: Sequence[Any]) -> None:
    """Everything that was committed was shown once, in the order of the commits."""
    assert list(shown) == list(committed)


async def test_nothing_is_skipped_however_long_transactions_take_and_whichever_are_undone(
    url: str,
) -> None:
    draw, count, longest = random.Random(1), (200, 8)[not FULL], (0.5, 0.03)[not FULL]
    committed: list[tuple[int, str, int]] = []

    async def write(server: Replica, first: int) -> None:
        for number in range(first, first + count):
            batch = HeldBatch([create(uid(number))], server.clock.instant(), UuidMaker())
            batch.hold, batch.fails = draw.uniform(0, longest), draw.random() < 1 / 3
            while True:
                try:
                    await server.store.commit(batch)
                except TenantsBusy:
                    batch.restart()
                    await asyncio.sleep(0.001)
                except RolledBack:
                    break
                else:
                    server.follower.take(batch.saves)
                    [event] = batch.saves.events
                    committed.append((event.seq, uid(number), 1))
                    break

    async with postgres_replicas([url] * 3, drawn_with({POLL: 0.01})) as servers:
        watches = [await synced(server) for server in servers]
        firsts = range(0x1000, 0x4000, 0x1000)
        await asyncio.gather(*map(write, servers, firsts))
        assert 0 < len(committed) < 3 * count
        for watch in watches:
            shown = await take(watch, len(committed))
            expect_shown([(one.place.seq, *versions([one])[0]) for one in shown], sorted(committed))
            await watch.aclose()


def test_a_plain_sequence_or_the_ids_of_transactions_would_not_hold_what_the_locked_row_holds(
    cluster: Cluster,
) -> None:
    """The two usual ways to number a log, planted: the check above finds both."""
    import psycopg

    with cluster.database() as url:
        first, second, reader = (psycopg.connect(url, autocommit=True) for _ in range(3))
        with closing(first), closing(second), closing(reader):
            reader.execute(
                "CREATE TABLE log (seq bigserial, xid xid8 DEFAULT pg_current_xact_id(), said text)"
            )
            first.execute("BEGIN; SELECT pg_current_xact_id()")
            first.execute("INSERT INTO log (said) VALUES ('of another task')")
            second.execute("INSERT INTO log (said) VALUES ('version 2')")
            by_sequence = reader.execute("SELECT seq, said FROM log ORDER BY seq").fetchall()
            first.execute("INSERT INTO log (said) VALUES ('version 3'); COMMIT")
            committed = ["version 2", "of another task", "version 3"]
            by_sequence += reader.execute(
                "SELECT seq, said FROM log WHERE seq > %s ORDER BY seq", [by_sequence[-1][0]]
            ).fetchall()
            by_transaction = reader.execute(
                "SELECT said FROM log WHERE xid < pg_snapshot_xmin(pg_current_snapshot())"
                " ORDER BY xid, seq"
            ).fetchall()
    with pytest.raises(AssertionError):  # It skips what got its number first and came last.
        expect_shown([said for _, said in by_sequence], committed)
    with pytest.raises(AssertionError):  # It shows version 3 before 2.
        expect_shown([said for (said,) in by_transaction], committed)


async def test_what_one_server_gave_out_is_good_on_another(url: str) -> None:
    async with postgres_replicas([url] * 2, drawn_with({POLL: 0.01})) as (one, other):
        await one.do(create(T1))
        watch = await synced(one)
        await other.do(start(T1))
        [change] = await take(watch, 1)
        await watch.aclose()
        [first] = await one.do(cancel(T1, request_id=R1))
        [again] = await other.do(cancel(T1, request_id=R1))
        assert again.replayed
        assert again.cancellation.cancellation_id == first.cancellation.cancellation_id
        resumed = other.following(other.watch.tasks, NS, ALL, change.place, HOUR)
        assert versions(await take(resumed, 1)) == [(T1, 3)]
        await resumed.aclose()


async def test_a_commit_of_which_no_server_heard_whether_it_was_done_is_shown(
    url: str, proxy: Proxy
) -> None:
    knobs = drawn_with({POLL: 0.01})
    async with postgres_replicas([through(proxy, url), url], knobs) as servers:
        [cut, _] = servers
        await cut.do(create(T1))
        watches = [await synced(server) for server in servers]
        proxy.cut_at("COMMIT", "after")
        with pytest.raises(Refused) as caught:
            await cut.do(start(T1))
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        for watch in watches:
            assert versions(await take(watch, 1)) == [(T1, 2)]
            await watch.aclose()


@asynccontextmanager
async def losing(
    url: str, proxy: Proxy, **knobs: float
) -> AsyncIterator[tuple[Replica, Replica, AsyncIterator[Any]]]:
    """A server that has just lost its database, another that has not, and a watch on the first."""
    values = {POLL: 0.01, "watching.follower.retry_interval": 0.01, **knobs}
    async with postgres_replicas([through(proxy, url), url], drawn_with(values)) as (cut, other):
        await cut.do(create(T1))
        watch = await synced(cut)
        proxy.refuse()
        proxy.cut_all()
        yield cut, other, watch
        await watch.aclose()


async def test_a_watch_stays_open_while_the_database_is_away_and_goes_on_then(
    url: str, proxy: Proxy
) -> None:
    async with losing(url, proxy) as (_, other, watch):
        showing = asyncio.create_task(take(watch, 1))
        await other.do(start(T1))
        await until(lambda: proxy.opened > 12)  # It has looked for the database again and again.
        assert not showing.done()
        proxy.refuse(False)
        assert versions(await showing) == [(T1, 2)]


async def test_a_watch_ends_when_the_database_is_away_for_too_long(url: str, proxy: Proxy) -> None:
    async with losing(url, proxy, **{"watching.follower.max_away": 1.5}) as (cut, _, watch):
        assert await refusal(watch) is Reason.STORE_UNAVAILABLE
        assert not cut.watchers


async def test_watches_end_that_showed_what_the_database_lost_and_their_tokens_expire(
    cluster: Cluster, proxy: Proxy
) -> None:
    """As when a standby is promoted that had not got the last commits."""
    with cluster.database() as url:
        name = url.rpartition("/")[2]
        knobs = drawn_with({POLL: 0.01})
        async with postgres_replicas([through(proxy, url)], knobs) as [server]:
            await server.do(create(T1))
            proxy.refuse()
            proxy.cut_all()
            connected = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
            await until(lambda: cluster.value(connected) == 0)
            older = cluster.create_database(template=name)
            proxy.refuse(False)
            await until(lambda: server.store.shared_logs.generation >= 2)
            watch = await synced(server)
            await server.do(start(T1))
            await server.do(create(T2))
            shown = await take(watch, 2)
            assert versions(shown) == [(T1, 2), (T2, 1)]

            proxy.database = (name.encode(), older.encode())
            proxy.cut_all()
            assert await refusal(watch) is Reason.STORE_UNAVAILABLE
            place = shown[-1].place
            await until(lambda: server.store.shared_logs.generation >= 3)
            resumed = server.following(server.watch.tasks, NS, ALL, place, HOUR)
            assert await refusal(resumed) is Reason.RESUME_TOKEN_EXPIRED
            again = server.following(server.watch.tasks, NS, ALL, None, HOUR)
            assert versions(await take(again, 1)) == [(T1, 1)]
            await again.aclose()
        cluster.drop_database(older)
