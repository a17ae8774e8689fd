"""What has happened when a server begins to answer."""

from pathlib import Path

from countermand.app.composition import open_store, running
from countermand.core.states import TaskState
from countermand.engine.listeners import Committed
from tests.support import engine
from tests.support.ask import NS, T1, cancel, create, start
from tests.support.knobs import drawn_with
from tests.support.served_store import on_sqlite_alone


@on_sqlite_alone("an engine makes the file")
async def test_what_came_due_meanwhile_has_ended_and_whoever_listens_was_told(
    tmp_path: Path,
) -> None:
    knobs = drawn_with({"reaper.max_catch_up": 60.0})
    file = tmp_path / "store.db"
    # The clock that is moved by hand stands in the past.
    async with engine.running(file, clock=engine.HandClock()) as earlier:
        await earlier.do(create(T1))
        await earlier.do(start(T1))
        await earlier.do(cancel(T1))
    heard: list[Committed] = []
    async with running(
        open_store(f"sqlite:///{file}", knobs.store), knobs, listeners=[heard.append]
    ) as (
        app,
        _,
    ):
        task = await app.store.task(NS, T1)
        ends = [event.task for committed in heard for event in committed.batch.saves.events]
    assert task is not None
    assert task.state is TaskState.CANCELLED
    assert ends == [task]
