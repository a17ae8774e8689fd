"""The purger: it goes round by round through what is old, in small batches, and lets others by."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

import pytest

from countermand.core.commands import CancelTask, Purge
from countermand.core.decide import Batch
from countermand.core.records import SECOND, Task
from countermand.core.retention import DAY, Leftover
from countermand.engine import purger
from countermand.store.contract import StoreFailed
from countermand.telemetry.logs import JsonFormatter
from tests.support.ask import (
    G1,
    NS,
    OTHER,
    R1,
    T1,
    T2,
    cancel,
    cancel_group,
    create,
    create_group,
    target,
    uid,
)
from tests.support.choosing import chosen, with_knobs
from tests.support.engine import Engine, HandClock, running
from tests.support.knobs import changed

KEPT = 30 * DAY


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def engine(
    tmp_path: Path, clock: HandClock, request: pytest.FixtureRequest
) -> AsyncIterator[Engine]:
    """An engine on a clock that is moved by hand, whose purger makes no pauses."""
    knobs = changed({"purger.pause": 0.0, "purger.retry_interval": 0.0}, chosen(request))
    async with running(tmp_path / "store.db", clock=clock, knobs=knobs) as engine:
        yield engine


@asynccontextmanager
async def _purging(engine: Engine) -> AsyncIterator[None]:
    purging = asyncio.create_task(engine.purger(KEPT).run())
    try:
        yield
        assert not purging.done()
    finally:
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)


async def _round(engine: Engine) -> None:
    await engine.purger(KEPT).purge()


async def test_it_removes_what_is_older_than_the_retention_and_nothing_else(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create(T1), cancel(T1, request_id=R1))
    clock.time += 1
    await engine.do(create(T2), cancel(T2))
    clock.time += KEPT - 1
    await _round(engine)
    assert await engine.store.task(NS, T1) is None
    assert await engine.store.task(NS, T2) is not None


@with_knobs({"purger.max_batch": 10})
async def test_one_round_goes_through_all_kinds_what_holds_others_last(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create_group(T1, T2), cancel_group())
    clock.time += KEPT
    engine.store.batches.clear()
    await _round(engine)
    assert await engine.store.holder(target("group", G1)) is None
    kinds = [command.search.kind for (command,) in engine.store.batches]
    assert [kind for kind, _ in groupby(kinds)] == list(Leftover)


@with_knobs({"purger.max_batch": 10, "purger.max_bytes": 1 << 20})
async def test_it_goes_in_batches_and_whoever_comes_waits_for_one_at_most(
    engine: Engine, clock: HandClock
) -> None:
    ids = [uid(number) for number in range(1, 101)]
    await engine.do(create_group(*ids), cancel_group(), create(uid(500)))
    clock.time += KEPT
    engine.store.batches.clear()
    engine.store.hold()
    purging = asyncio.create_task(_round(engine))
    await asyncio.wait_for(engine.store.entered.wait(), 20)
    waiting = engine.submit(cancel(uid(500)))
    engine.store.release()
    await waiting
    await purging
    kinds = [type(command) for batch in engine.store.batches for command in batch]
    assert kinds[:2] == [Purge, CancelTask]
    assert all(len(batch) == 1 for batch in engine.store.batches)
    assert kinds.count(Purge) == 10 + len(Leftover)
    assert await engine.store.holder(target("group", G1)) is None


@with_knobs({"purger.max_batch": 1})
async def test_tenants_take_turns_however_much_of_one_is_old(
    engine: Engine, clock: HandClock
) -> None:
    mass = [uid(number) for number in range(1, 41)]
    await engine.do(create_group(*mass), cancel_group())
    clock.time += 1
    await engine.do(create(T1, ns=OTHER), cancel(T1, ns=OTHER))
    clock.time += KEPT
    engine.store.batches.clear()
    await _round(engine)
    turns = [command.search.namespace for (command,) in engine.store.batches]
    last = max(place for place, namespace in enumerate(turns) if namespace == OTHER)
    assert last <= 2 * (len(Leftover) + 1)
    assert turns.count(NS) > 40
    assert await engine.store.task(OTHER, T1) is None


@with_knobs({"purger.max_batch": 1, "purger.interval": 5.0})
async def test_what_grows_old_while_much_of_another_tenant_is_removed_does_not_wait_for_its_end(
    engine: Engine, clock: HandClock
) -> None:
    mass = [uid(number) for number in range(1, 101)]
    await engine.do(create_group(*mass), cancel_group())
    clock.time += 10 * SECOND
    await engine.do(create(T1, ns=OTHER), cancel(T1, ns=OTHER))
    clock.time += KEPT - 10 * SECOND
    left: set[str] | None = None
    loop, gone = asyncio.get_running_loop(), asyncio.Event()

    def pass_time(batch: Batch) -> None:
        nonlocal left
        clock.time += SECOND
        removed = {one.task_id for one in batch.saves.gone if isinstance(one, Task)}
        left = (set(mass) if left is None else left) - removed
        if T1 in removed:
            loop.call_soon_threadsafe(gone.set)

    engine.store.after = pass_time
    async with _purging(engine):
        await asyncio.wait_for(gone.wait(), 20)
    assert left


@with_knobs({"purger.interval": 0.0})
async def test_it_goes_on_by_itself_with_what_has_grown_old(
    engine: Engine, clock: HandClock
) -> None:
    await engine.do(create(T1), cancel(T1))
    async with _purging(engine):
        for _ in range(3):
            await _look(engine)
        assert await engine.store.task(NS, T1) is not None
        clock.time += KEPT
        async with asyncio.timeout(20):
            while await engine.store.task(NS, T1) is not None:
                await _look(engine)


async def _look(engine: Engine) -> None:
    """Waits until it looks for what is old once more, when all of the look before is gone."""
    engine.store.looked.clear()
    await asyncio.wait_for(engine.store.looked.wait(), 20)


@pytest.mark.parametrize("failure", [{"full": True}, {}], ids=["full", "unknown"])
async def test_it_tries_again_after_a_batch_that_the_store_refused(
    engine: Engine, clock: HandClock, failure: dict[str, bool]
) -> None:
    refused = 0

    def refuse(batch: Batch) -> None:
        nonlocal refused
        if isinstance(batch.commands[0], Purge) and refused < 3:
            refused += 1
            raise StoreFailed("no room", **failure)

    await engine.do(create(T1), cancel(T1))
    clock.time += KEPT
    engine.store.before = refuse
    await _round(engine)
    assert refused == 3
    assert await engine.store.task(NS, T1) is None


async def test_it_says_what_it_removed(
    engine: Engine, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, purger.__name__)
    await engine.do(create_group(T1, T2), cancel_group())
    clock.time += KEPT
    await _round(engine)
    removed = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert [line["event"] for line in removed] == ["what was old is removed"]
    assert [removed[0][name] for name in ("tasks", "groups", "orders")] == [2, 1, 0]


async def test_it_ends_with_a_fault_that_is_ours(engine: Engine) -> None:
    engine.clock = None
    with pytest.raises(AttributeError):
        await _round(engine)


@with_knobs({"purger.max_batch": 50})
async def test_what_fails_is_passed_by_and_said_once_and_all_else_goes(
    engine: Engine, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [uid(100 + number) for number in range(20)]
    broken = {ids[0], ids[7]}
    for id in ids:
        clock.time += 1
        await engine.do(create(id), cancel(id))
    connection = engine.store.real._connection
    for id in broken:
        digits = id.replace("-", "")
        sql = (
            f"CREATE TEMP TRIGGER broken_{digits} BEFORE DELETE ON main.tasks"
            f" WHEN old.task_id = x'{digits}' BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
        await connection.run(lambda sql=sql: connection.driver.execute(sql))
    clock.time += KEPT
    purging = engine.purger(KEPT)
    for _ in range(2):
        await purging.purge()
    left = [id for id in ids if await engine.store.task(NS, id) is not None]
    assert set(left) == broken
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    said = [line for line in lines if line["event"] == "some of what is old cannot be removed"]
    assert [line["passed_by"] for line in said] == [2]
    faults = [line for line in lines if line["event"] == "a command failed unexpectedly"]
    assert len(faults) == 1
