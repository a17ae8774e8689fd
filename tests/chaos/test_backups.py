"""Backups beside a server that cancels: each is whole, starts, and has all that was answered."""

import asyncio
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path

import pytest

from countermand.store.sqlite.upkeep.checking import check
from tests.support.caller import Caller, first_caller, new_id
from tests.support.command import Command, finish, read_line
from tests.support.server import Server, started
from tests.support.waiting import until

pytestmark = pytest.mark.chaos

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
BACKUPS = 50 if FULL else 3
KILLS = 20 if FULL else 2


class Cancels:
    """Creates tasks and cancels them, some at once, for as long as it runs."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.answered: list[str] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(self._go_on())

    async def _go_on(self) -> None:
        while True:
            task_id = new_id()
            await self._caller.create(task_id=task_id)
            await self._caller.cancel(task_id)
            self.answered.append(task_id)


def cancelled(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as store:
        rows = store.execute("SELECT lower(hex(task_id)) FROM tasks WHERE state = 'CANCELLED'")
        return {task_id for (task_id,) in rows}


def missing(answered: list[str], path: Path) -> int:
    return len({task_id.replace("-", "") for task_id in answered} - cancelled(path))


async def backed_up(server: Server, path: Path) -> None:
    result = await Command()("store", "backup", str(path), "--store", f"sqlite:///{server.store}")
    assert (result.status, result.err) == (0, "")


@pytest.mark.timeout(600)
async def test_backups_under_a_load_of_cancels_are_whole_and_have_all_that_was_answered(
    server: Server, tmp_path: Path, chaos_report
) -> None:
    lost = unsound = 0
    async with first_caller(server) as caller:
        cancels = Cancels(caller)
        load = asyncio.create_task(cancels.run())
        for number in range(BACKUPS):
            await until(lambda n=number: len(cancels.answered) > 30 * n)
            before = list(cancels.answered)
            path = tmp_path / f"backup-{number}.db"
            await backed_up(server, path)
            checked = await Command()("store", "check", str(path))
            unsound += checked.status != 0
            lost += missing(before, path)
        load.cancel()
        await asyncio.wait([load])
    folder = tmp_path / "again"
    folder.mkdir()
    restored = ("restore", str(path), "--store", f"sqlite:///{folder / 'countermand.db'}")
    assert (await Command()("store", *restored)).status == 0
    async with started(folder) as second:
        second.key = server.key
        async with first_caller(second) as caller:
            for task_id in before:
                lost += (await caller.get(task_id)).cancel_proof == 0
    chaos_report("backup under load", BACKUPS, len(cancels.answered), lost + unsound)
    assert (lost, unsound) == (0, 0)


@pytest.mark.timeout(600)
async def test_a_backup_killed_in_the_middle_leaves_nothing_that_passes_for_one(
    server: Server, tmp_path: Path, chaos_report
) -> None:
    """The store is made large enough that the kill comes while pages are copied."""
    await server.stop()
    with closing(sqlite3.connect(server.store)) as store:
        store.execute("CREATE TABLE ballast (x)")
        store.execute("INSERT INTO ballast VALUES (zeroblob(100000000))")
        store.commit()
    await server.start()
    folder = tmp_path / "backups"
    folder.mkdir()
    half = folder / ".backup.db.partial"
    killed = 0
    for _ in range(KILLS):
        words = ("backup", str(folder / "backup.db"), "--store", f"sqlite:///{server.store}")
        process = await Command().start("store", *words)
        await until(lambda: half.exists() and half.stat().st_size > 0)
        process.send_signal(signal.SIGKILL)
        killed += (await finish(process)).status == -signal.SIGKILL
        assert {path.name for path in folder.iterdir()} <= {half.name}
    assert killed == KILLS
    await backed_up(server, folder / "backup.db")
    assert [path.name for path in folder.iterdir()] == ["backup.db"]
    chaos_report("backup killed", KILLS, 1, 0)


REPLICATING = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
reading = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("PRAGMA wal_autocheckpoint = 0")
store.execute("CREATE TABLE IF NOT EXISTS _replica_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
print("ready", flush=True)
for round, _ in enumerate(sys.stdin):
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM namespaces").fetchone()
    store.execute("INSERT INTO _replica_seq VALUES (1, 1) ON CONFLICT DO UPDATE SET seq = seq + 1")
    reading.execute("ROLLBACK")
    mode = ("PASSIVE", "RESTART", "TRUNCATE")[round % 3]
    store.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    print(round, flush=True)
"""
"""What a replicator such as Litestream does: a reading that it keeps open, a row of its own, and
checkpoints."""


async def test_a_replicator_that_checkpoints_beside_the_server_loses_nothing(
    server: Server, chaos_report
) -> None:
    """It made its table while no server ran; see the page on storage."""
    await server.stop()
    beside = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", REPLICATING, str(server.store)], stdin=PIPE, stdout=PIPE
    )
    assert await read_line(beside) == "ready\n"
    await server.start()
    assert beside.stdin is not None
    rounds = 200 if FULL else 20
    async with first_caller(server) as caller:
        cancels = Cancels(caller)
        load = asyncio.create_task(cancels.run())
        for number in range(rounds):
            beside.stdin.write(b"on\n")
            assert await read_line(beside) == f"{number}\n"
            await until(lambda n=number: len(cancels.answered) > 5 * n)
        answered = list(cancels.answered)
        await server.kill()
        await asyncio.wait([load])
    beside.stdin.close()
    assert await beside.wait() == 0
    await server.start()
    await server.stop()
    lost = missing(answered, server.store)
    chaos_report("replicator beside", rounds, len(answered), lost)
    assert lost == 0
    with closing(sqlite3.connect(server.store)) as store:
        assert check(store).faults == []
