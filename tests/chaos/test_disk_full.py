"""A disk without room: writes are refused, all else goes on, and room is all it takes to mend it.

The short round fills the disk once; the full one again and again.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.core.records import SECOND
from countermand.store.contract import StoreFailed
from tests.support.ask import T1, T2, cancel, create, reap, start
from tests.support.caller import CANCELLED, FAILED, RUNNING, Caller, first_caller, take
from tests.support.disks import Disk, small_disk
from tests.support.knobs import PLAIN_STORE, drawn_values_but
from tests.support.ledger import Ledger, play
from tests.support.refusals import refusal_of, refused
from tests.support.server import Server, started
from tests.support.stores import Keeper, sqlite_store
from tests.support.waiting import until
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
ROUNDS = 40 if FULL else 2
SIZE = "7m"
NOTHING_KEPT = {"store.min_free_bytes": 0}
"""Lets what creates something fill the disk to its end, as others than the server may."""
NO_ROOM = r"countermand: cannot open the store \S+: the disk is full"
CHECKPOINT_FRAMES = 1000
"""With so many in the log, SQLite moves them into the file by itself."""
KNOBS = drawn_values_but("store.", "writer.") | NOTHING_KEPT
"""A log that is emptied after each commit would have room for one more on a full disk."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", SIZE) as disk:
        yield disk


async def write_until_refused(caller: Caller, ledger: Ledger, size: int) -> None:
    """Creates groups of so many tasks until there is no room for one."""
    refusal = None
    while refusal is None:
        try:
            made = await caller.create_group(size)
            ledger.note(made.tasks[0])
            ledger.note(made.tasks[-1])
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
    assert refusal.reason == "STORE_FULL"


async def renew_until_refused(caller: Caller) -> None:
    """Renews a lease until there is no room for it: nothing writes less than that."""
    refusal = None
    while refusal is None:
        try:
            await caller.heartbeat("agent-1", lease=600)
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
    assert refusal.reason == "STORE_FULL"


async def test_a_full_disk_refuses_writes_and_nothing_else(disk, chaos_report):
    ledger, broken = Ledger(), []
    async with started(disk.folder, knobs=KNOBS) as server, first_caller(server) as caller:
        process = server.process
        for _ in range(ROUNDS):
            held = await caller.running(lease=600)
            watch = caller.watch(held.task_id, heartbeat_interval={"seconds": 1})
            await take(watch, 1)
            await play(caller, ledger)
            disk.fill(leave=64 * 1024)
            await write_until_refused(caller, ledger, 10)
            await write_until_refused(caller, ledger, 1)
            await renew_until_refused(caller)
            # The smallest write is refused, for a worker too, and changes nothing.
            refusal = await refused(caller.cancel(held.task_id), "STORE_FULL")
            assert refusal.retry_seconds
            await refused(caller.heartbeat("agent-1"), "STORE_FULL")
            await refused(caller.create(), "STORE_FULL")
            assert (await caller.get(held.task_id)) == held.task
            # Reads, lists, watches old and new, and health go on.
            assert (await take(watch, 1))[0].task == held.task
            fresh = caller.watch(held.task_id)
            assert (await take(fresh, 1))[0].task == held.task
            fresh.cancel()
            await caller.listed(page_size=5)
            async with grpc.aio.insecure_channel(server.address) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                answer = await health.Check(health_pb2.HealthCheckRequest())
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

            disk.free()
            ledger.note((await caller.cancel(held.task_id, grace=0)).task)
            assert (await caller.ended(held.task_id)).state == CANCELLED
            watch.cancel()
            broken += await ledger.broken_promises(caller)
        assert server.process is process
        assert process.returncode is None
        assert await server.stop() == 0
    broken += broken_rules(disk.folder / "countermand.db")
    chaos_report("disk full", ROUNDS, ledger.told, len(broken))
    assert not broken


async def test_leases_that_could_not_be_renewed_on_a_full_disk_are_renewed_first(disk):
    async with (
        started(disk.folder, knobs=KNOBS) as server,
        first_caller(server) as caller,
    ):
        faithful = await caller.running("faithful", lease=2)
        gone = await caller.running("gone", lease=2)
        due = await caller.running("present", lease=600)
        await caller.cancel(due.task_id, grace=1)
        disk.fill()
        await write_until_refused(caller, Ledger(), 1)
        # What is due cannot be ended, and leases end that nobody can renew.
        await until(lambda: any('"event": "reaping failed"' in line for line in server.log))
        await refused(caller.heartbeat("faithful", lease=600), "STORE_FULL")
        await asyncio.sleep(2)
        disk.free()
        assert (await caller.ended(due.task_id)).state == CANCELLED
        await caller.heartbeat("faithful", lease=600)
        assert (await caller.ended(gone.task_id)).state == FAILED
        assert (await caller.get(faithful.task_id)).state == RUNNING


async def test_a_checkpoint_without_room_harms_nothing(disk, chaos_report):
    ledger = Ledger()
    async with (
        started(disk.folder, knobs=PLAIN_STORE | NOTHING_KEPT) as server,
        first_caller(server) as caller,
    ):
        disk.fill(leave=CHECKPOINT_FRAMES * 4120 + 200_000)
        await write_until_refused(caller, ledger, 200)
        store = disk.folder / "countermand.db"
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
        assert Path(f"{store}-wal").stat().st_size > CHECKPOINT_FRAMES * 4120
        assert store.stat().st_size < pages * 4096  # the rest is in the log alone
        disk.free()
        await play(caller, ledger)
        broken = await ledger.broken_promises(caller)
        await server.kill()
        await server.start()
    broken += broken_rules(disk.folder / "countermand.db")
    chaos_report("disk full", 1, ledger.told, len(broken))
    assert not broken


async def test_a_server_that_was_killed_starts_on_a_full_disk_and_reads(disk):
    async with started(disk.folder, knobs=KNOBS) as server:
        async with first_caller(server) as caller:
            held = await caller.running(lease=600)
            disk.fill()
            await write_until_refused(caller, Ledger(), 1)
            await server.kill()
        await server.start()
        async with first_caller(server) as caller:
            assert (await caller.get(held.task_id)) == held.task
            await refused(caller.cancel(held.task_id), "STORE_FULL")
            disk.free()
            await caller.cancel(held.task_id, grace=0)
            assert (await caller.ended(held.task_id)).state == CANCELLED


async def test_leases_that_cannot_be_renewed_at_the_start_are_renewed_with_the_first_commit(
    disk, tmp_path
):
    keeper = Keeper(sqlite_store(tmp_path / "store.db"))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    await keeper.run(create(T1), start(T1, lease=10 * SECOND))
    for file in tmp_path.glob("store.db*"):  # as a server leaves them that is killed
        shutil.copy(file, disk.folder)
    await keeper.store.close()

    disk.fill()
    keeper.store = sqlite_store(disk.folder / "store.db")
    keeper.now += 60 * SECOND
    await keeper.store.open(keeper.now)
    with pytest.raises(StoreFailed) as caught:
        await keeper.run(cancel(T2, allow_missing=True))
    assert caught.value.full
    disk.free()
    (reaped,) = await keeper.run(reap())
    assert reaped.ended == 0
    keeper.now += 10 * SECOND
    (reaped,) = await keeper.run(reap())
    assert reaped.ended == 1
    await keeper.store.close()


async def test_a_disk_without_any_room_is_refused_at_the_start_and_taken_with_room(disk):
    server = Server(disk.folder, knobs=KNOBS, makes_store=True)
    disk.fill()
    with pytest.raises(RuntimeError, match=NO_ROOM):
        await server.start()
    disk.free()
    await server.start()
    async with first_caller(server) as caller:
        held = await caller.running()
    assert await server.stop() == 0
    before = (disk.folder / "countermand.db").read_bytes()
    server.log.clear()
    disk.fill()
    with pytest.raises(RuntimeError, match=NO_ROOM):
        await server.start()
    assert (disk.folder / "countermand.db").read_bytes() == before
    disk.free()
    await server.start()
    async with first_caller(server) as caller:
        assert (await caller.get(held.task_id)) == held.task
    await server.kill()


async def test_whatever_room_there_is_a_new_store_is_made_or_refused_in_one_line(disk):
    """And made by the next start with room, whatever the one before has left."""
    server = Server(disk.folder, knobs=KNOBS, makes_store=True)
    for kilobytes in (48, 180, 200, 220):
        disk.fill(leave=kilobytes * 1024)
        server.log.clear()
        try:
            await server.start()
        except RuntimeError:
            (line,) = [line for line in server.log if not line.startswith("{")]
            assert line.startswith("countermand: ")
            assert "disk is full" in line
        await server.kill()
        disk.free()
    await server.start()
    await server.kill()
    assert broken_rules(disk.folder / "countermand.db") == []


async def test_who_fills_the_disk_leaves_room_for_those_who_stop(tmp_path):
    kept = 16 * 1024 * 1024
    with small_disk(tmp_path / "disk", "64m") as disk:
        async with started(disk.folder) as server, first_caller(server) as caller:
            held = [await caller.running(lease=600) for _ in range(20)]
            group = (await caller.create_group(1000)).group
            disk.fill(leave=kept + 4 * 1024 * 1024)
            await write_until_refused(caller, Ledger(), 1000)
            await write_until_refused(caller, Ledger(), 1)
            left = shutil.disk_usage(disk.folder).free
            assert kept - 4 * 1024 * 1024 < left
            for one in held[:10]:
                await caller.cancel(one.task_id, grace=0)
                assert (await caller.ended(one.task_id)).state == CANCELLED
            for one in held[10:]:
                await caller.finish(one)
            await caller.heartbeat("agent-1")
            assert (await caller.cancel_group(group.group_id)).group.closed
            refusal = await refused(caller.create(), "STORE_FULL")
            assert refusal.retry_seconds
            disk.free()
            await caller.create()
