"""Strangers: what they send without a key stops nothing, and leaves nothing behind."""

import asyncio
import os

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.support.http2 import DATA, HEADERS, RST_STREAM, Frame, Http2, connected
from tests.support.server import Server

CHECK = "/grpc.health.v1.Health/Check"
LIST_TASKS = "/countermand.v1.TaskService/ListTasks"
NO_UTF8 = os.fsdecode(b"\xff\xfe\x80")
"""What decodes as no text."""


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
