"""Readings on PostgreSQL while its server comes and goes."""

from collections.abc import AsyncIterator

import pytest

from countermand.store.contract import StoreFailed
from countermand.store.lists import TaskQuery
from tests.support import ask
from tests.support.ask import NS, T1
from tests.support.knobs import PRODUCTION
from tests.support.postgres import Cluster
from tests.support.postgres_store import EmptyStores, postgres_store
from tests.support.stores import Keeper


@pytest.fixture
async def keeper(empty_stores: EmptyStores) -> AsyncIterator[Keeper]:
    with empty_stores.database() as url:
        keeper = Keeper(postgres_store(url, PRODUCTION.store))
        await keeper.store.open(keeper.now)
        await keeper.settle_in()
        await keeper.run(ask.create(T1))
        yield keeper
        await keeper.store.close()


def end_all(cluster: Cluster) -> int:
    """Ends each connection of a store, as a server does that is started anew. Returns how many."""
    ended = cluster.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'countermand' AND backend_type = 'client backend'"
    )
    return len(ended)


async def test_a_reading_that_finds_its_connection_ended_goes_on_with_another(
    keeper: Keeper, cluster: Cluster
) -> None:
    """A reading changes nothing: it can be done once more. No caller hears of a restart that
    happened before it asked."""
    store = keeper.store
    for command in (ask.renew(), ask.start(T1)):
        assert end_all(cluster) > 0
        assert await store.task(NS, T1) is not None
        assert len((await store.tasks(NS, TaskQuery(), None, 10)).tasks) == 1
        assert await store.stops(NS, "a", 10) == []
        await keeper.run(command)


async def test_a_reading_that_the_server_breaks_off_is_not_done_again(keeper: Keeper) -> None:
    """What took the server too long would take it as long once more."""
    asked = 0

    def read(reader: object) -> None:
        nonlocal asked
        asked += 1
        link = reader.session.link  # type: ignore[attr-defined]
        link.shut()
        link.start("SELECT 1::bigint").one()

    with pytest.raises(StoreFailed):
        await keeper.store._quick.read(NS, read)  # type: ignore[attr-defined]
    assert asked == 1
