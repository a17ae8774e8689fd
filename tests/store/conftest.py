"""The stores that the suite holds to the contract. Another one is another line in STORES."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from countermand.core.knobs import StoreKnobs
from countermand.store.contract import Store
from tests.support.choosing import chosen
from tests.support.stores import Keeper, put_empty_store, sqlite_store

STORES: dict[str, Callable[[Path, StoreKnobs], Store]] = {
    "sqlite": lambda folder, knobs: sqlite_store(put_empty_store(folder / "store.db"), knobs),
}


@pytest.fixture
def knobs(request: pytest.FixtureRequest) -> StoreKnobs:
    """The knobs of the stores; a test chooses some by `with_knobs(…, of="knobs")`."""
    return chosen(request).store


@pytest.fixture(params=STORES)
def make_store(
    request: pytest.FixtureRequest, tmp_path: Path, knobs: StoreKnobs
) -> Callable[[], Store]:
    """Makes stores, not yet opened, that all keep their rows in the same place."""
    make = STORES[request.param]
    return lambda: make(tmp_path, knobs)


@pytest.fixture
async def keeper(make_store: Callable[[], Store]) -> AsyncIterator[Keeper]:
    """An open store with two namespaces."""
    keeper = Keeper(make_store())
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    yield keeper
    await keeper.store.close()
