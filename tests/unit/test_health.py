"""A watch of health, at each moment at which the server may begin to drain."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from countermand.rpc.guard.line_limit import LineLimit
from countermand.rpc.guard.open_calls import OpenCalls
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.public.health import Health
from tests.support.knobs import DRAWN

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


class Ended(Exception):
    """The call was ended with a status."""


class Call:
    """A call as gRPC hands it over, whose client takes a message when the test says so."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.written = asyncio.Event()
        self.takes = asyncio.Event()

    async def write(self, message: bytes) -> None:
        self.told.append(HealthCheckResponse.FromString(message).status)
        self.written.set()
        await self.takes.wait()

    async def read(self) -> bytes:
        return b""

    def peer(self) -> str:
        return "ipv4:127.0.0.1:50051"

    async def abort(self, code: grpc.StatusCode, *_: Any) -> None:
        raise Ended(code)


@pytest.mark.parametrize("taken", [False, True], ids=["while it is told", "when it was told"])
async def test_whoever_watches_health_hears_that_the_server_leaves_before_the_end(
    taken: bool,
) -> None:
    log = RefusalLog(LineLimit(1, max_names=1), DRAWN.calls)
    health = Health(["a.Service"], OpenCalls(), log, DRAWN.public)
    health.set(serving=True)
    call: Any = Call()
    watching = asyncio.create_task(health._watch(call))
    await call.written.wait()
    if taken:
        call.takes.set()
        await asyncio.sleep(0)
    health.drain()
    call.takes.set()
    with pytest.raises(Ended, match="UNAVAILABLE"):
        await watching
    assert call.told == [SERVING, NOT_SERVING]
