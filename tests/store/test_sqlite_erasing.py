"""What was removed, or replaced, stands nowhere in the file any more."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from countermand.core.retention import DAY
from tests.support.ask import (
    FIRST_TIME,
    cancel,
    cancel_checkout,
    cancel_order,
    change_cart,
    create,
    create_checkout,
    create_order,
    failed,
    start,
    uid,
    update_order,
)
from tests.support.stores import Keeper, sqlite_store

KEPT = 30 * DAY
WORDS = 100
"""How many are sold to, so that pages are split, filled and emptied in every table."""


def marked(number: int, length: int) -> str:
    """Returns a text that says of every stretch of it whose it is."""
    word = f"buyer-{number:04}-"
    return (word * (length // len(word) + 1))[:length]


def found_in(path: Path) -> set[bytes]:
    """Returns the different marks that stand in the file."""
    content = path.read_bytes()
    marks = set()
    place = content.find(b"buyer-")
    while place >= 0:
        marks.add(content[place : place + 10])
        place = content.find(b"buyer-", place + 1)
    return marks


async def _sell(keeper: Keeper, number: int, length: int) -> None:
    """Leaves a mark in every text that a caller can send, and replaces what can be replaced."""
    text = marked(number, length)
    short = text[:120]
    data = text.encode()
    checkout = {"checkout_id": f"checkout-{number}", "cart_id": f"cart-{number}"}
    ids = [uid(10 * number + place) for place in range(1, 5)]
    await keeper.run(
        create(ids[0], merchant=short, labels={"buyer": short}),
        create(ids[1], merchant=short),
        start(ids[1]),
    )
    await keeper.run(
        create_checkout(
            ids[2], group_id=uid(10 * number), snapshot=data, line_items=data, **checkout
        )
    )
    await keeper.run(create_order(ids[3], order_id=f"order-{number}", data=data))
    await keeper.run(update_order(f"order-{number}", data=data + data))
    await keeper.run(update_order(f"order-{number}", data=data[: length // 2]))
    await keeper.run(
        cancel(ids[0], message=short, on_behalf_of=short),
        failed(ids[1], message=short),
        cancel_checkout(f"checkout-{number}", message=short),
        cancel_order(f"order-{number}", message=short),
    )
    await keeper.run(change_cart(f"cart-{number}", data + data))
    await keeper.run(change_cart(f"cart-{number}", data))


@pytest.mark.parametrize("length", [130, 1500, 20_000])
async def test_what_is_purged_or_replaced_stands_nowhere_in_the_file(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "store.db"
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(FIRST_TIME)
    await keeper.settle_in()
    draw = random.Random(length)
    numbers = list(range(1, WORDS if length < 20_000 else WORDS // 5))
    draw.shuffle(numbers)
    for number in numbers:
        await _sell(keeper, number, length)
        keeper.now += draw.choice([0, DAY])
    keeper.now += KEPT + DAY
    await keeper.purge(KEPT)
    await keeper.store.close()
    assert not Path(f"{path}-wal").exists()
    with closing(sqlite3.connect(path)) as store:
        for table in ("tasks", "checkouts", "orders", "carts", "cancellations"):
            assert store.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        assert store.execute("PRAGMA freelist_count").fetchone() > (10,)
    assert found_in(path) == set()
