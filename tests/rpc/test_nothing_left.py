"""Of a call that was refused nothing is left in memory, also before the garbage collector comes."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

import grpc
import pytest

import countermand
from countermand.core.errors import Refused
from countermand.rpc.method import Unary
from countermand.store.contract import StoreFailed
from countermand.v1 import agent_service_pb2, checkout_service_pb2, task_service_pb2
from countermand.v1.key_service_pb2 import CreateKeyRequest, KeyLimits
from tests.support.caller import Caller, new_id
from tests.support.inside import Inside, inside
from tests.support.knobs import drawn_with
from tests.support.raw import RPCS
from tests.support.waiting import until

OURS = countermand.__path__[0]
TIMES = 5


@contextmanager
def found_by_the_collector() -> Iterator[list[Any]]:
    """Gives what of ours the garbage collector has to find, because it is part of a circle."""
    found: list[Any] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += filter(is_ours, gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def calls_under_way() -> list[asyncio.Task[Any]]:
    """The tasks of gRPC for calls; the ones in which it waits for new calls do not count."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "call"]


def is_ours(thing: object) -> bool:
    """Whether it is of a call: an error, or a frame in which one was handled."""
    if isinstance(thing, TracebackType):
        thing = thing.tb_frame
    if isinstance(thing, FrameType):
        return thing.f_code.co_filename.startswith(OURS)
    return isinstance(thing, Refused | StoreFailed | grpc.aio.AbortError)


def failing(error: Exception) -> Unary:
    async def handle(call: Any, request: Any) -> Any:
        raise error

    return Unary(
        "countermand.v1.TaskService/GetGroup",
        task_service_pb2.GetGroupRequest,
        ("tasks:read",),
        handle,
    )


async def without_key(server: Inside, caller: Caller) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        for key in (None, "wrong"):
            await RPCS["CreateGroup"].call(channel, b"\0" * 1000, key)


async def limited(server: Inside, caller: Caller) -> None:
    request = CreateKeyRequest(
        tenant="t",
        environment="sandbox",
        scopes=["tasks:read"],
        limits=KeyLimits(writes_per_second=1),
    )
    key = (await caller.keys.CreateKey(request)).secret
    async with grpc.aio.insecure_channel(server.address) as channel:
        for _ in range(2):  # the scope is missing, and then it is too often
            with pytest.raises(grpc.aio.AioRpcError):
                await RPCS["CreateTask"].call(channel, b"", key)


async def form(server: Inside, caller: Caller) -> None:
    request = checkout_service_pb2.CreateCheckoutRequest(checkout={"line_items": [{}] * 1000})
    await caller.checkouts.CreateCheckout(request)


async def no_message(server: Inside, caller: Caller) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        await RPCS["CreateGroup"].call(channel, b"\xff" * 100_000, server.key)


async def by_the_writer(server: Inside, caller: Caller) -> None:
    request = agent_service_pb2.StartTaskRequest(task_id=new_id(), agent_id="a")
    await caller.agents.StartTask(request)


async def by_a_reading(server: Inside, caller: Caller) -> None:
    await caller.get(new_id())


async def of_a_watch(server: Inside, caller: Caller) -> None:
    await caller.watch(new_id()).read()


async def of_a_fault(server: Inside, caller: Caller) -> None:
    await caller.tasks.GetGroup(task_service_pb2.GetGroupRequest(group_id=new_id()))


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (None, without_key),
        (None, limited),
        (None, form),
        (None, no_message),
        (None, by_the_writer),
        (None, by_a_reading),
        (None, of_a_watch),
        (ValueError("a bug"), of_a_fault),
        (StoreFailed("broken"), of_a_fault),
    ],
)
async def test_nothing_of_a_refused_call_waits_for_the_collector(
    tmp_path, error: Exception, call: Callable[[Inside, Caller], Awaitable[None]]
):
    async with (
        inside(tmp_path, knobs=drawn_with({}), replaced=[failing(error)]) as server,
        server.caller() as caller,
    ):
        held = await caller.running()  # what is loaded once is loaded
        assert held
        with found_by_the_collector() as found:
            for _ in range(TIMES):
                with suppress(grpc.aio.AioRpcError):
                    await call(server, caller)
            # Its end is known to the client before the server has put it away.
            await until(lambda: not calls_under_way())
    assert not found, [str(thing)[:200] for thing in found]
