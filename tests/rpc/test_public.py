"""Health and reflection: strangers may call them, and can do no harm with them."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.caller import first_caller
from tests.support.choosing import with_knobs
from tests.support.http2 import ACK, SETTINGS, connected
from tests.support.knobs import PRODUCTION, drawn_values_but
from tests.support.refusals import refused
from tests.support.server import Server, started

CHECK = "/grpc.health.v1.Health/Check"
LIST_TASKS = "/countermand.v1.TaskService/ListTasks"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTIONS = [
    f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    for version in ("v1", "v1alpha")
]
REFLECT = REFLECTIONS[0]
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
        started(tmp_path, "--drain-timeout", "1s", knobs=drawn_values_but("server.")) as server,
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


async def reflect(channel: grpc.aio.Channel, path: str, **asked) -> Any:
    """Asks one question. Both versions have the same messages."""
    call = channel.stream_stream(
        path,
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )()
    await call.write(reflection_pb2.ServerReflectionRequest(**asked))
    answer = await call.read()
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    return answer


async def files_of(channel: grpc.aio.Channel, path: str, **asked) -> list[FileDescriptorProto]:
    """The file that was asked for, and those that it needs."""
    answer = await reflect(channel, path, **asked)
    assert not answer.HasField("error_response"), answer
    found = answer.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(file) for file in found]


@pytest.mark.parametrize("path", REFLECTIONS)
async def test_whatever_reflection_advertises_can_be_called(
    server: Server, channel: grpc.aio.Channel, path: str
):
    listed = await reflect(channel, path, list_services="")
    names = {service.name for service in listed.list_services_response.service}
    assert {name.strip("/").partition("/")[0] for name in [CHECK, *REFLECTIONS]} < names
    called = []
    for name in names:
        files = await files_of(channel, path, file_containing_symbol=name)
        services = {f"{file.package}.{one.name}": one for file in files for one in file.service}
        for method in services[name].method:
            called.append(f"/{name}/{method.name}")
            call = channel.stream_stream(called[-1])
            # Whoever knows the method finds that this is no request.
            stream = call(iter([BROKEN]), metadata=[("x-api-key", server.key)])
            await refused(stream.read(), "INVALID_REQUEST")
    assert {CHECK, WATCH, LIST_TASKS, *REFLECTIONS} < set(called)
    assert len(called) > 30


@pytest.mark.parametrize("path", REFLECTIONS)
async def test_reflection_tells_the_comments_and_knows_every_kind_of_name(
    channel: grpc.aio.Channel, path: str
):
    for symbol in (
        "countermand.v1.CancellationService",
        "countermand.v1.CancellationService.CancelTask",
        "countermand.v1.CancelTaskRequest",
        "countermand.v1.CancelTaskRequest.task_id",
    ):
        file = (await files_of(channel, path, file_containing_symbol=symbol))[0]
        assert any(place.leading_comments for place in file.source_code_info.location)
    by_name = (await files_of(channel, path, file_by_filename=file.name))[0]
    assert by_name == file
    for version in ("v1", "v1alpha"):
        asked = f"grpc.reflection.{version}.ServerReflectionRequest"
        (found,) = await files_of(channel, path, file_containing_symbol=asked)
        assert found.package == f"grpc.reflection.{version}"
        assert await files_of(channel, path, file_by_filename=found.name) == [found]
    for nothing in ("no.Such", "", "grpc.reflection.v2.ServerReflection"):
        answer = await reflect(channel, path, file_containing_symbol=nothing)
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_health_lists_every_service(channel: grpc.aio.Channel):
    health = health_pb2_grpc.HealthStub(channel)
    listed = (await health.List(health_pb2.HealthListRequest())).statuses
    for service, status in listed.items():
        assert await health.Check(health_pb2.HealthCheckRequest(service=service)) == status
        assert status == SERVING
    assert "" in listed
    assert "countermand.v1.OrderService" in listed
    await refused(channel.unary_unary("/grpc.health.v1.Health/List")(BROKEN), "INVALID_REQUEST")


@pytest.mark.parametrize("path", [CHECK, LIST_TASKS])
async def test_a_call_without_a_request_is_refused(channel: grpc.aio.Channel, path: str):
    async def nothing():
        for _ in ():
            yield b""

    refusal = await refused(channel.stream_unary(path)(nothing()), "INVALID_REQUEST")
    assert refusal.fields == {"request": "is missing"}


@with_knobs({"public.max_streams": PRODUCTION.public.max_streams}, of="server")
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
