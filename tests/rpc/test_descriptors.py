"""A server whose descriptors have run out: who is connected is served as before.

Strangers need no key to open connections. So whatever serving needs is opened before the first of
them can come.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from tests.support.caller import CANCELLED, everything, first_caller
from tests.support.process import usage
from tests.support.raw import RPCS, Rpc
from tests.support.served_store import ON_POSTGRES
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.whole import broken_rules

LIMIT = 128


@asynccontextmanager
async def limited(folder: Path) -> AsyncIterator[Server]:
    server = Server(folder)
    server.launcher = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh"]
    try:
        yield await server.start("--drain-timeout", "1s")
    finally:
        await server.kill()


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that is open, and has not been used."""
    async with grpc.aio.insecure_channel(
        server.address, [("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        await asyncio.wait_for(channel.channel_ready(), 10)
        yield channel


@contextmanager
def silent_connections(server: Server, count: int) -> Iterator[None]:
    host, _, port = server.address.rpartition(":")
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(socket.create_connection((host, int(port)), 5))
        yield


CANNOT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


async def answer(channel: grpc.aio.Channel, rpc: Rpc, key: str) -> grpc.StatusCode:
    """Returns how a call is answered."""
    try:
        await rpc.call(channel, rpc.request.SerializeToString(), key)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_each_method_is_answered_for_the_first_time_when_no_descriptor_is_left(
    tmp_path: Path,
) -> None:
    async with limited(tmp_path) as server, connected(server) as channel:
        with silent_connections(server, 300):
            await until(lambda: usage(server).files >= LIMIT)
            found = {name: await answer(channel, rpc, server.key) for name, rpc in RPCS.items()}
            health = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=10
            )
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            request = ServerReflectionRequest(file_containing_symbol="countermand.v1.TaskService")
            reflected = ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
            assert (await reflected.read()).HasField("file_descriptor_response")
            reflected.cancel()
    assert {name: code for name, code in found.items() if code in CANNOT} == {}


async def test_work_goes_on_and_the_server_drains_when_no_descriptor_is_left(
    tmp_path: Path,
) -> None:
    async with limited(tmp_path) as server, first_caller(server) as caller:
        await caller.channel.channel_ready()
        with silent_connections(server, 300):
            await until(lambda: usage(server).files >= LIMIT)
            made = await caller.create_group(2000)  # more than one checkpoint
            held = await caller.start(made.tasks[0].task_id, lease=600)
            watch = caller.watch_many(group_id=made.group.group_id, timeout=60)
            await caller.cancel_group(made.group.group_id, grace=1)
            told = await everything(watch)
            assert (await caller.get(held.task_id)).state == CANCELLED
            assert await caller.listed(group_id=made.group.group_id)
            assert await server.stop() == 0
        assert told[-1].last
    assert ON_POSTGRES or broken_rules(server.store) == []
