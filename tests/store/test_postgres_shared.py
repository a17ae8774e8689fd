"""What servers of one store on PostgreSQL share beside its rows: the clock, and who does what."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest

from countermand.core import commands as c
from countermand.core.answers import Reaped
from countermand.core.errors import Reason, Refused
from countermand.core.ids import UuidMaker
from countermand.core.knobs import StoreKnobs
from countermand.core.records import SECOND
from countermand.core.retention import DAY
from countermand.core.states import CancelProof
from countermand.store.contract import KeyUse, Store, StoreFailed, TenantsBusy
from countermand.store.postgres.store import PostgresStore
from tests.support.ask import NS, T1, T2, cancel, completed, create, key, reap, renew, start
from tests.support.knobs import PRODUCTION
from tests.support.postgres_store import EmptyStores
from tests.support.stores import Keeper

FEW = replace(PRODUCTION.store, quick_threads=1, long_threads=1, watch_threads=1, agent_threads=1)
# Much, since a busy machine may take seconds for what a test does.
FEW = replace(FEW, postgres=replace(FEW.postgres, outage=60.0))
MINUTES = 300 * SECOND
HOUR = 3600 * SECOND


@pytest.fixture
def url(empty_stores: EmptyStores) -> Iterator[str]:
    with empty_stores.database() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator["psycopg.Connection"]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


class Server(Keeper):
    """A server on a store, with a clock that goes on by hand."""

    def __init__(self, url: str, knobs: StoreKnobs = FEW, *, ahead: int = 0) -> None:
        """Its wall clock is so far ahead of that of others."""
        self.real = PostgresStore(url, knobs)
        super().__init__(self.real)
        self.now += ahead

    async def begin(self) -> "Server":
        """Opens the store. Its clock goes on with that of the others."""
        self.ahead = self.now - await self.real.open(self.now)
        return self

    @property
    def steady(self) -> int:
        return self.now - self.ahead

    async def reap(self) -> Reaped:
        reaped: Reaped = await self.do(reap())
        return reaped


@pytest.fixture
async def servers(url: str) -> AsyncIterator[list[Server]]:
    """Two, the wall clock of the second of which is five minutes ahead."""
    found = [await Server(url).begin(), await Server(url, ahead=MINUTES).begin()]
    await found[0].settle_in()
    yield found
    for server in found:
        await server.store.close()


async def lease_end(server: Server) -> int:
    due = (await server.store.next_due()).lease
    assert due is not None
    return due


def silent_for(database: "psycopg.Connection", seconds: float, name: str = "reap") -> None:
    """Lets no server have noted anything for so long."""
    statement = "UPDATE cluster SET noted = noted - %s WHERE name = %s"
    database.execute(statement, [round(seconds * SECOND), name])


async def test_a_server_goes_on_with_the_clock_of_the_others_whatever_its_own_says(
    servers: list[Server],
) -> None:
    first, second = servers
    assert 0 <= second.steady - first.steady < 60 * SECOND  # what passed, and no five minutes


async def test_a_lease_and_a_grace_of_a_second_end_alike_on_every_server(
    servers: list[Server],
) -> None:
    """Though their wall clocks are five minutes apart, and one stamps what the other judges."""
    first, second = servers
    await first.run(create(T1), create(T2), start(T1, "a"), start(T2, "b", lease=SECOND))
    await first.run(cancel(T1, grace=SECOND))
    second.now = first.steady + second.ahead  # as it would be if it ran on
    second.now += SECOND - 1
    assert (await second.reap()).ended == 0
    second.now += 1
    assert (await second.reap()).ended == 2
    task = await first.store.task(NS, T1)
    assert task is not None
    assert task.cancel_proof is CancelProof.FORCED


async def test_while_one_server_looks_for_what_is_due_the_others_do_not(
    servers: list[Server], url: str
) -> None:
    first, second = servers
    await first.run(create(T1), start(T1, lease=SECOND))
    for server in servers:
        server.now += SECOND
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM cluster WHERE name = 'reap' FOR UPDATE")
        reaped = await second.reap()
        assert (reaped.ended, reaped.others_turn, reaped.more) == (0, True, False)
        # What else is in the batch is done.
        answers = await first.run(create(T2), reap())
        assert answers[1].others_turn
        assert await first.store.task(NS, T2) is not None
    assert (await second.reap()).ended == 1
    assert (await first.reap()).ended == 0


async def test_the_clock_is_noted_now_and_then_and_never_goes_back(
    servers: list[Server], database: "psycopg.Connection"
) -> None:
    first, second = servers

    def noted() -> int:
        [(time,)] = database.execute("SELECT time FROM cluster WHERE name = 'reap'").fetchall()
        return int(time)

    begin = noted()
    await second.real.shared.look(begin + HOUR)
    assert noted() == begin  # It was noted just now.
    silent_for(database, 1)
    seen = await second.real.shared.look(begin + HOUR)
    assert (seen.reaper, seen.renewed) == (second.real.shared.replica, False)
    assert HOUR <= (later := noted()) - begin < 2 * HOUR
    assert (await first.real.shared.look(begin)).time >= later
    silent_for(database, 1)
    await first.real.shared.look(begin)
    assert noted() == later


async def test_starts_of_servers_renew_no_lease_while_others_run(
    servers: list[Server], url: str, database: "psycopg.Connection"
) -> None:
    await servers[0].run(create(T1), start(T1, lease=30 * SECOND))
    end = await lease_end(servers[0])
    for _ in range(10):
        server = await Server(url).begin()
        await server.store.close()
        silent_for(database, 30)
    assert await lease_end(servers[0]) == end


@pytest.mark.parametrize("seconds", [61, 3600, -600])
async def test_after_an_outage_of_all_each_lease_is_renewed_once(
    servers: list[Server], database: "psycopg.Connection", seconds: float
) -> None:
    """Also if the database's clock was set back meanwhile: then nobody knows how long it was."""
    first = servers[0]
    await first.run(create(T1), start(T1, lease=10 * SECOND))
    before = await lease_end(first)
    silent_for(database, seconds)
    steady = first.steady + 4 * SECOND
    looks = [server.real.shared.look(steady) for server in servers * 2]
    seen = await asyncio.gather(*looks)
    assert sum(one.renewed for one in seen) == 1
    renewed = await lease_end(first)
    assert before < steady + 10 * SECOND <= renewed
    again = [await server.real.shared.look(steady + 9 * SECOND) for server in servers]
    assert not any(one.renewed for one in again)
    assert await lease_end(first) == renewed


async def test_who_looks_for_what_is_due_after_an_outage_renews_instead(
    servers: list[Server], database: "psycopg.Connection"
) -> None:
    first, second = servers
    await first.run(create(T1), start(T1, lease=SECOND))
    silent_for(database, 61)
    for server in servers:
        server.now += 5 * SECOND
    reaped = await second.reap()
    assert (reaped.ended, reaped.more) == (0, True)  # It is to look again at once.
    assert await lease_end(first) == second.steady + SECOND
    assert (await first.reap()).ended == 0
    first.now = second.steady + SECOND + first.ahead
    assert (await first.reap()).ended == 1


@pytest.mark.parametrize("seconds", [1, 61, 3600])
async def test_a_server_that_starts_goes_on_with_the_time_that_passed_meanwhile(
    servers: list[Server], url: str, database: "psycopg.Connection", seconds: float
) -> None:
    first = servers[0]
    await first.run(create(T1), create(T2), start(T1, "a", lease=SECOND), start(T2, "b", lease=DAY))
    await first.run(cancel(T2, grace=3600 * SECOND))
    due = (await first.store.next_due()).deadline
    end = await lease_end(first)
    silent_for(database, seconds)
    server = await Server(url, ahead=-MINUTES).begin()
    passed = server.steady - first.steady - round(seconds * SECOND)
    assert 0 <= passed < 60 * SECOND
    if seconds == 1:
        assert await lease_end(server) == end
    else:
        assert end < await lease_end(server) <= server.steady + SECOND
    assert (await server.store.next_due()).deadline == due
    await server.store.close()


async def test_one_round_of_purging_is_done_by_one_server_with_the_longest_retention(
    servers: list[Server], database: "psycopg.Connection"
) -> None:
    first, second = [server.real.shared for server in servers]
    rounds = [await one.take_purge(600, days * DAY) for one, days in ((first, 40), (second, 30))]
    assert rounds == [40 * DAY, None]
    silent_for(database, 599, "purge")
    assert await second.take_purge(600, 30 * DAY) is None
    silent_for(database, 2, "purge")
    assert await second.take_purge(600, 30 * DAY) == 40 * DAY
    database.execute("UPDATE replicas SET noted = noted - %s", [2 * 3600 * SECOND])
    silent_for(database, 601, "purge")
    assert await second.take_purge(600, 30 * DAY) == 30 * DAY  # The other is gone.


async def test_one_server_alone_makes_the_first_key(
    url: str, database: "psycopg.Connection"
) -> None:
    servers = [await Server(url).begin() for _ in range(3)]
    shared = [server.real.shared for server in servers]
    taken = await asyncio.gather(*[one.take_first_key(10) for one in shared])
    assert sum(taken) == 1
    shared = [one for one, took in zip(shared, taken, strict=True) if not took]
    silent_for(database, 11, "keys")  # It was killed, and made none.
    assert await shared[0].take_first_key(10)
    await shared[0].leave_first_key()
    assert await shared[1].take_first_key(10)
    await servers[0].run(c.CreateKey(0, key("first")))
    silent_for(database, 11, "keys")
    assert not any(await asyncio.gather(*[one.take_first_key(10) for one in shared]))
    for server in servers:
        await server.store.close()


async def test_every_server_sees_each_change_of_a_key_and_no_use_of_one(
    servers: list[Server],
) -> None:
    first, second = servers

    async def version() -> int:
        return (await second.real.shared.look(second.steady)).keys

    seen = [await version()]
    for command in (
        c.CreateKey(0, key("third")),
        c.RotateKey(0, "third", 60 * SECOND, "fourth", b"x" * 32),
        c.RevokeKey(0, "fourth"),
    ):
        await first.run(command)
        seen.append(await version())
    assert len(set(seen)) == 4
    await first.run(c.NoteKeyUses(0, {"third": first.now}), create(T1))
    assert await version() == seen[-1]


async def test_each_server_sees_what_the_others_have_used_of_a_key(
    servers: list[Server], database: "psycopg.Connection"
) -> None:
    first, second = [server.real.shared for server in servers]
    used = [KeyUse("first", "writes", 5, 9), KeyUse("second", "reads", 1, 1)]
    assert await first.note_key_uses(used, 2) == []
    assert await second.note_key_uses([KeyUse("first", "writes", 3, 3)], 2) == [
        one._replace(replica=first.replica) for one in used
    ]
    assert await first.note_key_uses([used[0]._replace(used=6)], 2) == [
        KeyUse("first", "writes", 3, 3, second.replica)
    ]
    database.execute("UPDATE key_use SET noted = noted - %s", [3 * SECOND])
    assert await second.note_key_uses([], 2) == []


async def test_what_is_shared_fails_as_the_store_does(url: str) -> None:
    server = await Server(url).begin()
    await server.store.close()
    with pytest.raises(StoreFailed):
        await server.real.shared.look(0)


async def test_a_renewal_on_one_server_counts_on_another(servers: list[Server]) -> None:
    first, second = servers
    await first.run(create(T1), start(T1, lease=10 * SECOND))
    second.now = first.now + 5 * SECOND + second.ahead - first.ahead
    await second.run(renew(lease=10 * SECOND))
    first.now += 12 * SECOND
    assert (await first.reap()).ended == 0


def test_it_is_a_store(url: str) -> None:
    store: Store = PostgresStore(url, FEW)
    assert store.shared is not None


class FrozenIds(UuidMaker):
    """Freezes the thread that decides a batch, in the middle of its transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.is_frozen, self.thawed = threading.Event(), threading.Event()

    def __call__(self, now: int) -> str:
        self.is_frozen.set()
        self.thawed.wait(60)
        return super().__call__(now)


async def test_a_tenant_of_a_server_that_was_frozen_in_a_transaction_goes_on_with_others(
    servers: list[Server], url: str
) -> None:
    """And what the frozen one answers when it goes on is what was committed."""
    soon = replace(FEW, postgres=replace(FEW.postgres, idle_transaction_timeout=0.2))
    frozen = await Server(url, soon).begin()
    await servers[0].run(create(T1), create(T2), start(T1, "a"))
    frozen.ids = ids = FrozenIds()
    going_on = asyncio.create_task(frozen.do(cancel(T1, grace=0)))
    await asyncio.to_thread(ids.is_frozen.wait, 60)
    with pytest.raises(TenantsBusy):
        await servers[0].run(start(T2, "b"))
    end = time.monotonic() + 60
    while True:
        with suppress(TenantsBusy):
            await servers[0].run(completed(T1))
            break
        assert time.monotonic() < end
        await asyncio.sleep(0.01)  # The database tells nobody.
    ids.thawed.set()
    with pytest.raises(Refused) as refused:
        await going_on
    assert refused.value.reason is Reason.TASK_ALREADY_COMPLETED
    await frozen.store.close()
