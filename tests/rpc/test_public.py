"""Health and reflection: strangers may call them, and can do no harm with them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.choosing import with_knobs
from tests.support.http2 import ACK, SETTINGS, Frame, Http2, connected
from tests.support.knobs import drawn_values_but
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
    assert not {"call refused", "a call failed unexpectedly"} & set(events)


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
async def test_a_call_without_a_request_is_refused(
    server: Server, channel: grpc.aio.Channel, path: str
):
    async def nothing():
        for _ in ():
            yield b""

    call = channel.stream_unary(path)(nothing(), metadata=[("x-api-key", server.key)])
    refusal = await refused(call, "INVALID_REQUEST")
    assert refusal.fields == {"request": "is missing"}


STREAMS = {
    "public.max_streams": 15,
    "public.max_streams_per_address": 10,
    "public.reflecting.max_slow": 100,
    "public.reflecting.max_slow_per_address": 100,
}
LIST_SERVICES = b"\x3a\x00"


async def opened(channel: grpc.aio.Channel, path: str) -> Any:
    """Opens a stream of health or of reflection, and waits until it is told something."""
    if path == WATCH:
        call = channel.unary_stream(path)(b"")
    else:
        call = channel.stream_stream(path)()
        await call.write(LIST_SERVICES)
    assert await call.read()
    return call


@pytest.mark.parametrize("path", [WATCH, *REFLECTIONS])
@with_knobs(STREAMS, of="server")
async def test_open_streams_of_strangers_are_bounded_by_address_and_in_all(
    server: Server, channel: grpc.aio.Channel, path: str
):
    """Health and reflection once shared a bound: who filled it with either closed both."""
    streams = [await opened(channel, path) for _ in range(10)]
    refusal = await refused(channel.stream_stream(path)().read(), "TOO_MANY_WATCHERS")
    assert refusal.retry_seconds
    other = await opened(channel, REFLECT if path == WATCH else WATCH)
    async with connected(server.address, "127.0.0.2") as raw:
        raw.begin()
        for _ in range(6):
            raw.message(raw.open(path), LIST_SERVICES if path != WATCH else b"")
        ended = await asyncio.wait_for(anext(frame async for frame in ends(raw)), 10)
        assert b"too many of these" in ended.payload
    assert await opened(channel, REFLECT if path == WATCH else WATCH)
    streams.pop().cancel()
    other.cancel()
    async with asyncio.timeout(10):
        while True:  # the end of a stream takes a moment to be known
            try:
                await opened(channel, path)
                break
            except grpc.aio.AioRpcError:
                continue


async def ends(raw: Http2) -> AsyncIterator[Frame]:
    """Gives the frames that end a call."""
    while (frame := await raw.read()) is not None:
        if frame.ends_stream:
            yield frame


@pytest.mark.parametrize("path", REFLECTIONS)
@with_knobs({"public.reflecting.timeout": 0.3}, of="server")
async def test_a_stream_of_reflection_that_asks_nothing_ends(channel: grpc.aio.Channel, path: str):
    await refused(channel.stream_stream(path)().read(), "INVALID_REQUEST")
    asked = await opened(channel, path)
    await refused(asked.read(), "INVALID_REQUEST")


@pytest.mark.parametrize("path", [CHECK, WATCH])
@with_knobs({"public.asking.timeout": 0.3}, of="server")
async def test_whoever_asks_for_health_and_sends_no_request_is_ended(
    channel: grpc.aio.Channel, path: str
):
    await refused(channel.stream_stream(path)().read(), "INVALID_REQUEST")


@with_knobs({"public.max_answers_per_second": 20}, of="server")
async def test_whoever_asks_reflection_very_often_waits(channel: grpc.aio.Channel):
    begin = asyncio.get_running_loop().time()
    stream = channel.stream_stream(REFLECT)()
    for _ in range(40):
        await stream.write(LIST_SERVICES)
    for _ in range(40):
        assert await stream.read()
    assert asyncio.get_running_loop().time() - begin >= 0.9
