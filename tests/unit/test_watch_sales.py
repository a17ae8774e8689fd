"""WatchTasks of checkouts and orders: what it shows, and when it ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.log import TaskFilter
from countermand.engine.watching.messages import Message
from tests.support.ask import (
    C1,
    G1,
    O1,
    O2,
    T1,
    T2,
    T3,
    X1,
    X2,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_group,
    cancel_order,
    change_cart,
    complete,
    completed,
    create,
    create_checkout,
    create_order,
    start,
    update_order,
)
from tests.support.engine import Engine, Following, running

CHECKOUT, ORDER = TaskFilter(checkout_id=X1), TaskFilter(order_id=O1)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine that runs, with T2 in the order's checkout X1 and T1 in the order itself."""
    async with running(tmp_path / "store.db") as engine:
        await engine.do(create_checkout(T2, cart_id=C1))
        await engine.do(create_order(T1, checkout_ids=(X1,)))
        await engine.do(start(T1), start(T2))
        yield engine


def _told(messages: list[Message]) -> list[str]:
    """For example `CHANGE 2 v3`, with a full stop after the last."""
    return [
        str(m.kind)
        + (f" {int(m.task.task_id[-4:], 16)} v{m.task.version}" if m.task else "")
        + ("." if m.last else "")
        for m in messages
    ]


async def _following(engine: Engine, chosen: TaskFilter) -> tuple[Following, "asyncio.Task[Any]"]:
    """Follows until all is told, and returns what will be the rest."""
    following = engine.tasks(chosen)
    while _told(await following.take(1)) != ["SYNCED"]:
        pass
    rest = asyncio.create_task(following.rest())
    await following.watcher.idle.wait()
    return following, rest


async def test_an_order_shows_its_own_tasks_and_those_of_its_checkouts(engine: Engine) -> None:
    await engine.do(completed(T2))
    for chosen, told in (
        (ORDER, ["SNAPSHOT 2 v3", "SNAPSHOT 1 v2", "SYNCED"]),
        (CHECKOUT, ["SNAPSHOT 2 v3", "SYNCED"]),
    ):
        following = engine.tasks(chosen)
        assert _told(await following.take(len(told))) == told
        await following.close()


@pytest.mark.parametrize(
    ("chosen", "accept", "ends", "told"),
    [
        (CHECKOUT, cancel_checkout(), (acknowledged(T2),), ["CHANGE 2 v3", "CHANGE 2 v4."]),
        (CHECKOUT, change_cart(), (acknowledged(T2),), ["CHANGE 2 v3", "CHANGE 2 v4."]),
        (CHECKOUT, cancel_order(), (acknowledged(T2),), ["CHANGE 2 v3", "CHANGE 2 v4."]),
        (CHECKOUT, complete(), (completed(T2),), ["CHANGE 2 v3."]),
        (
            ORDER,
            cancel_order(),
            (acknowledged(T2), acknowledged(T1)),
            ["CHANGE 2 v3", "CHANGE 1 v3", "CHANGE 2 v4", "CHANGE 1 v4."],
        ),
        (
            ORDER,
            update_order(close=True),
            (completed(T1), completed(T2)),
            ["CHANGE 1 v3", "CHANGE 2 v3."],
        ),
    ],
)
async def test_it_ends_with_the_last_task_of_what_is_closed(
    engine: Engine, chosen: TaskFilter, accept: Any, ends: Any, told: list[str]
) -> None:
    late = engine.tasks(chosen)
    while _told(await late.take(1)) != ["SYNCED"]:
        pass
    _, rest = await _following(engine, chosen)
    await engine.do(accept)
    for end in ends:
        await engine.do(end)
    assert _told(await rest) == told
    # Who reads all of it from the log is told the same.
    assert _told(await late.rest()) == told


@pytest.mark.parametrize(
    ("chosen", "accept"),
    [
        (CHECKOUT, cancel_checkout()),
        (CHECKOUT, complete()),
        (ORDER, cancel_order()),
        (ORDER, update_order(close=True)),
        (TaskFilter(checkout_id=X1, agent_id="nobody"), complete()),
    ],
)
async def test_closing_ends_it_without_a_tasks_change(
    engine: Engine, chosen: TaskFilter, accept: Any
) -> None:
    await engine.do(completed(T1), completed(T2))
    _, rest = await _following(engine, chosen)
    await engine.do(accept)
    assert _told(await rest) == ["HEARTBEAT."]
    assert _told(await engine.tasks(chosen).rest())[-1] == "SYNCED."


async def test_the_end_of_the_groups_tasks_ends_no_watch_of_an_open_checkout(
    engine: Engine,
) -> None:
    _, rest = await _following(engine, CHECKOUT)
    group = (await engine.store.task(1, T2)).group_id
    await engine.do(cancel_group(group))
    await engine.do(acknowledged(T2))
    await engine.do(create_checkout(T3, checkout_id=X2))
    await engine.do(complete())
    assert _told(await rest) == ["CHANGE 2 v3", "CHANGE 2 v4", "HEARTBEAT."]


async def test_a_task_that_joins_the_checkout_shows_in_both(engine: Engine) -> None:
    _, of_order = await _following(engine, ORDER)
    _, of_checkout = await _following(engine, CHECKOUT)
    _, of_other = await _following(engine, TaskFilter(agent_id="nobody"))
    await engine.do(create(T3, checkout_id=X1))
    await engine.do(cancel(T3), completed(T1), completed(T2))
    await engine.do(cancel_order())
    assert _told(await of_order) == [
        "CHANGE 3 v1",
        "CHANGE 3 v2",
        "CHANGE 1 v3",
        "CHANGE 2 v3",
        "HEARTBEAT.",
    ]
    assert _told(await of_checkout) == ["CHANGE 3 v1", "CHANGE 3 v2", "CHANGE 2 v3", "HEARTBEAT."]
    of_other.cancel()
    await asyncio.gather(of_other, return_exceptions=True)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (TaskFilter(checkout_id=X2), Reason.CHECKOUT_NOT_FOUND),
        (TaskFilter(order_id=O2), Reason.ORDER_NOT_FOUND),
        (TaskFilter(checkout_id=X1, order_id=O2), Reason.ORDER_NOT_FOUND),
        (TaskFilter(G1, X1), Reason.GROUP_NOT_FOUND),
    ],
)
async def test_an_unknown_parent_is_not_found(
    engine: Engine, chosen: TaskFilter, reason: Reason
) -> None:
    with pytest.raises(Refused) as caught:
        await engine.tasks(chosen).rest()
    assert caught.value.reason is reason
