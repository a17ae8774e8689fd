"""Stores that a server cannot or must not take: it says why in one line, and leaves them be."""

import asyncio
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.support.caller import first_caller
from tests.support.disks import small_disk
from tests.support.refusals import refused
from tests.support.server import Server, run_to_the_end
from tests.support.waiting import until
from tests.support.whole import broken_rules

pytestmark = pytest.mark.chaos

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
