"""Health and reflection: strangers may call them, and can do no harm with them."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.caller import first_caller
from tests.support.http2 import ACK, SETTINGS, connected
from tests.support.knobs import PRODUCTION
from tests.support.refusals import refused
from tests.support.server import Server, started

CHECK = "/grpc.health.v1.Health/Check"
LIST_TASKS = "/countermand.v1.TaskService/ListTasks"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SERVING = health_pb2.HealthCheckResponse(status="SERVING")
NOT_SERVING = health_pb2.HealthCheckResponse(status="NOT_SERVING")
BROKEN = b"\xff\xff\xff"
PER_CONNECTION = 100
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture
async def channel(server: Server):
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel


async def test_what_is_no_request_is_refused_and_leaves_no_line_in_the_log(
    server: Server, channel: grpc.aio.Channel
):
    await refused(channel.unary_unary(CHECK)(BROKEN), "INVALID_REQUEST")
    await refused(channel.unary_stream(WATCH)(BROKEN).read(), "INVALID_REQUEST")
    reflecting = channel.stream_stream(REFLECT)()
    await reflecting.write(BROKEN)
    await refused(reflecting.read(), "INVALID_REQUEST")
    await server.stop()
    events = [json.loads(line)["event"] for line in server.log if not line.startswith("cmd_")]
    assert events[1:] == ["serving", "draining"]


async def test_health_tells_of_the_server_and_of_each_service(channel: grpc.aio.Channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "countermand.v1.CancellationService"):
        assert await health.Check(health_pb2.HealthCheckRequest(service=service)) == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="no.Such"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = health.Watch(health_pb2.HealthCheckRequest(service="no.Such"))
    assert await watch.read() == health_pb2.HealthCheckResponse(status="SERVICE_UNKNOWN")


async def test_a_watcher_of_health_that_takes_nothing_holds_up_neither_others_nor_the_drain(
    tmp_path: Path,
):
    async with (
        started(tmp_path, "--drain-timeout", "1s") as server,
        grpc.aio.insecure_channel(server.address) as channel,
        connected(server.address) as raw,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        raw.begin(INITIAL_WINDOW_SIZE=0)
        assert await raw.until(SETTINGS)
        raw.send(SETTINGS, ACK)
        raw.call(WATCH)
        staying = asyncio.create_task(raw.stay_alive())
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert await watch.read() == SERVING
        server.process.terminate()
        assert await watch.read() == NOT_SERVING
        assert await health.Check(health_pb2.HealthCheckRequest()) == NOT_SERVING
        watch.cancel()
        assert await server.process.wait() == 0
        await staying


@pytest.mark.parametrize("path", [CHECK, LIST_TASKS])
async def test_a_call_without_a_request_is_refused(channel: grpc.aio.Channel, path: str):
    async def nothing():
        for _ in ():
            yield b""

    refusal = await refused(channel.stream_unary(path)(nothing()), "INVALID_REQUEST")
    assert refusal.fields == {"request": "is missing"}


async def test_open_streams_of_strangers_are_bounded_and_starve_nobody(
    server: Server, channel: grpc.aio.Channel
):
    """Streams of reflection once took a thread each, of which there are few."""
    opened = []
    async with AsyncExitStack() as stack:
        while len(opened) < PRODUCTION.public.max_streams:
            new = grpc.aio.insecure_channel(server.address, OWN_CONNECTION)
            other = await stack.enter_async_context(new)
            for _ in range(PER_CONNECTION // 2):
                reflecting = other.stream_stream(REFLECT)()
                await reflecting.write(b"\x3a\x00")  # list_services
                opened += [other.unary_stream(WATCH)(b""), reflecting]
        for stream in opened:
            assert await stream.read()
        refusal = await refused(channel.unary_stream(WATCH)(b"").read(), "TOO_MANY_WATCHERS")
        assert refusal.retry_seconds
        health = health_pb2_grpc.HealthStub(channel)
        assert await health.Check(health_pb2.HealthCheckRequest()) == SERVING
        async with first_caller(server) as caller:
            held = await caller.running()
            await caller.cancel(held.task_id, grace=0)
            await caller.ended(held.task_id)
