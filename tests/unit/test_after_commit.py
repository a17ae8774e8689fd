"""Whatever raises after a commit: the batch is on disk, so it is never tried again, its callers get
their answers, and all who must hear of it do."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from countermand.app.commit_traces import CommitTraces
from countermand.app.composition import App
from countermand.core.errors import Refused
from countermand.core.records import SECOND
from countermand.core.states import TaskState
from countermand.engine import reaper
from countermand.engine.listeners import Committed
from countermand.store.contract import StoreFailed
from countermand.telemetry.tracing import Tracing
from tests.support.ask import NS, T1, cancel, create, renew, start
from tests.support.engine import HandClock, TroubledStore, running
from tests.support.knobs import PRODUCTION
from tests.support.stores import Keeper


class Fault(Exception):
    """What is raised."""


def fail(*_: Any) -> Any:
    raise Fault


@asynccontextmanager
async def composed(path: Path) -> AsyncIterator[tuple[App, TroubledStore, asyncio.Task[None]]]:
    """The parts of a server as they are composed, of which the writer runs."""
    store: Any = TroubledStore(path)
    app = App(store, HandClock(), PRODUCTION)
    app.writer.listen(CommitTraces(Tracing(PRODUCTION.telemetry), "sqlite"))
    await store.open(app.clock.now())
    await Keeper(store).settle_in()
    await app.keyring.load()
    store.batches.clear()
    writing = asyncio.create_task(app.writer.run())
    try:
        yield app, store, writing
    finally:
        app.writer.close()
        await asyncio.gather(writing, return_exceptions=True)
        await store.close()


async def cancelled_at_once(app: App) -> list[Any]:
    """Creates, starts and cancels a task in one batch. Returns the answers."""
    commands = (create(T1), start(T1), cancel(T1))
    return await asyncio.gather(*[app.writer.submit(command) for command in commands])


def _hear(heard: list[int], number: int, listener: Any, committed: Committed) -> None:
    heard.append(number)
    listener(committed)


async def test_whichever_listener_raises_callers_are_answered_and_the_others_hear(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for place in count():
        heard: list[int] = []
        async with composed(tmp_path / f"{place}.db") as (app, store, _):
            listeners = app.writer._listeners._listeners
            if place == len(listeners):
                break
            for number, listener in enumerate(listeners):
                listeners[number] = partial(_hear, heard, number, listener)
            listeners[place] = partial(_hear, heard, place, fail)
            created, started, answer = await cancelled_at_once(app)
            states = [created.state, started.state, answer.target.state]
            assert states == [TaskState.PENDING, TaskState.RUNNING, TaskState.CANCELLING]
            assert [len(batch) for batch in store.batches] == [3]  # and no second try
            assert heard == list(range(len(listeners)))
            assert caplog.messages[-1] == "a listener failed after a commit"
    assert place > 3


async def test_watchers_are_told_every_version_though_the_hub_failed_at_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "store.db") as engine:
        await engine.do(create(T1))
        watching = engine.task(T1, after=0)
        assert [message.task.version for message in await watching.take(1)] == [1]
        waiting = asyncio.create_task(watching.take(2))
        await watching.watcher.idle.wait()
        with monkeypatch.context() as patch:
            patch.setattr(engine.hub, "_keep", fail)
            await engine.do(start(T1))
        await engine.do(cancel(T1))
        told = await asyncio.wait_for(waiting, 10)
        assert [message.task.version for message in told] == [2, 3]
        await watching.close()
        assert engine.hub._bytes == 0


async def test_a_deadline_is_kept_though_the_reaper_failed_to_hear_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "store.db") as engine:
        reaping = asyncio.create_task(engine.reaper().run())
        await engine.do(create(T1), start(T1))
        ended = engine.when(lambda event: event.task is not None and event.task.ended)
        monkeypatch.setattr(reaper, "_times", fail)
        await engine.do(cancel(T1, grace=SECOND // 20))
        event = await asyncio.wait_for(ended, 10)
        assert event.task is not None
        assert event.task.state is TaskState.CANCELLED
        reaping.cancel()
        await asyncio.gather(reaping, return_exceptions=True)


def raising(error: BaseException) -> Any:
    def tend(connection: sqlite3.Connection, size: int) -> None:
        raise error

    return tend


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("planted")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "error", [of_sqlite(sqlite3.SQLITE_LOCKED), of_sqlite(sqlite3.SQLITE_FULL), Fault(), OSError()]
)
async def test_what_the_care_of_the_log_raises_after_a_commit_fails_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with composed(tmp_path / "store.db") as (app, store, _):
        monkeypatch.setattr(store.real._file._log, "tend", raising(error))
        answers = await cancelled_at_once(app)
        assert answers[-1].target.state is TaskState.CANCELLING
        assert [len(batch) for batch in store.batches] == [3]
        await app.writer.submit(renew())


async def test_after_a_disk_that_failed_behind_a_commit_callers_are_answered_and_no_more_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Committed] = []
    async with composed(tmp_path / "store.db") as (app, store, writing):
        app.writer.listen(heard.append)
        monkeypatch.setattr(store.real._file._log, "tend", raising(of_sqlite(sqlite3.SQLITE_IOERR)))
        answers = await cancelled_at_once(app)
        assert answers[-1].target.state is TaskState.CANCELLING
        assert len(heard) == len(store.batches) == 1
        kept = await store.real.task(NS, T1)
        assert kept is not None
        assert kept.state is TaskState.CANCELLING
        with pytest.raises(StoreFailed) as caught:
            await writing
        assert (caught.value.fatal, caught.value.committed) == (True, True)
        with pytest.raises(Refused) as refused:
            await app.writer.submit(renew())
        assert refused.value.reason == "STORE_UNAVAILABLE"
