"""Watches of much: tasks with many versions and filters with many changes, from every place, by one
and by many, through pages down to one item and hubs down to one entry."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from countermand.core.commands import Command
from countermand.core.knobs import Knobs
from countermand.core.log import Event, TaskFilter
from countermand.core.states import ChargeState
from countermand.engine.watching.entries import ENTRY_BYTES
from countermand.engine.watching.messages import Kind, Message
from tests.support.ask import (
    G1,
    G2,
    NS,
    O1,
    T1,
    X1,
    cancel_group,
    charged,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    start,
    uid,
)
from tests.support.engine import Engine, Following, running
from tests.support.knobs import PRODUCTION, watching

SIZES = {
    "as served": PRODUCTION,
    "pages of 1": watching(page_size=1, max_batch=1),
    "pages of 2": watching(page_size=2, max_batch=3),
    "pages of 3": watching(page_size=3, max_batch=2, page_bytes=1),
    "pages of 3, hub of 1": watching(page_size=3, hub_bytes=ENTRY_BYTES),
    "pages of 16": watching(page_size=16),
}
VERSIONS = (1, 15, 16, 17, 33)


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def knobs(request: pytest.FixtureRequest) -> Knobs:
    return request.param


@pytest.fixture
async def engine(tmp_path: Path, knobs: Knobs) -> AsyncIterator[Engine]:
    async with running(tmp_path / "store.db", knobs=knobs) as engine:
        yield engine


def _reports(task_id: str, count: int) -> list[Command]:
    """So many words about a charge, each of which is a version."""
    words = (ChargeState.CAPTURED, ChargeState.VOIDED)
    return [charged(task_id, words[number % 2]) for number in range(count)]


async def _bring(engine: Engine, task_id: str, versions: int, *, ended: bool = False) -> None:
    """Brings a new task to so many versions; the last one of them may be its end."""
    life = [start(task_id), *_reports(task_id, versions)]
    if ended:
        life = [*life[: versions - 2], completed(task_id)] if versions > 1 else []
    await engine.do(create(task_id), *life[: versions - 1])


def _told(messages: Sequence[Message]) -> list[tuple[str, int, bool]]:
    return [(str(m.kind), m.task.version if m.task else 0, m.last) for m in messages]


def _changes(after: int, end: int) -> list[tuple[str, int, bool]]:
    """What a watch tells of the versions up to the task's end."""
    return [("CHANGE", version, version == end) for version in range(after + 1, end + 1)]


# One task.


@pytest.mark.parametrize("versions", VERSIONS[1:])
async def test_every_version_of_an_ended_task_is_told_from_every_place_and_then_the_end(
    engine: Engine, versions: int
) -> None:
    await _bring(engine, T1, versions, ended=True)
    for after in range(versions):
        assert _told(await engine.task(T1, after).rest()) == _changes(after, versions)
    assert _told(await engine.task(T1, versions).rest()) == [("HEARTBEAT", versions, True)]
    assert _told(await engine.task(T1).rest()) == [("SNAPSHOT", versions, True)]
    assert engine.cache.bytes == 0


@pytest.mark.parametrize("versions", VERSIONS)
async def test_every_version_of_a_live_task_is_told_from_every_place_and_what_follows_to_the_end(
    engine: Engine, versions: int
) -> None:
    await _bring(engine, T1, versions)
    watches = [engine.task(T1, after) for after in range(versions + 1)]
    first = [await watch.take(max(versions - after, 1)) for after, watch in enumerate(watches)]
    rest = [asyncio.create_task(watch.rest()) for watch in watches]
    for watch in watches:
        await watch.watcher.idle.wait()
    await engine.do(*([start(T1)] if versions == 1 else []), *_reports(T1, 20), completed(T1))
    task = await engine.store.task(NS, T1)
    assert task.version > versions + 19
    for after, (told, following) in enumerate(zip(first, rest, strict=True)):
        whole = _told(told + await following)
        if after == versions:
            assert whole.pop(0) == ("HEARTBEAT", versions, False)
        assert whole == _changes(after, task.version)


async def test_versions_that_come_while_a_watch_catches_up_are_told_after_the_others(
    engine: Engine,
) -> None:
    await _bring(engine, T1, 33)
    watches = [engine.task(T1, 0) for _ in range(3)]
    told = [await watch.take(1 + 9 * number) for number, watch in enumerate(watches)]
    await engine.do(*_reports(T1, 10)[1:])
    told = [seen + await watch.take(5) for seen, watch in zip(told, watches, strict=True)]
    await engine.do(completed(T1))
    end = (await engine.store.task(NS, T1)).version
    for seen, watch in zip(told, watches, strict=True):
        assert _told(seen + await watch.rest()) == _changes(0, end)


async def test_twenty_watches_of_a_task_with_hundreds_of_versions_are_told_all_of_them(
    engine: Engine,
) -> None:
    await _bring(engine, T1, 300, ended=True)
    afters = [15 * number for number in range(20)]
    whole = await asyncio.gather(*[engine.task(T1, after).rest() for after in afters])
    for after, told in zip(afters, whole, strict=True):
        assert _told(told) == _changes(after, 300)


# Many tasks.

ALL, GROUP = TaskFilter(), TaskFilter(G1)
CHECKOUT, ORDER = TaskFilter(checkout_id=X1), TaskFilter(order_id=O1)
AGENT, BOTH = TaskFilter(agent_id="a"), TaskFilter(G1, agent_id="a")
FILTERS = {"all": ALL, "group": GROUP, "agent": AGENT, "group and agent": BOTH}


def _brief(messages: Sequence[Message]) -> list[tuple[str, str, int, bool]]:
    return [
        (str(m.kind), m.task.task_id if m.task else "", m.task.version if m.task else 0, m.last)
        for m in messages
    ]


async def _news(following: Following, count: int) -> list[Message]:
    """Takes messages until there are so many; those that only say that the watch lives do not
    count."""
    messages: list[Message] = []
    while len(messages) < count:
        messages += [m for m in await following.take(1) if m.kind is not Kind.HEARTBEAT or m.last]
    return messages


async def _take_until(following: Following, kind: Kind) -> list[Message]:
    messages: list[Message] = []
    while not messages or messages[-1].kind is not kind:
        messages += await following.take(1)
    return messages


async def _life_of_groups(engine: Engine) -> None:
    """Many changes in few commits, of two groups and of a task beside them, by two agents."""
    ids = [uid(number) for number in range(1, 8)]
    groups = [G1] * 4 + [G2] * 2 + [None]
    await engine.do(create_group(group_id=G2))
    await engine.do(*map(create, ids, groups))
    await engine.do(*[start(id, "ab"[number % 2]) for number, id in enumerate(ids)])
    for number in range(2):
        await engine.do(*[word for id in ids for word in _reports(id, 2 + number)])
    await engine.do(*[completed(id) for id in ids[1:]])
    await engine.do(cancel_group(), completed(ids[0]))


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
async def test_a_watch_of_many_tasks_goes_on_from_every_token_also_inside_a_commit(
    engine: Engine, chosen: TaskFilter
) -> None:
    await engine.do(create_group())
    events: list[Event] = []
    engine.writer.listen(lambda committed: events.extend(committed.batch.saves.events))
    whole = await _take_until(engine.tasks(chosen), Kind.SYNCED)
    await _life_of_groups(engine)
    expected = [
        ("CHANGE", event.task.task_id, event.task.version)
        for event in events
        if event.chosen_by(chosen) and event.task
    ]
    following = engine.tasks(chosen, whole[0].place)
    whole += await _news(following, len(expected))
    assert [told[:3] for told in _brief(whole[1:])] == expected
    ends = chosen.group_id is not None
    assert await following.rest() == [] if ends else await following.close() is None
    for seen, message in enumerate(whole):
        again = engine.tasks(chosen, message.place)
        rest = whole[seen + 1 :]
        if not rest:
            assert _brief(await again.take(1)) == [("HEARTBEAT", "", 0, ends)]
        assert _brief(await _news(again, len(rest))) == _brief(rest)
        assert await again.rest() == [] if ends else await again.close() is None


async def test_twenty_watches_that_come_back_together_are_told_all_that_they_missed(
    engine: Engine,
) -> None:
    tasks = [uid(number) for number in range(1, 31)]
    await engine.do(create_group(*tasks))
    places = [(await _take_until(engine.tasks(GROUP), Kind.SYNCED))[-1].place]
    for id in tasks:
        await engine.do(start(id), *_reports(id, 3), create(uid(1000 + int(id[-4:], 16))))
        places.append((await _take_until(engine.tasks(GROUP), Kind.SYNCED))[-1].place)
    await engine.do(cancel_group(), *[completed(id) for id in tasks])
    whole = _brief(await engine.tasks(GROUP, places[0]).rest())
    assert len(whole) == 30 * 4 + 2 * 30
    assert whole[-1][-1]
    found = await asyncio.gather(*[engine.tasks(GROUP, place).rest() for place in places[:20]])
    for number, messages in enumerate(found):
        assert _brief(messages) == whole[4 * number :]
    assert engine.cache.bytes == 0


@pytest.mark.parametrize(
    ("chosen", "command"),
    [
        (GROUP, create_group),
        (CHECKOUT, create_checkout),
        (ORDER, create_order),
    ],
    ids=["group", "checkout", "order"],
)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 17])
async def test_a_snapshot_of_any_number_of_tasks_is_whole_and_what_follows_comes_after(
    engine: Engine, chosen: TaskFilter, command: type[Command], count: int
) -> None:
    tasks = [uid(number) for number in range(1, count + 1)]
    await engine.do(command(*tasks))
    following = engine.tasks(chosen)
    told = await following.take(1)
    await engine.do(*[start(id) for id in tasks])
    told += await following.take(2 * count)
    assert _brief(told) == [
        *[("SNAPSHOT", id, 1, False) for id in tasks],
        ("SYNCED", "", 0, False),
        *[("CHANGE", id, 2, False) for id in tasks],
    ]
    for seen, message in enumerate(told):
        again = engine.tasks(chosen, message.place)
        rest = told[seen + 1 :]
        assert _brief(await again.take(len(rest))) == _brief(rest)
        await again.close()
    await following.close()
