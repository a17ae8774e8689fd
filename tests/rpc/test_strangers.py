"""Strangers: what they send without a key stops nothing, and leaves nothing behind."""

import asyncio
import json
import os
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.support.caller import first_caller
from tests.support.http2 import DATA, HEADERS, RST_STREAM, Frame, Http2, connected
from tests.support.knobs import DRAWN_VALUES, PRODUCTION
from tests.support.server import Server, started
from tests.support.waiting import until

CHECK = "/grpc.health.v1.Health/Check"
LIST_TASKS = "/countermand.v1.TaskService/ListTasks"
NO_UTF8 = os.fsdecode(b"\xff\xfe\x80")
"""What decodes as no text."""
MAX_LINES = PRODUCTION.calls.max_lines_per_second
REFUSALS, AT_ONCE = 3000, 50
"""Their lines are a megabyte, of which a pipe takes 64 KiB."""


async def answered(raw: Http2) -> list[Frame]:
    """Returns the frames of one call up to its end."""
    frames: list[Frame] = []
    while not frames or not (frames[-1].kind == RST_STREAM or frames[-1].ends_stream):
        frame = await raw.read()
        assert frame is not None, "the server closed the connection"
        if frame.kind in (DATA, HEADERS, RST_STREAM):
            frames.append(frame)
    return frames


async def is_serving(server: Server) -> bool:
    """Asks for health on a connection of its own."""
    async with connected(server.address) as raw:
        raw.begin()
        raw.call(CHECK)
        frames = await asyncio.wait_for(answered(raw), 10)
    serving = HealthCheckResponse(status="SERVING").SerializeToString()
    return any(frame.kind == DATA and frame.payload.endswith(serving) for frame in frames)


@pytest.mark.parametrize(
    "path", [f"/{NO_UTF8}", f"{LIST_TASKS}{NO_UTF8}", f"/{NO_UTF8}/{NO_UTF8}", "/no.Such/Method"]
)
async def test_a_path_of_whatever_bytes_is_no_method_and_stops_nothing(server: Server, path: str):
    for _ in range(3):
        async with connected(server.address) as raw:
            raw.begin()
            raw.call(path)
            frames = await asyncio.wait_for(answered(raw), 10)
            assert b"grpc-status\x0212" in frames[-1].payload  # UNIMPLEMENTED
        assert await is_serving(server)
    assert await server.stop() == 0
    assert not any("ff" in line and "grpc" in line for line in server.log)


SECRET = "cmd_sandbox_0123456789abcdef_"
MALFORMED = [
    {"x_note": SECRET + NO_UTF8},
    {"x_api_key": SECRET + NO_UTF8},
    {"authorization": f"Bearer {SECRET}{NO_UTF8}"},
    {"traceparent": SECRET + NO_UTF8},
    {"user_agent": SECRET + NO_UTF8},
    {"grpc_timeout": SECRET},
    {"grpc_encoding": SECRET},
    {"x_note_bin": SECRET + "%%%"},
    {"content_type": "application/grpc+" + SECRET + NO_UTF8},
]
EACH = 30


async def test_whatever_strangers_send_makes_ten_lines_a_second_of_json_and_none_has_it(
    server: Server,
):
    """gRPC itself wrote each value that is no UTF-8 twice, with a traceback."""
    begin = time.monotonic()
    for metadata in MALFORMED:
        async with connected(server.address) as raw:
            raw.begin()
            for _ in range(EACH):
                raw.call(LIST_TASKS, **metadata)
                raw.call(f"/no.Such/{SECRET}{NO_UTF8}", **metadata)
            ended = 0
            async with asyncio.timeout(30):
                while ended < 2 * EACH:
                    frame = await raw.read()
                    assert frame is not None
                    ended += frame.ends_stream or frame.kind == RST_STREAM
    assert await is_serving(server)
    seconds = time.monotonic() - begin
    assert await server.stop() == 0
    lines = [json.loads(line) for line in server.log if not line.startswith("cmd_")]
    assert not any("0123456789abcdef" in line for line in server.log)
    caused = [line for line in lines if "left_out" in line]
    assert any(line["logger"].startswith("grpc") for line in caused)
    assert len(caused) <= MAX_LINES * (1 + seconds) + 1


async def test_a_log_that_nobody_reads_stops_neither_calls_nor_health_nor_the_drain(tmp_path: Path):
    knobs = {**DRAWN_VALUES, "calls.max_lines_per_second": 1_000_000}
    # With the usual bound, most calls of a stranger are held back for a second.
    async with started(tmp_path, "--max-failed-logins", "1000000", knobs=knobs) as server:
        assert server._errors is not None
        server._errors.cancel()
        await asyncio.wait([server._errors])
        server._errors = None
        address = server.address
        async with first_caller(server) as caller, grpc.aio.insecure_channel(address) as channel:
            list_tasks = channel.unary_unary(LIST_TASKS)
            for _ in range(REFUSALS // AT_ONCE):
                calls = (list_tasks(b"", timeout=20) for _ in range(AT_ONCE))
                found = await asyncio.gather(*calls, return_exceptions=True)
                codes = {error.code().name for error in found if isinstance(error, grpc.RpcError)}
                assert codes <= {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}
            assert await is_serving(server)
            assert await asyncio.wait_for(caller.create(), 10)
        server.process.terminate()
        await until(lambda: server.process.returncode is not None, 20)
        assert server.process.returncode == 0
        server._errors = asyncio.create_task(server._read_errors(server.process))
