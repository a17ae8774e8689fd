"""The stores that the suite holds to the contract. Another one is another line in STORES."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from countermand.store.contract import Store
from countermand.store.sqlite import SqliteStore
from tests.support.stores import Keeper

STORES: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda folder: SqliteStore(folder / "store.db"),
}


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes stores, not yet opened, that all keep their rows in the same place."""
    make = STORES[request.param]
    return lambda: make(tmp_path)


@pytest.fixture
async def keeper(make_store: Callable[[], Store]) -> AsyncIterator[Keeper]:
    """An open store with two namespaces."""
    keeper = Keeper(make_store())
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    yield keeper
    await keeper.store.close()
