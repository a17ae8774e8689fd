"""An operator's watch: every version of every tenant's tasks, however far it falls behind."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countermand.core.errors import Reason, Refused
from countermand.engine.watching.entries import ENTRY_BYTES
from countermand.engine.watching.messages import Kind, Message
from countermand.engine.watching.watch_all import Tenants
from tests.support.ask import NS, OTHER, T1, T2, T3, cancel, create, start, uid
from tests.support.engine import HOUR, Engine, Following, SeenWatcher, running
from tests.support.knobs import watching


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine whose hub keeps 4 entries, and whose watches read 3 rows a page."""
    knobs = watching(page_size=3, hub_bytes=4 * ENTRY_BYTES, page_bytes=1)
    async with running(tmp_path / "store.db", knobs=knobs) as engine:
        yield engine


def _follow(engine: Engine, *namespaces: int, heartbeat: int = HOUR) -> Following:
    watcher = SeenWatcher("key-1", engine.knobs.watching.watchers)
    tenants = Tenants(lambda: namespaces, lambda number: number in namespaces)
    return Following(watcher, engine.watch.all.follow_all(watcher, tenants, heartbeat))


def _told(messages: list[Message]) -> list[str]:
    """For example `CHANGE 1/2 v3`: of namespace 1, task 2."""
    return [
        str(m.kind)
        + (
            f" {m.task.namespace}/{int(m.task.task_id[-4:], 16)} v{m.task.version}"
            if m.task
            else ""
        )
        for m in messages
    ]


async def test_live_tasks_of_every_tenant_come_first_then_one_synced_then_every_change(
    engine: Engine,
) -> None:
    await engine.do(create(T1), create(T1, ns=OTHER), create(T2))
    await engine.do(cancel(T2))
    following = _follow(engine, NS, OTHER)
    assert _told(await following.take(3)) == ["SNAPSHOT 1/1 v1", "SNAPSHOT 2/1 v1", "SYNCED"]
    await engine.do(start(T1), create(T3, ns=OTHER))
    changes = await following.take(2)
    assert sorted(_told(changes)) == ["CHANGE 1/1 v2", "CHANGE 2/3 v1"]
    await following.close()


async def test_a_tenant_that_was_not_asked_for_is_not_shown(engine: Engine) -> None:
    await engine.do(create(T1), create(T1, ns=OTHER))
    following = _follow(engine, OTHER)
    assert _told(await following.take(2)) == ["SNAPSHOT 2/1 v1", "SYNCED"]
    await engine.do(start(T1))
    await engine.do(start(T1, ns=OTHER))
    assert _told(await following.take(1)) == ["CHANGE 2/1 v2"]
    await following.close()


async def test_every_version_is_told_once_and_in_order_though_the_hub_has_given_them_up(
    engine: Engine,
) -> None:
    following = _follow(engine, NS, OTHER)
    assert _told(await following.take(1)) == ["SYNCED"]
    for number in range(1, 21):
        namespace = NS if number % 2 else OTHER
        await engine.do(create(uid(number), ns=namespace))
        await engine.do(start(uid(number), ns=namespace))
        await engine.do(cancel(uid(number), ns=namespace))
    messages = await following.take(60)
    assert {message.kind for message in messages} == {Kind.CHANGE}
    versions: dict[tuple[int, str], list[int]] = {}
    for message in messages:
        assert message.task is not None
        key = (message.task.namespace, message.task.task_id)
        versions.setdefault(key, []).append(message.task.version)
    assert versions.keys() == {(NS if n % 2 else OTHER, uid(n)) for n in range(1, 21)}
    assert set(map(tuple, versions.values())) == {(1, 2, 3)}
    await engine.do(create(uid(99)))
    assert _told(await following.take(1)) == ["CHANGE 1/99 v1"]
    await following.close()


async def test_what_the_hub_lost_is_read_from_the_log(engine: Engine) -> None:
    following = _follow(engine, NS, OTHER)
    await following.take(1)
    engine.hub._keep = None  # type: ignore[assignment]  # whatever comes now is lost
    await engine.do(create(T1))
    del engine.hub._keep
    await engine.do(create(T2))
    assert _told(await following.take(2)) == ["CHANGE 1/1 v1", "CHANGE 1/2 v1"]
    await following.close()


async def test_an_idle_watch_beats_and_is_ended_from_outside(engine: Engine) -> None:
    following = _follow(engine, NS, heartbeat=1000)
    assert _told(await following.take(2)) == ["SYNCED", "HEARTBEAT"]
    following.watcher.end(Refused(Reason.DRAINING, "the server leaves"))
    with pytest.raises(Refused) as ended:
        await asyncio.wait_for(following.rest(), 10)
    assert ended.value.reason is Reason.DRAINING
    assert engine.hub.watchers == 0
