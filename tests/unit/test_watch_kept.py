"""Watches and the retention: a place that lost something is refused, and none is skipped."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.log import TaskFilter
from countermand.core.records import SECOND
from countermand.core.retention import DAY
from countermand.engine.watching.entries import ENTRY_BYTES
from countermand.engine.watching.messages import Kind, Message
from countermand.engine.watching.places import Place
from tests.support.ask import (
    FIRST_TIME,
    G1,
    NS,
    OTHER,
    T1,
    T2,
    T3,
    cancel,
    completed,
    create,
    create_group,
    start,
    uid,
)
from tests.support.engine import Engine, Following, HandClock, running
from tests.support.knobs import changed, watching

ALL, GROUP = TaskFilter(), TaskFilter(G1)
KEPT = 30 * DAY


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def engine(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    """An engine on a clock that is moved by hand; its hub keeps 4 entries, a page has 3 rows."""
    knobs = watching(page_size=3, hub_bytes=4 * ENTRY_BYTES)
    knobs = changed({"purger.pause": 0.0}, knobs)
    async with running(tmp_path / "store.db", clock=clock, knobs=knobs) as engine:
        yield engine


async def _purge(engine: Engine) -> None:
    await engine.purger(KEPT).purge()


async def _refusal(following: Following) -> Refused:
    with pytest.raises(Refused) as caught:
        await following.take(1)
    return caught.value


async def _take_all(following: Following, told: list[Message]) -> None:
    while True:
        told += await following.take(1)


async def _five_events(engine: Engine, clock: HandClock) -> list[Place]:
    """T1 lives, T2 ends in the second second, T3 begins in the third. Returns the places."""
    following = engine.tasks(ALL)
    places = [message.place for message in await following.take(1)]
    for commands in ([create(T1), create(T2)], [cancel(T2)], [create(T3), start(T3)]):
        await engine.do(*commands)
        clock.time += SECOND
    places += [message.place for message in await following.take(5)]
    await following.close()
    return [place for place in places if place is not None]


async def test_a_place_before_what_is_kept_has_expired_and_says_what_is(
    engine: Engine, clock: HandClock
) -> None:
    places = await _five_events(engine, clock)
    clock.time = FIRST_TIME + SECOND + KEPT
    await _purge(engine)
    for place in places[:3]:
        refusal = await _refusal(engine.tasks(ALL, place))
        assert refusal.reason is Reason.RESUME_TOKEN_EXPIRED
        assert refusal.metadata == {"kept_since_time": "2023-11-14T22:13:21.000000Z"}
        assert "2023-11-14T22:13:21.000000Z" in refusal.message
        assert "watch anew without" in refusal.message


async def test_from_the_last_place_that_went_on_all_is_told(
    engine: Engine, clock: HandClock
) -> None:
    places = await _five_events(engine, clock)
    clock.time = FIRST_TIME + SECOND + KEPT
    await _purge(engine)
    floor = (await engine.store.bookmark(NS, ALL)).floor
    for place, left in ((Place(floor.seq, floor.time), 2), (places[4], 1)):
        following = engine.tasks(ALL, place)
        told = await following.take(left)
        assert [message.place for message in told] == places[-left:]
        await following.close()


async def test_a_place_inside_a_snapshot_expires_like_any_other(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create(T1), create(T2), create(T3))
    following = engine.tasks(ALL)
    (first,) = await following.take(1)
    await following.close()
    await engine.do(cancel(T2))
    clock.time += KEPT
    again = engine.tasks(ALL, first.place)
    assert [message.kind for message in await again.take(3)][1:] == [Kind.SYNCED, Kind.CHANGE]
    await again.close()
    await _purge(engine)
    assert (await _refusal(engine.tasks(ALL, first.place))).reason is Reason.RESUME_TOKEN_EXPIRED


async def test_a_watch_that_lags_behind_what_is_kept_is_ended_and_skips_nothing(
    engine: Engine, clock: HandClock
) -> None:
    following = engine.tasks(ALL)
    await following.take(1)
    ids = [uid(number) for number in range(1, 11)]
    await engine.do(*[create(id) for id in ids])
    told = await following.take(2)
    await engine.do(*[cancel(id) for id in ids[4:]])
    clock.time += KEPT
    await _purge(engine)
    with pytest.raises(Refused) as caught:
        await _take_all(following, told)
    assert caught.value.reason is Reason.RESUME_TOKEN_EXPIRED
    seen = [message.place.seq for message in told if message.place]
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) < 10


async def test_a_watch_that_keeps_up_goes_on_whatever_is_removed(
    engine: Engine, clock: HandClock
) -> None:
    following = engine.tasks(ALL)
    await following.take(1)
    for number in range(1, 8):
        await engine.do(create(uid(number)), cancel(uid(number)))
        assert [m.place.seq for m in await following.take(2)] == [3 * number - 2, 3 * number - 1]
        clock.time += KEPT
        await _purge(engine)
    await following.close()


async def test_a_log_that_lost_everything_goes_on_from_its_end(
    engine: Engine, clock: HandClock
) -> None:
    following = engine.tasks(ALL)
    await following.take(1)
    await engine.do(create(T1), cancel(T1))
    await following.take(2)
    await following.close()
    end = (await engine.tasks(ALL).take(1))[0].place
    clock.time += KEPT
    await _purge(engine)
    again = engine.tasks(ALL, end)
    assert [message.kind for message in await again.take(1)] == [Kind.HEARTBEAT]
    await engine.do(create(T1))
    assert [message.kind for message in await again.take(1)] == [Kind.CHANGE]
    await again.close()


async def test_a_task_that_is_kept_is_told_from_its_first_version(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create(T1), create(T2), start(T1), cancel(T2))
    clock.time += KEPT
    await _purge(engine)
    await engine.do(completed(T1))
    told = await engine.task(T1, after=0).rest()
    assert [message.task.version for message in told] == [1, 2, 3]
    assert (await _refusal(engine.task(T2, after=0))).reason is Reason.TASK_NOT_FOUND


# Restored stores.


async def test_a_place_of_a_lost_future_has_expired_also_when_the_log_has_grown_past_it(
    engine: Engine, clock: HandClock
) -> None:
    """A restored store writes other events at the same places, at later times."""
    places = await _five_events(engine, clock)
    for place in places[1:]:
        lost = place._replace(time=place.time - 1)
        refusal = await _refusal(engine.tasks(ALL, lost))
        assert refusal.reason is Reason.RESUME_TOKEN_EXPIRED
        assert refusal.metadata == {}
    ahead = places[-1]._replace(seq=99)
    assert (await _refusal(engine.tasks(ALL, ahead))).reason is Reason.RESUME_TOKEN_EXPIRED


async def test_a_place_of_a_lost_future_at_the_floor_has_expired(
    engine: Engine, clock: HandClock
) -> None:
    places = await _five_events(engine, clock)
    clock.time = FIRST_TIME + SECOND + KEPT
    await _purge(engine)
    lost = places[3]._replace(time=places[3].time - 1)
    refusal = await _refusal(engine.tasks(ALL, lost))
    assert refusal.metadata == {"kept_since_time": "2023-11-14T22:13:21.000000Z"}


# Quiet watches.


async def test_a_heartbeat_brings_the_place_to_the_present_end_of_the_log(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create_group(T1))
    following = engine.tasks(GROUP, heartbeat=SECOND // 20)
    await following.take(2)
    await engine.do(create(T2), cancel(T2), create(T3, ns=OTHER))
    (beat,) = await following.take(1)
    assert (beat.kind, beat.place) == (Kind.HEARTBEAT, Place(4, FIRST_TIME))
    await engine.do(start(T1))
    (change,) = await following.take(1)
    assert (change.kind, change.place) == (Kind.CHANGE, Place(5, FIRST_TIME))
    await following.close()


async def test_a_watch_that_was_quiet_for_long_resumes_from_its_last_heartbeat(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create_group(T1))
    following = engine.tasks(GROUP, heartbeat=SECOND // 20)
    synced = (await following.take(2))[1].place
    await engine.do(create(T2), cancel(T2))
    clock.time += KEPT
    await engine.do(create(T3))
    beat = (await following.take(1))[0].place
    await following.close()
    await _purge(engine)
    await engine.do(start(T1))
    again = engine.tasks(GROUP, beat)
    assert [message.kind for message in await again.take(1)] == [Kind.CHANGE]
    await again.close()
    refusal = await _refusal(engine.tasks(GROUP, synced))
    assert refusal.reason is Reason.RESUME_TOKEN_EXPIRED


async def test_what_is_committed_while_a_heartbeat_is_due_is_told_all_the_same(
    engine: Engine,
) -> None:
    """The place never moves past what was not told."""
    await engine.do(create_group(T1))
    following = engine.tasks(GROUP, heartbeat=1)
    await following.take(2)
    versions, sent = [], 0
    while len(versions) < 40:
        if sent < 40:
            sent += 1
            await engine.do(create(uid(100 + sent), G1), create(uid(200 + sent)))
        for message in await following.take(1):
            if message.kind is Kind.CHANGE and message.task is not None:
                versions.append(int(message.task.task_id[-4:], 16) - 100)
    assert versions == list(range(1, 41))
    await following.close()


async def test_a_watch_whose_group_is_removed_is_told_so_when_it_looks(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create_group())
    following = engine.tasks(GROUP)
    (synced,) = await following.take(1)
    clock.time += KEPT
    await _purge(engine)
    assert await engine.store.holder(GROUP.targets(NS)[0]) is None
    assert (await _refusal(following)).reason is Reason.GROUP_NOT_FOUND
    assert (await _refusal(engine.tasks(GROUP, synced.place))).reason is Reason.GROUP_NOT_FOUND
