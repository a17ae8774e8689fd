"""What is known of a caller by the metadata is judged before its request comes, if it ever does."""

import asyncio
from pathlib import Path

import grpc
import pytest

from countermand.core.errors import Refused
from countermand.core.trace import TraceContext
from countermand.rpc.method import Call
from countermand.v1.key_service_pb2 import CreateKeyRequest, KeyLimits
from countermand.v1.task_service_pb2 import CreateGroupRequest
from tests.support.caller import Caller, first_caller, new_id
from tests.support.choosing import with_knobs
from tests.support.inside import inside
from tests.support.knobs import drawn_but
from tests.support.raw import RPCS, Rpc
from tests.support.refusals import refused
from tests.support.server import Server, started

SLOW = {"calls.arrivals.max_slow": 3, "calls.arrivals.max_slow_per_address": 2}


def call_without_request(channel: grpc.aio.Channel, rpc: Rpc, key: str | None):
    """Sends the headers of a call, and nothing else."""
    metadata = [] if key is None else [("x-api-key", key)]
    return channel.stream_stream(rpc.path)(metadata=metadata)


async def key_of(admin: Caller, *scopes: str, **limits: int) -> str:
    request = CreateKeyRequest(
        tenant="t", environment="sandbox", scopes=scopes, limits=KeyLimits(**limits)
    )
    return (await admin.keys.CreateKey(request)).secret


@pytest.fixture
async def channel(server: Server):
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel


async def test_key_rate_and_scope_are_judged_before_a_request_comes(tmp_path: Path):
    async with (
        started(tmp_path, "--max-failed-logins", "10000") as server,
        grpc.aio.insecure_channel(server.address) as channel,
        first_caller(server) as admin,
        asyncio.timeout(30),
    ):
        limits = dict.fromkeys(("writes_per_second", "reads_per_second"), 1)
        limited = await key_of(admin, "keys:admin", watches_per_second=1, **limits)
        for rpc in RPCS.values():
            await refused(call_without_request(channel, rpc, None).read(), "API_KEY_MISSING")
            await refused(call_without_request(channel, rpc, "wrong").read(), "API_KEY_INVALID")
            if "keys:admin" in rpc.scopes:
                continue
            calls = [call_without_request(channel, rpc, limited).read() for _ in range(3)]
            found = await asyncio.gather(*calls, return_exceptions=True)
            codes = {error.code().name for error in found if isinstance(error, grpc.RpcError)}
            assert "RESOURCE_EXHAUSTED" in codes
            assert codes <= {"RESOURCE_EXHAUSTED", "PERMISSION_DENIED"}


@pytest.mark.parametrize("name", ["CancelTask", "CreateGroup", "ListTasks", "WatchTask"])
@with_knobs({"calls.arrivals.timeout": 0.3}, of="server")
async def test_a_call_s_time_begins_with_its_headers(
    server: Server, channel: grpc.aio.Channel, name: str
):
    async with asyncio.timeout(10):
        call = call_without_request(channel, RPCS[name], server.key)
        refusal = await refused(call.read(), "INVALID_REQUEST")
    assert "0.3 s" in refusal.fields["request"]


@with_knobs(SLOW, of="server")
async def test_so_many_requests_that_do_not_come_are_waited_for_and_others_never_wait(
    server: Server, channel: grpc.aio.Channel
):
    calls = [call_without_request(channel, RPCS["CreateGroup"], server.key) for _ in range(6)]
    async with asyncio.timeout(20), first_caller(server) as caller:
        ended = asyncio.as_completed([call.read() for call in calls])
        for _ in range(4):
            await refused(next(ended), "RATE_LIMITED")
        # The last ones go on waiting; whoever sends at once does not notice.
        assert (await caller.create(task_id=new_id())).task_id
        assert sum(not call.done() for call in calls) == 2
        waiting = next(call for call in calls if not call.done())
        await waiting.write(RPCS["CreateGroup"].request.SerializeToString())
        assert await next(ended)


async def test_who_reads_a_large_request_lets_others_go_on_meanwhile(tmp_path: Path):
    """Reading the fields of 10,000 tasks takes a quarter of a second."""
    labels = {f"k{number}": "v" * 18 for number in range(14)}
    request = CreateGroupRequest(tasks=[{"labels": labels}] * 9_999 + [{"task_id": "no id"}])
    turns = 0
    async with inside(tmp_path, knobs=drawn_but("calls.")) as server, server.caller() as caller:

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        method = server.methods["countermand.v1.TaskService/CreateGroup"]
        principal = server.app.keyring.authenticate(server.key)
        call = Call(principal, TraceContext("0" * 32, "0" * 16, False))
        counting = asyncio.create_task(count())
        with pytest.raises(Refused, match="task_id"):
            await method.handle(call, request)
        counting.cancel()
        assert await caller.create()
    assert turns > 10  # read in the event loop, it turns once or twice
