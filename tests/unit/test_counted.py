"""What the engine tells its metrics: commits, failures, outages, and how late the reaper is."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countermand.app.commit_metrics import CommitCounter
from countermand.core.decide import Batch
from countermand.core.errors import Refused
from countermand.core.records import SECOND
from countermand.store.contract import Due, StoreFailed
from countermand.telemetry.metrics import Metrics
from tests.support.ask import T1, T2, cancel, create, create_group, renew, start
from tests.support.engine import Engine, HandClock, running
from tests.support.scrape import Scrape, parsed
from tests.support.waiting import until

FAILURES = "countermand_commit_failures_total"


def read(metrics: Metrics) -> Scrape:
    return parsed(metrics.render("")[0].decode())


def counted(engine: Engine) -> Metrics:
    """Metrics that hear of all that the engine commits."""
    metrics = Metrics()
    engine.writer.listen(CommitCounter(metrics))
    engine.writer.listen_to_failures(metrics.commit_failed)
    return metrics


async def test_ten_thousand_agents_make_no_new_series(tmp_path: Path):
    async with running(tmp_path / "store.db") as engine:
        metrics = counted(engine)
        await engine.do(renew("agent"))
        before = read(metrics)
        for first in range(0, 10_000, 1000):
            await engine.do(*(renew(f"agent-{first + number}") for number in range(1000)))
        after = read(metrics)
    assert after.values.keys() == before.values.keys()
    name = "countermand_commit_commands_sum"
    assert after[name] - before[name] == 10_000


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (lambda: StoreFailed("no room", full=True), "full"),
        (lambda: StoreFailed("nobody can say"), "disk"),
        (lambda: ZeroDivisionError("ours"), "fault"),
    ],
)
async def test_a_commit_that_fails_is_counted_by_its_cause(
    failure: Callable[[], Exception], cause: str, tmp_path: Path
):
    async with running(tmp_path / "store.db") as engine:
        metrics = counted(engine)

        def fail(_: Batch) -> None:
            raise failure()

        engine.store.before = fail
        with pytest.raises(Refused):
            await engine.do(create(T1))
        engine.store.before = lambda _: None
        await engine.do(create(T2))
        found = read(metrics)
    assert {one: found.of(FAILURES, cause=one) for one in ("full", "disk", "fault")} == {
        **dict.fromkeys(("full", "disk", "fault"), 0),
        cause: 1,
    }
    # After what may have been an outage, the next commit renews every lease.
    assert found["countermand_lease_outages_total"] == (cause != "fault")
    assert found.of("countermand_task_changes_total", state="PENDING") == 1


async def test_what_is_refused_or_only_tried_counts_nothing(tmp_path: Path):
    async with running(tmp_path / "store.db") as engine:
        await engine.do(create(T1), start(T1))
        metrics = counted(engine)
        await engine.do(cancel(T1, validate_only=True))
        with pytest.raises(Refused):
            await engine.do(cancel(T2))
        found = read(metrics)
    for name in ("cancellations_total", "task_changes_total", "cancel_repeats_total"):
        assert found[f"countermand_{name}"] == 0


async def test_cancels_of_one_task_in_one_batch_are_one_cancellation_and_joins(tmp_path: Path):
    async with running(tmp_path / "store.db") as engine:
        await engine.do(create(T1), start(T1))
        metrics = counted(engine)
        engine.store.hold()
        waiting: list[asyncio.Future[Any]] = [engine.submit(create(T2))]
        await engine.store.entered.wait()
        waiting += [engine.submit(cancel(T1, grace=(40 - n) * SECOND)) for n in range(5)]
        engine.store.release()
        await asyncio.gather(*waiting)
        found = read(metrics)
    assert found["countermand_cancellations_total"] == 1
    assert found.of("countermand_cancel_repeats_total", kind="joined") == 4
    assert found.of("countermand_task_changes_total", state="CANCELLING") == 1


async def test_a_group_is_one_cancellation_and_each_of_its_tasks(tmp_path: Path):
    async with running(tmp_path / "store.db") as engine:
        metrics = counted(engine)
        await engine.do(create_group(T1, T2))
        found = read(metrics)
    assert found.of("countermand_task_changes_total", state="PENDING") == 2
    assert found["countermand_commit_duration_seconds_count"] >= 1


async def test_the_reaper_s_lag_is_none_though_it_wakes_up_late_for_nothing(tmp_path: Path):
    clock = HandClock()
    looked = asyncio.Event()
    async with running(tmp_path / "store.db", clock=clock) as engine:

        async def next_due() -> Due:
            due: Due = await engine.store.real.next_due()
            looked.set()
            return due

        engine.store.next_due = next_due
        reaper = engine.reaper()
        reaping = asyncio.create_task(reaper.run())
        await looked.wait()
        clock.time += 3600 * SECOND  # much longer than it sleeps when nothing is due
        lag = reaper.lag
        reaping.cancel()
        await asyncio.gather(reaping, return_exceptions=True)
        assert lag == 0


async def test_the_reaper_s_lag_grows_while_what_is_due_cannot_be_ended(tmp_path: Path):
    clock = HandClock()
    async with running(tmp_path / "store.db", clock=clock) as engine:
        await engine.do(create(T1), start(T1), cancel(T1, grace=10 * SECOND))
        reaper = engine.reaper()
        assert reaper.lag == 0
        reaping = asyncio.create_task(reaper.run())
        await reaper.catch_up()
        assert reaper.lag == 0
        engine.store.hold()
        clock.time += 30 * SECOND
        reaper.wake()
        await engine.store.entered.wait()
        assert reaper.lag == 20
        engine.store.release()
        await until(lambda: reaper.lag == 0)
        reaping.cancel()
        await asyncio.gather(reaping, return_exceptions=True)
