"""One server's life: start, first key, health, log, drain, and what it refuses to start with."""

import asyncio
import json
import signal
import socket
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.caller import everything, first_caller, new_id, take
from tests.support.knobs import drawn_values_but
from tests.support.refusals import refusal_of, refused
from tests.support.served_store import on_sqlite_alone
from tests.support.server import Server, run_to_the_end

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = [f"countermand.v1.{name}Service" for name in ("Cancellation", "Task", "Agent", "Key")]
FULL_DRAIN = drawn_values_but("server.")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def health_of(server: Server):
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


async def test_it_prints_one_line_when_it_is_ready_and_nothing_more(tmp_path):
    server = await Server(tmp_path).start()
    host, port = server.address.split(":")
    assert (host, int(port) > 0) == ("127.0.0.1", True)
    async with first_caller(server) as caller:
        await caller.create()
    assert await server.stop() == 0
    assert await server.process.stdout.read() == b""


async def test_the_first_key_is_written_once_and_never_again(tmp_path):
    server = await Server(tmp_path).start()
    first = server.key
    assert first.startswith("cmd_sandbox_")
    await server.stop()
    assert [line for line in server.log if first in line] == [first]  # alone on its line

    await server.start()
    async with first_caller(server) as caller:
        assert await caller.create()
    await server.kill()
    assert sum(line.startswith("cmd_") for line in server.log) == 1


async def test_log_lines_are_json_and_a_refusal_is_one(tmp_path):
    server = await Server(tmp_path).start()
    async with first_caller(server) as caller:
        task_id = new_id()
        await refused(caller.get(task_id), "TASK_NOT_FOUND")
    await server.stop()
    lines = [json.loads(line) for line in server.log if line != server.key]
    assert all({"time", "level", "logger", "event"} <= line.keys() for line in lines)
    (refusal,) = [line for line in lines if line.get("reason") == "TASK_NOT_FOUND"]
    assert refusal["method"] == "countermand.v1.TaskService/GetTask"
    assert refusal["status"] == "NOT_FOUND"
    assert len(refusal["trace_id"]) == 32
    assert {line["level"] for line in lines} == {"INFO"}


@on_sqlite_alone("a file has one server")
async def test_a_second_server_on_the_same_store_is_refused(tmp_path):
    server = await Server(tmp_path).start()
    status, out, err = await run_to_the_end(tmp_path / "countermand.db", "--listen", "127.0.0.1:0")
    assert (status, out) == (1, "")
    (line,) = [line for line in err.splitlines() if line.startswith("countermand: ")]
    assert "countermand.db" in line
    assert "Traceback" not in err
    async with first_caller(server) as caller:
        assert await caller.create()  # the first one is unharmed
    await server.kill()
    await server.start()  # a kill leaves no lock behind
    await server.kill()


async def test_a_port_in_use_is_refused(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        status, out, err = await run_to_the_end(tmp_path / "x.db", "--listen", listen)
    assert (status, out) == (1, "")
    assert f"countermand: cannot listen on {listen}" in err
    assert "cmd_" not in err  # no key was made for a server that never served


async def test_an_address_that_others_can_reach_is_refused(tmp_path):
    status, out, err = await run_to_the_end(tmp_path / "x.db", "--listen", "0.0.0.0:0")
    assert (status, out) == (2, "")
    assert "not a loopback address" in err
    assert not (tmp_path / "x.db").exists()


async def test_a_store_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file.db").write_bytes(b"this is no database" * 100)
    for store in (tmp_path / "missing" / "x.db", tmp_path / "file.db"):
        status, out, err = await run_to_the_end(store, "--listen", "127.0.0.1:0")
        assert (status, out) == (1, "")
        assert "countermand: " in err
        assert "Traceback" not in err


async def test_health_needs_no_key_and_answers_for_every_service(shared):
    async with health_of(shared) as health:
        for service in ("", *SERVICES):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Check(health_pb2.HealthCheckRequest(service="countermand.v1.None"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_sigterm_drains_and_leaves_with_status_0(tmp_path):
    server = await Server(tmp_path, knobs=FULL_DRAIN).start()
    async with first_caller(server) as caller, health_of(server) as health:
        watch = caller.watch_many()
        await watch.read()
        told = health.Watch(health_pb2.HealthCheckRequest())
        assert (await told.read()).status == SERVING

        server.process.send_signal(signal.SIGTERM)

        assert (await told.read()).status == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await everything(watch)
        assert refusal_of(caught.value).reason == "DRAINING"
        async with first_caller(server) as late:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await late.create()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await asyncio.wait_for(server.process.wait(), 12) == 0
    await server.kill()


async def test_calls_under_way_are_answered_while_it_drains(tmp_path):
    server = await Server(tmp_path, knobs=FULL_DRAIN).start()
    async with first_caller(server) as caller:
        made = await asyncio.gather(*(caller.create() for _ in range(40)))
        calls = [asyncio.ensure_future(caller.cancel(task.task_id)) for task in made]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        server.process.send_signal(signal.SIGTERM)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert await asyncio.wait_for(server.process.wait(), 12) == 0
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            assert outcome.code() is grpc.StatusCode.UNAVAILABLE
    await server.start()
    async with first_caller(server) as caller:
        for task, outcome in zip(made, outcomes, strict=True):
            if not isinstance(outcome, BaseException):
                assert await caller.get(task.task_id) == outcome.task
    await server.kill()


async def test_no_call_ends_with_the_status_cancelled_while_it_drains(tmp_path):
    server = await Server(tmp_path, knobs=FULL_DRAIN).start()
    codes = set()

    async def call_until_refused(caller):
        while True:
            try:
                await caller.create()
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())
                return

    async with first_caller(server) as caller:
        calling = [asyncio.create_task(call_until_refused(caller)) for _ in range(40)]
        await caller.create()
        assert await server.stop() == 0
        await asyncio.gather(*calling)
    assert codes == {grpc.StatusCode.UNAVAILABLE}


async def test_no_call_is_refused_while_a_connection_has_half_of_its_streams_open(caller):
    for _ in range(3):
        outcomes = await asyncio.gather(*(caller.create() for _ in range(100)))
    assert len({task.task_id for task in outcomes}) == 100


async def test_a_restart_forgets_nothing(tmp_path):
    server = await Server(tmp_path).start()
    async with first_caller(server) as caller:
        held = await caller.running(merchant="m", labels={"a": "b"})
        answer = await caller.cancel(held.task_id, grace=600)
        watch = caller.watch(held.task_id, after_version=0)
        told = await take(watch, 3)
        watch.cancel()
    assert await server.stop() == 0
    await server.start()
    async with first_caller(server) as caller:
        assert await caller.get(held.task_id) == answer.task
        cancellation_id = answer.cancellation.cancellation_id
        assert await caller.cancellation(cancellation_id) == answer.cancellation
        watch = caller.watch(held.task_id, after_version=0)
        assert await take(watch, 3) == told
        watch.cancel()
    await server.kill()
