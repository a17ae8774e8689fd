"""The reaper: it wakes in time, goes on after faults, and begins with what is overdue."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countermand.core.answers import Reaped
from countermand.core.cancellations import EARLY_CANCEL_LIFETIME
from countermand.core.commands import Reap
from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused
from countermand.core.log import Event
from countermand.core.records import SECOND
from countermand.core.states import CancellationState, CancelProof, CheckoutState, TaskState
from countermand.engine.listeners import Committed
from countermand.engine.reaper import Reaper
from countermand.store.contract import StoreFailed
from countermand.store.lists import CancellationQuery
from countermand.telemetry.logs import JsonFormatter
from tests.support.ask import (
    G1,
    NS,
    OTHER,
    T1,
    T2,
    T3,
    X1,
    cancel,
    cancel_group,
    completed,
    create,
    create_checkout,
    create_group,
    renew,
    start,
    target,
    uid,
)
from tests.support.choosing import chosen, with_knobs
from tests.support.engine import HOUR, Engine, HandClock, running
from tests.support.knobs import drawn_with
from tests.support.stores import Keeper

S, P = TaskState, CancelProof


@asynccontextmanager
async def _reaping(engine: Engine) -> AsyncIterator[Reaper]:
    one = engine.reaper()
    reaping = asyncio.create_task(one.run())
    try:
        yield one
        assert not reaping.done()
    finally:
        reaping.cancel()
        await asyncio.gather(reaping, return_exceptions=True)


@pytest.fixture
async def engine(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """An engine with a reaper on the real clock."""
    async with running(tmp_path / "store.db", knobs=chosen(request)) as engine, _reaping(engine):
        yield engine


def _end_of(engine: Engine, task_id: str) -> "asyncio.Future[Event]":
    return engine.when(
        lambda event: event.task is not None and event.task.task_id == task_id and event.task.ended
    )


async def test_with_grace_0_the_next_batch_makes_it_cancelled(engine: Engine) -> None:
    await engine.do(create(T1), start(T1))
    ended = _end_of(engine, T1)
    (answer,) = await engine.do(cancel(T1, grace=0))
    assert answer.target.state is S.CANCELLING
    event = await asyncio.wait_for(ended, 10)
    assert event.task is not None
    assert (event.task.state, event.task.cancel_proof) == (S.CANCELLED, P.FORCED)
    assert event.task.deadline_time == answer.target.deadline_time


async def test_it_sleeps_until_the_deadline_and_not_longer(engine: Engine) -> None:
    await engine.do(create(T1), start(T1))
    ended = _end_of(engine, T1)
    (answer,) = await engine.do(cancel(T1, grace=SECOND // 10))
    event = await asyncio.wait_for(ended, 10)
    assert event.task is not None
    assert event.task.end_time is not None
    assert 0 <= event.task.end_time - answer.target.deadline_time < 5 * SECOND


async def test_an_earlier_deadline_wakes_it(engine: Engine) -> None:
    await engine.do(create(T1), create(T2), start(T1), start(T2))
    await engine.do(cancel(T1, grace=3600 * SECOND))
    ended = _end_of(engine, T2)
    await engine.do(cancel(T2, grace=SECOND // 20))
    await asyncio.wait_for(ended, 10)
    task = await engine.store.task(NS, T1)
    assert task.state is S.CANCELLING


async def test_a_join_that_brings_the_deadline_nearer_wakes_it(engine: Engine) -> None:
    await engine.do(create(T1), start(T1), cancel(T1, grace=3600 * SECOND))
    ended = _end_of(engine, T1)
    await engine.do(cancel(T1, grace=0))
    await asyncio.wait_for(ended, 10)


async def test_the_end_of_a_lease_wakes_it(engine: Engine) -> None:
    await engine.do(create(T1))
    ended = _end_of(engine, T1)
    await engine.do(start(T1, lease=SECOND // 20))
    event = await asyncio.wait_for(ended, 10)
    assert event.task is not None
    assert event.task.state is S.FAILED


async def test_a_renewal_that_shortens_the_lease_wakes_it(engine: Engine) -> None:
    await engine.do(create(T1), start(T1))
    ended = _end_of(engine, T1)
    await engine.do(renew(lease=SECOND // 20))
    await asyncio.wait_for(ended, 10)


async def test_an_expiry_wakes_it(engine: Engine) -> None:
    ended = _end_of(engine, T1)
    await engine.do(create(T1, expire_time=engine.clock.now() + SECOND // 20))
    event = await asyncio.wait_for(ended, 10)
    assert event.task is not None
    assert (event.task.state, event.task.cancel_reason) == (S.CANCELLED, "timeout")


async def test_the_expiry_of_a_checkout_wakes_it(engine: Engine) -> None:
    ended = engine.when(lambda event: target("checkout", X1) in event.over)
    await engine.do(create_checkout(expire_time=engine.clock.now() + SECOND // 20))
    await asyncio.wait_for(ended, 10)
    found = await engine.store.holder(target("checkout", X1))
    assert found.holder.state is CheckoutState.CANCELLED


async def test_an_agent_that_keeps_its_lease_keeps_its_task(engine: Engine) -> None:
    await engine.do(create(T1), create(T2), start(T1, "a", lease=SECOND // 5))
    lost = _end_of(engine, T2)
    await engine.do(renew("a", lease=3600 * SECOND), start(T2, "b", lease=SECOND // 4))
    await asyncio.wait_for(lost, 10)
    task = await engine.store.task(NS, T1)
    assert task.state is S.RUNNING


@with_knobs({"reaper.max_batch": 3})
async def test_more_than_one_batch_can_hold_are_all_ended(engine: Engine) -> None:
    ids = [uid(number) for number in range(1, 12)]
    await engine.do(create_group(*ids))
    await engine.do(*[start(id) for id in ids])
    over = engine.when(lambda event: target("group", G1) in event.over)
    await engine.do(cancel_group(grace=0))
    await asyncio.wait_for(over, 10)
    group = await engine.store.holder(target("group", G1, NS))
    assert group.counts == {S.CANCELLED: 11}


@with_knobs({"reaper.max_batch": 2})
async def test_it_does_not_spin_when_many_agents_are_lost_without_a_task(engine: Engine) -> None:
    ids = [uid(number) for number in range(1, 6)]
    await engine.do(*[create(id) for id in ids])
    await engine.do(*[start(id, f"agent-{id}", lease=SECOND // 10) for id in ids])
    await engine.do(*[completed(id) for id in ids], create(uid(9)))
    lost = _end_of(engine, uid(9))
    await engine.do(start(uid(9), "last", lease=SECOND // 5))
    await asyncio.wait_for(lost, 10)
    while any(await engine.store.next_due()):
        await engine.do(renew("nobody"))
    reaps = sum(isinstance(batch[0], Reap) for batch in engine.store.batches)
    assert reaps < 30


@with_knobs({"reaper.retry_interval": 0.0})
@pytest.mark.parametrize("failure", [{"full": True}, {}], ids=["full", "unknown"])
async def test_it_tries_again_after_a_batch_that_the_store_refused(
    engine: Engine, failure: dict[str, bool]
) -> None:
    await engine.do(create(T1), start(T1))
    refused = 0

    def refuse_to_reap(batch: Batch) -> None:
        nonlocal refused
        if isinstance(batch.commands[0], Reap) and refused < 3:
            refused += 1
            raise StoreFailed("no room", **failure)

    engine.store.before = refuse_to_reap
    ended = _end_of(engine, T1)
    await engine.do(cancel(T1, grace=0))
    await asyncio.wait_for(ended, 10)
    assert refused == 3


@with_knobs({"reaper.retry_interval": 0.0})
async def test_it_goes_on_when_it_cannot_read_what_is_due(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.do(create(T1), start(T1))
    ended = _end_of(engine, T1)
    next_due, failures = engine.store.real.next_due, 0

    async def fail() -> int | None:
        nonlocal failures
        failures += 1
        if failures > 3:
            return await next_due()
        raise StoreFailed("cannot read")

    monkeypatch.setattr(engine.store, "next_due", fail, raising=False)
    await engine.do(cancel(T1, grace=SECOND // 10))
    await asyncio.wait_for(ended, 10)
    assert failures


async def test_right_after_a_restart_it_ends_what_fell_due_meanwhile(tmp_path: Path) -> None:
    clock = HandClock()
    async with running(tmp_path / "store.db", clock=clock) as engine:
        await engine.do(*[create(id) for id in (T1, T2, T3)])
        await engine.do(start(T1, "a", lease=60 * SECOND), start(T2, "b", lease=60 * SECOND))
        await engine.do(cancel(T1, grace=30 * SECOND))
    clock.time += 3600 * SECOND
    async with running(tmp_path / "store.db", clock=clock) as engine:
        ended = _end_of(engine, T1)
        async with _reaping(engine):
            event = await asyncio.wait_for(ended, 10)
            # No agent could renew its lease meanwhile, so every lease begins anew: FORCED.
            assert event.task is not None
            assert event.task.cancel_proof is P.FORCED
            assert (await engine.store.task(NS, T2)).state is S.RUNNING
            assert (await engine.store.task(NS, T3)).state is S.PENDING


async def test_at_its_start_a_server_waits_for_what_fell_due_while_none_ran(
    tmp_path: Path,
) -> None:
    knobs = drawn_with({"reaper.max_catch_up": 60.0, "reaper.max_batch": 1})
    clock = HandClock()
    async with running(tmp_path / "store.db", clock=clock, knobs=knobs) as engine:
        await engine.do(*[create(id) for id in (T1, T2, T3)])
        await engine.do(*[start(id) for id in (T1, T2, T3)])
        await engine.do(*[cancel(id, grace=30 * SECOND) for id in (T1, T2, T3)])
        clock.time += 3600 * SECOND
        async with _reaping(engine) as starting:
            await starting.catch_up()
            tasks = [await engine.store.task(NS, id) for id in (T1, T2, T3)]
    assert [task.state for task in tasks] == [S.CANCELLED] * 3


@with_knobs({"reaper.max_catch_up": 0.01})
async def test_but_it_does_not_wait_for_long(engine: Engine) -> None:
    await engine.reaper().catch_up()  # it never runs


async def test_right_after_a_restart_it_ends_the_cancels_that_waited_in_vain_in_small_batches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    knobs = drawn_with({"reaper.max_batch": 3})
    caplog.set_level("INFO")
    clock, ids = HandClock(), [uid(number) for number in range(1, 9)]
    async with running(tmp_path / "store.db", clock=clock, knobs=knobs) as engine:
        await engine.do(*[cancel(id, allow_missing=True) for id in ids])
        clock.time += HOUR
        await engine.do(cancel(uid(9), allow_missing=True))
    clock.time += EARLY_CANCEL_LIFETIME - HOUR
    async with running(tmp_path / "store.db", clock=clock, knobs=knobs) as engine:
        reaped, all_done = [], asyncio.Event()

        def hear(committed: Committed) -> None:
            answer = committed.batch.answers[0]
            if isinstance(answer, Reaped):
                reaped.append(answer.too_late)
                if not answer.more:
                    all_done.set()

        engine.writer.listen(hear)
        async with _reaping(engine):
            await asyncio.wait_for(all_done.wait(), 10)
            await engine.do(renew("nobody"))  # meanwhile the reaper says what it did
        assert reaped == [3, 3, 2]
        assert caplog.messages == ["early cancels expired"] * 3
        due = await engine.store.next_due()
        assert due.waiting_since == clock.time + HOUR - EARLY_CANCEL_LIFETIME
        found = await Keeper(engine.store).cancellations(CancellationQuery())
        states = [record.state for record in found]
        assert states == [CancellationState.IN_PROGRESS] + [CancellationState.TOO_LATE] * 8


async def test_after_an_outage_longer_than_every_lease_deadlines_count_and_leases_begin_anew(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    async with running(tmp_path / "store.db", clock=clock) as engine:
        await engine.do(*[create(id) for id in (T1, T2, T3)])
        await engine.do(*[start(id, lease=60 * SECOND) for id in (T1, T2, T3)])
        await engine.do(cancel(T1, grace=90 * SECOND), cancel(T2, grace=3600 * SECOND))
        deadline = clock.time + 90 * SECOND

        def fail(batch: Batch) -> None:
            raise StoreFailed("the disk is away")

        engine.store.before = fail
        for _ in range(3):
            clock.time += 600 * SECOND
            for command in (renew(), Reap(0, 1000)):
                with pytest.raises(Refused):
                    await engine.do(command)
        engine.store.before = lambda batch: None
        (reaped,) = await engine.do(Reap(0, 1000))

        assert reaped.ended == 1
        tasks = [await engine.store.task(NS, id) for id in (T1, T2, T3)]
        assert [task.state for task in tasks] == [S.CANCELLED, S.CANCELLING, S.RUNNING]
        assert (tasks[0].cancel_proof, tasks[0].deadline_time) == (P.FORCED, deadline)
        assert (await engine.store.next_due()).lease == clock.time + 60 * SECOND


async def test_fences_outlive_the_server(tmp_path: Path) -> None:
    async with running(tmp_path / "store.db") as engine:
        await engine.do(create(T1), start(T1))
    async with running(tmp_path / "store.db") as engine, _reaping(engine):
        (again,) = await engine.do(start(T1))
        assert again.fence == 2
        with pytest.raises(Refused) as caught:
            await engine.do(completed(T1, fence=1))
        assert caught.value.reason is Reason.FENCED
        (ended,) = await engine.do(completed(T1, fence=2))
        assert ended.state is S.COMPLETED


async def _break(engine: Engine, task_id: str) -> None:
    """Lets every change of a task fail, as one fails that breaks a rule of the tables."""
    digits, connection = task_id.replace("-", ""), engine.store.real._connection
    sql = (
        f"CREATE TEMP TRIGGER broken_{digits} BEFORE UPDATE ON main.tasks"
        f" WHEN old.task_id = x'{digits}' BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    await connection.run(lambda: connection.driver.execute(sql))


async def test_what_fails_is_passed_by_and_said_once_and_all_else_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [uid(100 + number) for number in range(20)]
    broken = {ids[0], ids[7]}
    knobs = drawn_with({"reaper.max_batch": 250, "reaper.retry_interval": 0.05})
    async with running(tmp_path / "store.db", knobs=knobs) as engine:
        for id in ids:
            await engine.do(create(id), start(id))
        await engine.do(create(T1, ns=OTHER), start(T1, ns=OTHER))
        await engine.do(create(T2, expire_time=engine.clock.now() + SECOND // 10))
        for id in broken:
            await engine.do(cancel(id, grace=SECOND // 10))
            await _break(engine, id)
        await engine.do(*(cancel(id, grace=SECOND // 10) for id in ids if id not in broken))
        await engine.do(cancel(T1, ns=OTHER, grace=SECOND // 10))
        ends = [_end_of(engine, id) for id in [*(set(ids) - broken), T1, T2]]
        async with _reaping(engine):
            await asyncio.wait_for(asyncio.gather(*ends), 30)
            await engine.do(create(T3), start(T3))
            late = _end_of(engine, T3)
            await engine.do(cancel(T3, grace=0))
            await asyncio.wait_for(late, 10)
        assert {(await engine.store.task(NS, id)).state for id in broken} == {S.CANCELLING}
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    said = [line for line in lines if line["event"] == "some of what is overdue cannot be ended"]
    assert [line["passed_by"] for line in said] == [2]
    faults = [one for one in caplog.records if one.message == "a command failed unexpectedly"]
    assert len(faults) == 1
