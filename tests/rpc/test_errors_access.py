"""Calls that never come to their method: without a valid key, or with bytes that are no request."""

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import DecodeError

from countermand.core.errors import Reason
from countermand.rpc.status import ANSWERS
from countermand.v1 import (
    key_service_pb2,
)
from tests.support.caller import SCOPES, new_id, span
from tests.support.raw import RPCS, Rpc
from tests.support.refusals import CODES, RETRIABLE, refusal_of, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")
every_rpc = pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS.keys())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def keys(shared, admin):
    """One key with all scopes, one with few, one that was revoked and one that expired."""

    async def create(*scopes, **fields):
        request = key_service_pb2.CreateKeyRequest(
            tenant=f"t-{new_id()}", environment="sandbox", scopes=scopes, **fields
        )
        return await admin.keys.CreateKey(request)

    found = {"all": (await create(*SCOPES)).secret, "reading": (await create(SCOPES[0])).secret}
    revoked = await create(*SCOPES)
    await admin.keys.RevokeKey(key_service_pb2.RevokeKeyRequest(key_id=revoked.key.key_id))
    found["revoked"] = revoked.secret
    expired = await create(*SCOPES)
    await admin.keys.RotateKey(
        key_service_pb2.RotateKeyRequest(key_id=expired.key.key_id, overlap=span(0))
    )
    found["expired"] = expired.secret
    return found


async def reason_of(call) -> str:
    """Returns why a call was refused; empty if it was answered."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason
    return ""


async def test_every_reason_has_the_answer_that_the_api_says():
    assert {str(reason): answer.code for reason, answer in ANSWERS.items()} == CODES
    assert set(ANSWERS) == set(Reason)
    retriable = {str(reason) for reason, answer in ANSWERS.items() if answer.retry_after}
    assert retriable == RETRIABLE


@every_rpc
async def test_no_key(channel, rpc: Rpc):
    data = rpc.request.SerializeToString()
    assert await reason_of(rpc.call(channel, data)) == "API_KEY_MISSING"
    assert await reason_of(rpc.call(channel, data, "")) == "API_KEY_MISSING"


@every_rpc
async def test_a_key_that_is_not_valid(channel, keys, rpc: Rpc):
    good = keys["all"]
    garbage = [
        "x",
        "cmd_",
        "cmd_sandbox__",
        good[:-1],
        good + "0",
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.upper(),
        "cmd_sandbox_0123456789abcdef_" + "0" * 64,
        good.replace("sandbox", "production"),
        "_" * 500,
    ]
    data = rpc.request.SerializeToString()
    for key in (*garbage, keys["revoked"], keys["expired"]):
        refusal = await refused(rpc.call(channel, data, key), "API_KEY_INVALID")
        assert refusal.message == "the API key is not valid"  # and not why
        assert refusal.metadata == {}


NO_REQUESTS = (
    b"\xff\xff\xff",  # no protobuf at all
    b"\x0a\x05abc",  # cut off
    b"\x00\x01",  # field number 0
    b"\x0b" * 200,  # groups without an end
    b"\x0a\x02\xc3\x28",  # invalid UTF-8, here and there
    b"\x12\x02\xc3\x28",
    b"\x52\x02\xff\xfe",
    b"\x0a\x04\x0a\x02\xc3\x28",
)


@every_rpc
async def test_bytes_that_are_no_request(channel, keys, rpc: Rpc):
    tried = 0
    for data in NO_REQUESTS:
        if is_request(rpc, data):
            continue  # this one has no text in that field
        tried += 1
        refusal = await refused(rpc.call(channel, data, keys["all"]), "INVALID_REQUEST")
        assert list(refusal.fields) == ["request"]
    assert tried >= 3  # of a request without fields, those that are no protobuf at all


def is_request(rpc: Rpc, data: bytes) -> bool:
    try:
        type(rpc.request).FromString(data)
    except DecodeError:
        return False
    return True


def padding(size: int) -> bytes:
    """Returns so many bytes in field 2047, which no request has."""
    varint = size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14 & 0x7F | 0x80, size >> 21
    return b"\xfa\x7f" + bytes(varint) + b"x" * size


@every_rpc
async def test_a_request_that_is_too_large(channel, keys, rpc: Rpc):
    # Unknown fields are fine for protobuf, so the size alone is wrong.
    if rpc.max_bytes == 64 * 1024:
        data = padding(rpc.max_bytes + 1)
        refusal = await refused(rpc.call(channel, data, keys["all"]), "INVALID_REQUEST")
        assert list(refusal.fields) == ["request"]
        assert str(rpc.max_bytes) in refusal.message
    # Above 4 MiB gRPC itself refuses, without our details.
    call = rpc.call(channel, padding(4 * 1024 * 1024), keys["all"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "grpc-status-details-bin" not in dict(caught.value.trailing_metadata() or ())


@pytest.mark.parametrize(
    "path",
    [
        "/countermand.v1.TaskService/DropTables",
        "/countermand.v2.TaskService/GetTask",
        "/countermand.v1.TaskService/getTask",
        "/x",
    ],
)
async def test_an_unknown_method_is_unimplemented(channel, keys, path):
    call = channel.unary_unary(path)(b"", metadata=[("x-api-key", keys["all"])], timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_checks_come_in_the_order_of_the_api(channel, keys, caller):
    rpc = RPCS["CancelTask"]
    broken = b"\xff\xff\xff"
    assert await reason_of(rpc.call(channel, broken)) == "API_KEY_MISSING"
    assert await reason_of(rpc.call(channel, broken, "x")) == "API_KEY_INVALID"
    assert await reason_of(rpc.call(channel, broken, keys["reading"])) == "SCOPE_MISSING"
    # Form comes before the replay, that before existence, and that before the state.
    request_id = new_id()
    held = await caller.running()
    await caller.cancel(held.task_id, request_id=request_id)
    assert await reason_of(caller.cancel("x", request_id=request_id)) == "INVALID_REQUEST"
    unknown = caller.cancel(new_id(), request_id=request_id)
    assert await reason_of(unknown) == "REQUEST_ID_CONFLICT"
    unknown = caller.cancel(new_id(), expected_version=7)
    assert await reason_of(unknown) == "TASK_NOT_FOUND"
    # The terminal state comes before the expected version, and that before another state.
    ended = await caller.create()
    await caller.cancel(ended.task_id)
    late = caller.cancel(ended.task_id, expected_version=7)
    assert await reason_of(late) == "TASK_ALREADY_CANCELLED"
    early = caller.cancel(held.task_id, expected_version=7)
    assert await reason_of(early) == "VERSION_MISMATCH"
