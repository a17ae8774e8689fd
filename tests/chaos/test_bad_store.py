"""Stores that a server cannot or must not take: it says why in one line, and leaves them be."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.caller import first_caller
from tests.support.disks import small_disk
from tests.support.health import NOT_SERVING, health_of
from tests.support.knobs import PLAIN_STORE
from tests.support.ledger import Ledger, loaded, play
from tests.support.refusals import refused
from tests.support.server import Server, run_to_the_end, started
from tests.support.waiting import until
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

PAGE = 4096


async def why_refused(store: Path) -> str:
    """Starts a server that must refuse the store, and leave it as it is. Returns the reason."""
    before = store.read_bytes()
    status, out, err = await run_to_the_end(store, "--listen", "127.0.0.1:0")
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("countermand: ")
    assert str(store) in line
    assert store.read_bytes() == before
    return line


async def stopped(folder: Path) -> Path:
    """Returns a store whose server was stopped."""
    server = await Server(folder).start()
    assert await server.stop() == 0
    return folder / "countermand.db"


async def test_a_store_that_cannot_be_written_is_refused(tmp_path):
    with small_disk(tmp_path / "disk", "4m") as disk:
        store = await stopped(disk.folder)
        with disk.read_only(store):
            assert "Read-only file system" in await why_refused(store)
        disk.set_read_only()
        assert "Read-only file system" in await why_refused(store)


async def test_a_damaged_store_is_refused(tmp_path):
    store = await stopped(tmp_path)
    whole = store.read_bytes()
    store.write_bytes(whole[: len(whole) // 2])
    assert "malformed" in await why_refused(store)
    store.write_bytes(b"\0" * PAGE + whole[PAGE:])
    assert "not a database" in await why_refused(store)


async def test_damage_that_is_found_later_is_never_an_answer(tmp_path):
    """A reading of it is refused; a commit that meets it is the end, until a backup is there."""
    server = await Server(tmp_path).start()
    async with first_caller(server) as caller:
        first = await caller.running(lease=600)
        for _ in range(20):
            made = await caller.create_group(100, group_id=None)
        await server.stop()
    store = tmp_path / "countermand.db"
    shutil.copy(store, tmp_path / "backup.db")
    damage(store, made.tasks[50].task_id)

    await server.start()
    async with first_caller(server) as caller:
        assert (await caller.get(first.task_id)) == first.task
        await refused(caller.get(made.tasks[50].task_id), "STORE_UNAVAILABLE")
        await caller.cancel(first.task_id)
        await refused(caller.cancel(made.tasks[50].task_id), "STORE_UNAVAILABLE")
        assert await asyncio.wait_for(server.process.wait(), 10) == 1
    reason = await why_refused(store)
    assert "is damaged" in reason
    assert "restore a backup" in reason

    for file in tmp_path.glob("countermand.db*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.db", store)
    await server.start()
    async with first_caller(server) as caller:
        assert (await caller.get(made.tasks[50].task_id)) == made.tasks[50]
    await server.kill()


def damage(store: Path, task_id: str) -> None:
    """Writes over every page in which a task stands."""
    data = bytearray(store.read_bytes())
    digits = bytes.fromhex(task_id.replace("-", ""))
    pages = {place // PAGE for place in range(len(data)) if data.startswith(digits, place)}
    assert pages
    for page in pages:
        data[page * PAGE : (page + 1) * PAGE] = b"\xa5" * PAGE
    store.write_bytes(data)


async def test_a_store_in_use_is_refused_to_others_and_free_after_a_kill(tmp_path):
    server = await Server(tmp_path).start()
    store = tmp_path / "countermand.db"
    status, out, err = await run_to_the_end(store, "--listen", "127.0.0.1:0")
    assert (status, out) == (1, "")
    assert err == f"countermand: another server has the store {store} open\n"
    assert await list_keys(store) == (1, f"countermand: another server has the store {store} open")
    async with first_caller(server) as caller:
        held = await caller.running()
    await server.kill()
    await server.start()
    async with first_caller(server) as caller:
        assert (await caller.get(held.task_id)) == held.task
    await server.kill()
    status, keys = await list_keys(store)
    assert status == 0
    assert server.key.split("_")[2] in keys


async def list_keys(store: Path) -> tuple[int | None, str]:
    command = [sys.executable, "-m", "countermand", "keys", "list", "--store", f"sqlite:///{store}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    return process.returncode, (out or err).decode().strip()


@pytest.mark.parametrize("ending", ["lock", "db", "db-wal"])
async def test_sigterm_while_it_starts_ends_it_and_harms_nothing(tmp_path, ending):
    store, file = tmp_path / "s.db", tmp_path / f"s.{ending}".replace("s.lock", "s.db.lock")
    command = [sys.executable, "-m", "countermand", "serve", "--listen", "127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(
        *command, "--store", f"sqlite:///{store}", stdout=PIPE, stderr=PIPE
    )
    await until(file.exists)
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode in (0, -signal.SIGTERM)  # the moment before it is ready, or after
    assert b"Traceback" not in err
    assert broken_rules(store) == []
    assert (await list_keys(store))[0] == 0


# Files that are taken away from a running server.


def remove(file: Path, backup: Path) -> None:
    file.unlink()


def move_a_backup_over(file: Path, backup: Path) -> None:
    shutil.copy(backup, f"{file}.new")
    os.replace(f"{file}.new", file)


def copy_a_backup_over(file: Path, backup: Path) -> None:
    shutil.copy(backup, file)


def rename_the_folder(file: Path, backup: Path) -> None:
    file.parent.rename(f"{file.parent}.renamed")


TAKEN_AWAY = [
    ("", remove),
    ("", move_a_backup_over),
    ("", copy_a_backup_over),
    ("", rename_the_folder),
    ("-wal", remove),
    ("-shm", remove),
]


async def back_up(store: Path, backup: Path) -> None:
    """As docs/operations/storage.md says to."""

    def copy() -> None:
        source = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(backup)) as target:
            source.backup(target)

    await asyncio.to_thread(copy)


async def until_it_leaves(server: Server) -> None:
    """Returns once the server has left by itself, having said why in one line."""
    assert server.process is not None
    assert await asyncio.wait_for(server.process.wait(), 20) == 1
    await server.kill()  # which reads the rest of its log
    (line,) = [line for line in server.log if '"level": "CRITICAL"' in line]
    assert "while the server ran" in json.loads(line)["cause"]


async def broken_by(server: Server, ledger: Ledger) -> list[str]:
    """Starts a server on what is there now. Returns what was answered and is not so."""
    await server.start()
    async with first_caller(server) as caller:
        broken = await ledger.broken_promises(caller)
    assert await server.stop() == 0
    return broken + broken_rules(server.store)


@pytest.mark.parametrize("busy", [True, False], ids=["under load", "idle"])
@pytest.mark.parametrize(("ending", "deed"), TAKEN_AWAY)
async def test_a_server_leaves_when_a_file_is_taken_away_and_nothing_answered_is_lost(
    tmp_path, ending, deed, busy, chaos_report
):
    folder, backup = tmp_path / "store", tmp_path / "backup.db"
    of_backup, ledger = Ledger(), Ledger()
    folder.mkdir()
    async with started(folder, knobs=PLAIN_STORE) as server:
        async with first_caller(server) as caller, health_of(server) as health:
            await play(caller, of_backup)
            await back_up(server.store, backup)
            load = await loaded(caller, ledger, players=4) if busy else None
            if not busy:
                await play(caller, ledger)
            deed(Path(f"{server.store}{ending}"), backup)
            assert (await asyncio.wait_for(health.read(), 10)).status == NOT_SERVING
            await until_it_leaves(server)
            if load is not None:
                await load

        told = ledger.told
        if deed is rename_the_folder:
            Path(f"{folder}.renamed").rename(folder)
        if deed not in (move_a_backup_over, copy_a_backup_over):
            broken = await broken_by(server, ledger)
        else:
            # It was meant as a restore. That it was no right one is said, and what to do.
            assert "do not belong together" in await why_refused(server.store)
            for beside in ("-wal", "-shm"):
                Path(f"{server.store}{beside}").unlink()
            broken = await broken_by(server, of_backup)
        for rescued in folder.glob("*.rescued-*"):
            rescued.rename(server.store)
            broken += await broken_by(server, ledger)
            assert deed is move_a_backup_over
    chaos_report("file taken away", 1, told, len(broken))
    assert not broken


async def test_a_backup_that_is_put_in_place_beside_the_log_of_a_killed_server_is_refused(tmp_path):
    """As storage.md says: with the log gone, the backup is served, and nothing else."""
    of_backup, ledger, backup = Ledger(), Ledger(), tmp_path / "backup.db"
    async with started(tmp_path, knobs=PLAIN_STORE) as server:
        async with first_caller(server) as caller:
            await play(caller, of_backup)
            await back_up(server.store, backup)
            await play(caller, ledger)
            later = await caller.create()
            await server.kill()
        shutil.copy(backup, server.store)
        reason = await why_refused(server.store)
        assert "remove countermand.db-wal and countermand.db-shm" in reason
        status, keys = await list_keys(server.store)
        assert status == 1
        assert keys == reason
        Path(f"{server.store}-wal").unlink()
        Path(f"{server.store}-shm").unlink()
        assert await broken_by(server, of_backup) == []
        await server.start()
        async with first_caller(server) as caller:
            await refused(caller.get(later.task_id), "TASK_NOT_FOUND")


@pytest.mark.parametrize("what", ["serve", "keys"])
async def test_a_second_server_is_refused_by_a_link_also_without_the_lock_file(tmp_path, what):
    link = tmp_path / "link.db"
    async with started(tmp_path) as server:
        link.symlink_to(server.store)
        Path(f"{server.store}.lock").unlink()
        if what == "serve":
            status, out, err = await run_to_the_end(link, "--listen", "127.0.0.1:0")
            assert (status, out) == (1, "")
            refusal = err.strip()
        else:
            status, refusal = await list_keys(link)
        assert (status, refusal) == (1, f"countermand: another server has the store {link} open")
        assert await server.stop() == 0
