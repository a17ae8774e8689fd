"""A wall clock that jumps: what is shown follows it; what is judged does so across a restart alone;
and what cannot be brought back does not go by it.

The clock is that of libfaketime, which leaves the monotonic one alone.
"""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    FAILED,
    RUNNING,
    everything,
    first_caller,
    new_id,
    take,
)
from tests.support.refusals import refused
from tests.support.server import Server
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

HOUR, DAY = 3600, 24 * 3600
FORCED, AGENT_LOST = task_pb2.CANCEL_PROOF_FORCED, task_pb2.CANCEL_PROOF_AGENT_LOST

Jump = Callable[[int], None]


@asynccontextmanager
async def under_a_false_clock(folder: Path) -> AsyncIterator[tuple[Server, Jump]]:
    """A server, and what sets its clock to so many seconds from the true one."""
    (library, *_) = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None]
    if library is None:
        pytest.skip("needs libfaketime (Debian: faketime)")
    offset = folder / "offset"

    def jump(seconds: int) -> None:
        offset.write_text(f"{seconds:+d}")

    jump(0)
    server = Server(
        folder,
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_NO_CACHE="1",
        DONT_FAKE_MONOTONIC="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    try:
        yield await server.start(), jump
    finally:
        await server.kill()
    assert broken_rules(folder / "countermand.db") == []


def logged_times(server: Server) -> list[datetime]:
    return [
        datetime.fromisoformat(json.loads(line)["time"])
        for line in server.log
        if line.startswith("{")
    ]


def is_now(moment: Timestamp, offset: int) -> bool:
    """Whether that is the present time by a clock that is so many seconds from the true one."""
    return abs(moment.ToNanoseconds() / 1e9 - time.time() - offset) < 60


def around_now(offset: int) -> dict[str, Timestamp]:
    """Returns the bounds of two minutes around the present time by such a clock."""
    now = time.time_ns() // 10**9 + offset
    return {"start_time": Timestamp(seconds=now - 60), "end_time": Timestamp(seconds=now + 60)}


async def test_jumps_of_the_clock_of_a_running_server_move_only_what_is_shown(
    tmp_path, chaos_report
):
    async with under_a_false_clock(tmp_path) as (server, jump), first_caller(server) as caller:
        faithful = await caller.running("faithful", lease=60)
        ids = []
        for offset in (0, HOUR, -HOUR):
            jump(offset)
            await refused(caller.get(new_id()), "TASK_NOT_FOUND")  # writes a line to the log
            held = await caller.running(lease=60)
            answer = await caller.cancel(held.task_id, grace=0.2, reason="fraud")
            watched = await everything(caller.watch(held.task_id, after_version=0))
            assert [message.task.version for message in watched] == [1, 2, 3, 4]
            assert watched[-1].task.cancel_proof == FORCED
            assert is_now(answer.cancellation.create_time, offset)
            assert is_now(answer.task.deadline_time, offset)
            ids.append(answer.cancellation.cancellation_id)
            found = await caller.listed(**around_now(offset), reason="fraud")
            assert [one.cancellation_id for one in found] == ids[-1:]
            soon = Timestamp(seconds=time.time_ns() // 10**9 + offset + 300)
            await caller.create(expire_time=soon)
            lost = await caller.running(f"lost-{offset}", lease=1)
            assert (await caller.ended(lost.task_id)).state == FAILED
        assert (await caller.get(faithful.task_id)).state == RUNNING
        assert ids == sorted(ids)
        found = await caller.listed(page_size=2, reason="fraud")
        assert [one.cancellation_id for one in found] == ids[::-1]
        seen = logged_times(server)
        assert (max(seen) - min(seen)).total_seconds() > HOUR  # it did jump
    chaos_report("clock that jumps", 2, 15, 0)


async def test_a_clock_that_was_set_back_by_the_restart_sticks_nothing(tmp_path, chaos_report):
    async with under_a_false_clock(tmp_path) as (server, jump):
        async with first_caller(server) as caller:
            asked = await caller.running("present", lease=600)
            left = await caller.running("gone", lease=600)
            held = await caller.running("present", lease=600)
            request = c.CancelTaskRequest(task_id=asked.task_id, request_id=new_id())
            first = await caller.cancellations.CancelTask(request)
            await caller.cancel(left.task_id, grace=600)
            watch = caller.watch_many()
            token = (await take(watch, 4))[-1].resume_token
            watch.cancel()
            await caller.heartbeat("gone", lease=2)
        await server.kill()
        jump(-HOUR)
        await server.start()
        async with first_caller(server) as caller:
            # A deadline is a time of the wall clock, and comes as much later; it is not moved.
            again = await caller.cancellations.CancelTask(request)
            assert again.replayed
            assert again.task == first.task
            # Nothing has to wait for that: another cancel brings it near, and a lease does not
            # depend on the clock.
            joined = await caller.cancel(asked.task_id, grace=0)
            assert joined.cancellation.cancellation_id == first.cancellation.cancellation_id
            assert (await caller.ended(asked.task_id)).cancel_proof == FORCED
            assert (await caller.ended(left.task_id)).cancel_proof == AGENT_LOST
            assert (await caller.get(held.task_id)).state == RUNNING
            # Order is that of versions and of the log, whatever the times say.
            watch = caller.watch_many(token)
            told = await take(watch, 3)
            watch.cancel()
            shown = [(m.task.task_id, m.task.version, m.task.state) for m in told]
            assert (left.task_id, 4, CANCELLED) in shown
            assert [one for one in shown if one[0] == asked.task_id] == [
                (asked.task_id, 4, CANCELLING),
                (asked.task_id, 5, CANCELLED),
            ]
            later = await caller.cancel(held.task_id, grace=0)
            assert (await caller.ended(held.task_id)).state == CANCELLED
            listed = [found.cancellation_id for found in await caller.listed(page_size=1)]
            assert len(listed) == len(set(listed)) == 3
            assert listed[-1] == later.cancellation.cancellation_id  # by its time, the oldest
    chaos_report("clock that jumps", 1, 12, 0)


async def test_one_start_with_the_clock_40_days_ahead_removes_nothing(tmp_path, chaos_report):
    async with under_a_false_clock(tmp_path) as (server, jump):
        async with first_caller(server) as caller:
            held = await caller.running()
            asked = c.CancelTaskRequest(task_id=held.task_id, request_id=new_id())
            first = await caller.cancellations.CancelTask(asked)
            await caller.finish(held, "CANCELLED")
            early = c.CancelTaskRequest(task_id=new_id(), allow_missing=True, request_id=new_id())
            await caller.cancellations.CancelTask(early)
            sale = await caller.new_checkout(1, cart_id="cart")
            await caller.cancel_checkout(sale.made.checkout_id)
        await server.kill()
        for days in (40, 80, 0):
            jump(days * DAY)
            await server.start("--retention", "1")
            async with first_caller(server) as caller:
                kept_until = time.monotonic() + 3  # while the purger goes through all kinds
                while time.monotonic() < kept_until:
                    assert (await caller.get(held.task_id)).state == CANCELLED
                    again = await caller.cancellations.CancelTask(asked)
                    assert again.replayed
                    assert again.cancellation.cancellation_id == first.cancellation.cancellation_id
                    assert (await caller.cancellations.CancelTask(early)).replayed
                    await caller.checkout(sale.made.checkout_id)
                if days == 0:
                    task = await caller.create(task_id=early.task_id)
                    assert task.state == CANCELLED
            await server.kill()
        events = [json.loads(line)["event"] for line in server.log if line.startswith("{")]
        assert events.count("no server ran, or the wall clock leapt") == 3
        assert "what was old is removed" not in events
    chaos_report("clock that jumps", 3, 20, 0)


async def test_a_clock_that_was_set_forward_by_the_restart_ends_what_is_due(tmp_path, chaos_report):
    async with under_a_false_clock(tmp_path) as (server, jump):
        async with first_caller(server) as caller:
            asked = await caller.running("present", lease=600)
            held = await caller.running("present", lease=600)
            await caller.cancel(asked.task_id, grace=600)
        await server.kill()
        jump(DAY)
        await server.start()
        async with first_caller(server) as caller:
            assert (await caller.ended(asked.task_id)).cancel_proof == FORCED
            assert (await caller.get(held.task_id)).state == RUNNING
            assert (await caller.finish(held)).version == 3
    chaos_report("clock that jumps", 1, 5, 0)
