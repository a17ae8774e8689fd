"""WatchTasks of an order: tasks that come under it later, with a checkout that it lists then."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countermand.core.log import TaskFilter
from countermand.engine.watching.messages import Kind, Message
from tests.support.ask import (
    G1,
    NS,
    O1,
    O2,
    T1,
    T2,
    T3,
    X1,
    X2,
    XG1,
    acknowledged,
    cancel,
    cancel_order,
    charge,
    charged,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    start,
    uid,
    update_order,
)
from tests.support.engine import Engine, running
from tests.support.stores import shown

ORDER = TaskFilter(order_id=O1)
IN_ITS_GROUP = TaskFilter(group_id=XG1, order_id=O1)
BY_AGENT = TaskFilter(order_id=O1, agent_id="a")
LIST = update_order(checkout_ids=(X1,))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running(tmp_path / "store.db") as engine:
        yield engine


async def _do(engine: Engine, *commands: Any) -> None:
    for command in commands:
        await engine.do(command)


def _told(messages: list[Message]) -> list[str]:
    return [
        str(m.kind)
        + (f" {int(m.task.task_id[-4:], 16)} v{m.task.version}" if m.task else "")
        + ("." if m.last else "")
        for m in messages
    ]


async def _news(engine: Engine, chosen: TaskFilter, place: Any, count: int) -> list[Message]:
    """Goes on from a place, and returns the next messages that say something."""
    following, found = engine.tasks(chosen, place), []
    while len(found) < count:
        found += [m for m in await following.take(1) if m.kind is not Kind.HEARTBEAT]
    await following.close()
    return found


BEGINNING = (
    create_order(T1),
    create_checkout(T2, T3, uid(4)),
    *[start(id, "a") for id in (T1, T2)],
    start(uid(4), "b"),
    charge(T2),
    charged(T2),
    completed(uid(4)),
)
SHOWN = ["SNAPSHOT 2 v4", "SNAPSHOT 3 v1", "SNAPSHOT 4 v3"]
"""What comes under the order with the checkout: also what has ended."""


@pytest.mark.parametrize(
    ("chosen", "before", "expected"),
    [
        (ORDER, 2, [*SHOWN, "CHANGE 3 v2", "CHANGE 1 v3", "CHANGE 2 v5"]),
        (IN_ITS_GROUP, 1, [*SHOWN, "CHANGE 3 v2", "CHANGE 2 v5"]),
        (BY_AGENT, 2, ["SNAPSHOT 2 v4", "CHANGE 3 v2", "CHANGE 1 v3", "CHANGE 2 v5"]),
    ],
    ids=["order", "in a group", "by agent"],
)
async def test_it_begins_with_a_snapshot_live_and_resumed_from_every_place(
    engine: Engine, chosen: TaskFilter, before: int, expected: list[str]
) -> None:
    await _do(engine, *BEGINNING)
    live = engine.tasks(chosen)
    whole = await live.take(before)
    assert whole[-1].kind is Kind.SYNCED
    await _do(engine, LIST, start(T3, "a"), completed(T1), completed(T2))
    whole += await live.take(len(expected))
    await live.close()
    assert _told(whole[before:]) == expected
    now = (await engine.store.task(NS, T2)).version
    assert now == 5
    for seen in range(len(whole) - 1):
        rest = whole[seen + 1 :]
        again = await _news(engine, chosen, whole[seen].place, len(rest))
        assert _told(again) == _told(rest)
        assert [(m.place, m.task and shown(m.task)) for m in again] == [
            (m.place, m.task and shown(m.task)) for m in rest
        ]


async def test_a_snapshot_shows_the_task_as_it_was_when_it_came(engine: Engine) -> None:
    await _do(engine, *BEGINNING)
    then = await engine.store.task(NS, T2)
    place = (await engine.tasks(ORDER).take(2))[-1].place
    await _do(engine, LIST, cancel_order(), acknowledged(T1), acknowledged(T2))
    found = await engine.tasks(ORDER, place).rest()
    assert _told(found)[:3] == SHOWN
    assert found[-1].last
    assert found[0].task is not None
    assert shown(found[0].task).evolve(seq=then.seq) == shown(then)


async def test_what_happened_to_it_before_is_not_told(engine: Engine) -> None:
    await _do(engine, *BEGINNING)
    place = (await engine.tasks(ORDER).take(2))[-1].place
    await _do(engine, start(T3, "a"), completed(T2), start(T1, "a"), LIST, completed(T3))
    expected = ["SNAPSHOT 2 v5", "SNAPSHOT 3 v2", "SNAPSHOT 4 v3", "CHANGE 3 v3"]
    assert _told(await _news(engine, ORDER, place, 4)) == expected


async def test_it_is_nothing_to_whoever_watches_something_else(engine: Engine) -> None:
    await _do(engine, *BEGINNING, create_group(uid(9)), create_order(order_id=O2))
    filters = [
        TaskFilter(),
        TaskFilter(group_id=XG1),
        TaskFilter(group_id=G1),
        TaskFilter(checkout_id=X1),
        TaskFilter(agent_id="a"),
        TaskFilter(order_id=O2),
    ]
    watches = [engine.tasks(chosen) for chosen in filters]
    places = []
    for watch in watches:
        while (message := (await watch.take(1))[0]).kind is not Kind.SYNCED:
            pass
        places.append(message.place)
    one = engine.task(T2)
    await one.take(1)
    tellings = [asyncio.create_task(watch.take(1)) for watch in watches]
    await _do(engine, LIST, create(uid(20), checkout_id=X1), start(uid(20), "a"))
    for chosen, telling, place in zip(filters, tellings, places, strict=True):
        if chosen.order_id is None and chosen.group_id != G1:
            (first,) = await telling
            assert first.kind is Kind.CHANGE
            assert _told(await _news(engine, chosen, place, 1)) == _told([first]), chosen
        else:
            telling.cancel()
    await engine.do(completed(T2))
    assert _told(await one.rest()) == ["CHANGE 2 v5."]
    history = await engine.store.history(NS, T2, 0, 100)
    assert [event.task.version for event in history.events] == [1, 2, 3, 4, 5]


async def test_what_leaves_and_comes_back_is_shown_again(engine: Engine) -> None:
    await _do(engine, *BEGINNING)
    live = engine.tasks(ORDER)
    place = (await live.take(2))[-1].place
    await _do(engine, LIST)
    assert _told(await live.take(3)) == SHOWN
    await _do(engine, update_order(checkout_ids=()), completed(T2), LIST, completed(T1))
    expected = ["SNAPSHOT 2 v5", *SHOWN[1:], "CHANGE 1 v3"]
    assert _told(await live.take(4)) == expected
    await live.close()
    assert _told(await _news(engine, ORDER, place, 4)) == expected


async def test_listing_it_in_another_place_shows_nothing(engine: Engine) -> None:
    await _do(engine, *BEGINNING, create_checkout(uid(30), checkout_id=X2), LIST)
    live = engine.tasks(ORDER)
    place = (await live.take(5))[-1].place
    await _do(engine, update_order(checkout_ids=(X2, X1)), completed(T2))
    expected = ["SNAPSHOT 30 v1", "CHANGE 2 v5"]
    assert _told(await live.take(2)) == expected
    assert _told(await _news(engine, ORDER, place, 2)) == expected
    await live.close()


async def test_a_task_that_is_under_the_order_already_does_not_come_again(
    engine: Engine,
) -> None:
    await _do(engine, create_order(), create_checkout(T1), create(T2, checkout_id=X1, order_id=O1))
    live = engine.tasks(ORDER)
    await live.take(2)
    await _do(engine, LIST, start(T2))
    assert _told(await live.take(2)) == ["SNAPSHOT 1 v1", "CHANGE 2 v2"]
    await live.close()


async def test_a_large_checkout_is_shown_whole_and_in_order(engine: Engine) -> None:
    ids = [uid(number) for number in range(1, 41)]
    await _do(engine, create_order(uid(50)), create_checkout(*ids))
    live = engine.tasks(ORDER)
    place = (await live.take(2))[-1].place
    await _do(engine, LIST, cancel(ids[0]), cancel(uid(50)))
    expected = [f"SNAPSHOT {number} v1" for number in range(1, 41)]
    expected += ["CHANGE 1 v2", "CHANGE 50 v2"]
    assert _told(await live.take(42)) == expected
    await live.close()
    whole = await _news(engine, ORDER, place, 42)
    assert _told(whole) == expected
    assert _told(await _news(engine, ORDER, whole[20].place, 21)) == expected[21:]
    assert len({message.place for message in whole}) == 42
