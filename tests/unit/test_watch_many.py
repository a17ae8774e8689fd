"""WatchTasks: snapshots, changes in commit order, resuming from every place, ends of groups."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.log import TaskFilter
from countermand.core.states import TaskState
from countermand.engine.watching.entries import ENTRY_BYTES
from countermand.engine.watching.messages import Message
from countermand.engine.watching.places import Place
from tests.support.ask import (
    G1,
    G2,
    OTHER,
    T1,
    T2,
    T3,
    T4,
    acknowledged,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    start,
    uid,
)
from tests.support.engine import Engine, running
from tests.support.knobs import drawn_with, watching

S = TaskState
ALL, GROUP = TaskFilter(), TaskFilter(G1)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine that runs, whose hub keeps 8 entries and whose watches read 3 rows a page, and
    keep one page between them."""
    knobs = watching(page_size=3, hub_bytes=8 * ENTRY_BYTES, page_bytes=1)
    async with running(tmp_path / "store.db", knobs=knobs) as engine:
        yield engine


def _told(messages: list[Message]) -> list[str]:
    """For example `CHANGE 2 v3`, with a full stop after the last."""
    return [
        str(m.kind)
        + (f" {int(m.task.task_id[-4:], 16)} v{m.task.version}" if m.task else "")
        + ("." if m.last else "")
        for m in messages
    ]


async def _taken(engine: Engine, chosen: TaskFilter, until: str) -> list[Message]:
    """Follows until a message that is told so."""
    following, messages = engine.tasks(chosen), []
    while not messages or _told(messages[-1:]) != [until]:
        messages += await following.take(1)
    await following.close()
    return messages


# Beginnings.


async def test_first_come_the_live_tasks_then_one_synced(engine: Engine) -> None:
    await engine.do(*[create(uid(number)) for number in range(1, 8)], create(T1, ns=OTHER))
    await engine.do(cancel(T2), start(T3))
    told = _told(await _taken(engine, ALL, "SYNCED"))
    assert told == [
        "SNAPSHOT 1 v1",
        "SNAPSHOT 3 v2",
        "SNAPSHOT 4 v1",
        "SNAPSHOT 5 v1",
        "SNAPSHOT 6 v1",
        "SNAPSHOT 7 v1",
        "SYNCED",
    ]


async def test_with_a_group_ended_tasks_are_in_the_snapshot_too(engine: Engine) -> None:
    await engine.do(create_group(T1, T2), create(T3))
    await engine.do(cancel(T1))
    assert _told(await _taken(engine, GROUP, "SYNCED")) == [
        "SNAPSHOT 1 v2",
        "SNAPSHOT 2 v1",
        "SYNCED",
    ]


async def test_an_unknown_group_is_not_found_before_any_message(engine: Engine) -> None:
    with pytest.raises(Refused) as caught:
        await engine.tasks(GROUP).take(1)
    assert caught.value.reason is Reason.GROUP_NOT_FOUND
    assert engine.hub.watchers == 0


async def test_an_agent_that_was_never_seen_has_no_tasks_and_is_synced(engine: Engine) -> None:
    assert _told(await _taken(engine, TaskFilter(agent_id="nobody"), "SYNCED")) == ["SYNCED"]


# Following.


async def test_changes_come_in_commit_order_each_once(engine: Engine) -> None:
    following = engine.tasks(ALL)
    assert _told(await following.take(1)) == ["SYNCED"]
    await engine.do(create(T1), create(T2), start(T2), start(T1))
    await engine.do(cancel(T1), completed(T2))
    assert _told(await following.take(6)) == [
        "CHANGE 1 v1",
        "CHANGE 2 v1",
        "CHANGE 2 v2",
        "CHANGE 1 v2",
        "CHANGE 1 v3",
        "CHANGE 2 v3",
    ]
    await following.close()
    assert engine.hub.watchers == 0


async def test_a_task_that_comes_to_match_begins_with_the_change_that_made_it_match(
    engine: Engine,
) -> None:
    await engine.do(create_group(T1))
    of_agent, of_group = engine.tasks(TaskFilter(agent_id="a")), engine.tasks(GROUP)
    await of_agent.take(1)
    await of_group.take(2)
    await engine.do(create(T2, G1), start(T2, "a"), create(T3), start(T3, "b"), start(T1, "a"))
    assert _told(await of_agent.take(2)) == ["CHANGE 2 v2", "CHANGE 1 v2"]
    assert _told(await of_group.take(3)) == ["CHANGE 2 v1", "CHANGE 2 v2", "CHANGE 1 v2"]
    await of_agent.close()
    await of_group.close()


async def test_an_agent_hears_of_a_cancel_at_once(engine: Engine) -> None:
    await engine.do(create(T1), start(T1, "a"))
    following = engine.tasks(TaskFilter(agent_id="a"))
    assert _told(await following.take(2)) == ["SNAPSHOT 1 v2", "SYNCED"]
    await engine.do(cancel(T1))
    (message,) = await following.take(1)
    assert message.task is not None
    assert message.task.state is S.CANCELLING
    await following.close()


@pytest.mark.parametrize("chosen", [ALL, GROUP], ids=["all", "group"])
async def test_what_happens_during_the_snapshot_comes_after_it_and_once(
    engine: Engine, chosen: TaskFilter
) -> None:
    ids = [uid(number) for number in range(1, 9)]
    await engine.do(create_group(*ids))
    following = engine.tasks(chosen)
    told = await following.take(2)
    await engine.do(start(ids[0]), start(ids[7]), create(uid(9), G1), start(uid(9)))
    told += await following.take(11)
    assert _told(told) == [
        *[f"SNAPSHOT {number} v1" for number in range(1, 9)],
        "SYNCED",
        "CHANGE 1 v2",
        "CHANGE 8 v2",
        "CHANGE 9 v1",
        "CHANGE 9 v2",
    ]
    await following.close()


async def test_a_task_that_ends_during_the_snapshot_is_told_with_its_end(engine: Engine) -> None:
    ids = [uid(number) for number in range(1, 7)]
    await engine.do(*[create(id) for id in ids])
    following = engine.tasks(ALL)
    told = await following.take(1)
    await engine.do(cancel(ids[5]))
    told += await following.take(6)
    assert _told(told)[-2:] == ["SYNCED", "CHANGE 6 v2"]
    await following.close()


async def test_a_slow_watcher_misses_nothing_that_the_hub_gave_up(engine: Engine) -> None:
    following = engine.tasks(ALL)
    await following.take(1)
    for number in range(1, 61):
        await engine.do(create(uid(number)))
    assert _told(await following.take(60)) == [f"CHANGE {n} v1" for n in range(1, 61)]
    await following.close()


@pytest.mark.parametrize("chosen", [ALL, GROUP], ids=["all", "group"])
async def test_watches_that_take_each_others_pages_miss_and_repeat_nothing(
    engine: Engine, chosen: TaskFilter
) -> None:
    ids = [uid(number) for number in range(1, 12)]
    await engine.do(create_group(*ids))
    place = (await _taken(engine, chosen, "SYNCED"))[-1].place
    await engine.do(*[start(id) for id in ids])
    await engine.do(cancel_group())
    watches = [engine.tasks(chosen, place) for _ in range(2)] + [engine.tasks(chosen)]
    told: list[list[str]] = [[], [], []]
    for _ in ids:  # in turn, so that each time another's page is the oldest
        for messages, one in zip(told, watches, strict=True):
            messages += _told(await one.take(2 if one is not watches[2] else 1))
    changes = [f"CHANGE {number} v{version}" for version in (2, 3) for number in range(1, 12)]
    assert told[:2] == [changes, changes]
    assert told[2] == [f"SNAPSHOT {number} v3" for number in range(1, 12)]
    for one in watches:
        await one.close()


async def test_an_idle_watch_beats_and_its_place_moves(engine: Engine) -> None:
    following = engine.tasks(ALL, heartbeat=1000)
    assert _told(await following.take(3)) == ["SYNCED", "HEARTBEAT", "HEARTBEAT"]
    await following.close()


# Resuming.


async def _story(engine: Engine) -> None:
    """Two groups and more, in commits of many; G1 is over at the end."""
    await engine.do(create_group(T1, T2, T3), create(T4))
    await engine.do(start(T1), start(T2), start(T4), start(T3, "b"))
    await engine.do(create_group(uid(5), group_id=G2))
    await engine.do(cancel_group())
    await engine.do(completed(T4), acknowledged(T1), start(uid(5)))
    await engine.do(completed(T2), acknowledged(T3))


async def test_a_watch_of_a_group_resumes_after_every_message_with_all_that_follows(
    engine: Engine,
) -> None:
    await engine.do(create_group(T1, T2, T3), create(T4))
    following = engine.tasks(GROUP)
    whole = await following.take(4)
    await engine.do(start(T1), start(T2), start(T4), start(T3, "b"))
    await engine.do(create_group(uid(5), group_id=G2))
    await engine.do(cancel_group())
    await engine.do(completed(T4), acknowledged(T1), start(uid(5)))
    await engine.do(completed(T2), acknowledged(T3))
    whole += await following.rest()
    assert _told(whole)[-1] == "CHANGE 3 v4."
    for seen in range(1, len(whole)):
        place = whole[seen - 1].place
        told = _told(await engine.tasks(GROUP, place).rest())
        assert told == _told(whole[seen:])
    assert _told(await engine.tasks(GROUP, whole[-1].place).rest()) == ["HEARTBEAT."]


async def test_a_watch_of_all_resumes_inside_a_commit_of_many(engine: Engine) -> None:
    following = engine.tasks(ALL)
    whole = await following.take(1)
    ids = [uid(number) for number in range(1, 21)]
    await engine.do(create_group(*ids))
    whole += await following.take(20)
    await following.close()
    for seen in range(1, 21):
        again = engine.tasks(ALL, whole[seen - 1].place)
        assert _told(await again.take(21 - seen)) == _told(whole[seen:])
        await again.close()


async def test_a_watch_resumes_inside_its_snapshot_as_of_the_same_moment(engine: Engine) -> None:
    ids = [uid(number) for number in range(1, 9)]
    await engine.do(create_group(*ids))
    following = engine.tasks(GROUP)
    whole = await following.take(9)
    await engine.do(*[start(id) for id in ids[::-1]])
    whole += await following.take(8)
    await following.close()
    for seen in range(1, 9):
        again = engine.tasks(GROUP, whole[seen - 1].place)
        assert _told(await again.take(17 - seen)) == _told(whole[seen:])
        await again.close()


async def test_a_resumed_watch_with_nothing_new_beats_at_once(engine: Engine) -> None:
    await engine.do(create(T1))
    whole = await _taken(engine, ALL, "SYNCED")
    again = engine.tasks(ALL, whole[-1].place)
    assert _told(await again.take(1)) == ["HEARTBEAT"]
    await engine.do(start(T1))
    assert _told(await again.take(1)) == ["CHANGE 1 v2"]
    await again.close()


async def test_a_place_ahead_of_the_store_has_expired(engine: Engine) -> None:
    await engine.do(create(T1))
    with pytest.raises(Refused) as caught:
        await engine.tasks(ALL, Place(99, 0)).take(1)
    assert caught.value.reason is Reason.RESUME_TOKEN_EXPIRED


# Ends of groups.


async def test_a_group_that_is_over_is_told_whole_and_the_last_message_is_synced(
    engine: Engine,
) -> None:
    await _story(engine)
    assert _told(await engine.tasks(GROUP).rest()) == [
        "SNAPSHOT 1 v4",
        "SNAPSHOT 2 v4",
        "SNAPSHOT 3 v4",
        "SYNCED.",
    ]


async def test_a_closed_group_ends_with_the_end_of_its_last_task(engine: Engine) -> None:
    await engine.do(create_group(T1, T2, closed=True))
    following = engine.tasks(GROUP)
    await following.take(3)
    await engine.do(cancel(T1), cancel(T2))
    assert _told(await following.rest()) == ["CHANGE 1 v2", "CHANGE 2 v2."]


async def test_an_open_group_does_not_end_when_its_tasks_have(engine: Engine) -> None:
    await engine.do(create_group(T1))
    following = engine.tasks(GROUP)
    await following.take(2)
    await engine.do(cancel(T1))
    assert _told(await following.take(1)) == ["CHANGE 1 v2"]
    await engine.do(create(T2, G1))
    assert _told(await following.take(1)) == ["CHANGE 2 v1"]
    await following.close()


@pytest.mark.parametrize("agent", [None, "a", "nobody"])
async def test_closing_can_end_the_stream_without_a_tasks_change(
    engine: Engine, agent: str | None
) -> None:
    await engine.do(create_group(T1, T2))
    await engine.do(start(T1, "a"), completed(T1), cancel(T2))
    following = engine.tasks(TaskFilter(G1, agent_id=agent))
    while _told(await following.take(1)) != ["SYNCED"]:
        pass
    await engine.do(cancel_group())
    assert _told(await following.rest()) == ["HEARTBEAT."]


THE_ENDS = (["CHANGE 1 v3."], ["CHANGE 1 v3", "HEARTBEAT."])
"""What is told of a change after which a hidden one ends the watch, if both are given at once; or
one after the other."""


async def test_a_watch_of_a_group_and_an_agent_ends_with_the_group(engine: Engine) -> None:
    await engine.do(create_group(T1, T2, closed=True))
    await engine.do(start(T1, "a"), start(T2, "b"))
    following = engine.tasks(TaskFilter(G1, agent_id="a"))
    assert _told(await following.take(2)) == ["SNAPSHOT 1 v2", "SYNCED"]
    rest = asyncio.create_task(following.rest())
    await following.watcher.idle.wait()
    await engine.do(completed(T1), completed(T2))
    assert _told(await rest) in THE_ENDS


async def test_a_watch_of_a_group_and_an_agent_that_lags_ends_with_the_groups_last_change(
    engine: Engine,
) -> None:
    await engine.do(create_group(T1, T2, closed=True))
    await engine.do(start(T1, "a"), start(T2, "b"))
    following = engine.tasks(TaskFilter(G1, agent_id="a"))
    assert _told(await following.take(2)) == ["SNAPSHOT 1 v2", "SYNCED"]
    await engine.do(completed(T1), completed(T2))
    assert _told(await following.rest()) in THE_ENDS


@pytest.mark.parametrize("page_size", [1, 2, 3])
async def test_a_watch_that_lags_is_told_an_end_that_no_last_page_tells(
    tmp_path: Path, page_size: int
) -> None:
    # A page reads so few rows that behind the end there are more, and the hub has given that up.
    values = {
        "store.max_scanned_rows": 1,
        "store.max_walked_events": 1,
        "watching.pages.page_size": page_size,
        "watching.pages.max_batch": 1,
        "watching.hub.max_bytes": 1,
    }
    async with running(tmp_path / "store.db", knobs=drawn_with(values)) as engine:
        await engine.do(create_group(T1, T2, T3, closed=True))
        following, everything = engine.tasks(GROUP), engine.tasks(ALL)
        await following.take(4)
        await everything.take(4)
        for task_id in (T1, T2, T3):
            await engine.do(cancel(task_id))
        for number in range(4, 10):  # One commit each, so that the hub keeps the last alone.
            await engine.do(create(uid(number)))
        told = _told(await asyncio.wait_for(following.rest(), 5))
        # What another page tells of the end may come in a message of its own.
        changes = ["CHANGE 1 v2", "CHANGE 2 v2", "CHANGE 3 v2"]
        assert told in ([*changes[:2], "CHANGE 3 v2."], [*changes, "HEARTBEAT."])
        await everything.close()


async def test_who_resumes_after_a_closing_that_it_missed_is_told_the_end(engine: Engine) -> None:
    await engine.do(create_group(T1))
    await engine.do(cancel(T1))
    seen = await _taken(engine, GROUP, "SYNCED")
    await engine.do(cancel_group())
    assert _told(await engine.tasks(GROUP, seen[-1].place).rest()) == ["HEARTBEAT."]
    assert _told(await engine.tasks(GROUP, seen[0].place).rest()) == ["SYNCED", "HEARTBEAT."]


async def test_a_group_created_closed_and_empty_is_over_at_once(engine: Engine) -> None:
    await engine.do(create_group(closed=True))
    assert _told(await engine.tasks(GROUP).rest()) == ["SYNCED."]


async def test_the_end_of_one_group_ends_no_other_watch(engine: Engine) -> None:
    await engine.do(create_group(T1), create_group(T2, group_id=G2))
    everything, other = engine.tasks(ALL), engine.tasks(TaskFilter(G2))
    await everything.take(3)
    await other.take(2)
    await engine.do(cancel_group(G1))
    await engine.do(start(T2))
    assert _told(await everything.take(2)) == ["CHANGE 1 v2", "CHANGE 2 v2"]
    assert _told(await other.take(1)) == ["CHANGE 2 v2"]
    await everything.close()
    await other.close()
