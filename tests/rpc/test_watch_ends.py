"""How a watch is ended from outside: a slow reader, a key that is not live any more, a drain."""

import asyncio

import grpc
import pytest

from countermand.rpc.guard.open_calls import draining
from countermand.v1 import key_service_pb2, task_service_pb2
from tests.support.caller import (
    CANCELLED,
    SNAPSHOT,
    SYNCED,
    Caller,
    everything,
    first_caller,
    new_caller,
    span,
    take,
)
from tests.support.inside import inside
from tests.support.knobs import drawn_with
from tests.support.refusals import refusal_of, refused
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A client that takes nothing: it grants the server one window of 64 KiB and no more.
STINGY = {"http2.bdp_probe": 0, "http2.lookahead_bytes": 64 * 1024, "http2.max_frame_size": 16384}
MANY = 900


async def much_to_tell(caller: Caller) -> None:
    """Makes tasks with labels of 4 KB each, about as much as one request may have."""
    labels = {f"{n:0128}": "x" * 120 for n in range(16)}
    request = task_service_pb2.CreateGroupRequest(
        tasks=[task_service_pb2.CreateTaskRequest(labels=labels) for _ in range(MANY)]
    )
    await caller.tasks.CreateGroup(request)


async def end_of(watch, seen: list | None = None) -> grpc.aio.AioRpcError:
    """Reads a watch to its end, which is not OK, and notes the messages."""
    try:
        async for message in watch:
            if seen is not None:
                seen.append(message)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the watch ended with OK")


async def test_a_watcher_that_takes_nothing_is_ended_and_delays_nobody(tmp_path):
    async with (
        inside(tmp_path, knobs=drawn_with({"watching.watchers.write_timeout": 1})) as server,
        server.caller() as caller,
    ):
        await much_to_tell(caller)
        async with server.caller(**STINGY) as stingy:
            slow = stingy.watch_many(timeout=30)
            first = await slow.read()
            assert len(server.app.watchers) == 1

            # Others are served while it blocks.
            held = await caller.running()
            quick = caller.watch(held.task_id)
            await quick.read()
            begin = asyncio.get_running_loop().time()
            await caller.cancel(held.task_id)
            await caller.finish(held, "CANCELLED")
            assert (await everything(quick))[-1].task.state == CANCELLED
            assert asyncio.get_running_loop().time() - begin < 1

            await server.no_watchers()

            # It reads what was under way, and then why it was ended.
            seen = [first]
            end = await end_of(slow, seen)
            assert refusal_of(end).reason == "WATCHER_TOO_SLOW"
            assert len(seen) < MANY

            # It may resume, and misses nothing.
            resumed = stingy.watch_many(seen[-1].resume_token, timeout=30)
            while seen[-1].type != SYNCED:
                seen.append(await resumed.read())
            resumed.cancel()
        shown = [message.task.task_id for message in seen if message.type == SNAPSHOT]
        assert len(set(shown)) == len(shown) == MANY


async def test_a_reader_that_is_slow_but_reads_is_not_ended(tmp_path):
    async with (
        inside(tmp_path, knobs=drawn_with({"watching.watchers.write_timeout": 1.5})) as server,
        server.caller() as caller,
    ):
        await much_to_tell(caller)
        async with server.caller(**STINGY) as stingy:
            slow = stingy.watch_many(timeout=30)
            count, loop = 0, asyncio.get_running_loop()
            begin = loop.time()
            while (await slow.read()).type != SYNCED:
                count += 1
                if count % 60 == 0:  # a pause that is shorter than the write timeout
                    await asyncio.sleep(0.25)
            slow.cancel()
            assert loop.time() - begin > 3
        assert count == MANY


async def test_a_slow_watcher_does_not_hold_up_a_drain(tmp_path):
    async with inside(tmp_path) as server, server.caller() as caller:
        await much_to_tell(caller)
        async with server.caller(**STINGY) as stingy:
            slow = stingy.watch_many(timeout=30)
            await slow.read()
            server.guard.drain()
            server.app.watchers.end_all(draining)
            await server.no_watchers()
            assert refusal_of(await end_of(slow)).reason == "DRAINING"


async def open_watches(caller: Caller) -> list:
    """Opens a watch of one task, of a group, of an agent and of all."""
    held = await caller.running()
    made = await caller.create_group(1)
    watches = [
        caller.watch(held.task_id),
        caller.watch_many(group_id=made.group.group_id),
        caller.watch_many(agent_id="agent-1"),
        caller.watch_many(),
    ]
    for watch in watches:
        await watch.read()
    return watches


async def test_a_revoked_key_ends_its_watches_and_no_other(caller, shared, admin):
    async with new_caller(shared, admin, tenant=caller.tenant) as leaving:
        watches = await open_watches(leaving)
        other = caller.watch_many()
        await other.read()

        await admin.keys.RevokeKey(key_service_pb2.RevokeKeyRequest(key_id=leaving.key_id))
        async with asyncio.timeout(5):
            ends = await asyncio.gather(*map(end_of, watches))

        assert {refusal_of(end).reason for end in ends} == {"API_KEY_INVALID"}
        await refused(leaving.watch_many().read(), "API_KEY_INVALID")
    made = await caller.create()
    async for message in other:
        if message.task.task_id == made.task_id:
            break
    other.cancel()


async def test_an_expired_key_ends_its_watches(caller, shared, admin):
    async with new_caller(shared, admin) as leaving:
        watches = await open_watches(leaving)
        request = key_service_pb2.RotateKeyRequest(key_id=leaving.key_id, overlap=span(0.5))
        await admin.keys.RotateKey(request)
        async with asyncio.timeout(5.5):
            ends = await asyncio.gather(*map(end_of, watches))
    assert {refusal_of(end).reason for end in ends} == {"API_KEY_INVALID"}


async def test_a_draining_server_ends_every_stream_with_a_retry_info(tmp_path):
    server = await Server(tmp_path).start()
    async with first_caller(server) as caller:
        watches = await open_watches(caller)
        watches += [caller.watch_many() for _ in range(40)]
        await asyncio.gather(*(take(watch, 1) for watch in watches[4:]))
        loop = asyncio.get_running_loop()
        begin = loop.time()

        stopping = asyncio.create_task(server.stop())
        ends = await asyncio.gather(*map(end_of, watches))

        assert loop.time() - begin < 5
        refusals = [refusal_of(end) for end in ends]
        assert {refusal.reason for refusal in refusals} == {"DRAINING"}
        assert all(refusal.retry_seconds for refusal in refusals)
        assert await stopping == 0
        assert loop.time() - begin < 5  # nothing is left to wait for: not the whole drain time


async def test_closing_a_watch_affects_no_other_and_not_the_task(caller):
    held = await caller.running()
    leaving, staying = caller.watch(held.task_id), caller.watch(held.task_id)
    await asyncio.gather(leaving.read(), staying.read())
    leaving.cancel()
    assert await leaving.code() is grpc.StatusCode.CANCELLED
    assert (await caller.get(held.task_id)).version == 2
    await caller.finish(held)
    assert len(await everything(staying)) == 1


async def test_a_watch_is_ended_wherever_it_is_at_that_moment(tmp_path):
    async with inside(tmp_path) as server, server.caller() as caller:
        held = await caller.running()
        for _ in range(10):
            watches = [caller.watch_many() for _ in range(10)]
            watches += [caller.watch(held.task_id) for _ in range(10)]
            # Right after their first message some read the log, some write, some wait.
            await asyncio.gather(*(watch.read() for watch in watches))
            server.app.watchers.sweep_now(lambda key_id: False)
            async with asyncio.timeout(3):
                ends = await asyncio.gather(*map(end_of, watches))
            assert {refusal_of(end).reason for end in ends} == {"API_KEY_INVALID"}
