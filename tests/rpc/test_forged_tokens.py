"""Tokens that a caller makes up with a right digest: they are no secret, and do no harm."""

import struct

import grpc
import pytest

from countermand.core.errors import Refused
from countermand.core.log import TaskFilter
from countermand.rpc.wire.tokens import decode_named, encode, encode_named
from countermand.store.lists import CancellationQuery
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_service_pb2 as t
from tests.support.inside import inside
from tests.support.refusals import refusal_of

PAYLOADS = (
    b"\xff",
    b"\0" * 24,
    b"\0" * 32,
    b"9" * 30,
    b"9" * 5000,
    "٣".encode(),
    b"-1",
    b"1e9",
    b"x",
    b"00000000-0000-0000-0000-000000000000",
    *(
        struct.pack(">qqqq", *place)
        for place in (
            (-1, 0, 0, 0),
            (-(2**63), -(2**63), -(2**63), -(2**63)),
            (0, 0, 2**63 - 1, 2**63 - 1),
            (0, 0, -2, 5),
            (0, 1, 0, 5),
            (1, 0, 0, 2**63 - 1),
            (2**63 - 1, 2**63 - 1, 0, 0),
        )
    ),
)


@pytest.fixture(params=PAYLOADS, ids=lambda payload: repr(payload[:24]))
def payload(request):
    return request.param


async def reason_of(call) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ""
        return refusal_of(error).reason
    return ""


async def test_a_forged_token_is_refused_or_reads_the_callers_own(tmp_path, payload):
    async with inside(tmp_path) as server, server.caller() as caller:
        await caller.create_group(3)
        namespace = 1
        calls = {
            "tasks": caller.tasks.ListTasks(
                t.ListTasksRequest(page_token=encode(payload, "tasks", namespace, TaskFilter(), ()))
            ),
            "keys": caller.keys.ListKeys(k.ListKeysRequest(page_token=encode(payload, "keys"))),
            "cancellations": caller.cancellations.ListCancellations(
                c.ListCancellationsRequest(
                    page_token=encode(
                        payload, "cancellations", namespace, CancellationQuery(), None
                    )
                )
            ),
            "watch": caller.watch_many(
                encode(payload, "watch", namespace, TaskFilter()), timeout=5
            ).read(),
        }
        for name, call in calls.items():
            assert await reason_of(call) in (
                "",
                "PAGE_TOKEN_INVALID",
                "RESUME_TOKEN_INVALID",
                "RESUME_TOKEN_EXPIRED",
            ), name


@pytest.mark.parametrize("forged", [b"1 a\0b", b"1 a b", b"1 \xff", b"1 " + b"a" * 129, b"x a"])
def test_a_page_of_agents_begins_behind_an_id_that_an_agent_may_have(forged):
    """No store is asked for any other."""
    assert decode_named(encode_named(7, "till:9.a-b_C", "agents"), "agents") == (7, "till:9.a-b_C")
    assert decode_named(encode_named(7, "", "agents"), "agents") == (7, "")
    with pytest.raises(Refused, match="is not a page token"):
        decode_named(encode(forged, "agents"), "agents")
