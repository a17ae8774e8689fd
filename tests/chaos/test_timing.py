"""Time tells nothing: not whether another tenant has an id, and not whether a key's id exists.

Two kinds of calls are made in turns, in random order, and compared by how often one takes longer
than the other: whatever else the machine does, it does to both. The short round makes 400 tries of
each, the full one, with COUNTERMAND_CHAOS=full, 10,000.
"""

import os
import random
import time
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from statistics import fmean, median
from typing import Any

import grpc
import pytest
import pytest_asyncio

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import Caller, first_caller, new_caller, new_id
from tests.support.refusals import refused
from tests.support.server import Server

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600 if FULL else 60),
]
TRIES = 10_000 if FULL else 400
TOLERANCE = 3 / TRIES**0.5
"""How far from one half the share may be: seven standard deviations of what chance alone does."""
WARM_UP = 20
"""How many tries before the first that counts."""
MANY = 50
"""How many of each thing a tenant has, and how many ids are tried that nobody has."""

Call = Callable[[str], Awaitable[Any]]


async def seconds(call: Call, id: str) -> float:
    begin = time.perf_counter()
    with suppress(grpc.aio.AioRpcError):
        await call(id)
    return time.perf_counter() - begin


async def share_of_slower(call: Call, some: Sequence[str], others: Sequence[str]) -> float:
    """Returns how often a call for one of some takes longer than for one of others: 0.5 if they
    are alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(TRIES + WARM_UP):
        for place in random.sample((0, 1), 2):
            spent = await seconds(call, random.choice((some, others)[place]))
            if number >= WARM_UP:
                times[place].append(spent)
    ordered = sorted(times[1])
    ranks = ((bisect_left(ordered, x) + bisect_right(ordered, x)) / 2 for x in times[0])
    share = fmean(ranks) / TRIES
    medians = " and ".join(f"{median(spent) * 1e6:.0f} µs" for spent in times)
    print(f"{TRIES} tries each: medians {medians}, share {share:.4f}")
    return share


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory):
    # So that it is the look for the key that is timed, and not the refusal of too many tries.
    folder = tmp_path_factory.mktemp("timing")
    server = await Server(folder, knobs={}).start("--max-failed-logins", "10000")
    yield server
    await server.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(server: Server):
    async with first_caller(server) as caller:
        yield caller


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(server: Server, admin: Caller):
    async with new_caller(server, admin) as caller:
        yield caller


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(server: Server, admin: Caller):
    """Another tenant, which has as much as the owner."""
    async with new_caller(server, admin) as caller:
        for make in MAKE.values():
            await made(caller, make)
        yield caller


MAKE: dict[str, Callable[[Caller], Awaitable[str]]] = {}
"""How to make one of each thing; the answer is its id."""


def makes(make: Callable[[Caller], Awaitable[str]]) -> Callable[[Caller], Awaitable[str]]:
    MAKE[make.__name__] = make
    return make


@makes
async def task(caller: Caller) -> str:
    return (await caller.create()).task_id


@makes
async def checkout(caller: Caller) -> str:
    return (await caller.new_checkout()).made.checkout_id


@makes
async def order(caller: Caller) -> str:
    return (await caller.new_order()).made.order_id


@makes
async def cancellation(caller: Caller) -> str:
    task = await caller.create()
    return (await caller.cancel(task.task_id)).cancellation.cancellation_id


async def made(caller: Caller, make: Callable[[Caller], Awaitable[str]]) -> list[str]:
    return [await make(caller) for _ in range(MANY)]


def unknown() -> list[str]:
    """Returns as many ids that nobody has."""
    return [new_id() for _ in range(MANY)]


# Reads, a watch, and writes, which go through the writer.
CALLS: dict[str, tuple[str, Callable[[Caller, str], Awaitable[Any]]]] = {
    "GetTask": ("task", lambda x, id: x.tasks.GetTask(t.GetTaskRequest(task_id=id))),
    "GetCheckout": (
        "checkout",
        lambda x, id: x.checkouts.GetCheckout(s.GetCheckoutRequest(checkout_id=id)),
    ),
    "GetOrder": ("order", lambda x, id: x.orders.GetOrder(o.GetOrderRequest(order_id=id))),
    "GetCancellation": (
        "cancellation",
        lambda x, id: x.cancellations.GetCancellation(c.GetCancellationRequest(cancellation_id=id)),
    ),
    "WatchTask": (
        "task",
        lambda x, id: x.cancellations.WatchTask(c.WatchTaskRequest(task_id=id)).read(),
    ),
    "CancelTask": (
        "task",
        lambda x, id: x.cancellations.CancelTask(c.CancelTaskRequest(task_id=id)),
    ),
    "StartTask": (
        "task",
        lambda x, id: x.agents.StartTask(a.StartTaskRequest(task_id=id, agent_id="a")),
    ),
}


@pytest.mark.parametrize("method", CALLS if FULL else ["GetTask", "CancelTask"])
async def test_time_does_not_tell_another_tenant_s_id_from_an_unknown_one(
    owner: Caller, stranger: Caller, method: str
):
    kind, call = CALLS[method]
    theirs = await made(owner, MAKE[kind])
    await refused(call(stranger, theirs[0]), f"{kind.upper()}_NOT_FOUND")
    share = await share_of_slower(lambda id: call(stranger, id), theirs, unknown())
    assert abs(share - 0.5) < TOLERANCE


async def test_time_does_not_tell_a_wrong_secret_from_an_unknown_key(server: Server, admin: Caller):
    request = k.CreateKeyRequest(tenant="t", environment="sandbox", scopes=["tasks:read"])
    known = [(await admin.keys.CreateKey(request)).key.key_id for _ in range(MANY)]
    others = [random.randbytes(8).hex() for _ in range(MANY)]
    async with server.connect("").channel as channel:
        listing = channel.unary_unary("/countermand.v1.TaskService/ListTasks")

        def show(key_id: str) -> Any:
            secret = f"cmd_sandbox_{key_id}_{random.randbytes(32).hex()}"
            return listing(b"", metadata=[("x-api-key", secret)])

        await refused(show(known[0]), "API_KEY_INVALID")
        share = await share_of_slower(show, known, others)
    assert abs(share - 0.5) < TOLERANCE


async def test_a_difference_would_be_seen(owner: Caller):
    """So that the tests above could fail: to answer with tasks takes longer than with none."""
    group = (await owner.create_group(MANY)).group.group_id

    def listing(group_id: str) -> Any:
        return owner.tasks.ListTasks(t.ListTasksRequest(filter={"group_id": group_id}))

    share = await share_of_slower(listing, [group], unknown())
    assert share - 0.5 > TOLERANCE
