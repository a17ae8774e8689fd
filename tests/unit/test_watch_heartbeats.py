"""Heartbeats: each interval of silence on this stream, whatever else goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.log import TaskFilter
from countermand.core.records import SECOND
from countermand.core.states import ChargeState
from countermand.engine.watching.messages import Kind
from countermand.engine.watching.places import Place
from tests.support.ask import (
    G1,
    NS,
    T1,
    T2,
    charged,
    completed,
    create,
    create_group,
    start,
    uid,
)
from tests.support.engine import Engine, running
from tests.support.knobs import PRODUCTION, changed, watching

SOON = SECOND // 20
AT_ONCE = 1
"""So short that a heartbeat is due after each message."""
ALL, GROUP, NOBODYS = TaskFilter(), TaskFilter(G1), TaskFilter(G1, agent_id="nobody")


@pytest.fixture(
    params=[PRODUCTION, watching(page_size=1, max_batch=1), watching(page_size=3)],
    ids=["as served", "pages of 1", "pages of 3"],
)
async def engine(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    async with running(tmp_path / "store.db", knobs=request.param) as engine:
        yield engine


def _words(task_id: str, count: int) -> list[Any]:
    words = (ChargeState.CAPTURED, ChargeState.VOIDED)
    return [charged(task_id, words[number % 2]) for number in range(count)]


async def _change_for_ever(engine: Engine) -> None:
    """Commits a change of T1 whenever the one before is on disk."""
    while True:
        for word in _words(T1, 2):
            await engine.do(word)


@pytest.mark.parametrize("chosen", [NOBODYS, TaskFilter(agent_id="nobody")])
async def test_what_the_filter_hides_puts_no_heartbeat_off(
    engine: Engine, chosen: TaskFilter
) -> None:
    await engine.do(create_group(T1))
    await engine.do(start(T1))
    following = engine.tasks(chosen, heartbeat=SOON)
    assert [m.kind for m in await following.take(1)] == [Kind.SYNCED]
    changing = asyncio.create_task(_change_for_ever(engine))
    loop = asyncio.get_running_loop()
    for _ in range(5):
        begin, before = loop.time(), await engine.store.bookmark(NS, ALL)
        (beat,) = await asyncio.wait_for(following.take(1), 10)
        assert beat.kind is Kind.HEARTBEAT
        assert loop.time() - begin >= SOON / SECOND / 2
        assert beat.place is not None
        assert beat.place.seq >= before.seq
    changing.cancel()
    await following.close()


async def test_a_message_puts_the_heartbeat_off(engine: Engine) -> None:
    await engine.do(create_group(T1))
    await engine.do(start(T1))
    following = engine.tasks(GROUP, heartbeat=10 * SOON)
    await following.take(2)
    for word in _words(T1, 30):  # which take longer than the interval
        change = asyncio.create_task(following.take(1))
        await engine.do(word)
        await asyncio.sleep(0.02)
        assert [m.kind for m in await change] == [Kind.CHANGE]
    await following.close()


async def test_a_watch_beats_while_its_page_is_read_and_then_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.do(create(T1), start(T1), *_words(T1, 8))
    task = await engine.store.task(NS, T1)
    real, gate = engine.store.real.history, asyncio.Event()

    async def slow(*asked: Any) -> Any:
        await gate.wait()
        return await real(*asked)

    watch = engine.task(T1, 1, heartbeat=SOON)
    told = await watch.take(1)
    monkeypatch.setattr(engine.store.real, "history", slow)
    while told[-1].task.version < task.version or told[-1].kind is not Kind.CHANGE:
        told += await watch.take(1)
        if told[-1].kind is Kind.HEARTBEAT:
            assert (told[-1].task, told[-1].last) == (task, False)
            gate.set()
    assert gate.is_set() is (engine.knobs is not PRODUCTION)  # which reads all in one page
    await engine.do(completed(T1))
    told += await watch.rest()
    changes = [m.task.version for m in told if m.kind is Kind.CHANGE and m.task]
    assert changes == list(range(2, task.version + 2))


async def test_a_resumed_watch_beats_while_its_page_is_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.do(create_group(T1))
    await engine.do(start(T1))
    (message, *_) = await engine.tasks(GROUP).take(2)
    await engine.do(*_words(T1, 5))
    real, gate = engine.store.real.log, asyncio.Event()

    async def slow(*asked: Any) -> Any:
        if asked[2] > 3:  # not of the first page
            await gate.wait()
        return await real(*asked)

    monkeypatch.setattr(engine.store.real, "log", slow)
    again = engine.tasks(GROUP, message.place, heartbeat=SOON)
    told = await again.take(1)
    while told[-1].task is None or told[-1].task.version < 7:
        told += await again.take(1)
        if told[-1].kind is Kind.HEARTBEAT:
            gate.set()
    changes = [m for m in told if m.kind is Kind.CHANGE]
    assert [m.task.version for m in changes if m.task] == list(range(3, 8))
    beats = [m for m in told if m.kind is Kind.HEARTBEAT]
    assert bool(beats) is (engine.knobs is not PRODUCTION)  # which reads all in one page
    for number, beat in enumerate(told):
        if beat.kind is Kind.HEARTBEAT:
            assert beat.place == told[number - 1].place
    await again.close()


async def test_pages_of_what_the_filter_hides_do_not_silence_a_watch_that_catches_up(
    tmp_path: Path,
) -> None:
    knobs = changed({"store.max_scanned_rows": 1})
    async with running(tmp_path / "store.db", knobs=knobs) as engine:
        await engine.do(create(T1), start(T1, "a"))
        mine = TaskFilter(agent_id="nobody")
        before = engine.tasks(mine)
        (synced,) = await before.take(1)
        await before.close()
        await engine.do(*_words(T1, 20), create(T2), start(T2, "nobody"))
        again = engine.tasks(mine, synced.place, heartbeat=AT_ONCE)
        told = await again.take(1)
        while told[-1].kind is Kind.HEARTBEAT:
            told += await again.take(1)
        *beats, change = told
        assert change.kind is Kind.CHANGE
        places = [beat.place for beat in beats if beat.place]
        assert places == sorted(places)
        assert len(set(places)) >= 20
        await again.close()
        for place in set(places):
            again = engine.tasks(mine, place)
            told = await again.take(1)
            while told[-1].kind is Kind.HEARTBEAT:
                told += await again.take(1)
            assert told[-1].task == change.task
            await again.close()


async def test_a_watch_beats_between_the_tasks_of_a_snapshot_that_is_slow_to_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [uid(number) for number in range(1, 8)]
    await engine.do(create_group(*tasks))
    real, gate = engine.store.real.snapshot, asyncio.Event()

    async def slow(*asked: Any) -> Any:
        if asked[3] > 0:  # not of the first page
            await gate.wait()
        return await real(*asked)

    monkeypatch.setattr(engine.store.real, "snapshot", slow)
    following = engine.tasks(GROUP, heartbeat=SOON)
    told = await following.take(6)
    gate.set()
    while told[-1].kind is not Kind.SYNCED:
        told += await following.take(1)
    await following.close()
    shown = [m.task.task_id for m in told if m.kind is Kind.SNAPSHOT and m.task]
    assert shown == tasks
    for seen, message in enumerate(told):
        again = engine.tasks(GROUP, message.place)
        rest = [m.task.task_id for m in told[seen + 1 :] if m.kind is Kind.SNAPSHOT and m.task]
        messages = await again.take(len(rest) + 1)
        assert [m.task.task_id for m in messages if m.kind is Kind.SNAPSHOT and m.task] == rest
        await again.close()


async def test_no_heartbeat_comes_before_the_first_message(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.do(create_group(T1))
    real = engine.store.real.snapshot

    async def slow(*asked: Any) -> Any:
        await asyncio.sleep(2 * SOON / SECOND)
        return await real(*asked)

    monkeypatch.setattr(engine.store.real, "snapshot", slow)
    following = engine.tasks(GROUP, heartbeat=AT_ONCE)
    (first,) = await following.take(1)
    assert first.kind is Kind.SNAPSHOT
    await following.close()


async def test_a_watch_that_is_ended_while_its_page_is_read_says_why_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.do(create(T1), start(T1))

    async def never(*asked: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(engine.store.real, "history", never)
    watch = engine.task(T1, 0)
    waiting = asyncio.create_task(watch.take(1))
    await watch.watcher.reads.wait()
    watch.watcher.end(Refused(Reason.DRAINING, "the server drains"))
    with pytest.raises(Refused) as caught:
        await asyncio.wait_for(waiting, 5)
    assert caught.value.reason is Reason.DRAINING
    assert (engine.hub.watchers, engine.cache.bytes) == (0, 0)


async def test_an_idle_watch_of_many_has_a_token_of_now(engine: Engine) -> None:
    await engine.do(create_group(T1))
    following = engine.tasks(GROUP, heartbeat=SOON)
    await following.take(2)
    for number in range(3):
        await engine.do(create(uid(100 + number)))
        (beat,) = await following.take(1)
        mark = await engine.store.bookmark(NS, ALL)
        assert (beat.kind, beat.place) == (Kind.HEARTBEAT, Place(mark.seq, mark.time))
    await following.close()
