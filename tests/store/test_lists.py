"""Lists of checkouts, orders and carts, and of tasks by merchant, label and deadline."""

from collections.abc import Callable
from typing import Any

import pytest

from countermand.core.records import SECOND, Task
from countermand.core.retention import DAY
from countermand.core.states import CartState, CheckoutState, OrderState, TargetKind, TaskState
from countermand.store.lists import DeadlinePlace, HolderQuery, PageQuery, TaskQuery
from countermand.store.sql.rows.labels import label_digest
from tests.support.ask import (
    C1,
    C2,
    NS,
    OTHER,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_order,
    complete,
    completed,
    create,
    create_checkout,
    create_order,
    start,
    uid,
    update_order,
)
from tests.support.stores import Keeper

MEBIBYTE = 1024 * 1024


async def _holders(
    keeper: Keeper, query: HolderQuery, limit: int = 2, max_bytes: int = MEBIBYTE
) -> list[str]:
    """Returns the ids of all pages; each holder is as it is read alone."""
    found: list[str] = []
    before = None
    while True:
        page = await keeper.store.holders(NS, query, PageQuery(before, limit, max_bytes))
        assert len(page.readings) == len(page.numbers) <= limit
        for reading in page.readings:
            assert reading == await keeper.store.holder(reading.holder.target)
            found.append(reading.holder.target.id)
        if page.next_number is None:
            return found
        assert before is None or page.next_number < before
        before = page.next_number


async def test_orders_are_listed_newest_first_by_state_with_their_counts(keeper: Keeper) -> None:
    for number in range(5):
        await keeper.run(create_order(uid(number + 1), order_id=f"o{number}"))
    await keeper.run(create_order(order_id="other", ns=OTHER))
    await keeper.run(start(uid(2)), completed(uid(2)))
    await keeper.run(cancel_order("o3"))
    await keeper.run(update_order("o1", close=True))
    assert await _holders(keeper, HolderQuery(TargetKind.ORDER)) == ["o4", "o3", "o2", "o1", "o0"]
    by_state = {
        OrderState.OPEN: ["o4", "o2", "o0"],
        OrderState.CANCELLED: ["o3"],
        OrderState.CLOSED: ["o1"],
        OrderState.CANCELLING: [],
    }
    for state, ids in by_state.items():
        for limit in (1, 2, 100):
            assert await _holders(keeper, HolderQuery(TargetKind.ORDER, state), limit) == ids


async def test_checkouts_are_listed_by_state_and_by_cart(keeper: Keeper) -> None:
    carts = [C1, C2, C1, C1, None]
    for number, cart_id in enumerate(carts):
        await keeper.run(
            create_checkout(
                checkout_id=f"x{number}", cart_id=cart_id, supersede=True, group_id=uid(number + 90)
            )
        )
    await keeper.run(complete("x3"))
    kind = TargetKind.CHECKOUT
    assert await _holders(keeper, HolderQuery(kind)) == ["x4", "x3", "x2", "x1", "x0"]
    assert await _holders(keeper, HolderQuery(kind, cart_id=C1)) == ["x3", "x2", "x0"]
    ended = CheckoutState.CANCELLED
    assert await _holders(keeper, HolderQuery(kind, ended)) == ["x2", "x0"]
    for limit in (1, 2, 100):
        assert await _holders(keeper, HolderQuery(kind, ended, C1), limit) == ["x2", "x0"]
        assert await _holders(keeper, HolderQuery(kind, CheckoutState.OPEN, C2), limit) == ["x1"]
    assert await _holders(keeper, HolderQuery(kind, cart_id="none")) == []


async def test_a_page_ends_before_it_has_too_many_bytes(keeper: Keeper) -> None:
    for number in range(4):
        await keeper.run(create_order(order_id=f"o{number}", data=b"x" * 1000))
    for max_bytes, sizes in ((1, [1, 1, 1, 1]), (2_100, [2, 2]), (100_000, [4])):
        before, found = None, []
        while True:
            page = await keeper.store.holders(
                NS, HolderQuery(TargetKind.ORDER), PageQuery(before, 100, max_bytes)
            )
            found.append(len(page.readings))
            before = page.next_number
            if before is None:
                break
        assert found == sizes


async def test_carts_are_listed_newest_first_by_state(keeper: Keeper) -> None:
    for number in range(3):
        await keeper.run(
            create_checkout(
                checkout_id=f"x{number}", cart_id=f"c{number}", group_id=uid(number + 90)
            )
        )
    await keeper.run(cancel_checkout("x0"))
    await keeper.run(complete("x1"))

    async def ids(state: CartState | None, limit: int) -> list[str]:
        found: list[str] = []
        before = None
        while True:
            page = await keeper.store.carts(NS, state, PageQuery(before, limit, MEBIBYTE))
            for cart in page.carts:
                assert cart == await keeper.store.cart(NS, cart.cart_id)
                found.append(cart.cart_id)
            before = page.next_number
            if before is None:
                return found

    for limit in (1, 2, 100):
        assert await ids(None, limit) == ["c2", "c1", "c0"]
        assert await ids(CartState.ACTIVE, limit) == ["c0"]
        assert await ids(CartState.CLOSED, limit) == ["c1"]
        assert await ids(CartState.LOCKED, limit) == ["c2"]


# Tasks.

LABELS: list[dict[str, str]] = [
    {"sku": "a", "url": "https://shop.example/" + "p" * 2000},
    {"sku": "b"},
    {},
    {"sku": "a"},
    {'quote"\n': "ü☂"},
]


@pytest.fixture
async def labelled(keeper: Keeper) -> Keeper:
    """A store with tasks of two merchants and several labels."""
    for number, labels in enumerate(LABELS):
        merchant = "left" if number % 2 else "right"
        await keeper.run(create(uid(number), merchant=merchant, labels=labels))
    await keeper.run(create(uid(99), merchant="left", labels={"sku": "a"}, ns=OTHER))
    return keeper


def _ids(tasks: list[Task]) -> list[int]:
    return [int(task.task_id[-12:], 16) for task in tasks]


async def test_tasks_are_found_by_merchant_and_by_label(labelled: Keeper) -> None:
    async def ids(**chosen: Any) -> list[int]:
        return _ids(await labelled.tasks(TaskQuery(**chosen)))

    assert await ids(merchant="left") == [3, 1]
    assert await ids(merchant="nobody") == []
    assert await ids(label=("sku", "a")) == [3, 0]
    assert await ids(label=("url", LABELS[0]["url"])) == [0]
    assert await ids(label=('quote"\n', "ü☂")) == [4]
    assert await ids(label=("sku", "c")) == await ids(label=("a", "sku")) == []
    assert await ids(label=("sku", "a"), merchant="right") == [0]
    assert await ids(label=("sku", "a"), states=(TaskState.RUNNING,)) == []


async def test_two_labels_with_one_number_are_told_apart(
    labelled: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = label_digest("sku", "a")
    monkeypatch.setattr("countermand.store.sql.rows.label_digest", lambda key, value: same)
    assert _ids(await labelled.tasks(TaskQuery(label=("sku", "b")))) == []
    assert _ids(await labelled.tasks(TaskQuery(label=("sku", "a")))) == [3, 0]


async def test_what_was_removed_is_found_by_no_label(labelled: Keeper) -> None:
    await labelled.run(*(cancel(uid(number)) for number in range(len(LABELS))))
    labelled.now += 30 * DAY
    await labelled.purge(30 * DAY)
    await labelled.run(create(uid(50)))
    assert _ids(await labelled.tasks(TaskQuery(label=("sku", "a")))) == []


async def test_labels_are_found_after_a_restart(
    labelled: Keeper, make_store: Callable[[], Any]
) -> None:
    await labelled.store.close()
    labelled.store = make_store()
    await labelled.store.open(labelled.now)
    assert _ids(await labelled.tasks(TaskQuery(label=("sku", "b")))) == [1]


async def test_deadlines_are_listed_nearest_first(keeper: Keeper) -> None:
    graces = [30, 10, 20, 10, 5]
    for number, grace in enumerate(graces):
        await keeper.run(
            create(uid(number), merchant="m" if number < 4 else ""), start(uid(number))
        )
        await keeper.run(cancel(uid(number), grace=grace * SECOND))
    await keeper.run(create(uid(9)), create(uid(8), ns=OTHER))
    await keeper.run(start(uid(8), ns=OTHER))
    await keeper.run(cancel(uid(8), grace=0, ns=OTHER))
    await keeper.run(acknowledged(uid(4)))

    async def ids(limit: int, **chosen: Any) -> list[int]:
        found: list[int] = []
        place: DeadlinePlace | None = DeadlinePlace()
        while place is not None:
            query = TaskQuery(**chosen)
            page = await keeper.store.tasks_by_deadline(NS, query, place, limit)
            found, place = found + _ids(page.tasks), page.next_place
        return found

    for limit in (1, 2, 100):
        assert await ids(limit, by_deadline=True) == [1, 3, 2, 0]
        before = keeper.now + 20 * SECOND
        assert await ids(limit, deadline_before=before) == [1, 3]
        assert await ids(limit, deadline_before=before + 1) == [1, 3, 2]
        assert await ids(limit, by_deadline=True, merchant="m") == [1, 3, 2, 0]
        assert await ids(limit, by_deadline=True, merchant="x") == []
        assert await ids(limit, by_deadline=True, states=(TaskState.RUNNING,)) == []
