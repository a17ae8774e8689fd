"""Who calls too often, opens too much or takes too long; and that others do not notice."""

import asyncio
import json
import sqlite3
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.client import Client
from countermand.rpc.method import Unary
from countermand.v1 import task_service_pb2
from countermand.v1.key_service_pb2 import CreateKeyRequest, KeyLimits, RotateKeyRequest
from tests.support.caller import SCOPES, Caller, first_caller, new_caller, new_id
from tests.support.inside import inside
from tests.support.knobs import PRODUCTION, drawn_values_but, drawn_with
from tests.support.raw import RPCS
from tests.support.refusals import Refusal, refusal_of, refused
from tests.support.served_store import on_sqlite_alone
from tests.support.server import Server, started

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREATE, LIST, CANCEL = RPCS["CreateTask"], RPCS["ListTasks"], RPCS["CancelTask"]

CALLS = PRODUCTION.calls
FREE_REFUSALS, MAX_HOLD = CALLS.free_refusals_per_second, CALLS.max_hold
MAX_LINES = CALLS.max_lines_per_second


async def outcomes(*calls) -> list[Refusal | None]:
    """Makes the calls at once. Returns how each was refused, None for those that were not."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    refusals = []
    for outcome in found:
        if isinstance(outcome, BaseException) and not isinstance(outcome, grpc.aio.AioRpcError):
            raise outcome
        refused = isinstance(outcome, grpc.aio.AioRpcError)
        refusals.append(refusal_of(outcome) if refused else None)
    return refusals


@asynccontextmanager
async def limited(server: Server, admin: Caller, **limits: int):
    """Calls with a key that has these limits."""
    async with new_caller(server, admin, limits=KeyLimits(**limits)) as caller:
        yield caller


async def within(caller: Caller, call, per_second: int) -> list[Refusal]:
    """Calls four times as often as the limit allows in a second. Returns the refusals, and holds
    the number of what was let in to the limit."""
    begin = time.monotonic()
    found = await outcomes(*(call() for _ in range(4 * per_second)))
    seconds = time.monotonic() - begin
    refusals = [refusal for refusal in found if refusal is not None]
    assert len(found) - len(refusals) <= per_second * (1 + seconds) + 1
    return refusals


async def test_a_key_above_its_limit_is_told_when_to_come_again_and_others_are_not_put_off(
    shared: Server, admin: Caller
):
    async with limited(shared, admin, writes_per_second=50) as key:
        refusals = await within(key, key.create, 50)
        assert {refusal.reason for refusal in refusals} == {"RATE_LIMITED"}
        assert all(0 < refusal.retry_seconds <= 0.02 for refusal in refusals)
        metadata = {"key_id": key.key_id, "limit": "writes_per_second", "per_second": "50"}
        assert all(refusal.metadata == metadata for refusal in refusals)
        # Its reads are counted apart, and other keys are not counted at all.
        list_tasks = task_service_pb2.ListTasksRequest
        assert (
            await outcomes(*(key.tasks.ListTasks(list_tasks()) for _ in range(100))) == [None] * 100
        )
        assert await outcomes(*(admin.create() for _ in range(100))) == [None] * 100


async def test_who_is_refused_far_too_often_waits_for_refusals_yet_hears_of_each_in_time(
    tmp_path: Path,
):
    create = task_service_pb2.CreateTaskRequest
    async with (
        started(tmp_path, knobs=drawn_values_but("calls.")) as server,
        first_caller(server) as admin,
        limited(server, admin, writes_per_second=1) as key,
    ):
        begin = time.monotonic()
        found = await outcomes(*(key.tasks.CreateTask(create()) for _ in range(3 * FREE_REFUSALS)))
        assert time.monotonic() - begin >= MAX_HOLD / 2
        reasons = [refusal.reason for refusal in found if refusal is not None]
        assert len(reasons) > 2 * FREE_REFUSALS
        assert set(reasons) == {"RATE_LIMITED"}
        calls = (key.tasks.CreateTask(create(), timeout=1.0) for _ in range(3 * FREE_REFUSALS))
        found = await outcomes(*calls)
        assert {refusal.reason for refusal in found if refusal is not None} == {"RATE_LIMITED"}


async def test_reads_and_openings_of_watches_have_their_own_limits(shared: Server, admin: Caller):
    list_tasks = task_service_pb2.ListTasksRequest
    async with limited(shared, admin, reads_per_second=20, watches_per_second=10) as key:
        reads = await within(key, lambda: key.tasks.ListTasks(list_tasks()), 20)
        assert {refusal.metadata["limit"] for refusal in reads} == {"reads_per_second"}
        watches = await within(key, lambda: key.watch_many().read(), 10)
        assert {refusal.metadata["limit"] for refusal in watches} == {"watches_per_second"}
        assert await outcomes(*(key.create() for _ in range(50))) == [None] * 50


async def test_what_a_call_makes_and_moves_counts_as_further_calls_of_its_key(
    shared: Server, admin: Caller
):
    group, page = task_service_pb2.CreateGroupRequest(), task_service_pb2.ListTasksRequest
    for _ in range(200):
        group.tasks.add(labels={"note": "x" * 2000})
    async with limited(shared, admin, writes_per_second=1) as key:
        await key.tasks.CreateGroup(group)
        refusal = await refused(key.create(), "RATE_LIMITED")
        # 200 tasks are 4 calls, and some 400 KiB each way 6 more.
        assert 7 < refusal.retry_seconds <= 11
        assert await outcomes(*(key.tasks.ListTasks(page()) for _ in range(20))) == [None] * 20


async def _write(caller: Caller, open_watches: list) -> None:
    await caller.tasks.CreateTask(task_service_pb2.CreateTaskRequest())


async def _read(caller: Caller, open_watches: list) -> None:
    await caller.tasks.ListTasks(task_service_pb2.ListTasksRequest())


async def _open_watch(caller: Caller, open_watches: list) -> None:
    watch = caller.watch_many()
    open_watches.append(watch)
    await watch.read()


# What uses up each limit that a key can have.
USES = {
    "writes_per_second": _write,
    "reads_per_second": _read,
    "watches_per_second": _open_watch,
    "open_watches": _open_watch,
}


@asynccontextmanager
async def family(server: Server, admin: Caller, **limits: int):
    """Calls with a key that has these limits, its successor, and the successor of that."""
    async with AsyncExitStack() as open_channels:
        request = CreateKeyRequest(
            tenant=f"t-{new_id()}", environment="sandbox", scopes=SCOPES, limits=KeyLimits(**limits)
        )
        made, callers = await admin.keys.CreateKey(request), []
        for _ in range(3):
            stubs = server.connect(made.secret)
            await open_channels.enter_async_context(stubs.channel)
            callers.append(Caller(stubs, made.key.tenant, made.key.key_id))
            made = await admin.keys.RotateKey(RotateKeyRequest(key_id=made.key.key_id))
        yield callers


async def use_up(callers: list[Caller], limit: str) -> None:
    """Uses each key as often as one may be used, and holds what was let in to what one may."""
    begin, most, watches = time.monotonic(), 3, []
    calls = (USES[limit](caller, watches) for caller in callers for _ in range(most))
    found = await outcomes(*calls)
    seconds = 0.0 if limit == "open_watches" else time.monotonic() - begin
    assert found.count(None) <= most * (1 + seconds)
    assert {refusal.metadata["limit"] for refusal in found if refusal is not None} == {limit}


@pytest.mark.parametrize("limit", KeyLimits.DESCRIPTOR.fields_by_name)
async def test_a_rotated_key_and_its_successors_have_each_limit_once_also_after_a_restart(
    tmp_path, limit: str
):
    server = await Server(tmp_path).start()
    try:
        async with first_caller(server) as admin, family(server, admin, **{limit: 3}) as callers:
            await use_up(callers, limit)
            await server.kill()
            await server.start()
            await use_up(callers, limit)
    finally:
        await server.kill()


async def secret_of(admin: Caller, *scopes: str, **limits: int) -> str:
    request = CreateKeyRequest(
        tenant="t", environment="sandbox", scopes=scopes, limits=KeyLimits(**limits)
    )
    return (await admin.keys.CreateKey(request)).secret


async def test_key_comes_before_rate_and_rate_before_scope_and_form(shared: Server, admin: Caller):
    key = await secret_of(admin, "tasks:cancel", writes_per_second=1)
    async with grpc.aio.insecure_channel(shared.address) as channel:
        allowed = CANCEL.request.SerializeToString()
        await refused(CANCEL.call(channel, allowed, key), "TASK_NOT_FOUND")
        over = {"RATE_LIMITED"}
        for rpc, data, otherwise in (
            (CREATE, CREATE.request.SerializeToString(), "SCOPE_MISSING"),
            (CANCEL, b"\xff\xff", "INVALID_REQUEST"),
            (CANCEL, b"\0" * 100_000, "INVALID_REQUEST"),
        ):
            found = await outcomes(*(rpc.call(channel, data, key) for _ in range(10)))
            reasons = {refusal.reason for refusal in found}
            assert over <= reasons <= over | {otherwise}
        await refused(CANCEL.call(channel, allowed, key + "0"), "API_KEY_INVALID")


async def test_the_python_client_waits_as_it_is_told(shared: Server, admin: Caller):
    limits = {"writes_per_second": 20, "watches_per_second": 20}
    key = await secret_of(admin, "tasks:write", "tasks:read", **limits)
    async with Client(shared.address, key) as client:
        made = await asyncio.gather(*(client.create_task() for _ in range(40)))

        async def first(task_id: str) -> str:
            return (await anext(client.watch_task(task_id))).task.task_id

        ids = [answer.task.task_id for answer in made]
        assert await asyncio.gather(*map(first, ids)) == ids


async def test_failed_logins_are_put_off_and_a_right_key_from_the_same_address_is_not(tmp_path):
    async with (
        started(tmp_path, "--max-failed-logins", "5") as server,
        first_caller(server) as caller,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        data = LIST.request.SerializeToString()
        wrong = server.key[:-1] + ("0" if server.key[-1] != "0" else "1")  # somebody's id
        keys = [wrong, "cmd_sandbox_0123456789abcdef_x", "x" * 4000, "", None]
        calls = [LIST.call(channel, data, key) for key in keys * 20]
        found, mine = await asyncio.gather(
            outcomes(*calls), outcomes(*(caller.create() for _ in range(20)))
        )
        reasons = {refusal.reason for refusal in found}
        assert {"RATE_LIMITED"} < reasons <= {"RATE_LIMITED", "API_KEY_INVALID", "API_KEY_MISSING"}
        assert all(0 < refusal.retry_seconds <= 0.2 for refusal in found if refusal.retry_seconds)
        assert mine == [None] * 20
        await server.stop()

    lines = [json.loads(line) for line in server.log if not line.startswith("cmd_")]
    refusals = [line for line in lines if line["event"] == "call refused"]
    assert refusals
    assert {line["address"] for line in refusals} == {"127.0.0.1"}
    assert sum(line["left_out"] for line in refusals) + len(refusals) <= len(found)
    assert not any("x" * 100 in line or wrong in line for line in server.log)


async def test_the_log_is_not_flooded_with_refusals(tmp_path):
    begin = time.monotonic()
    async with started(tmp_path) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            for _ in range(3):
                await outcomes(*(LIST.call(channel, b"") for _ in range(100)))
        seconds = time.monotonic() - begin
        await server.stop()
    lines = [line for line in server.log if "call refused" in line]
    assert len(lines) <= MAX_LINES * (1 + seconds) + 1
    assert json.loads(lines[0])["left_out"] == 0


async def test_of_one_key_and_reason_the_log_has_a_few_lines_and_counts_the_rest(tmp_path):
    begin = time.monotonic()
    async with started(tmp_path, knobs=drawn_values_but("calls.")) as server:
        async with first_caller(server) as caller, new_caller(server, caller) as other:
            for one in (caller, other):
                found = await outcomes(*(one.get(new_id()) for _ in range(200)))
                assert {refusal.reason for refusal in found} == {"TASK_NOT_FOUND"}
                await refused(one.get("no id"), "INVALID_REQUEST")
        seconds = time.monotonic() - begin
        await server.stop()
    lines = [json.loads(line) for line in server.log if "call refused" in line]
    for key_id in (caller.key_id, other.key_id):
        mine = [line for line in lines if line["key_id"] == key_id]
        assert {line["reason"] for line in mine} == {"TASK_NOT_FOUND", "INVALID_REQUEST"}
        same = [line for line in mine if line["reason"] == "TASK_NOT_FOUND"]
        assert len(same) <= CALLS.max_lines_per_key * (1 + seconds) + 1
        assert sum(line["left_out"] for line in same) + len(same) <= 200


async def opened(caller: Caller, count: int) -> list:
    watches = [caller.watch_many() for _ in range(count)]
    for watch in watches:
        assert await watch.read()
    return watches


async def test_a_key_has_no_more_watches_open_than_it_may(shared: Server, admin: Caller):
    async with (
        limited(shared, admin, open_watches=2) as key,
        limited(shared, admin, open_watches=2) as other,
    ):
        watches = await opened(key, 2)
        refusal = await refused(key.watch_many().read(), "TOO_MANY_WATCHERS")
        assert refusal.metadata == {"key_id": key.key_id, "limit": "open_watches", "most": "2"}
        await opened(other, 2)
        watches[0].cancel()
        await until_opened(key)


async def until_opened(caller: Caller) -> None:
    """Opens a watch as soon as one that was closed is known to be."""
    while (refusal := (await outcomes(caller.watch_many().read()))[0]) is not None:
        assert refusal.reason == "TOO_MANY_WATCHERS"


async def test_watches_of_all_keys_together_are_bounded_and_starve_neither_cancels_nor_health(
    tmp_path,
):
    async with (
        started(tmp_path, "--max-watches", "5") as server,
        first_caller(server) as admin,
        new_caller(server, admin) as other,
    ):
        watches = await opened(admin, 3) + await opened(other, 2)
        for caller in (admin, other):
            refusal = await refused(caller.watch_many().read(), "TOO_MANY_WATCHERS")
            assert refusal.metadata == {}
        held = await other.running()
        await other.cancel(held.task_id, grace=0)
        health = health_pb2_grpc.HealthStub(admin.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status
        watches[0].cancel()
        await until_opened(other)


async def test_a_watch_that_was_refused_leaves_its_place_free(shared: Server, admin: Caller):
    async with limited(shared, admin, open_watches=1) as key:
        for _ in range(5):
            await refused(key.watch(new_id()).read(), "TASK_NOT_FOUND")
        await opened(key, 1)


def _never_ending() -> Unary:
    async def handle(call, request):
        await asyncio.Event().wait()

    return Unary(
        "countermand.v1.TaskService/GetTask",
        task_service_pb2.GetTaskRequest,
        ("tasks:read",),
        handle,
    )


async def test_a_call_that_takes_too_long_is_ended_though_its_client_would_wait(tmp_path):
    async with (
        inside(
            tmp_path, knobs=drawn_with({"calls.timeout": 0.2}), replaced=[_never_ending()]
        ) as server,
        server.caller() as caller,
    ):
        request = task_service_pb2.GetTaskRequest(task_id=new_id())
        calls = [caller.tasks.GetTask(request) for _ in range(3)]
        refusals = await outcomes(*calls, *(caller.create() for _ in range(3)))
        assert {refusal.reason for refusal in refusals[:3]} == {"STORE_UNAVAILABLE"}
        assert all("0.2 s" in refusal.message for refusal in refusals[:3])
        assert refusals[3:] == [None] * 3
        # The same again: one timer serves all calls, and comes again.
        await refused(caller.tasks.GetTask(request), "STORE_UNAVAILABLE")


@on_sqlite_alone("its file is locked")
async def test_a_cancel_that_takes_too_long_is_done_all_the_same(tmp_path):
    async with (
        inside(tmp_path, knobs=drawn_with({"calls.timeout": 1})) as server,
        server.caller() as caller,
    ):
        held = await caller.running()
        request_id = new_id()
        other = sqlite3.connect(tmp_path / "inside.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # so that the server's writer has to wait
        try:
            await refused(
                caller.cancel(held.task_id, request_id=request_id, grace=0), "STORE_UNAVAILABLE"
            )
        finally:
            other.execute("ROLLBACK")
            other.close()
        assert (await caller.ended(held.task_id)).cancel_proof
        again = await caller.cancel(held.task_id, request_id=request_id, grace=0)
        assert again.replayed


async def test_a_hang_up_before_that_time_is_no_more_than_a_hang_up(tmp_path):
    async with (
        inside(
            tmp_path, knobs=drawn_with({"calls.timeout": 0.3}), replaced=[_never_ending()]
        ) as server,
        server.caller() as caller,
    ):
        request = task_service_pb2.GetTaskRequest(task_id=new_id())
        call = caller.tasks.GetTask(request, timeout=0.05)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await refused(caller.tasks.GetTask(request), "STORE_UNAVAILABLE")
