"""Clocks that leap remove nothing that was promised to be kept: ahead and behind, at a start and
while a server runs, asleep, killed, and with a store that refuses to note it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from countermand.app.composition import App
from countermand.core.commands import NoteClock
from countermand.core.decide import Batch
from countermand.core.knobs import PurgerKnobs
from countermand.core.records import SECOND
from countermand.core.retention import DAY
from countermand.core.states import TaskState
from countermand.engine.purger import Purger
from countermand.store.contract import StoreFailed
from countermand.telemetry.logs import JsonFormatter
from tests.support.ask import (
    NS,
    R1,
    R2,
    T1,
    T2,
    T3,
    X1,
    cancel,
    cancel_checkout,
    create,
    create_checkout,
    reap,
    target,
)
from tests.support.engine import HandClock, TroubledStore
from tests.support.knobs import PRODUCTION
from tests.support.stores import Keeper

HOUR = DAY // 24
KEPT = 30 * DAY
LEAPS = [40 * DAY, 8 * HOUR]


@dataclass
class Served:
    """A server's parts; what they would do by themselves is done by hand."""

    app: App
    store: TroubledStore
    clock: HandClock

    async def do(self, *commands: Any) -> list[Any]:
        return await asyncio.gather(*[self.app.writer.submit(command) for command in commands])

    async def pass_time(self, span: int) -> None:
        """Lets a server run for so long, and do all that time brings about."""
        self.clock.time += span
        await self.app.timekeeper.look()
        await self.do(reap())
        await Purger(
            self.app.store, self.app.writer, self.clock, KEPT, PurgerKnobs(pause=0.0)
        ).purge()

    async def fill(self) -> None:
        """Ends a task and a checkout, and accepts a cancel that waits for its task."""
        await self.do(
            create(T1), cancel(T1, request_id=R1), cancel(T3, allow_missing=True, request_id=R2)
        )
        await self.do(create_checkout(T2))
        await self.do(cancel_checkout())

    async def is_kept(self) -> None:
        """Holds that all of that is there, and answers repeats."""
        assert await self.store.real.task(NS, T1) is not None
        assert await self.store.real.holder(target("checkout", X1)) is not None
        assert await self.store.real.early_cancel(NS, T3) is not None
        for command in (
            cancel(T1, request_id=R1),
            cancel(T3, allow_missing=True, request_id=R2),
        ):
            (answer,) = await self.do(command)
            assert answer.replayed

    async def is_gone(self) -> None:
        assert await self.store.real.task(NS, T1) is None
        assert await self.store.real.holder(target("checkout", X1)) is None
        assert await self.store.real.early_cancel(NS, T3) is None


@asynccontextmanager
async def served(path: Path, clock: HandClock, *, killed: bool = False) -> AsyncIterator[Served]:
    """One server's life, from its start to its end or until it is killed."""
    store: Any = TroubledStore(path)
    app = App(store, clock, PRODUCTION)
    await store.open(clock.now())
    if not await store.keys():
        await Keeper(store).settle_in()
    writing = asyncio.create_task(app.writer.run())
    await app.timekeeper.load()
    await app.timekeeper.look()
    try:
        yield Served(app, store, clock)
        if not killed:
            await app.timekeeper.note()
    finally:
        app.writer.close()
        await writing
        await store.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def test_without_a_leap_what_is_old_goes_in_its_time(
    tmp_path: Path, clock: HandClock
) -> None:
    async with served(tmp_path / "store.db", clock) as server:
        await server.fill()
        await server.pass_time(DAY - SECOND)
        await server.is_kept()
        await server.pass_time(2 * SECOND)
        assert await server.store.real.early_cancel(NS, T3) is None
        await server.pass_time(KEPT - DAY)
        await server.is_gone()


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("leap", LEAPS)
async def test_one_start_with_the_clock_ahead_removes_nothing(
    tmp_path: Path, clock: HandClock, leap: int, killed: bool
) -> None:
    async with served(tmp_path / "store.db", clock, killed=killed) as server:
        await server.fill()
        await server.pass_time(SECOND)
    clock.ahead = leap
    async with served(tmp_path / "store.db", clock, killed=killed) as server:
        for _ in range(3):
            await server.pass_time(SECOND)
            await server.is_kept()
    clock.ahead = 0  # somebody noticed
    async with served(tmp_path / "store.db", clock) as server:
        await server.pass_time(HOUR)
        await server.is_kept()
        await server.pass_time(KEPT + HOUR)
        await server.is_gone()


@pytest.mark.parametrize("leap", LEAPS)
async def test_a_clock_that_stays_ahead_is_believed_when_the_retention_has_passed(
    tmp_path: Path, clock: HandClock, leap: int
) -> None:
    async with served(tmp_path / "store.db", clock) as server:
        await server.fill()
    clock.ahead = leap
    async with served(tmp_path / "store.db", clock) as server:
        await server.pass_time(DAY - SECOND)
        await server.is_kept()
        await server.pass_time(KEPT - DAY - HOUR)
        assert await server.store.real.task(NS, T1) is not None
        await server.pass_time(2 * HOUR)
        await server.is_gone()


@pytest.mark.parametrize("leap", [*LEAPS, -40 * DAY, -8 * HOUR])
async def test_a_leap_while_a_server_runs_removes_nothing_nor_does_its_end(
    tmp_path: Path, clock: HandClock, leap: int
) -> None:
    async with served(tmp_path / "store.db", clock) as server:
        await server.pass_time(HOUR)
        clock.ahead = leap
        await server.pass_time(SECOND)
        await server.fill()
        await server.pass_time(SECOND)
        await server.is_kept()
        clock.ahead = 0
        await server.pass_time(SECOND)
        await server.is_kept()
        await server.pass_time(DAY - HOUR)
        await server.is_kept()


async def test_a_machine_that_sleeps_makes_nothing_older(tmp_path: Path, clock: HandClock) -> None:
    async with served(tmp_path / "store.db", clock) as server:
        await server.fill()
        for _ in range(100):  # nights, of which the monotonic clock knows nothing
            await server.pass_time(60 * SECOND)
            clock.ahead += 16 * HOUR
        await server.pass_time(SECOND)
        await server.is_kept()


@pytest.mark.parametrize("leap", [-40 * DAY, -8 * HOUR])
async def test_what_ends_while_the_clock_is_behind_is_not_old_when_it_is_mended(
    tmp_path: Path, clock: HandClock, leap: int
) -> None:
    clock.ahead = leap
    async with served(tmp_path / "store.db", clock, killed=True) as server:
        await server.fill()
    clock.ahead = 0
    async with served(tmp_path / "store.db", clock) as server:
        await server.pass_time(SECOND)
        await server.is_kept()
        await server.pass_time(DAY - HOUR)
        await server.is_kept()


async def test_a_note_that_the_store_refuses_is_made_later(
    tmp_path: Path, clock: HandClock
) -> None:
    def refuse(batch: Batch) -> None:
        if isinstance(batch.commands[0], NoteClock):
            raise StoreFailed("no room", full=True)

    async with served(tmp_path / "store.db", clock) as server:
        server.store.before = refuse
        clock.ahead = 40 * DAY
        clock.time += SECOND
        await server.app.timekeeper.look()
        before = await server.store.real.clock_stretches()
        server.store.before = lambda batch: None
        await server.app.timekeeper.look()
        assert len(before) == 1
        assert len(await server.store.real.clock_stretches()) == 2


async def test_it_notes_at_the_start_then_every_ten_minutes_and_at_a_leap(
    tmp_path: Path, clock: HandClock
) -> None:
    async with served(tmp_path / "store.db", clock, killed=True) as server:

        def notes() -> int:
            batches = server.store.batches
            return sum(isinstance(one, NoteClock) for batch in batches for one in batch)

        assert notes() == 1
        for _ in range(1200):
            clock.time += SECOND
            await server.app.timekeeper.look()
        assert notes() == 3
        clock.ahead = -2 * SECOND
        await server.app.timekeeper.look()
        assert notes() == 4


async def test_a_server_that_cannot_read_how_long_others_ran_writes_nothing_over_it(
    tmp_path: Path, clock: HandClock
) -> None:
    async with served(tmp_path / "store.db", clock) as server:
        await server.pass_time(HOUR)
        kept = await server.store.real.clock_stretches()

        async def fail() -> None:
            raise StoreFailed("cannot read")

        server.store.clock_stretches = fail  # type: ignore[attr-defined]
        second = App(server.store, clock, PRODUCTION)  # type: ignore[arg-type]
        second.writer = server.app.writer
        with pytest.raises(StoreFailed):
            await second.timekeeper.load()
        await second.timekeeper.note()
        assert await server.store.real.clock_stretches() == kept


async def test_the_log_says_that_the_clock_leapt_and_for_how_long_more_what_is_old_is_kept(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "countermand.engine")
    async with served(tmp_path / "store.db", clock) as server:
        await server.pass_time(SECOND)
    assert caplog.records == []
    clock.ahead = 40 * DAY
    async with served(tmp_path / "store.db", clock) as server:
        purger = Purger(server.app.store, server.app.writer, clock, KEPT, PurgerKnobs(pause=0.0))
        for _ in range(3):
            await purger.purge()
        clock.ahead -= 2 * HOUR
        clock.time += SECOND
        await server.app.timekeeper.look()
        await purger.purge()
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    longer = "what is old is kept for longer, since the clock leapt or no server ran"
    assert [(line["event"], line.get("seconds", line.get("hours"))) for line in lines] == [
        ("no server ran, or the wall clock leapt", 40 * 86_400),
        (longer, 960),
        ("the wall clock leapt", -7200),
        (longer, 958),
    ]


async def test_a_task_that_is_created_after_such_a_start_is_still_stopped_by_its_cancel(
    tmp_path: Path, clock: HandClock
) -> None:
    async with served(tmp_path / "store.db", clock) as server:
        await server.fill()
    clock.ahead = 40 * DAY
    async with served(tmp_path / "store.db", clock) as server:
        (task,) = await server.do(create(T3))
        assert task.state is TaskState.CANCELLED
