"""WatchCheckout and WatchOrder: every version of the record itself, to its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND, Target
from countermand.engine.watching.watch_record import RecordMessage
from tests.support.ask import (
    O1,
    O2,
    T1,
    T2,
    X1,
    acknowledged,
    cancel_checkout,
    cancel_order,
    complete,
    create,
    create_checkout,
    create_order,
    start,
    target,
    update_checkout,
    update_order,
)
from tests.support.engine import HOUR, Engine, Following, SeenWatcher, running
from tests.support.waiting import until

ORDER, CHECKOUT = target("order", O1), target("checkout", X1)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running(tmp_path / "store.db") as engine:
        yield engine


def follow(
    engine: Engine, record: Target, after: int | None = None, heartbeat: int = HOUR
) -> Following:
    watcher = SeenWatcher("key-1", engine.knobs.watching.watchers)
    messages = engine.watch.records.follow(watcher, record, after, heartbeat)
    return Following(watcher, messages)


def told(messages: list[Any]) -> list[tuple[str, int, str, bool]]:
    found: list[RecordMessage] = messages
    return [
        (str(m.kind), m.reading.holder.version, str(getattr(m.reading.holder, "state", "")), m.last)
        for m in found
    ]


async def one_by_one(engine: Engine, *commands: Any) -> None:
    for command in commands:
        await engine.do(command)


async def test_an_order_without_tasks_shows_its_cancel_and_ends(engine: Engine) -> None:
    await one_by_one(engine, create_order())
    watch = follow(engine, ORDER)
    assert told(await watch.take(1)) == [("SNAPSHOT", 1, "OPEN", False)]
    await engine.do(cancel_order())
    (end,) = await watch.rest()
    assert told([end]) == [("CHANGE", 2, "CANCELLED", True)]
    assert end.reading.holder == (await engine.store.holder(ORDER)).holder


STORY = (
    create_order(T1, data=b"1"),
    update_order(data=b"2"),
    create(T2, order_id=O1),
    start(T1),
    cancel_order(),
    acknowledged(T1),
)
VERSIONS = [(1, "OPEN"), (2, "OPEN"), (3, "OPEN"), (4, "CANCELLING"), (5, "CANCELLED")]


@pytest.mark.parametrize("after", range(5))
async def test_every_version_is_told_once_from_every_place(engine: Engine, after: int) -> None:
    await one_by_one(engine, *STORY)
    messages = await follow(engine, ORDER, after).rest()
    assert told(messages) == [
        ("CHANGE", version, state, version == 5) for version, state in VERSIONS[after:]
    ]
    for message in messages:
        then, now = message.reading.holder, (await engine.store.holder(ORDER)).holder
        assert then.snapshot == now.snapshot == b"2"
        cancelled = then.version > 3
        assert (then.cancellation_id is not None) == cancelled
        assert bool(then.cancel_reason) == cancelled
        assert (then.cancel_time is not None) == cancelled


async def test_every_version_is_told_live_and_in_order(engine: Engine) -> None:
    await one_by_one(engine, STORY[0])
    watch = follow(engine, ORDER, 0)
    telling = asyncio.create_task(watch.rest())
    await watch.watcher.idle.wait()
    await one_by_one(engine, *STORY[1:])
    assert [message[1:3] for message in told(await telling)] == VERSIONS


async def test_versions_of_one_commit_are_told_each(engine: Engine) -> None:
    await one_by_one(engine, create_checkout())
    watch = follow(engine, CHECKOUT)
    await watch.take(1)
    engine.store.hold()
    ids = [T1, T2]
    made = [engine.submit(create(id, checkout_id=X1)) for id in ids]
    engine.store.release()
    await asyncio.gather(*made)
    await engine.do(complete())
    assert [message[1:3] for message in told(await watch.rest())] == [
        (2, "OPEN"),
        (3, "OPEN"),
        (4, "COMPLETED"),
    ]


async def test_the_present_version_is_a_heartbeat_and_of_what_ended_the_last(
    engine: Engine,
) -> None:
    await one_by_one(engine, *STORY)
    assert told(await follow(engine, ORDER, 5).rest()) == [("HEARTBEAT", 5, "CANCELLED", True)]
    assert told(await follow(engine, ORDER).rest()) == [("SNAPSHOT", 5, "CANCELLED", True)]


async def test_what_is_said_after_the_end_is_told_from_below_it(engine: Engine) -> None:
    await one_by_one(engine, *STORY, update_order(data=b"refunded"))
    assert told(await follow(engine, ORDER, 4).rest()) == [
        ("CHANGE", 5, "CANCELLED", False),
        ("CHANGE", 6, "CANCELLED", True),
    ]


async def test_an_idle_stream_has_a_heartbeat_with_the_present_record(engine: Engine) -> None:
    await one_by_one(engine, create_checkout(T1))
    watch = follow(engine, CHECKOUT, heartbeat=SECOND // 100)
    (_, beat) = await watch.take(2)
    assert told([beat]) == [("HEARTBEAT", 1, "OPEN", False)]
    assert beat.reading == await engine.store.holder(CHECKOUT)
    await engine.do(update_checkout(data=b"x"))
    kinds = []
    while (message := (await watch.take(1))[0]).kind != "CHANGE":
        kinds.append(str(message.kind))
    assert set(kinds) <= {"HEARTBEAT"}
    assert message.reading.holder.version == 2
    await watch.close()


@pytest.mark.parametrize("record", [ORDER, CHECKOUT])
async def test_an_unknown_record_and_a_version_ahead_are_refused(
    engine: Engine, record: Target
) -> None:
    with pytest.raises(Refused) as refused:
        await follow(engine, record).rest()
    assert refused.value.reason is Reason(f"{record.kind}_NOT_FOUND")
    await one_by_one(engine, create_checkout(), create_order())
    with pytest.raises(Refused) as refused:
        await follow(engine, record, 2).rest()
    assert (refused.value.reason, refused.value.metadata["version"]) == (Reason.VERSION_AHEAD, "1")


async def test_versions_that_were_not_kept_have_expired(engine: Engine) -> None:
    await one_by_one(engine, *STORY[:3])
    connection = engine.store.real._connection
    await connection.execute("DELETE FROM events WHERE record_version <= 2")
    for after in (0, 1):
        with pytest.raises(Refused) as refused:
            await follow(engine, ORDER, after).rest()
        assert refused.value.reason is Reason.VERSION_EXPIRED
        assert refused.value.metadata == {"version": "3"}
    watch = follow(engine, ORDER, 2)
    assert told(await watch.take(1)) == [("CHANGE", 3, "OPEN", False)]
    await watch.close()


async def test_it_ends_with_not_found_when_the_record_is_removed(engine: Engine) -> None:
    await one_by_one(engine, create_order(), create_order(order_id=O2))
    watch = follow(engine, ORDER)
    await watch.take(1)
    ending = asyncio.create_task(watch.rest())
    await watch.watcher.idle.wait()
    purger = asyncio.create_task(engine.purger(0).run())
    with pytest.raises(Refused) as refused:
        await asyncio.wait_for(ending, 20)
    assert refused.value.reason is Reason.ORDER_NOT_FOUND
    purger.cancel()
    with suppress(asyncio.CancelledError):
        await purger


async def test_other_records_wake_nobody(engine: Engine) -> None:
    await one_by_one(engine, create_order(), create_order(order_id=O2), create_checkout(T1))
    watch = follow(engine, ORDER)
    await watch.take(1)
    following = asyncio.create_task(watch.rest())
    await watch.watcher.idle.wait()
    watch.watcher.idle.clear()
    await one_by_one(engine, update_order(O2, data=b"x"), start(T1), cancel_checkout())
    assert not watch.watcher.idle.is_set()
    await engine.do(update_order(close=True))
    assert told(await following) == [("CHANGE", 2, "CLOSED", True)]


async def test_a_watch_that_is_ended_from_outside_raises_its_refusal(engine: Engine) -> None:
    await one_by_one(engine, create_order())
    watch = follow(engine, ORDER)
    await watch.take(1)
    following = asyncio.create_task(watch.rest())
    await watch.watcher.idle.wait()
    watch.watcher.end(Refused(Reason.DRAINING, "the server drains"))
    with pytest.raises(Refused, match="drains"):
        await following
    await until(lambda: engine.hub.watchers == 0)
