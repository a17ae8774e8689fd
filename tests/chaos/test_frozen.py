"""A server that was suspended, longer than leases and deadlines: it costs no agent its tasks."""

import asyncio
import functools
import os
import signal

import pytest

from countermand.v1 import task_pb2
from tests.support.caller import CANCELLED, FAILED, RUNNING, first_caller, take
from tests.support.ledger import Ledger, play_on
from tests.support.server import Server, started
from tests.support.waiting import until
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
FORCED = task_pb2.CANCEL_PROOF_FORCED
LEASE, FREEZE = 4.0, 4.5


async def freeze(server: Server, seconds: float) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    server.process.send_signal(signal.SIGCONT)


async def test_after_a_freeze_leases_begin_anew_and_deadlines_are_kept(tmp_path, chaos_report):
    async with started(tmp_path) as server, first_caller(server) as caller:
        faithful, gone, late = [
            await caller.running(agent, lease=600) for agent in ("faithful", "gone", "late")
        ]
        watch = caller.watch(late.task_id, timeout=60)
        await take(watch, 1)
        await caller.cancel(late.task_id, grace=LEASE)
        # Its agent's lease would end before its deadline, if it could have renewed it.
        await asyncio.gather(
            caller.heartbeat("late", lease=1),
            caller.heartbeat("gone", lease=1),
            caller.heartbeat("faithful", lease=LEASE),
        )
        await freeze(server, FREEZE)

        told = (await take(watch, 2))[-1]
        await caller.heartbeat("faithful", lease=600)
        assert told.last
        assert (told.task.state, told.task.cancel_proof) == (CANCELLED, FORCED)
        assert (await caller.get(faithful.task_id)).state == RUNNING
        # Who does not come back is lost, a lease later.
        assert (await caller.ended(gone.task_id)).state == FAILED
        assert (await caller.get(faithful.task_id)).state == RUNNING
        assert any("the process was suspended" in line for line in server.log)
        assert await server.stop() == 0
    chaos_report("frozen process", 1, 5, 0)


def has_told(ledger: Ledger, answers: int) -> bool:
    return ledger.told >= answers


@pytest.mark.skipif(not FULL, reason="takes a minute; the full round has it")
async def test_a_freeze_in_the_middle_of_commits_is_no_commit_that_hangs(tmp_path, chaos_report):
    ledger = Ledger()
    async with started(tmp_path) as server, first_caller(server) as caller:
        load = asyncio.gather(*(play_on(caller, ledger) for _ in range(6)))
        for _ in range(4):
            before = ledger.told
            await freeze(server, 12)
            await until(functools.partial(has_told, ledger, before + 200))
        broken = await ledger.broken_promises(caller)
        assert await server.stop() == 0
        await load
    broken += broken_rules(tmp_path / "countermand.db")
    chaos_report("frozen process", 4, ledger.told, len(broken))
    assert not broken
