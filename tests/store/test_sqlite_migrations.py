"""A store that an older program left is brought up to date, and all that it holds stays."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countermand.core.chronicle import Stretch
from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND, Order
from countermand.core.retention import DAY
from countermand.store.sqlite.rows import uuid_bytes
from tests.support.ask import FIRST_TIME, NS, O1, T1, cancel_order, target
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


def _running_since(old: OldStore, begin: int) -> None:
    """Puts in a running task whose cancel has a deadline, and the event of that."""
    task = {
        "task_no": 1,
        "namespace_no": NS,
        "task_id": uuid_bytes(T1),
        "merchant": "",
        "labels": "{}",
        "create_time": begin,
        "state": "CANCELLING",
        "version": 1,
        "last_seq": 99,
        "fence": 1,
        "agent_id": "agent-1",
        "cancellation_id": bytes(16),
        "deadline_time": begin + 30 * SECOND,
        "failure_message": "",
        "charge_state": "NONE",
        "refund_required": 0,
        "update_time": begin,
    }
    event = {
        "namespace_no": NS,
        "seq": 99,
        "previous_seq": 0,
        "task_no": 1,
        "version": 1,
        "state": "CANCELLING",
        "charge_state": "NONE",
        "time": begin,
    }
    old.add("tasks", **task)
    old.add("events", **event)


async def test_deadlines_of_before_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=2) as old:
        _running_since(old, FIRST_TIME)
    async with opened(path) as keeper:
        assert (await keeper.store.next_due()).deadline == FIRST_TIME + 30 * SECOND
        task = await keeper.store.task(NS, T1)
        assert task is not None
        assert task.due_time == task.deadline_time == FIRST_TIME + 30 * SECOND


async def test_a_store_of_before_is_taken_to_have_run_until_its_last_commit(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=2) as old:
        _running_since(old, FIRST_TIME)
    async with opened(path) as keeper:
        assert await keeper.store.clock_stretches() == [Stretch(0, 0, FIRST_TIME)]


async def test_a_store_of_before_with_times_in_the_future_tells_nothing_by_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    begin = time.time_ns() // 1000
    with OldStore(path, schema=2) as old:
        _running_since(old, begin + 40 * DAY)
    async with opened(path) as keeper:
        (stretch,) = await keeper.store.clock_stretches()
        assert begin - SECOND <= stretch.wall <= time.time_ns() // 1000


async def test_a_store_in_which_nothing_happened_yet_begins_when_a_server_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=2):
        pass
    async with opened(path) as keeper:
        assert await keeper.store.clock_stretches() == []
