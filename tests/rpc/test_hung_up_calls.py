"""Callers that hang up, of each method and at each of its awaits: nothing of them is left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from countermand.rpc.method import Stream
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from tests.simulation.leaks import left_in
from tests.support import hang_up
from tests.support.inside import Inside, inside
from tests.support.raw import ID, RPCS, Rpc
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST = 40
"""After so many awaits a call is long over."""
IDLE = 0.5
"""Seconds after which a watch waits for what does not come."""


class Context:
    """What gRPC gives a handler of one call, whose client takes all that it is sent."""

    def __init__(self, key: str, data: bytes) -> None:
        self._metadata = (("x-api-key", key),)
        self._data: bytes | None = data

    def invocation_metadata(self) -> Any:
        return self._metadata

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float | None:
        return None

    async def read(self) -> Any:
        await asyncio.sleep(0)
        data, self._data = self._data, None
        return grpc.aio.EOF if data is None else data

    async def write(self, message: bytes) -> None:
        await asyncio.sleep(0)

    async def abort(self, code: grpc.StatusCode, details: str, trailers: Any = ()) -> None:
        raise grpc.aio.AbortError


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: Any) -> AsyncIterator[Inside]:
    """One that has whatever the calls name."""
    folder: Path = tmp_path_factory.mktemp("hung up")
    async with inside(folder) as server, server.caller() as caller:
        await caller.create_group(2, group_id=ID)
        await caller.create(task_id=ID)
        sale = s.CreateCheckoutRequest(checkout={"checkout_id": "c", "cart_id": "c"}, tasks=[{}])
        await caller.checkouts.CreateCheckout(sale)
        await caller.orders.CreateOrder(o.CreateOrderRequest(order={"order_id": "o"}, tasks=[{}]))
        yield server


async def _hang_up(server: Inside, rpc: Rpc, nth: int) -> bool:
    """Calls, and hangs up at the nth await, or where a watch has nothing more to tell. Returns
    whether the call came so far."""
    method = server.methods[rpc.path.removeprefix("/")]
    wrap: Any = server.guard.stream if isinstance(method, Stream) else server.guard.unary
    context = Context(server.key, rpc.request.SerializeToString())
    call = hang_up.Caller(wrap(method)(context), nth)
    try:
        async with asyncio.timeout(IDLE if rpc.stream else 30):
            return await call.ended()
    except grpc.aio.AbortError:
        return False


@pytest.mark.parametrize("name", sorted(RPCS))
async def test_nothing_is_left_of_a_call_that_was_hung_up_at_any_await(
    server: Inside, name: str
) -> None:
    rpc = RPCS[name]
    for nth in range(1, MOST):
        if not await _hang_up(server, rpc, nth):
            break
    else:
        pytest.fail("it waits for ever")
    parts = (server.app, server.guard)
    await until(lambda: not list(left_in(parts)))
