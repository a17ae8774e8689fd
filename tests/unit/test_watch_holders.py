"""Watches of one, two or three holders: they end when any of these is over, or was removed, while
they follow, when they read the log, and when they are resumed."""

import asyncio
from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from countermand.core.commands import Command
from countermand.core.errors import Refused
from countermand.core.log import TaskFilter
from countermand.core.retention import DAY
from countermand.engine.watching.messages import Kind, Message
from countermand.engine.watching.places import Place
from tests.support.ask import (
    G1,
    O1,
    T1,
    T2,
    T3,
    X1,
    acknowledged,
    cancel_checkout,
    cancel_group,
    cancel_order,
    complete,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    start,
    update_order,
)
from tests.support.engine import Engine, Following, HandClock, running
from tests.support.knobs import PRODUCTION, watching

NAMES = {"group": {"group_id": G1}, "checkout": {"checkout_id": X1}, "order": {"order_id": O1}}
CLOSE: dict[str, Command] = {
    "group": cancel_group(),
    "checkout": complete(),
    "order": update_order(close=True),
}
CANCEL: dict[str, Command] = {
    "group": cancel_group(),
    "checkout": cancel_checkout(),
    "order": cancel_order(),
}
SETS = [names for count in (1, 2, 3) for names in combinations(NAMES, count)]
CASES = [(names, over) for names in SETS for over in names]


def _filter(names: tuple[str, ...], **more: str) -> TaskFilter:
    fields: dict[str, str] = {}
    for name in names:
        fields |= NAMES[name]
    return TaskFilter(**fields, **more)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(
    params=[PRODUCTION, watching(page_size=1, max_batch=1)], ids=["as served", "pages of 1"]
)
async def engine(
    tmp_path: Path, request: pytest.FixtureRequest, clock: HandClock
) -> AsyncIterator[Engine]:
    """An engine that runs, with three holders that share no task but have one each: T1 in the
    group, T2 in the checkout, T3 in the order."""
    async with running(tmp_path / "store.db", knobs=request.param, clock=clock) as engine:
        await engine.do(create_group(T1))
        await engine.do(create_checkout(T2))
        await engine.do(create_order(T3))
        yield engine


def _told(messages: list[Message]) -> list[str]:
    return [str(m.kind) + ("." if m.last else "") for m in messages]


async def _synced(following: Following) -> Place:
    """Reads up to SYNCED, and returns the place after it."""
    while True:
        (message,) = await following.take(1)
        if message.kind is Kind.SYNCED:
            assert message.place is not None
            return message.place


async def _idle(engine: Engine, chosen: TaskFilter) -> tuple["asyncio.Task[Any]", Place]:
    """Follows until there is nothing to do. Returns what will be the rest."""
    following = engine.tasks(chosen)
    place = await _synced(following)
    rest = asyncio.create_task(following.rest())
    await following.watcher.idle.wait()
    return rest, place


@pytest.mark.parametrize("agent", [{}, {"agent_id": "a"}], ids=["", "and agent"])
@pytest.mark.parametrize(("names", "over"), CASES)
async def test_it_ends_when_one_of_them_closes_after_its_tasks_have_ended(
    engine: Engine, names: tuple[str, ...], over: str, agent: dict[str, str]
) -> None:
    chosen = _filter(names, **agent)
    await engine.do(*map(start, (T1, T2, T3)))
    await engine.do(*map(completed, (T1, T2, T3)))
    follows, place = await _idle(engine, chosen)
    lags = engine.tasks(chosen)
    await _synced(lags)
    await engine.do(CLOSE[over])
    assert _told(await asyncio.wait_for(follows, 10)) == ["HEARTBEAT."]
    assert _told(await lags.rest()) == ["HEARTBEAT."]
    assert _told(await engine.tasks(chosen, place).rest()) == ["HEARTBEAT."]
    assert _told(await engine.tasks(chosen).rest())[-1] == "SYNCED."
    assert engine.hub.watchers == 0


@pytest.mark.parametrize(("names", "over"), CASES)
async def test_it_ends_when_the_last_task_of_one_of_them_ends_though_the_others_live_on(
    engine: Engine, names: tuple[str, ...], over: str
) -> None:
    chosen = _filter(names)
    task = {"group": T1, "checkout": T2, "order": T3}[over]
    await engine.do(start(task))
    follows, place = await _idle(engine, chosen)
    await engine.do(CANCEL[over])
    lags = engine.tasks(chosen, place)
    await engine.do(acknowledged(task))
    (last,) = _told(await asyncio.wait_for(follows, 10))[-1:]
    assert last == ("CHANGE." if names == (over,) else "HEARTBEAT.")
    assert _told(await lags.rest())[-1] == last
    assert _told(await engine.tasks(chosen).rest())[-1] == "SYNCED."


@pytest.mark.parametrize("names", SETS)
async def test_it_goes_on_while_none_of_them_is_over(
    engine: Engine, names: tuple[str, ...]
) -> None:
    follows, _ = await _idle(engine, _filter(names))
    others = [name for name in NAMES if name not in names]
    await engine.do(*map(start, (T1, T2, T3)))
    await engine.do(*map(completed, (T1, T2, T3)), *[CLOSE[name] for name in others])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(follows), 0.1)
    follows.cancel()
    await asyncio.gather(follows, return_exceptions=True)


async def test_tasks_of_both_are_told_up_to_the_end_of_either(engine: Engine) -> None:
    await engine.do(create("00000000-0000-4000-8000-0000000000f1", G1, order_id=O1))
    both = "00000000-0000-4000-8000-0000000000f1"
    await engine.do(*map(start, (T1, T3, both)))
    follows, place = await _idle(engine, _filter(("group", "order")))
    await engine.do(completed(T3), completed(T1))
    await engine.do(completed(both))
    await engine.do(update_order(close=True))
    told = await asyncio.wait_for(follows, 10)
    assert [m.task and m.task.task_id for m in told] == [both, None]
    assert _told(told) == ["CHANGE", "HEARTBEAT."]
    again = await engine.tasks(_filter(("group", "order")), place).rest()
    assert [m.task and m.task.task_id for m in again] == [both]
    assert _told(again) == ["CHANGE."]


# Removed holders.


async def _purge(engine: Engine, clock: HandClock) -> None:
    await engine.do(*map(start, (T1, T2, T3)))
    await engine.do(*map(completed, (T1, T2, T3)))
    clock.time += 31 * DAY
    await engine.purger(30 * DAY).purge()


async def _reason(following: "asyncio.Task[Any]") -> str:
    with pytest.raises(Refused) as caught:
        await asyncio.wait_for(following, 10)
    return caught.value.reason


@pytest.mark.parametrize("names", SETS)
async def test_it_ends_with_not_found_when_they_are_removed_at_once_and_also_when_resumed(
    engine: Engine, clock: HandClock, names: tuple[str, ...]
) -> None:
    chosen = _filter(names)
    follows, place = await _idle(engine, chosen)
    lags = engine.tasks(chosen)
    await _synced(lags)
    await _purge(engine, clock)
    expected = {f"{name.upper()}_NOT_FOUND" for name in names}
    assert await _reason(follows) in expected
    assert await _reason(asyncio.create_task(lags.rest())) in expected
    assert await _reason(asyncio.create_task(engine.tasks(chosen, place).rest())) in expected
    assert engine.hub.watchers == 0


@pytest.mark.parametrize(("names", "gone"), [case for case in CASES if len(case[0]) > 1])
async def test_it_ends_with_not_found_when_one_of_them_is_removed_and_the_others_live_on(
    engine: Engine, clock: HandClock, names: tuple[str, ...], gone: str
) -> None:
    tasks = {"group": T1, "checkout": T2, "order": T3}
    follows, _ = await _idle(engine, _filter(names))
    await engine.do(start(tasks[gone]))
    await engine.do(completed(tasks[gone]))
    clock.time += 31 * DAY
    await engine.purger(30 * DAY).purge()
    assert await _reason(follows) == f"{gone.upper()}_NOT_FOUND"


async def test_it_is_ended_rather_than_told_of_a_new_holder_of_the_same_name(
    engine: Engine, clock: HandClock
) -> None:
    lags = engine.tasks(_filter(("group",)))
    await _synced(lags)
    await _purge(engine, clock)
    await engine.do(create_group(T1))
    with pytest.raises(Refused) as caught:
        await lags.rest()
    assert caught.value.reason == "RESUME_TOKEN_EXPIRED"
