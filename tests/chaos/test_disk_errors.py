"""A disk that fails or hangs: what was not synced is not answered, and who cannot write leaves.

The short round has one of each fault; the full one lets every n-th call fail, for many n.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from countermand.v1.cancellation_service_pb2 import CancelTaskRequest
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.caller import CANCELLED, CANCELLING, Caller, everything, first_caller, take
from tests.support.health import NOT_SERVING, health_of
from tests.support.injected import files_of, has_left, injected, needs_strace
from tests.support.inside import inside
from tests.support.knobs import PLAIN_STORE
from tests.support.ledger import Ledger, loaded, play
from tests.support.refusals import refused
from tests.support.server import Server, started
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
HANG = "fdatasync:delay_enter=60s"


@pytest.fixture(autouse=True)
def strace() -> None:
    needs_strace()


async def left_with(server: Server) -> int:
    """Returns the exit status of a server that leaves by itself."""
    assert server.process is not None
    return await asyncio.wait_for(server.process.wait(), 20)


def tasks_without_log(folder: Path) -> int:
    """Returns how many tasks a store would have if the log beside its file were lost."""
    copy = folder / "copy.db"
    shutil.copyfile(folder / "countermand.db", copy)
    assert broken_rules(copy) == []
    with closing(sqlite3.connect(copy)) as db:
        return db.execute("SELECT count(*) FROM tasks").fetchone()[0]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("fdatasync", "EIO"),
        ("pwrite64", "EIO"),
        ("pwrite64", "EROFS"),  # as a file system that was remounted read-only after an error
    ],
)
async def test_an_error_of_the_disk_is_no_answer_and_the_server_leaves(
    tmp_path, call, error, chaos_report
):
    ledger = Ledger()
    async with started(tmp_path, knobs=PLAIN_STORE) as server:
        async with first_caller(server) as caller, health_of(server) as health:
            await play(caller, ledger)
            held = await caller.running(lease=600)
            watch = caller.watch(held.task_id)
            await take(watch, 1)
            async with injected(server, f"{call}:error={error}", files=files_of(tmp_path)):
                refusal = await refused(caller.cancel(held.task_id), "STORE_UNAVAILABLE")
                assert refusal.retry_seconds
                assert (await health.read()).status == NOT_SERVING
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await everything(watch)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
                assert await left_with(server) == 1
        await server.start()
        # Nothing is built on what a failed sync left in the log: the file is whole without it.
        assert tasks_without_log(tmp_path) == 9
        async with first_caller(server) as caller:
            broken = await ledger.broken_promises(caller)
            await play(caller, ledger)
            assert (await caller.cancel(held.task_id, grace=0)).task.state == CANCELLING
        assert await server.stop() == 0
    broken += broken_rules(tmp_path / "countermand.db")
    chaos_report("I/O error", 1, ledger.told, len(broken))
    assert not broken


@pytest.mark.parametrize("nth", [*range(1, 120, 3)] if FULL else [7])
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
async def test_the_nth_call_fails_once_under_load(tmp_path, call, nth, chaos_report):
    """What was answered and shown before, between and after is there."""
    ledger = Ledger()
    async with started(tmp_path, knobs=PLAIN_STORE) as server, first_caller(server) as caller:
        fault = f"{call}:error=EIO:when={nth}"
        load = await loaded(caller, ledger, players=4)
        async with injected(server, fault, files=files_of(tmp_path)):
            await load
            assert await left_with(server) == 1
    async with inside(tmp_path, name="countermand") as again, again.caller() as caller:
        broken = await ledger.broken_promises(caller)
    broken += broken_rules(tmp_path / "countermand.db")
    chaos_report("I/O error", 1, ledger.told, len(broken))
    assert not broken


async def test_an_error_where_the_log_is_emptied_ends_the_server_too(tmp_path):
    """SQLite itself is silent about a checkpoint that fails: the commits are safe in the log."""
    ledger = Ledger()
    async with started(tmp_path, knobs=PLAIN_STORE) as server, first_caller(server) as caller:
        load = await loaded(caller, ledger, players=8)
        store = files_of(tmp_path, "")
        async with injected(server, "fdatasync:error=EIO", files=store):
            await load
            assert await left_with(server) == 1
    async with inside(tmp_path, name="countermand") as again, again.caller() as caller:
        assert await ledger.broken_promises(caller) == []
    assert broken_rules(tmp_path / "countermand.db") == []


async def test_a_reading_that_fails_is_refused_and_the_server_goes_on(tmp_path):
    async with started(tmp_path, knobs=PLAIN_STORE) as server, first_caller(server) as caller:
        held = await caller.running(lease=600)
        due = await caller.running(lease=600)
        await caller.cancel(due.task_id, grace=1)
        watch = caller.watch(held.task_id)
        await take(watch, 1)
        await caller.create()  # from here on, what readers remember of the file is outdated
        files = files_of(tmp_path, "", "-wal")
        async with injected(server, "pread64:error=EIO", files=files):
            refusal = await refused(caller.get(held.task_id), "STORE_UNAVAILABLE")
            assert refusal.retry_seconds
            await refused(caller.listed(), "STORE_UNAVAILABLE")
            await refused(everything(caller.watch(held.task_id)), "STORE_UNAVAILABLE")
            await refused(everything(caller.watch_many()), "STORE_UNAVAILABLE")
        assert (await caller.get(held.task_id)) == held.task
        assert (await caller.ended(due.task_id)).state == CANCELLED
        await caller.cancel(held.task_id, grace=0)
        told = await everything(watch)
        assert [message.task.state for message in told] == [CANCELLING, CANCELLED]
        assert await server.stop() == 0


async def test_a_commit_that_hangs_is_no_answer_and_the_server_leaves(tmp_path):
    """Within the 10 seconds that a commit may take, and a moment to say so; told to or not."""
    await asyncio.gather(hang(tmp_path / "told", tell=True), hang(tmp_path / "untold", tell=False))


async def hang(folder: Path, *, tell: bool) -> None:
    folder.mkdir()
    # A drain that is as short as a commit may be would cut the answer off.
    knobs = PLAIN_STORE | {"writer.commit_timeout": 10.0}
    async with started(folder, "--drain-timeout", "15s", knobs=knobs) as server:
        async with first_caller(server) as caller, health_of(server) as health:
            held = await caller.running(lease=600)
            async with injected(server, HANG, files=files_of(folder)):
                hanging = caller.cancellations.CancelTask(CancelTaskRequest(task_id=held.task_id))
                await until_it_hangs(caller)
                assert (await caller.get(held.task_id)) == held.task  # reads go on
                if tell:
                    server.process.send_signal(signal.SIGTERM)
                assert (await health.read()).status == NOT_SERVING
                await refused(hanging, "STORE_UNAVAILABLE")
                await has_left(server)
            assert await left_with(server) == 1
        await server.start()
        async with first_caller(server) as caller:
            # Nobody could say whether it was accepted; now it is one of the two.
            assert (await caller.get(held.task_id)).version in (2, 3)
    assert broken_rules(folder / "countermand.db") == []


async def test_a_second_sigterm_during_a_commit_that_hangs_stops_at_once(tmp_path):
    async with started(tmp_path, knobs=PLAIN_STORE) as server, first_caller(server) as caller:
        held = await caller.running(lease=600)
        async with health_of(server) as health:
            async with injected(server, HANG, files=files_of(tmp_path)):
                hanging = asyncio.create_task(caller.cancel(held.task_id))
                await until_it_hangs(caller)
                server.process.send_signal(signal.SIGTERM)
                assert (await health.read()).status == NOT_SERVING
                server.process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(5):
                    await has_left(server)
            assert await left_with(server) == 0
        with pytest.raises(grpc.aio.AioRpcError):
            await hanging


async def until_it_hangs(caller: Caller) -> None:
    """Returns when no write is answered any more."""
    code = None
    while code is None:
        try:
            await caller.tasks.CreateTask(CreateTaskRequest(), timeout=0.5)
        except grpc.aio.AioRpcError as error:
            code = error.code()
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
