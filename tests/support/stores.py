"""A store under test: commits commands, and tells what they answered."""

import os
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from countermand.core import commands as c
from countermand.core.cancellations import EARLY_CANCEL_LIFETIME, Cancellation
from countermand.core.decide import Batch
from countermand.core.errors import Refused
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.core.knobs import StoreKnobs
from countermand.core.records import Task
from countermand.store.contract import Store
from countermand.store.lists import CancellationQuery, TaskQuery
from countermand.store.sqlite import SqliteStore
from countermand.store.sqlite.connection import migrate
from tests.support.ask import FIRST_TIME, NS, OTHER, key, purges
from tests.support.knobs import DRAWN, drawn_but


def sqlite_store(path: Path, knobs: StoreKnobs = DRAWN.store) -> SqliteStore:
    """Returns a store on a file, not yet opened."""
    return SqliteStore(path, knobs)


def put_empty_store(path: Path) -> Path:
    """Puts a store without rows in place, unless something is there, and returns the path. To make
    one by its migrations takes longer than many a test."""
    if not os.path.lexists(path):
        path.touch(0o600)
        path.write_bytes(_empty_store())
    return path


@cache
def _empty_store() -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return connection.serialize()


LONG_LOG = drawn_but("store.checkpoint_pages", "store.max_log_bytes").store
"""For stores whose log is to hold what was committed, and the file is not yet."""


def shown(task: Task) -> Task:
    """Returns a task without what no version tells: what its agent may still do, and its number."""
    return task.evolve(number=0, fence=0, fence_raised=False, late_reports=0)


class Keeper:
    """A store with a time of its own and two namespaces, NS and OTHER."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = FIRST_TIME
        self.ahead = 0
        """How far the clock by which times are shown is ahead of the steady one."""
        self.ids = UuidMaker()

    async def settle_in(self) -> None:
        """Makes the two namespaces, by their keys."""
        await self.run(c.CreateKey(0, key("first")))
        await self.run(c.CreateKey(0, key("second", tenant="other")))
        numbers = {found.key_id: found.namespace for found in await self.store.keys()}
        assert numbers == {"first": NS, "second": OTHER}

    async def commit(self, commands: Iterable[c.Command]) -> Batch:
        """Commits one batch."""
        batch = Batch(list(commands), self.instant, self.ids)
        await self.store.commit(batch)
        return batch

    async def run(self, *commands: c.Command) -> list[Any]:
        """Commits commands in one batch; none may be refused. Returns their answers."""
        answers = (await self.commit(commands)).answers
        for answer in answers:
            if isinstance(answer, Refused):
                raise answer
        return answers

    @property
    def instant(self) -> Instant:
        """This moment by all clocks."""
        return Instant.at(self.now)._replace(steady=self.now - self.ahead)

    async def next_due(self) -> int | None:
        """Returns when the next thing is due, if no clock leaps until then."""
        due = await self.store.next_due()
        waits = due.waiting_since
        ends = None if waits is None else waits + EARLY_CANCEL_LIFETIME
        times = (due.deadline, due.lease, due.wall, ends)
        return min((time for time in times if time is not None), default=None)

    async def purge(self, retention: int, limit: int = 1000) -> int:
        """Removes all that is older than a retention. Returns how many rows went."""
        asked = purges(self.now, retention, limit)
        try:
            command = next(asked)
            while True:
                command = asked.send(await self.do(command))
        except StopIteration as end:
            return int(end.value)

    async def tasks(self, query: TaskQuery = TaskQuery()) -> list[Task]:  # noqa: B008
        """Returns all tasks of a query, newest first, from as many pages as it takes."""
        found, before = [], None
        while True:
            page = await self.store.tasks(NS, query, before, 100)
            found += page.tasks
            if page.next_number is None:
                return found
            before = page.next_number

    async def cancellations(self, query: CancellationQuery) -> list[Cancellation]:
        """Returns all cancellations of a query, newest first, from as many pages as it takes."""
        found, before = [], None
        while True:
            page = await self.store.cancellations(NS, query, before, 100)
            found += page.cancellations
            if page.next_id is None:
                return found
            before = page.next_id

    async def do(self, command: c.Command) -> Any:
        """Commits one command alone. Returns its answer, or raises its refusal."""
        return (await self.run(command))[0]


def leave_as_killed(live: Path, folder: Path) -> Path:
    """Copies an open store as `kill -9` would leave it now. Returns its file.

    Another process copies: closing a file here would drop the locks that SQLite has on it.
    """
    folder.mkdir(parents=True)
    files = [f"{live}{ending}" for ending in ("", "-wal", "-shm")]
    subprocess.run(["cp", "-p", *filter(os.path.exists, files), str(folder)], check=True)
    return folder / live.name
