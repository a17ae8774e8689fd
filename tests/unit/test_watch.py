"""WatchTask: order, uniqueness, resuming, ends, and how a watch is ended from outside."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.knobs import WatchersKnobs
from countermand.core.records import SECOND
from countermand.core.states import TaskState
from countermand.engine.watching.entries import ENTRY_BYTES
from countermand.engine.watching.messages import Kind, Message
from countermand.engine.watching.open_watches import Watchers
from tests.support.ask import (
    NS,
    T1,
    T2,
    acknowledged,
    cancel,
    completed,
    create,
    start,
)
from tests.support.engine import Engine, running
from tests.support.knobs import watching

S = TaskState


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine that runs, whose hub keeps 8 entries alone."""
    async with running(tmp_path / "store.db", knobs=watching(hub_bytes=8 * ENTRY_BYTES)) as engine:
        yield engine


def _told(messages: list[Message]) -> list[tuple[str, int, bool]]:
    return [(str(m.kind), m.task.version if m.task else 0, m.last) for m in messages]


STORY = (start(T1), cancel(T1, grace=60 * SECOND), cancel(T1), acknowledged(T1))
"""Brings a task from version 1 to its end at version 5."""


# Beginnings.


async def test_the_first_message_is_a_snapshot_of_the_present_state(engine: Engine) -> None:
    await engine.do(create(T1), start(T1))
    watch = engine.task(T1)
    (first,) = await watch.take(1)
    assert _told([first]) == [("SNAPSHOT", 2, False)]
    assert first.task == await engine.store.task(NS, T1)
    await watch.close()


async def test_an_ended_task_is_one_last_snapshot(engine: Engine) -> None:
    await engine.do(create(T1), cancel(T1))
    assert _told(await engine.task(T1).rest()) == [("SNAPSHOT", 2, True)]


async def test_an_unknown_task_is_not_found_before_any_message(engine: Engine) -> None:
    with pytest.raises(Refused) as caught:
        await engine.task(T1).take(1)
    assert caught.value.reason is Reason.TASK_NOT_FOUND
    assert engine.hub.watchers == 0


@pytest.mark.parametrize("after", range(6))
async def test_a_watch_of_an_ended_task_resumes_after_every_version(
    engine: Engine, after: int
) -> None:
    await engine.do(create(T1), *STORY)
    told = _told(await engine.task(T1, after).rest())
    if after == 5:
        assert told == [("HEARTBEAT", 5, True)]
    else:
        assert told == [("CHANGE", version, version == 5) for version in range(after + 1, 6)]


@pytest.mark.parametrize("after", range(4))
async def test_a_watch_of_a_live_task_resumes_after_every_version_and_follows_to_the_end(
    engine: Engine, after: int
) -> None:
    await engine.do(create(T1), *STORY[:2])
    watch = engine.task(T1, after)
    first = await watch.take(1 if after == 3 else 3 - after)
    assert _told(first)[-1] == ("HEARTBEAT" if after == 3 else "CHANGE", 3, False)
    await engine.do(*STORY[2:])
    told = _told(first + await watch.rest())
    changes = [version for kind, version, _ in told if kind == "CHANGE"]
    assert changes == [*range(after + 1, 6)]
    assert told[-1] == ("CHANGE", 5, True)


async def test_a_version_ahead_is_refused_with_the_present_one(engine: Engine) -> None:
    await engine.do(create(T1))
    with pytest.raises(Refused) as caught:
        await engine.task(T1, 2).take(1)
    assert caught.value.reason is Reason.VERSION_AHEAD
    assert caught.value.metadata == {"task_id": T1, "version": "1"}


# Following.


async def test_every_version_comes_once_and_in_order_whoever_wrote_it_and_when(
    engine: Engine,
) -> None:
    await engine.do(create(T1))
    watches = [engine.task(T1, 0) for _ in range(5)]
    readers = [asyncio.create_task(watch.rest()) for watch in watches]
    for command in STORY:
        await engine.do(command)
    for reader in readers:
        told = await asyncio.wait_for(reader, 10)
        assert _told(told) == [("CHANGE", version, version == 5) for version in range(1, 6)]
    assert engine.hub.watchers == 0


async def test_a_change_is_the_task_as_that_version_was(engine: Engine) -> None:
    await engine.do(create(T1))
    live = engine.task(T1, 0)
    first = await live.take(1)
    await engine.do(*STORY)
    from_hub = first + await live.rest()
    from_log = await engine.task(T1, 0).rest()
    for one, two in zip(from_hub, from_log, strict=True):
        assert one.task is not None
        assert two.task is not None
        same = {"number": 0, "fence": 0}
        assert one.task.evolve(**same) == two.task.evolve(**same)
    states = [message.task.state for message in from_log if message.task]
    assert states == [S.PENDING, S.RUNNING, S.CANCELLING, S.CANCELLING, S.CANCELLED]


async def test_a_fence_alone_is_no_change(engine: Engine) -> None:
    await engine.do(create(T1), start(T1))
    watch = engine.task(T1)
    await watch.take(1)
    await engine.do(start(T1))
    await engine.do(completed(T1, fence=2))
    assert _told(await watch.rest()) == [("CHANGE", 3, True)]


async def test_a_slow_watcher_reads_the_log_where_the_hub_gave_up(engine: Engine) -> None:
    await engine.do(create(T1), start(T1), cancel(T1, grace=3600 * SECOND))
    slow = engine.task(T1)
    await slow.take(1)
    for grace in range(3000, 2960, -1):
        await engine.do(cancel(T1, grace=grace * SECOND))
    told = await slow.take(20)
    await engine.do(acknowledged(T1))
    told += await slow.rest()
    assert _told(told) == [("CHANGE", version, version == 44) for version in range(4, 45)]


async def test_a_slow_watcher_delays_nobody_and_keeps_nothing(engine: Engine) -> None:
    await engine.do(create(T1), start(T1), cancel(T1, grace=3600 * SECOND))
    slow, fast = engine.task(T1), engine.task(T1)
    await slow.take(1)
    await fast.take(1)
    for grace in range(3000, 2950, -1):
        await engine.do(cancel(T1, grace=grace * SECOND))
        await fast.take(1)
    assert sum(len(stretch.entries) for stretch in engine.hub._topics.values()) <= 8
    await slow.close()
    await fast.close()


async def test_an_idle_watch_beats_with_the_present_task(engine: Engine) -> None:
    await engine.do(create(T1), start(T1))
    watch = engine.task(T1, heartbeat=1000)
    told = _told(await watch.take(3))
    assert told == [("SNAPSHOT", 2, False), ("HEARTBEAT", 2, False), ("HEARTBEAT", 2, False)]
    await engine.do(completed(T1))
    assert [each for each in _told(await watch.rest()) if each[0] != "HEARTBEAT"] == [
        ("CHANGE", 3, True)
    ]


async def test_a_change_while_the_first_message_is_taken_is_not_missed(engine: Engine) -> None:
    await engine.do(create(T1))
    watch = engine.task(T1)
    snapshot = await watch.take(1)
    await engine.do(start(T1), completed(T1))
    assert _told(snapshot + await watch.rest()) == [
        ("SNAPSHOT", 1, False),
        ("CHANGE", 2, False),
        ("CHANGE", 3, True),
    ]


async def test_a_change_between_the_subscription_and_the_reading_comes_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.do(create(T1))
    real = engine.store.real.task

    async def task_and_then_a_change(namespace: int, task_id: str):
        found = await real(namespace, task_id)
        if found.version == 1:
            await engine.do(start(T1))
        return found

    monkeypatch.setattr(engine.store.real, "task", task_and_then_a_change)
    watch = engine.task(T1, 0)
    told = await watch.take(2)
    await engine.do(completed(T1))
    told += await watch.rest()
    assert _told(told) == [("CHANGE", 1, False), ("CHANGE", 2, False), ("CHANGE", 3, True)]


# Ends from outside.


async def test_closing_a_watch_leaves_nothing_and_affects_no_other(engine: Engine) -> None:
    await engine.do(create(T1))
    one, other = engine.task(T1), engine.task(T1)
    await one.take(1)
    await other.take(1)
    await one.close()
    assert engine.hub.watchers == 1
    await engine.do(start(T1))
    assert _told(await other.take(1)) == [("CHANGE", 2, False)]
    await other.close()
    assert (engine.hub.watchers, engine.hub._topics) == (0, {})
    task = await engine.store.task(NS, T1)
    assert task.state is S.RUNNING


async def test_an_idle_watch_that_is_cancelled_leaves_nothing(engine: Engine) -> None:
    await engine.do(create(T1))
    watch = engine.task(T1)
    await watch.take(1)
    waiting = asyncio.create_task(watch.rest())
    await watch.watcher.idle.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert engine.hub.watchers == 0


async def test_an_idle_watch_that_is_ended_says_why_at_once(engine: Engine) -> None:
    await engine.do(create(T1))
    watch = engine.task(T1)
    await watch.take(1)
    waiting = asyncio.create_task(watch.rest())
    await watch.watcher.idle.wait()
    watch.watcher.end(Refused(Reason.DRAINING, "the server drains"))
    with pytest.raises(Refused) as caught:
        await asyncio.wait_for(waiting, 5)
    assert caught.value.reason is Reason.DRAINING
    assert engine.hub.watchers == 0


async def test_a_watch_that_is_ended_between_messages_says_why_next(engine: Engine) -> None:
    await engine.do(create(T2))
    live = engine.task(T2)
    await live.take(1)
    live.watcher.end(Refused(Reason.DRAINING, "the server drains"))
    with pytest.raises(Refused):
        await live.take(1)


async def test_all_watches_end_together_and_new_ones_are_refused() -> None:
    watchers = Watchers(WatchersKnobs())
    with watchers.opened("key-1") as one, watchers.opened("key-2") as two:
        assert len(watchers) == 2
        watchers.end_all(lambda: Refused(Reason.DRAINING, "the server drains"))
        for watcher in (one, two):
            with pytest.raises(Refused):
                watcher.check()
        with pytest.raises(Refused), watchers.opened("key-3"):
            pass
    assert len(watchers) == 0


async def test_watches_are_counted_together_with_those_of_the_key_that_they_are_counted_as() -> (
    None
):
    watchers = Watchers(WatchersKnobs())
    with watchers.opened("old", 2, "old"), watchers.opened("new", 2, "old"):
        for key_id in ("old", "new", "newer"):
            with pytest.raises(Refused) as caught, watchers.opened(key_id, 2, "old"):
                pass
            assert caught.value.metadata["key_id"] == key_id
        with watchers.opened("other", 2, "other"):
            pass
    with watchers.opened("newer", 1, "old"):
        pass


async def test_a_watch_ends_with_its_key() -> None:
    watchers = Watchers(WatchersKnobs())
    with watchers.opened("dead") as dead, watchers.opened("live") as live:
        watchers.sweep_now(lambda key_id: key_id == "live")
        live.check()
        with pytest.raises(Refused) as caught:
            dead.check()
    assert caught.value.reason is Reason.API_KEY_INVALID


async def test_a_watcher_that_takes_nothing_is_ended_as_too_slow() -> None:
    watchers = Watchers(WatchersKnobs(write_timeout=0.0))

    writes = asyncio.Event()

    async def write_for_ever() -> None:
        with watchers.opened("key-1") as watcher:
            writes.set()
            watcher.writing_since = asyncio.get_running_loop().time() - 1
            try:
                await asyncio.Event().wait()
            finally:
                watcher.check()

    writing = asyncio.create_task(write_for_ever())
    await writes.wait()
    watchers.sweep_now(lambda key_id: True)
    with pytest.raises(Refused) as caught:
        await asyncio.wait_for(writing, 5)
    assert caught.value.reason is Reason.WATCHER_TOO_SLOW


def test_kinds_have_the_names_of_the_api() -> None:
    assert [str(kind) for kind in Kind] == ["SNAPSHOT", "CHANGE", "HEARTBEAT", "SYNCED"]
