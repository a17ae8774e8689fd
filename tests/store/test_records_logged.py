"""Versions of checkouts and orders, and accepts and ends of cancellations, in the one sequence."""

import sqlite3
from contextlib import closing
from pathlib import Path

from countermand.core.log import Event, TaskFilter
from countermand.core.retention import DAY
from countermand.engine.watching.places import Place, expect_place
from countermand.rpc.wire.tokens import decode_place
from tests.support.ask import (
    FIRST_TIME,
    NS,
    O1,
    OTHER,
    T1,
    T2,
    T3,
    X1,
    acknowledged,
    cancel,
    cancel_order,
    create,
    create_checkout,
    create_order,
    start,
    target,
    uid,
    update_checkout,
    update_order,
)
from tests.support.old_store import OldStore
from tests.support.stores import Keeper, sqlite_store
from tests.support.whole import broken_rules

ALL = TaskFilter()
STORY = (
    create_checkout(T1, T2),
    create_order(checkout_ids=()),
    start(T1),
    update_checkout(data=b"x"),
    update_order(checkout_ids=(X1,)),
    cancel_order(),
    create(T3),
    cancel(T3),
    acknowledged(T1),
    create(uid(9), ns=OTHER),
    cancel(uid(9), ns=OTHER),
)


def _rows(path: Path, namespace: int) -> list[tuple[int, str]]:
    """Every place of a log with what it is an entry of."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(
            """SELECT seq, iif(task_no IS NULL, coalesce(record_kind, 'over'),
                iif(record_kind IS NULL, 'task', 'came'))
                || coalesce(' v' || coalesce(version, record_version), '')
                || coalesce(' ' || state, '')
            FROM events WHERE namespace_no = ? ORDER BY seq""",
            (namespace,),
        ).fetchall()


async def _log(keeper: Keeper, after: int) -> list[Event]:
    """Returns what the log of all tasks has after a place."""
    found: list[Event] = []
    while True:
        page = await keeper.store.log(NS, ALL, after, 1000)
        found, after = [*found, *page.events], page.through
        if after == page.mark.seq:
            return found


async def test_one_sequence_has_tasks_then_checkouts_orders_and_cancellations_without_a_gap(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    for command in STORY:
        await keeper.run(command)
    await keeper.store.close()
    rows = _rows(path, NS)
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    assert [what for _, what in rows] == [
        "task v1 PENDING",
        "task v1 PENDING",
        "CHECKOUT v1 OPEN",
        "ORDER v1 OPEN",
        "task v2 RUNNING",
        "CHECKOUT v2 OPEN",
        "came v2 RUNNING",
        "came v1 PENDING",
        "ORDER v2 OPEN",
        "task v3 CANCELLING",
        "task v2 CANCELLED",
        "ORDER v3 CANCELLING",
        "CHECKOUT v3 CANCELLING",
        "CANCELLATION IN_PROGRESS",
        "task v1 PENDING",
        "task v2 CANCELLED",
        "CANCELLATION SUCCEEDED",
        "task v4 CANCELLED",
        "CHECKOUT v4 CANCELLED",
        "ORDER v4 CANCELLED",
        "CANCELLATION SUCCEEDED",
    ]
    assert [what for _, what in _rows(path, OTHER)] == [
        "task v1 PENDING",
        "task v2 CANCELLED",
        "CANCELLATION SUCCEEDED",
    ]
    assert broken_rules(path) == []


async def test_a_place_may_rest_on_any_entry_and_goes_on_from_there(keeper: Keeper) -> None:
    for command in STORY:
        keeper.now += 1000
        await keeper.run(command)
    mark = await keeper.store.bookmark(NS, ALL)
    whole = await _log(keeper, 0)
    for seq in range(1, mark.seq + 1):
        time = await keeper.store.event_time(NS, seq)
        assert time is not None
        await expect_place(keeper.store, NS, Place(seq, time), mark)
        later = [event.seq for event in whole if event.seq > seq]
        assert [event.seq for event in await _log(keeper, seq)] == later


async def test_all_of_a_record_goes_with_it_and_the_floor_rises_over_it(keeper: Keeper) -> None:
    await keeper.run(create(uid(30)))
    for command in STORY:
        await keeper.run(command)
    keeper.now += 40 * DAY
    await keeper.purge(30 * DAY)
    mark = await keeper.store.bookmark(NS, ALL)
    assert (mark.seq, mark.floor.seq) == (22, 22)
    for seq in range(2, 23):
        assert await keeper.store.event_time(NS, seq) is None
    assert await keeper.store.event_time(NS, 1) == FIRST_TIME


async def test_what_changes_and_goes_in_one_commit_leaves_nothing(keeper: Keeper) -> None:
    await keeper.run(create_order())
    keeper.now += 1
    for command in (update_order(data=b"x"), update_order(close=True)):
        await keeper.run(command)
    await keeper.purge(0)
    assert await keeper.store.holder(target("order", O1)) is None
    assert [await keeper.store.event_time(NS, seq) for seq in range(1, 6)] == [None] * 5


async def test_versions_of_before_are_not_there_and_those_of_now_are(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    order = {"namespace_no": NS, "order_id": O1, "state": "OPEN", "create_time": 1}
    counts = {"task_count": 0, "live_count": 0, "completed_count": 0}
    with OldStore(path, schema=1) as old:
        old.add("orders", **order, **counts, version=3, update_time=2, fulfilled=0, snapshot=b"")
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(keeper.now)
    await keeper.run(update_order(data=b"x"), update_order(close=True))
    for after, versions in ((0, [4, 5]), (3, [4, 5]), (4, [5]), (5, [])):
        found = await keeper.store.holder_history(target("order", O1), after, 10)
        assert found is not None
        assert [one.version for one in found.versions] == versions
    await keeper.store.close()


OF_BEFORE = "AAAAAAAAAAIABmFFtvrGIf__________AAAAAAAAAACZVQ1kqB54lQ"
"""A resume token that a program gave when only tasks had places: the second, of all tasks."""


async def test_a_place_of_before_the_records_were_numbered_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    bound_to = ("watch", NS, ALL)
    place = decode_place(OF_BEFORE, *bound_to)
    task = {"namespace_no": NS, "merchant": "", "labels": "{}", "create_time": 1, "fence": 0}
    said = {"failure_message": "", "charge_state": "NONE", "refund_required": 0, "update_time": 1}
    with OldStore(path, schema=1) as old:
        old._connection.execute("UPDATE namespaces SET last_seq = 2")
        for number, id in enumerate((T1, T2), start=1):
            id_bytes = bytes.fromhex(id.replace("-", ""))
            row = {"task_id": id_bytes, "state": "PENDING", "version": 1, "last_seq": number}
            old.add("tasks", **task, **said, **row)
            entry = {"seq": number, "previous_seq": 0, "task_no": number, "version": 1}
            old.add(
                "events",
                namespace_no=NS,
                state="PENDING",
                charge_state="NONE",
                time=place.time,
                **entry,
            )
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(keeper.now)
    await keeper.run(cancel(T1), cancel(T2))
    mark = await keeper.store.bookmark(NS, ALL)
    await expect_place(keeper.store, NS, place, mark)
    events = await _log(keeper, place.seq)
    found = [(event.task.task_id, event.task.version) for event in events if event.task]
    assert found == [(T1, 2), (T2, 2)]
    await keeper.store.close()
