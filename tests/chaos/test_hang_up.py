"""A client that hangs up in the middle of a cancel of 10,000 tasks leaves all of it or nothing.

The short round hangs up a few times; the full one at many moments.
"""

import asyncio
import os
from itertools import product

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import CANCELLED, CANCELLING, PENDING, RUNNING, first_caller, new_id, span
from tests.support.server import Server
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
TASKS = 10_000
MOMENTS = [n / 100 for n in range(60)] if FULL else [0.1]
ALL = {CANCELLED: TASKS - 1, CANCELLING: 1}
NOTHING = {PENDING: TASKS - 1, RUNNING: 1}


async def test_a_hang_up_in_the_middle_of_10000_leaves_all_or_nothing(tmp_path, chaos_report):
    broken = []
    server = await Server(tmp_path).start()
    async with first_caller(server) as caller:
        for moment, cut in product(MOMENTS, ("the call", "the connection")):
            made = await caller.create_group(TASKS)
            held = await caller.start(made.tasks[0].task_id, lease=600)
            request = c.CancelGroupRequest(
                group_id=made.group.group_id, request_id=new_id(), grace_period=span(600)
            )
            async with first_caller(server) as leaving:
                calling = asyncio.ensure_future(leaving.cancellations.CancelGroup(request))
                await asyncio.wait([calling], timeout=moment)
                if cut == "the connection":
                    await leaving.channel.close()
                calling.cancel()
                await asyncio.wait([calling])

            group = await caller.group(made.group.group_id)
            counts = {count.state: count.count for count in group.task_counts}
            again = await caller.cancellations.CancelGroup(request, timeout=60)
            if counts != (ALL if group.closed else NOTHING):
                broken.append(f"{cut} after {moment} s: {counts}")
            if group.closed and not again.replayed:
                broken.append(f"{cut} after {moment} s: cancelled twice")
            if len(again.cancellation.results) != TASKS:
                broken.append(f"{cut} after {moment} s: {len(again.cancellation.results)} results")
            # No lock is left behind.
            assert (await caller.finish(held, "CANCELLED")).state == CANCELLED
        assert await server.stop() == 0
    broken += broken_rules(tmp_path / "countermand.db")
    chaos_report("client hangs up", 2 * len(MOMENTS), 8 * len(MOMENTS), len(broken))
    assert not broken
