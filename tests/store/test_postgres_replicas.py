"""Servers, without their network side, that share one store on PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import pytest

from countermand.app.composition import App, running
from countermand.app.first_key import make_first_key
from countermand.app.store_gauges import read_membership
from countermand.core.errors import Reason, Refused
from countermand.core.ids import SCOPES
from countermand.core.keys import KeyLimits, NewKey
from countermand.core.records import SECOND
from countermand.core.retention import DAY
from countermand.core.states import CancelProof, TaskState
from countermand.engine.clock import NANOSECONDS, Clock
from countermand.engine.writer import Writer
from countermand.telemetry.metrics import Metrics
from tests.support.ask import NS, T1, T2, cancel, create, start
from tests.support.knobs import PRODUCTION, changed
from tests.support.postgres_proxy import Proxy
from tests.support.postgres_store import EmptyStores, postgres_store
from tests.support.waiting import until

KNOBS = changed(
    {
        "store.quick_threads": 1,
        "store.long_threads": 1,
        "store.watch_threads": 1,
        "store.agent_threads": 1,
    }
)
MINUTES = 300 * SECOND
SOON = 10.0
"""Seconds that a busy machine may take for what takes tens of milliseconds."""


@pytest.fixture
def url(empty_stores: EmptyStores) -> Iterator[str]:
    with empty_stores.database() as url:
        yield url


@asynccontextmanager
async def server(
    url: str, *, ahead: int = 0, knobs: object = KNOBS, retention: int | None = None
) -> AsyncIterator[App]:
    """One that runs on the store, whose wall clock is so far ahead."""
    clock = Clock(PRODUCTION.clock, wall=lambda: time.time_ns() + ahead * NANOSECONDS)
    store = postgres_store(url, knobs.store)
    given = running(store, knobs, clock=clock, retention=retention)  # type: ignore[arg-type]
    async with given as (app, failing):
        yield app
        assert not failing.done()


@pytest.fixture
async def apps(url: str) -> AsyncIterator[list[App]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(server(url, ahead=one * MINUTES)) for one in (0, 1)]


async def holds(what: Callable[[], bool]) -> None:
    await until(what, SOON)


def lets_in(app: App, secret: str) -> bool:
    return refused_with(app, secret) is not Reason.API_KEY_INVALID


def refused_with(app: App, secret: str) -> Reason | None:
    try:
        app.keyring.authenticate(secret)
    except Refused as refusal:
        return refusal.reason
    return None


NEW = NewKey("default", "sandbox", SCOPES, name="a key")


async def test_what_one_server_does_to_a_key_counts_on_all(apps: list[App]) -> None:
    first, second = apps
    made, secret = await first.keyring.create(NEW)
    await holds(lambda: lets_in(second, secret))
    with second.watchers.opened(made.key_id) as watcher:
        await first.keyring.revoke(made.key_id)
        await holds(lambda: not lets_in(second, secret))
        assert watcher.refusal is not None
        assert watcher.refusal.reason is Reason.API_KEY_INVALID


async def test_a_server_that_cannot_see_the_keys_refuses_all_calls_and_keeps_its_watches(
    url: str,
) -> None:
    """Since it could not hear of a key that was revoked; until it can see them again."""
    knobs = changed({"membership.max_keys_age": 0.5}, KNOBS)
    port = int(url.rpartition(":")[2].partition("/")[0])
    with Proxy(port) as proxy:
        through = url.replace(f":{port}/", f":{proxy.port}/")
        async with server(through, knobs=knobs) as app:
            made, secret = await app.keyring.create(NEW)
            await holds(lambda: lets_in(app, secret))

            def is_refused() -> bool:
                return refused_with(app, secret) is Reason.STORE_UNAVAILABLE

            with app.watchers.opened(made.key_id) as watcher:
                proxy.freeze()
                await holds(is_refused)
                app.watchers.sweep_now(app.keyring.is_live)
                assert watcher.refusal is None
                proxy.thaw()
                await holds(lambda: not is_refused())
                assert watcher.refusal is None


async def test_servers_that_start_together_on_an_empty_store_make_one_key(
    url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        apps = [await enter(server(url)) for _ in range(3)]
        shared = [(app, app.store.shared) for app in apps]
        await asyncio.gather(*[make_first_key(app.keyring, None, one) for app, one in shared])
        assert [len(app.keyring) for app in apps] == [1, 1, 1]
        keys = [line for line in capfd.readouterr().err.splitlines() if line.startswith("cmd_")]
        assert len(keys) == 1
        assert all(lets_in(app, keys[0]) for app in apps)


async def test_what_a_server_that_is_gone_would_have_ended_another_ends_in_time(
    apps: list[App], url: str
) -> None:
    """Though its neighbours heard of none of it, and their clocks are five minutes apart."""
    await apps[0].keyring.create(NEW)
    store = postgres_store(url, KNOBS.store)
    gone = await _writer_alone(store, apps[0])
    running_alone = asyncio.create_task(gone.run())
    begin = time.monotonic()
    for command in (create(T1), create(T2), start(T1, "a"), start(T2, "b", lease=SECOND)):
        await gone.submit(command)
    await gone.submit(cancel(T1, grace=SECOND))
    end = time.monotonic()
    gone.close()
    await running_alone
    await store.close()

    async def state(task_id: str) -> TaskState:
        task = await apps[1].store.task(NS, task_id)
        assert task is not None
        return task.state

    ends = {T1: 0.0, T2: 0.0}
    while not all(ends.values()) and time.monotonic() - begin < SOON:
        for task_id in ends:
            if not ends[task_id] and await state(task_id) in (
                TaskState.CANCELLED,
                TaskState.FAILED,
            ):
                ends[task_id] = time.monotonic() - begin
        await asyncio.sleep(0.01)  # It is the time that is measured.
    assert 0.9 < ends[T1] < end - begin + 3
    assert 0.9 < ends[T2] < end - begin + 4
    task = await apps[0].store.task(NS, T1)
    assert task is not None
    assert task.cancel_proof is CancelProof.FORCED


async def _writer_alone(store: object, other: App) -> Writer:
    """The writer of a server that has nothing else, and so ends nothing."""
    clock = Clock(PRODUCTION.clock)
    steady = await store.open(clock.now())
    clock.go_on_from(steady)
    return Writer(store, clock, other.ids, KNOBS.writer, KNOBS.pulse)  # type: ignore[arg-type]


async def test_each_server_knows_which_of_them_looks_for_what_is_due(apps: list[App]) -> None:
    members = [app.membership for app in apps]
    assert all(members)
    replicas = {app.store.shared.replica for app in apps if app.store.shared}
    for member in members:
        assert member is not None
        with suppress(TimeoutError):
            await holds(lambda member=member: member.reaper in replicas)  # type: ignore[misc]
        assert member.reaper in replicas
    skews = [member.skew for member in members if member is not None]
    assert abs(skews[0]) < 60
    assert abs(skews[1] - 300) < 60


async def test_what_one_server_lets_in_for_a_key_is_charged_on_another(apps: list[App]) -> None:
    await apps[0].keyring.create(replace(NEW, limits=KeyLimits(writes_per_second=10)))
    await holds(lambda: apps[1].keyring.has_limits())
    first, second = [app.key_uses for app in apps]
    assert first is not None
    assert second is not None
    name = ("a key", "writes_per_second")
    assert second.ask(name) == 0
    for _ in range(7):
        first.ask(name)
        first.use(name, 1)
    owed = 0

    def is_charged() -> bool:
        nonlocal owed
        owed += second.ask(name)
        return owed == 7

    await holds(is_charged)


async def test_metrics_of_servers_that_share_a_store_are_theirs_alone(
    apps: list[App],
) -> None:
    found = []
    for app in apps:
        metrics = Metrics()
        read_membership(metrics, app.membership)
        found.append(metrics.registry.get_sample_value)
    await holds(lambda: sum(one("countermand_reaper_turn") or 0 for one in found) == 1)
    assert abs((found[1]("countermand_clock_skew_seconds") or 0) - 300) < 60
    await holds(lambda: all((one("countermand_shared_age_seconds") or 0) < 2 for one in found))
    alone = Metrics()
    read_membership(alone, None)
    assert alone.registry.get_sample_value("countermand_clock_skew_seconds") is None


async def test_of_servers_that_purge_one_does_the_round_by_the_longest_retention(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "countermand.engine.purger")
    knobs = changed({"purger.interval": 0.2}, KNOBS)
    async with server(url, knobs=knobs, retention=40 * DAY):
        shared = postgres_store(url, KNOBS.store)
        await shared.open(0)
        assert shared.shared is not None
        taken: list[int] = []
        async with asyncio.timeout(SOON):
            while not taken:  # They take turns.
                found = await shared.shared.take_purge(0.2, 30 * DAY)
                taken += [] if found is None else [found]
                await asyncio.sleep(0.01)
        await shared.close()
        assert taken == [40 * DAY]
    # It is gone, and counts for an hour all the same.
    async with server(url, knobs=knobs, retention=30 * DAY):
        said = "another server keeps what is old for longer"
        await holds(lambda: said in [record.message for record in caplog.records])
