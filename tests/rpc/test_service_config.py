"""The service config that the package ships: gRPC's own clients obey it, without code of ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
import pytest

from countermand.v1.cancellation_service_pb2 import CancelTaskRequest
from countermand.v1.key_service_pb2 import CreateKeyRequest, KeyLimits
from countermand.v1.task_service_pb2 import CreateTaskRequest, ListTasksRequest
from tests.support.caller import CANCELLED, SCOPES, SECONDS, Caller, first_caller, new_id
from tests.support.refusals import refused
from tests.support.server import Server, Stubs, UnaryWithKey, started

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONFIG = (files("countermand") / "service_config.json").read_text()


@asynccontextmanager
async def stock(server: Server, key: str, config: str = CONFIG) -> AsyncIterator[Stubs]:
    """Calls as any program does that hands the file to its channel."""
    options: list[Any] = [("grpc.service_config", config), ("grpc.use_local_subchannel_pool", 1)]
    interceptors = [UnaryWithKey(key)]
    async with grpc.aio.insecure_channel(
        server.address, options, interceptors=interceptors
    ) as channel:
        yield Stubs(channel)


async def limited_key(admin: Caller) -> str:
    request = CreateKeyRequest(
        tenant=f"tenant-{new_id()}",
        environment="sandbox",
        scopes=SCOPES,
        limits=KeyLimits(writes_per_second=2),
    )
    return (await admin.keys.CreateKey(request, timeout=SECONDS)).secret


async def test_a_stock_client_comes_again_when_the_server_said(
    shared: Server, admin: Caller
) -> None:
    key = await limited_key(admin)
    async with stock(shared, key) as stubs:
        asked = (stubs.tasks.CreateTask(CreateTaskRequest(), timeout=SECONDS) for _ in range(4))
        assert len({answer.task.task_id for answer in await asyncio.gather(*asked)}) == 4
    async with stock(shared, key, "{}") as stubs:
        asked = (stubs.tasks.CreateTask(CreateTaskRequest(), timeout=SECONDS) for _ in range(4))
        await refused(asyncio.gather(*asked), "RATE_LIMITED")


async def test_a_stock_client_cancels_once_through_a_restart(tmp_path: Path) -> None:
    async with started(tmp_path) as server, first_caller(server) as caller:
        task = await caller.create()
        async with stock(server, server.key) as stubs:
            await stubs.tasks.ListTasks(ListTasksRequest(), timeout=SECONDS)
            await server.kill()
            request = CancelTaskRequest(task_id=task.task_id, request_id=new_id())
            call = stubs.cancellations.CancelTask(request, timeout=SECONDS, wait_for_ready=True)
            await server.start()
            answer = await call
            assert answer.task.state == CANCELLED
