"""The stores that the suite holds to the contract. Another one is another line in STORES."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import Store
from tests.support.choosing import chosen
from tests.support.postgres import Cluster
from tests.support.postgres_store import EmptyStores, postgres_store
from tests.support.stores import Keeper, sqlite_store

Make = Callable[[], Store]


@pytest.fixture(scope="session")
def empty_stores(cluster: Cluster) -> Iterator[EmptyStores]:
    """A database of that cluster, without a row when it is given out."""
    with closing(EmptyStores(cluster)) as stores:
        yield stores


@contextmanager
def _sqlite(request: pytest.FixtureRequest, folder: Path, knobs: StoreKnobs) -> Iterator[Make]:
    yield lambda: sqlite_store(folder / "store.db", knobs)


@contextmanager
def _postgresql(request: pytest.FixtureRequest, folder: Path, knobs: StoreKnobs) -> Iterator[Make]:
    empty: EmptyStores = request.getfixturevalue("empty_stores")
    # A connection costs more there than most tests.
    few = replace(knobs, quick_threads=1, long_threads=1, watch_threads=1, agent_threads=1)
    # Nobody notes the time but whoever commits, which a busy machine may keep from it.
    few = replace(few, postgres=replace(few.postgres, outage=3600.0))
    with empty.database() as url:
        yield lambda: postgres_store(url, few)


Maker = Callable[[pytest.FixtureRequest, Path, StoreKnobs], AbstractContextManager[Make]]
STORES: dict[str, Maker] = {"sqlite": _sqlite, "postgresql": _postgresql}


HEAVY = {
    "played",  # hundreds of tasks, each read at each of its versions
    "test_a_group_that_goes_in_pieces_always_counts_what_is_left",
    "test_a_batch_of_1000_creates_and_a_cancel_of_10000_are_one_transaction_each",
}
"""Fixtures and tests that take PostgreSQL seconds, and hold nothing that others do not."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves one of a test's parameters to PostgreSQL, where each costs ten times as much; the full
    round has them all."""
    if os.environ.get("COUNTERMAND_CHAOS") == "full":
        return
    seen = set()
    left_out = []
    for item in items:
        called = getattr(item, "callspec", None)
        if called is None or "postgresql" not in called.params.values():
            continue
        name = getattr(item, "originalname", item.name)
        if (item.path, name) in seen or HEAVY & {name, *called.params}:
            left_out.append(item)
        seen.add((item.path, name))
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def knobs(request: pytest.FixtureRequest) -> StoreKnobs:
    """The knobs of the stores; a test chooses some by `with_knobs(…, of="knobs")`."""
    return chosen(request).store


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest, tmp_path: Path, knobs: StoreKnobs) -> Iterator[Make]:
    """Makes stores, not yet opened, that all keep their rows in the same place."""
    with STORES[request.param](request, tmp_path, knobs) as make:
        yield make


@pytest.fixture
async def keeper(make_store: Make) -> AsyncIterator[Keeper]:
    """An open store with two namespaces."""
    keeper = Keeper(make_store())
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    yield keeper
    await keeper.store.close()
