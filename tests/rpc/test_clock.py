"""A server whose wall clock is wrong and then mended, or whose machine sleeps.

What is shown, and what is compared with the times of callers, is right again within seconds. Leases
and deadlines never notice.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.core.records import SECOND
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_pb2
from tests.support.caller import (
    CANCELLED,
    FAILED,
    RUNNING,
    Caller,
    Stubs,
    everything,
    new_id,
    span,
    take,
)
from tests.support.engine import LeapingClock
from tests.support.inside import inside
from tests.support.refusals import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = 3600 * SECOND
FORCED = task_pb2.CANCEL_PROOF_FORCED


def from_now(seconds: float) -> Timestamp:
    """Returns a time as a caller knows it, whose clock is right."""
    moment = Timestamp()
    moment.FromNanoseconds(time.time_ns() + int(seconds * 1e9))
    return moment


def is_now(moment: Timestamp, ahead: float = 0) -> bool:
    """Whether that is the present time, or so many seconds from it."""
    return abs(moment.ToNanoseconds() - time.time_ns() - ahead * 1e9) < 5e9


@asynccontextmanager
async def mended(folder: Path, wrong: int) -> AsyncIterator[tuple[Caller, LeapingClock]]:
    """A server that started with a clock that was wrong by so much, and that is right by now."""
    clock = LeapingClock(wrong)
    async with inside(folder, clock=clock) as server, server.caller() as caller:
        await caller.create()
        clock.ahead = 0
        yield caller, clock


WRONG = [HOUR, -8 * HOUR]
"""A clock that was an hour ahead; and that of a machine that slept for eight hours."""


@pytest.mark.parametrize("wrong", WRONG)
async def test_times_that_are_shown_are_right_once_the_clock_is(tmp_path: Path, wrong: int):
    async with mended(tmp_path, wrong) as (caller, _):
        held = await caller.running()
        assert is_now(held.task.create_time)
        assert is_now(held.task.start_time)
        answer = await caller.cancel(held.task_id, grace=40)
        assert is_now(answer.task.deadline_time, 40)
        assert is_now(answer.task.update_time)
        assert is_now(answer.cancellation.create_time)
        assert is_now(answer.cancellation.deadline_time, 40)
        (stop,) = await caller.heartbeat("agent-1")
        assert is_now(stop.deadline_time, 40)
        ended = await caller.finish(held, "CANCELLED")
        assert is_now(ended.end_time)
        sale = await caller.new_checkout(1, cart_id="cart")
        cancelled = (await caller.cancel_checkout(sale.made.checkout_id)).checkout
        assert is_now(cancelled.cancel_time)
        made = await caller.keys.CreateKey(
            k.CreateKeyRequest(tenant="t", environment="sandbox", scopes=["tasks:read"])
        )
        assert is_now(made.key.create_time)


@pytest.mark.parametrize("wrong", WRONG)
async def test_the_future_of_callers_is_the_server_s_too(tmp_path: Path, wrong: int):
    async with mended(tmp_path, wrong) as (caller, _):
        soon, past = from_now(300), from_now(-300)
        await caller.create(expire_time=soon)
        await refused(caller.create(expire_time=past), "INVALID_REQUEST")
        request = s.CreateCheckoutRequest(checkout={"expire_time": soon})
        await caller.checkouts.CreateCheckout(request)
        new = {"tenant": "t", "environment": "sandbox", "scopes": ["tasks:read"]}
        await caller.keys.CreateKey(k.CreateKeyRequest(**new, expire_time=soon))
        refusal = caller.keys.CreateKey(k.CreateKeyRequest(**new, expire_time=past))
        await refused(refusal, "INVALID_REQUEST")


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_expires_does_so_in_time_though_the_clock_leaps_while_it_waits(
    tmp_path: Path, wrong: int
):
    async with mended(tmp_path, 0) as (caller, clock):
        task = await caller.create(expire_time=from_now(1800))
        clock.ahead = abs(wrong)  # as after a sleep
        begin = time.monotonic()
        ended = await caller.ended(task.task_id)
        assert time.monotonic() - begin < 5
        assert (ended.state, ended.cancel_reason) == (CANCELLED, "timeout")


@pytest.mark.parametrize("wrong", WRONG)
async def test_the_cancellations_of_the_last_minute_are_found(tmp_path: Path, wrong: int):
    async with mended(tmp_path, wrong) as (caller, clock):
        clock.ahead = wrong
        early = await caller.create()
        first = (await caller.cancel(early.task_id, reason="fraud")).cancellation
        clock.ahead = 0
        ids = []
        for _ in range(3):
            task = await caller.create()
            answer = await caller.cancel(task.task_id, reason="fraud")
            ids.append(answer.cancellation.cancellation_id)
        assert [first.cancellation_id, *ids] == sorted([first.cancellation_id, *ids])
        minute: dict[str, Any] = {"start_time": from_now(-60), "end_time": from_now(60)}
        for chosen in ({}, {"reason": "fraud"}, {"page_size": 1}):
            found = await caller.listed(**minute, **chosen)
            assert [one.cancellation_id for one in found] == ids[::-1]
        summary = c.SummarizeCancellationsRequest(group_by=c.SUMMARY_KEY_REASON, **minute)
        (row,) = (await caller.cancellations.SummarizeCancellations(summary)).rows
        assert (row.key, row.count) == ("fraud", 3)
        everything_else = await caller.listed(end_time=from_now(-60)) if wrong < 0 else []
        assert [one.cancellation_id for one in everything_else] == (
            [first.cancellation_id] if wrong < 0 else []
        )


@pytest.mark.parametrize("leap", [HOUR, -HOUR, 8 * HOUR])
async def test_no_deadline_and_no_lease_notices_a_leap(tmp_path: Path, leap: int):
    async with mended(tmp_path, 0) as (caller, clock):
        faithful = await caller.running("faithful", lease=60)
        winding = await caller.running("faithful", lease=60)
        accepted = await caller.cancel(winding.task_id, grace=600)
        held = await caller.running("faithful", lease=60)
        begin = time.monotonic()
        await caller.cancel(held.task_id, grace=1.5)
        lost = await caller.running("lost", lease=1)
        clock.ahead = leap
        ended = await caller.ended(held.task_id)
        assert ended.cancel_proof == FORCED
        assert 1.4 < time.monotonic() - begin < 5
        assert (await caller.ended(lost.task_id)).state == FAILED
        assert (await caller.get(faithful.task_id)).state == RUNNING
        assert await caller.get(winding.task_id) == accepted.task


@pytest.mark.parametrize("leap", [HOUR, -HOUR])
async def test_the_versions_of_a_task_have_their_times_in_order(tmp_path: Path, leap: int):
    async with mended(tmp_path, 0) as (caller, clock):
        held = await caller.running()
        clock.ahead = leap
        await caller.cancel(held.task_id, grace=600)
        clock.ahead = -leap
        await caller.finish(held, "CANCELLED")
        told = await everything(caller.watch(held.task_id, after_version=0))
        times = [message.task.update_time.ToNanoseconds() for message in told]
        assert times == sorted(times)
        assert [message.task.version for message in told] == [1, 2, 3, 4]


async def test_a_key_ends_with_its_watches_when_the_wall_clock_says_so(tmp_path: Path):
    clock = LeapingClock()
    async with inside(tmp_path, clock=clock) as server, server.caller() as admin:
        made = await admin.keys.CreateKey(
            k.CreateKeyRequest(
                tenant="t",
                environment="sandbox",
                scopes=["tasks:read"],
                expire_time=from_now(300),
            )
        )
        async with grpc.aio.insecure_channel(server.address) as channel:
            metadata = [("x-api-key", made.secret)]
            watch = Stubs(channel).cancellations.WatchTasks(
                c.WatchTasksRequest(), metadata=metadata
            )
            await watch.read()
            clock.ahead = HOUR
            request = c.ListCancellationsRequest()
            call = Stubs(channel).cancellations.ListCancellations(request, metadata=metadata)
            await refused(call, "API_KEY_INVALID")
            async with asyncio.timeout(5):
                await refused(watch.read(), "API_KEY_INVALID")


async def test_a_heartbeat_of_a_watch_and_a_join_stay_as_they_are_told(tmp_path: Path):
    async with mended(tmp_path, 0) as (caller, clock):
        held = await caller.running(lease=600)
        first = await caller.cancel(held.task_id, grace=60)
        clock.ahead = -HOUR
        joined = await caller.cancel(held.task_id, grace=600, request_id=new_id())
        assert joined.task == first.task
        (message,) = await take(
            caller.watch(held.task_id, after_version=3, heartbeat_interval=span(1)), 1
        )
        assert message.task == first.task
