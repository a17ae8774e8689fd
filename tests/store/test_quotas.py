"""What a tenant may store, and what of the disk is kept for those who stop."""

from pathlib import Path
from typing import Any

import pytest

from countermand.core import commands as c
from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused
from countermand.core.quotas import Room
from countermand.core.refunds import SettleRefund
from countermand.core.retention import DAY
from countermand.core.states import ChargeState, RefundState
from countermand.store.sqlite import SqliteStore
from tests.support.ask import (
    C1,
    G1,
    NS,
    O1,
    OTHER,
    T1,
    T2,
    X1,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_group,
    cancel_order,
    change_cart,
    charged,
    complete,
    create,
    create_checkout,
    create_group,
    create_order,
    renew,
    start,
    target,
    uid,
    update_order,
)
from tests.support.choosing import with_knobs
from tests.support.old_store import OldStore
from tests.support.stores import Keeper, sqlite_store


async def stored(keeper: Keeper, ns: int = NS) -> int:
    store: Any = keeper.store
    if not isinstance(store, SqliteStore):
        sql = "SELECT stored_bytes FROM positions WHERE namespace_no = $1"
        (found,) = await store._quick.read(
            0, lambda reader: reader.session.link.start(sql, [ns]).one()
        )
        return int(found)
    sql = "SELECT stored_bytes FROM namespaces WHERE namespace_no = ?"
    connection = store._connection
    (found,) = await connection.run(lambda: connection.driver.execute(sql, (ns,)).fetchone())
    return int(found)


async def within(keeper: Keeper, room: Room, command: c.Command) -> object:
    """Commits a command with so much room. Returns its answer, or the reason of its refusal."""
    batch = Batch([command], keeper.instant, keeper.ids, room=room)
    await keeper.store.commit(batch)
    (answer,) = batch.answers
    return answer.reason if isinstance(answer, Refused) else answer


async def test_what_a_tenant_stores_is_counted_until_it_is_removed(keeper: Keeper) -> None:
    data = b"x" * 5000
    for command, count in (
        (create(T1, labels={"a": "b"}, merchant="shop"), 1000 + 4 + len('{"a": "b"}')),
        (create_group(T2, group_id=G1), 1000 + 1000 + 4 + 2),
        (create_checkout(cart_id=C1, snapshot=data, line_items=data), 2 * 6000),
        (create_order(data=data), 6000),
        (update_order(data=data[:100]), -4900),
        (update_order(data=data[:100], close=True), 0),
        (change_cart("another", data), 6000),
        (change_cart("another", data[:1000]), -4000),
        (start(T1), 0),
        (charged(T1), 0),
        (cancel(T1), 0),
        (acknowledged(T1), 0),
        (cancel_group(G1), 0),
        (complete(), 0),
    ):
        before = await stored(keeper)
        await keeper.run(command)
        assert await stored(keeper) - before == count, command
    assert await stored(keeper, OTHER) == 0
    keeper.now += 400 * DAY
    await keeper.purge(30 * DAY)
    assert await stored(keeper) == 0


GROWING = {
    "CreateTask": create(uid(50)),
    "CreateGroup": create_group(group_id=uid(51)),
    "CreateCheckout": create_checkout(checkout_id="new"),
    "CreateOrder": create_order(order_id="new"),
    "UpdateOrder": update_order(data=b"x" * 100),
    "ChangeCart of a new one": change_cart("new"),
    "ChangeCart": change_cart("cart"),
}


async def _filled(keeper: Keeper) -> None:
    await keeper.run(create(T1), start(T1), charged(T1))
    await keeper.run(create(T2), start(T2))
    await keeper.run(create_group(group_id=G1))
    await keeper.run(create_checkout())
    await keeper.run(create_order())
    await keeper.run(change_cart("cart"))


@pytest.mark.parametrize("name", GROWING)
async def test_without_room_what_stores_more_is_refused_and_changes_nothing(
    keeper: Keeper, name: str
) -> None:
    await _filled(keeper)
    before = await stored(keeper)
    room = Room(max_tenant_bytes=before)
    assert await within(keeper, room, GROWING[name]) is Reason.STORE_FULL
    assert await stored(keeper) == before


async def test_without_room_everything_else_is_done(keeper: Keeper) -> None:
    await _filled(keeper)
    room = Room(max_tenant_bytes=1)
    settle = SettleRefund(NS, T1, RefundState.REFUNDED, None, "", "", None, "key-1")
    for command in (
        renew(),
        cancel(T1),
        charged(T1, state=ChargeState.CAPTURED),
        acknowledged(T1),
        settle,
        cancel(T2, grace=0),
        c.Reap(0, 100),
        cancel_group(G1),
        cancel_checkout(),
        update_order(data=b""),
        cancel_order(),
    ):
        assert not isinstance(await within(keeper, room, command), Reason), command
    assert (await keeper.store.task(NS, T1)).settlement is not None  # type: ignore[union-attr]
    assert not isinstance(
        await within(keeper, Room(max_tenant_bytes=2_000), create(T1, ns=OTHER)), Reason
    ), "another tenant has its own room"


async def test_a_batch_of_creations_has_room_once(keeper: Keeper) -> None:
    commands = [create(uid(number)) for number in range(10)]
    batch = Batch(commands, keeper.instant, keeper.ids, room=Room(max_tenant_bytes=3_500))
    await keeper.store.commit(batch)
    refused = [isinstance(answer, Refused) for answer in batch.answers]
    assert refused == [False] * 3 + [True] * 7
    assert await stored(keeper) <= 3_500


@with_knobs({"store.min_free_bytes": 1 << 60}, of="knobs")
async def test_the_last_room_of_the_disk_is_kept_for_those_who_stop(keeper: Keeper) -> None:
    if keeper.store.name != "sqlite":
        pytest.skip("what a server's disk has left is not ours to know")
    for name, command in GROWING.items():
        if name != "UpdateOrder":
            assert await within(keeper, Room(), command) is Reason.STORE_FULL
    assert not isinstance(await within(keeper, Room(), cancel(T1, allow_missing=True)), Reason)


async def test_what_a_store_of_before_has_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    shared = {"namespace_no": NS, "version": 3, "create_time": 1, "update_time": 2}
    none = {"task_count": 0, "live_count": 0, "completed_count": 0}
    with OldStore(path, schema=1) as old:
        old.add("checkouts", checkout_id=X1, state="OPEN", snapshot=b"x" * 500, **shared, **none)
        old.add(
            "orders", order_id=O1, state="OPEN", fulfilled=0, snapshot=b"x" * 70, **shared, **none
        )
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(keeper.now)
    try:
        assert await stored(keeper) == 2_570
        assert await keeper.store.holder(target("order", O1)) is not None
    finally:
        await keeper.store.close()
