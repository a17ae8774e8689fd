"""SIGTERM beside whatever a client may have open: who is owed an answer gets it, nobody else holds
the server, and a second signal stops it at once."""

import asyncio
import os
import signal
import struct
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.v1.cancellation_service_pb2 import WatchTasksRequest
from countermand.v1.task_service_pb2 import (
    CreateTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
)
from tests.support.caller import first_caller
from tests.support.command import Command, read_line
from tests.support.http2 import (
    DATA,
    END_HEADERS,
    HEADERS,
    SETTINGS,
    WINDOW_UPDATE,
    Http2,
    connected,
)
from tests.support.knobs import drawn_values_but
from tests.support.refusals import refused
from tests.support.server import Server, started
from tests.support.streams import streaming

CANCEL_TASK = "/countermand.v1.CancellationService/CancelTask"
WATCH_TASK = "/countermand.v1.CancellationService/WatchTask"
WATCH_TASKS = "/countermand.v1.CancellationService/WatchTasks"
LIST_TASKS = "/countermand.v1.TaskService/ListTasks"
CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
REFLECTIONS = [REFLECT.format(version) for version in ("v1", "v1alpha")]
LIST_SERVICES = b"\x3a\x00"
METHODS = [CANCEL_TASK, WATCH_TASK, LIST_TASKS, CHECK, HEALTH_WATCH, *REFLECTIONS]
MANY_STREAMS = drawn_values_but("public.", "server.")
LARGE_PAGES = drawn_values_but("paging.", "store.max_scanned_rows", "server.")
FULL_DRAIN = drawn_values_but("server.")
PROMISE = 1.0
"""Seconds in which a server is gone that owes nobody an answer."""

Opened = AbstractAsyncContextManager[None]


@asynccontextmanager
async def watch_of_a_task(server: Server) -> AsyncIterator[None]:
    async with first_caller(server) as caller:
        watch = caller.watch((await caller.create()).task_id)
        await watch.read()
        yield


@asynccontextmanager
async def watch_of_all(server: Server) -> AsyncIterator[None]:
    async with first_caller(server) as caller:
        watch = caller.watch_many()
        await watch.read()
        yield


@asynccontextmanager
async def watch_of_health(server: Server) -> AsyncIterator[None]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        yield


def reflection(path: str, *, asked: bool) -> Callable[[Server], Opened]:
    @asynccontextmanager
    async def opened(server: Server) -> AsyncIterator[None]:
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = channel.stream_stream(path)()
            if asked:
                await call.write(LIST_SERVICES)
                await call.read()
            else:
                await call.wait_for_connection()
            yield

    return opened


def frozen_watch(path: str, request: bytes) -> Callable[[Server], Opened]:
    """Its client takes not one byte of a message, and answers no ping."""

    @asynccontextmanager
    async def opened(server: Server) -> AsyncIterator[None]:
        async with connected(server.address) as raw:
            raw.begin(INITIAL_WINDOW_SIZE=0)
            raw.call(path, request, x_api_key=server.key)
            assert await raw.until(HEADERS)
            yield

    return opened


def headers_only(path: str, data: bytes = b"") -> Callable[[Server], Opened]:
    """A call whose message never comes, or never in full."""

    @asynccontextmanager
    async def opened(server: Server) -> AsyncIterator[None]:
        async with connected(server.address) as raw:
            raw.begin()
            for _ in range(20):
                stream = raw.open(path, x_api_key=server.key)
                if data:
                    raw.send(DATA, stream=stream, payload=data)
            await answered_ping(raw)
            staying = asyncio.create_task(raw.stay_alive())
            yield
            staying.cancel()

    return opened


async def answered_ping(raw: Http2) -> None:
    """Returns when the server has taken what was sent."""
    raw.call(CHECK)
    assert await raw.until(DATA)


def connection(said: Callable[[Http2], None], *heard: int) -> Callable[[Server], Opened]:
    """A connection without a call, whose client answers nothing."""

    @asynccontextmanager
    async def opened(server: Server) -> AsyncIterator[None]:
        async with connected(server.address) as raw:
            said(raw)
            for kind in heard:
                assert await raw.until(kind)
            yield

    return opened


@asynccontextmanager
async def stopped_client(server: Server) -> AsyncIterator[None]:
    async with first_caller(server) as caller:
        task = await caller.create()
    command = Command(COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key)
    watch = await command.start("watch", task.task_id)
    try:
        assert task.task_id in await read_line(watch)
        watch.send_signal(signal.SIGSTOP)
        yield
    finally:
        watch.kill()
        await watch.communicate()


WATCH_ALL = WatchTasksRequest().SerializeToString()
OPEN: dict[str, Callable[[Server], Opened]] = {
    "WatchTask": watch_of_a_task,
    "WatchTasks": watch_of_all,
    "Health/Watch": watch_of_health,
    **{f"{path} asked": reflection(path, asked=True) for path in REFLECTIONS},
    **{f"{path} not asked": reflection(path, asked=False) for path in REFLECTIONS},
    "WatchTasks that takes nothing": frozen_watch(WATCH_TASKS, WATCH_ALL),
    "Health/Watch that takes nothing": frozen_watch(HEALTH_WATCH, b""),
    "reflection that takes nothing": frozen_watch(REFLECTIONS[0], LIST_SERVICES),
    **{f"headers of {path}": headers_only(path) for path in METHODS},
    "part of a message": headers_only(CANCEL_TASK, struct.pack(">BI", 0, 1000) + b"half of it"),
    "silent connection": connection(lambda raw: None),
    "connection that answers no ping": connection(lambda raw: raw.begin(), SETTINGS),
    "stopped client": stopped_client,
}


async def seconds_to_leave(server: Server) -> float:
    begun = time.monotonic()
    assert await asyncio.wait_for(server.stop(), 20) == 0
    return time.monotonic() - begun


async def is_gone_in_time(folder: Path, opened: Callable[[Server], Opened]) -> bool:
    """Whether a server leaves as fast as it promises. The machine may be busy with other tests, so
    it has three tries; one that waits for what is open fails them all."""
    for attempt in range(3):
        flags = ("--drain-timeout", "30s")
        own = folder / str(attempt)
        own.mkdir()
        async with started(own, *flags, knobs=MANY_STREAMS) as server, opened(server):
            if await seconds_to_leave(server) < PROMISE:
                return True
    return False


@asynccontextmanager
async def everything(server: Server) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for opened in OPEN.values():
            await stack.enter_async_context(opened(server))
        yield


@asynccontextmanager
async def new_calls(server: Server) -> AsyncIterator[None]:
    """Calls that are refused, and come again without end, so that always some are under way."""

    async def calling() -> None:
        async with grpc.aio.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while True:
                await health.Check(health_pb2.HealthCheckRequest())

    callers = [asyncio.create_task(calling()) for _ in range(5)]
    yield
    await asyncio.gather(*callers, return_exceptions=True)


@pytest.mark.parametrize("opened", OPEN.values(), ids=OPEN)
async def test_what_is_owed_no_answer_does_not_hold_a_server_that_drains(
    tmp_path: Path, opened: Callable[[Server], Opened]
):
    assert await is_gone_in_time(tmp_path, opened)


@pytest.mark.parametrize("opened", [everything, new_calls])
async def test_nor_does_all_of_it_together(tmp_path: Path, opened: Callable[[Server], Opened]):
    assert await is_gone_in_time(tmp_path, opened)


@pytest.mark.parametrize("path", [CANCEL_TASK, WATCH_TASK, CHECK, HEALTH_WATCH, *REFLECTIONS])
async def test_whoever_has_something_open_hears_that_the_server_drains(tmp_path: Path, path: str):
    async with (
        started(tmp_path, "--drain-timeout", "30s", knobs=FULL_DRAIN) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        # Its request does not come.
        call = channel.stream_stream(path)(metadata=[("x-api-key", server.key)])
        health = health_pb2_grpc.HealthStub(channel)
        await health.Check(health_pb2.HealthCheckRequest())
        server.process.terminate()
        refusal = await refused(call.read(), "DRAINING")
        assert refusal.retry_seconds
        assert await server.process.wait() == 0


async def test_a_watcher_of_health_hears_it_before_its_stream_ends(tmp_path: Path):
    async with (
        started(tmp_path, knobs=LARGE_PAGES) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        answer_under_way(server),  # it drains for as long as this is there
    ):
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        server.process.terminate()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await refused(watch.read(), "DRAINING")
        answer = await health.List(health_pb2.HealthListRequest())
        assert {status.status for status in answer.statuses.values()} == {
            health_pb2.HealthCheckResponse.NOT_SERVING
        }
        late = health.Watch(health_pb2.HealthCheckRequest())
        assert (await late.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await refused(late.read(), "DRAINING")
        await refused(channel.stream_stream(REFLECTIONS[0])().read(), "DRAINING")


async def with_a_long_answer(server: Server) -> None:
    """Creates what ListTasks answers with some hundred KiB."""
    async with first_caller(server) as caller:
        labels = {f"label-{number}": "x" * 128 for number in range(16)}
        request = CreateTaskRequest(labels=labels)
        await asyncio.gather(*(caller.tasks.CreateTask(request) for _ in range(50)))


@asynccontextmanager
async def answer_under_way(server: Server) -> AsyncIterator[tuple[Http2, int, bytes]]:
    """A call whose answer its client does not take yet, but for the beginning."""
    await with_a_long_answer(server)
    async with connected(server.address) as raw:
        raw.begin(HEADER_TABLE_SIZE=0, INITIAL_WINDOW_SIZE=1000)
        stream = raw.call(LIST_TASKS, ListTasksRequest().SerializeToString(), x_api_key=server.key)
        begun = await raw.until(DATA)
        assert begun is not None
        yield raw, stream, begun.payload


async def test_an_answer_that_is_taken_slowly_is_waited_for(tmp_path: Path):
    async with started(tmp_path, "--drain-timeout", "30s", knobs=LARGE_PAGES) as server:
        async with answer_under_way(server) as (raw, stream, answer):
            server.process.terminate()
            with pytest.raises(TimeoutError):  # much longer than it waits for anything else
                await asyncio.wait_for(server.process.wait(), 3)
            for number in (0, stream):
                raw.send(WINDOW_UPDATE, stream=number, payload=struct.pack(">I", 1 << 24))
            while (frame := await raw.read()) is not None and frame.kind != HEADERS:
                if frame.kind == DATA:
                    answer += frame.payload
            assert frame is not None
            assert frame.flags & END_HEADERS
            # A client that was answered just now may not know yet that the server leaves.
            async with first_caller(server) as caller:
                await refused(caller.create(), "DRAINING")
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
    assert len(ListTasksResponse.FromString(answer[5:]).tasks) == 50


async def test_the_drain_time_bounds_the_drain(tmp_path: Path):
    async with (
        started(tmp_path, "--drain-timeout", "1s", knobs=LARGE_PAGES) as server,
        answer_under_way(server),
    ):
        assert 1 <= await seconds_to_leave(server) < 5


async def test_thousands_of_watches_hear_of_it_each(tmp_path: Path):
    async with started(tmp_path, "--drain-timeout", "30s", knobs=FULL_DRAIN) as server:
        async with AsyncExitStack() as stack:
            streams = []
            for _ in range(20):
                connection = await stack.enter_async_context(streaming(server.address, server.key))
                streams += [connection.call(WATCH_TASKS, WatchTasksRequest()) for _ in range(100)]
            await eventually(lambda: all(stream.messages for stream in streams))
            server.process.terminate()
            await eventually(lambda: all(stream.ended for stream in streams))
        assert await server.process.wait() == 0
    assert {stream.status for stream in streams} == {grpc.StatusCode.UNAVAILABLE.value[0]}


async def twice(server: Server) -> float:
    """Sends two signals, and returns how long the process lived after the second."""
    assert server.process is not None
    server.process.terminate()
    await asyncio.sleep(0.1)  # so that they come as two
    begun = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(server.process.wait(), 10) == 0
    return time.monotonic() - begun


async def test_a_second_signal_ends_a_drain_at_once(tmp_path: Path):
    async with (
        started(tmp_path, "--drain-timeout", "60s", knobs=LARGE_PAGES) as server,
        answer_under_way(server),
    ):
        assert await twice(server) < PROMISE


@asynccontextmanager
async def hanging(folder: Path, where: str) -> AsyncIterator[Server]:
    """A server whose store hangs as it is opened, or closed."""
    server = Server(folder, program=("tests.support.hanging", where))
    try:
        starting = asyncio.create_task(server.start("--drain-timeout", "1s"))
        await eventually(lambda: starting.done() or is_hanging(server))
        yield server
        await asyncio.gather(starting, return_exceptions=True)
    finally:
        await server.kill()


def is_hanging(server: Server) -> bool:
    return any("hangs" in line for line in server.log)


async def eventually(happened: Callable[[], bool]) -> None:
    """Returns when it has happened: nothing signals that, so it looks."""
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_signal_while_the_store_is_opened_ends_the_start(tmp_path: Path):
    async with hanging(tmp_path, "open") as server:
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), 15) == 0
    assert not any("serving" in line for line in server.log)


async def test_a_second_signal_ends_the_start_at_once(tmp_path: Path):
    async with hanging(tmp_path, "open,close") as server:
        assert await twice(server) < PROMISE


async def test_a_store_that_does_not_close_does_not_keep_the_process(tmp_path: Path):
    async with hanging(tmp_path, "close") as server:
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), 15) == 0
    assert any("leaving before all is closed" in line for line in server.log)


async def test_a_second_signal_ends_the_closing_at_once(tmp_path: Path):
    async with hanging(tmp_path, "close") as server:
        server.process.terminate()
        await eventually(lambda: is_hanging(server))
        begun = time.monotonic()
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
        assert time.monotonic() - begun < PROMISE


async def test_a_second_signal_reaches_a_server_that_waits_for_the_reader_of_its_log(
    tmp_path: Path,
):
    read, write = os.pipe()
    os.set_blocking(write, False)
    while True:
        try:
            os.write(write, bytes(65536))
        except BlockingIOError:
            break
    os.set_blocking(write, True)
    command = [sys.executable, "-m", "countermand", "serve", "--listen", "127.0.0.1:0"]
    command += ["--store", f"sqlite:///{tmp_path / 'x.db'}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=write)
    try:
        await eventually((tmp_path / "x.db").exists)
        for _ in range(2):
            process.terminate()
            await asyncio.sleep(0.1)
        assert await asyncio.wait_for(process.wait(), 5) == 0
    finally:
        if process.returncode is None:
            process.kill()
        os.close(read)
        os.close(write)
        await process.communicate()
