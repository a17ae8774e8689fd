"""What the server takes of a connection: its size, its age, its silence. The times are shortened
here; that they are bounded at all is what counts."""

import grpc
import pytest

from countermand.client import Client
from countermand.v1.cancellation_service_pb2 import WatchTasksRequest
from countermand.v1.task_service_pb2 import ListTasksRequest
from tests.support.http2 import (
    ACK,
    DATA,
    GOAWAY,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    PING,
    SETTINGS,
    connected,
)
from tests.support.inside import inside
from tests.support.knobs import PRODUCTION, drawn_with

WATCH_TASKS = "/countermand.v1.CancellationService/WatchTasks"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"


async def test_a_connection_is_told_its_limits(tmp_path):
    async with inside(tmp_path) as server, connected(server.address) as raw:
        raw.begin()
        settings = (await raw.until(SETTINGS)).settings()
    assert settings[MAX_CONCURRENT_STREAMS] == 200
    assert settings[MAX_HEADER_LIST_SIZE] <= 16 * 1024


@pytest.mark.parametrize(("kilobytes", "code"), [(4, None), (32, "RESOURCE_EXHAUSTED")])
async def test_metadata_is_bounded(tmp_path, kilobytes, code):
    async with inside(tmp_path) as server, server.caller() as caller:
        metadata = (("x-note", "a" * kilobytes * 1024),)
        call = caller.tasks.ListTasks(ListTasksRequest(), metadata=metadata, timeout=10)
        if code is None:
            await call
        else:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code().name == code
        assert await caller.create()  # the connection goes on


async def test_a_connection_ends_at_its_age_and_a_watch_goes_on_with_another(tmp_path):
    short = drawn_with({"connections.max_age_ms": 300, "connections.max_age_grace_ms": 300})
    async with inside(tmp_path, knobs=short) as server:
        async with server.caller() as caller:
            task = await caller.create()
            watch = caller.watch(task.task_id)
            await watch.read()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await watch.read()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "grpc-status-details-bin" not in dict(caught.value.trailing_metadata())

        async with Client(server.address, server.key) as client:
            told = []
            watching = client.watch_task(task.task_id)
            told.append((await anext(watching)).task.version)
            await server.no_watchers()  # the connection came of age
            await client.cancel_task(task.task_id)
            told += [message.task.version async for message in watching]
        assert told == [1, 2]


async def test_calls_are_shorter_than_the_age_of_a_connection_and_its_grace():
    connections, timeout = PRODUCTION.connections, PRODUCTION.calls.timeout
    assert min(connections.max_age_ms, connections.max_age_grace_ms) > timeout * 1000


async def test_an_idle_connection_is_closed(tmp_path):
    short = drawn_with({"connections.max_idle_ms": 200})
    async with inside(tmp_path, knobs=short) as server, connected(server.address) as raw:
        raw.begin()
        said = await raw.closed()
    assert GOAWAY in {frame.kind for frame in said}


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n\r\n"])
async def test_a_connection_that_never_begins_is_closed(tmp_path, said):
    short = drawn_with({"connections.handshake_timeout_ms": 300})
    async with inside(tmp_path, knobs=short) as server, connected(server.address) as raw:
        raw.write(said)
        await raw.closed()


async def test_a_client_that_answers_no_ping_is_given_up_and_its_watch_ended(tmp_path):
    short = drawn_with(
        {
            "connections.keepalive_time_ms": 1500,  # a busy machine needs it for the first message
            "connections.keepalive_timeout_ms": 1000,
            "connections.ping_timeout_ms": 1000,
        }
    )
    async with inside(tmp_path, knobs=short) as server, connected(server.address) as raw:
        raw.begin()
        raw.send(SETTINGS, ACK)
        raw.call(WATCH_TASKS, WatchTasksRequest().SerializeToString(), x_api_key=server.key)
        assert await raw.until(DATA)
        assert len(server.app.watchers) == 1
        await raw.closed()
        await server.no_watchers()


async def test_a_client_that_pings_too_often_is_sent_away(tmp_path):
    async with inside(tmp_path) as server, connected(server.address) as raw:
        raw.begin()
        for _ in range(100):
            raw.send(PING, payload=b"12345678")
        await raw.closed()
