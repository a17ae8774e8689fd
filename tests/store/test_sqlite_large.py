"""What callers say of checkouts, orders and carts may be large: it is carried by no commit that
does not show it, however many there are.

SQLite takes values of a gigabyte at most. Here its limit is that of four snapshots, so that a
statement which carries more of them fails as one did with 125 of 4 MiB.
"""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countermand.core import commands as c
from countermand.core.records import SECOND, Checkout, Order
from countermand.core.retention import DAY, Leftover, Spot
from countermand.core.states import ChargeState, CheckoutState, OrderState
from countermand.store.sqlite import SqliteStore
from tests.support.ask import (
    C1,
    NS,
    O1,
    T1,
    X1,
    acknowledged,
    cancel,
    cancel_order,
    change_cart,
    charged,
    complete,
    completed,
    create,
    create_checkout,
    create_order,
    purge,
    start,
    target,
    uid,
    update_order,
)
from tests.support.old_store import OldStore
from tests.support.stores import Keeper, sqlite_store

LARGE = b"x" * (256 * 1024)
COUNT = 16


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    store = sqlite_store(tmp_path / "store.db")
    keeper = Keeper(store)
    await store.open(keeper.now)
    await keeper.settle_in()
    await limit_values(store)
    yield keeper
    await store.close()


async def limit_values(store: SqliteStore) -> None:
    connection = store._connection

    def limit() -> None:
        connection.driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * len(LARGE))

    await connection.run(limit)


async def checkouts(keeper: Keeper, **fields: object) -> list[str]:
    """Makes many large checkouts, each with a running task and a large cart."""
    ids = [f"checkout-{number}" for number in range(COUNT)]
    for number, id in enumerate(ids):
        await keeper.run(
            create_checkout(
                uid(100 + number),
                checkout_id=id,
                group_id=uid(500 + number),
                cart_id=f"cart-{number}",
                snapshot=LARGE,
                line_items=LARGE,
                **fields,
            )
        )
        await keeper.run(start(uid(100 + number)))
    return ids


async def checkout(keeper: Keeper, checkout_id: str) -> Checkout:
    found = await keeper.store.holder(target("checkout", checkout_id))
    assert found is not None
    assert isinstance(found.holder, Checkout)
    return found.holder


async def order(keeper: Keeper, order_id: str = O1) -> Order:
    found = await keeper.store.holder(target("order", order_id))
    assert found is not None
    assert isinstance(found.holder, Order)
    return found.holder


async def test_checkouts_that_expire_together_are_all_cancelled(keeper: Keeper) -> None:
    ids = await checkouts(keeper, expire_time=keeper.now + SECOND)
    keeper.now += SECOND
    more = True
    while more:
        more = (await keeper.do(c.Reap(0, 250))).more
    for id in ids:
        found = await checkout(keeper, id)
        assert (found.state, found.snapshot) == (CheckoutState.CANCELLING, LARGE)
    keeper.now += 60 * SECOND
    while (await keeper.do(c.Reap(0, 250))).more:
        pass
    assert {(await checkout(keeper, id)).state for id in ids} == {CheckoutState.CANCELLED}
    cart = await keeper.store.cart(NS, "cart-0")
    assert cart is not None
    assert cart.line_items == LARGE


async def test_a_cancel_of_an_order_covers_all_of_its_checkouts(keeper: Keeper) -> None:
    ids = await checkouts(keeper)
    await keeper.run(create_order(checkout_ids=tuple(ids), data=LARGE))
    done = await keeper.do(cancel_order(grace=0))
    assert done.target.snapshot == LARGE
    while (await keeper.do(c.Reap(0, 250))).more:
        pass
    assert (await order(keeper)).state is OrderState.CANCELLED
    assert {(await checkout(keeper, id)).state for id in ids} == {CheckoutState.CANCELLED}


async def test_an_end_costs_what_it_changes_though_large_orders_list_its_checkout(
    keeper: Keeper,
) -> None:
    await keeper.run(create_checkout(T1, snapshot=LARGE, cart_id=C1, line_items=LARGE))
    await keeper.run(start(T1))
    names = [f"order-{number}" for number in range(COUNT)]
    for name in names:
        await keeper.run(create_order(order_id=name, checkout_ids=(X1,), data=LARGE))
    await keeper.run(cancel(T1))
    batch = await keeper.commit([acknowledged(T1)])
    changed = [one for one in batch.saves.holders.values() if isinstance(one, Checkout | Order)]
    assert len(changed) == COUNT + 1
    assert {one.snapshot for one in changed} == {None}
    assert {one.line_items for one in batch.saves.carts.values()} <= {None}
    assert [(await order(keeper, name)).live_count for name in names] == [0] * COUNT


async def test_large_orders_over_one_checkout_are_purged(keeper: Keeper) -> None:
    await keeper.run(create_checkout(snapshot=LARGE))
    for number in range(COUNT):
        await keeper.run(
            create_order(order_id=f"order-{number}", checkout_ids=(X1,), data=LARGE),
            update_order(f"order-{number}", close=True),
        )
    await keeper.run(complete())
    keeper.now += 31 * DAY
    assert await keeper.purge(30 * DAY) > COUNT
    assert await keeper.store.holder(target("checkout", X1)) is None
    assert await keeper.store.holder(target("order", "order-0")) is None


async def test_what_is_changed_is_whole(keeper: Keeper) -> None:
    await keeper.run(create_checkout(cart_id=C1, snapshot=b"1", line_items=b"2"))
    await keeper.run(create_order(data=b"3", checkout_ids=(X1,)))
    assert (await keeper.do(update_order(data=b"4"))).order.snapshot == b"4"
    assert (await keeper.do(update_order(data=b"4", close=True))).order.snapshot == b"4"
    assert (await keeper.do(complete())).checkout.snapshot == b"1"
    await keeper.run(change_cart(cart_id="another", lines=b"5"))
    assert (await keeper.do(change_cart(cart_id="another", lines=b"6"))).cart.line_items == b"6"
    for cart_id, lines in ((C1, b"2"), ("another", b"6")):
        cart = await keeper.store.cart(NS, cart_id)
        assert cart is not None
        assert cart.line_items == lines
    assert (await order(keeper)).snapshot == b"4"
    assert (await checkout(keeper, X1)).snapshot == b"1"


async def test_those_of_a_store_of_before_are_kept_and_go_with_what_they_belong_to(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    shared = {"namespace_no": NS, "version": 3, "create_time": 1, "update_time": 2}
    none = {"task_count": 0, "live_count": 0, "completed_count": 0}
    with OldStore(path, schema=1) as old:
        old.add(
            "checkouts", checkout_id=X1, cart_id=C1, state="OPEN", snapshot=LARGE, **shared, **none
        )
        old.add(
            "orders", order_id=O1, state="OPEN", fulfilled=0, snapshot=LARGE[1:], **shared, **none
        )
        old.add(
            "carts",
            cart_id=C1,
            namespace_no=NS,
            version=1,
            state="LOCKED",
            checkout_id=X1,
            line_items=LARGE[2:],
            update_time=2,
        )
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(keeper.now)
    try:
        cart = await keeper.store.cart(NS, C1)
        assert cart is not None
        assert cart.line_items == LARGE[2:]
        assert (await checkout(keeper, X1)).snapshot == LARGE
        assert (await order(keeper)).snapshot == LARGE[1:]
        await keeper.run(cancel_order())
        await keeper.run(complete())
        keeper.now += 31 * DAY
        await keeper.purge(30 * DAY)
    finally:
        await keeper.store.close()
    with sqlite3.connect(path) as connection:
        for table in ("checkout_snapshots", "order_snapshots", "cart_lines"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.close()


async def test_a_purge_is_bounded_by_what_goes_with_its_rows(keeper: Keeper) -> None:
    for number in range(6):
        await keeper.run(create_checkout(checkout_id=f"checkout-{number}", snapshot=LARGE))
        await keeper.run(create_order(order_id=f"order-{number}", data=LARGE))
        await keeper.run(change_cart(f"cart-{number}", LARGE))
    keeper.now += 31 * DAY
    for kind in (Leftover.CHECKOUT, Leftover.ORDER, Leftover.CART):
        taken, after = [], Spot()
        while after is not None:
            bounded = purge(kind, keeper.now, after=after, max_bytes=2 * len(LARGE))
            purged = await keeper.do(bounded)
            after = purged.after
            taken.append(purged.removed)
        assert [one for one in taken if one] == [2, 2, 2]


async def test_what_is_larger_than_a_purge_takes_goes_alone(keeper: Keeper) -> None:
    for number in range(3):
        await keeper.run(create_order(order_id=f"order-{number}", data=LARGE))
    keeper.now += 31 * DAY
    purged = await keeper.do(purge(Leftover.ORDER, keeper.now, max_bytes=1))
    assert purged.removed == 1
    assert purged.after is not None


async def test_the_versions_of_a_task_count_when_it_is_purged(keeper: Keeper) -> None:
    for number in (1, 2):
        id = uid(number)
        await keeper.run(create(id), start(id))
        for _ in range(20):
            await keeper.run(charged(id, fence=1, state=ChargeState.CAPTURED))
            await keeper.run(charged(id, fence=1, state=ChargeState.VOIDED))
        await keeper.run(completed(id))
    keeper.now += 31 * DAY
    purged = await keeper.do(purge(Leftover.TASK, keeper.now, max_bytes=5000))
    assert purged.removed == 1
