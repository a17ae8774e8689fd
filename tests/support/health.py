"""The health of a server, as those hear of it who watch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.server import Server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def health_of(server: Server) -> AsyncIterator[Any]:
    """The changes of a server's health, which is SERVING at first."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        told = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await told.read()).status == SERVING
        yield told
