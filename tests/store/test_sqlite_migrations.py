"""A store that an older program left is brought up to date, and all that it holds stays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import Order
from tests.support.ask import NS, O1, cancel_order, target
from tests.support.old_store import OldStore
from tests.support.stores import Keeper, sqlite_store

ORDER = {
    "namespace_no": NS,
    "order_id": O1,
    "state": "OPEN",
    "fulfilled": 0,
    "version": 4,
    "task_count": 0,
    "live_count": 0,
    "completed_count": 0,
    "create_time": 5,
    "update_time": 6,
    "snapshot": b"shipped in a word that was not known then",
}


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Keeper]:
    """The store, brought up to date."""
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(keeper.now)
    yield keeper
    await keeper.store.close()


async def test_an_order_of_before_is_kept_and_judged_by_the_words_of_now(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=1) as old:
        old.add("orders", **ORDER)
    async with opened(path) as keeper:
        reading = await keeper.store.holder(target("order", O1))
        assert reading is not None
        assert isinstance(reading.holder, Order)
        assert (reading.holder.snapshot, reading.holder.version) == (ORDER["snapshot"], 4)
        with pytest.raises(Refused) as refusal:
            await keeper.do(cancel_order())
        assert refusal.value.reason is Reason.ORDER_FULFILLED
