"""Three servers on three nodes of PostgreSQL under Patroni: its own failovers lose nothing either.

In the full round alone, where Patroni and etcd are installed: `make patroni` says how.
"""

import asyncio
import os
from functools import partial

import pytest

from tests.chaos.robustness.judge import judge
from tests.chaos.robustness.replicas import Replicas
from tests.chaos.robustness.run import Plan, Run
from tests.chaos.test_robustness import seed_of
from tests.support.patroni import Node, Patroni, need_patroni, patroni

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not FULL, reason="failovers of half a minute: in the full round alone"),
]

MAX_FAILOVER = 60.0
"""Seconds after which another node is the leader: its lock lives for 20."""
FROZEN = 32.0
"""Seconds for which a leader is frozen: longer than its lock lives."""


async def _kill(ground: Replicas[Patroni]) -> None:
    before = ground.pair.primary
    before.kill()
    await _until_another_leads(ground, before)
    before.start()
    await asyncio.to_thread(ground.pair.wait_until_whole)


async def _freeze(ground: Replicas[Patroni]) -> None:
    before = ground.pair.primary
    begin = asyncio.get_running_loop().time()
    before.freeze()
    await _until_another_leads(ground, before)
    await asyncio.sleep(max(0.0, begin + FROZEN - asyncio.get_running_loop().time()))
    before.thaw()
    await asyncio.to_thread(ground.pair.wait_until_whole)
    assert ground.pair.primary is not before, "a leader that was frozen has its place back"


async def _switch(ground: Replicas[Patroni]) -> None:
    """As an operator does it, before a node is upgraded."""
    before = ground.pair.primary
    await asyncio.to_thread(before.resign)
    await _until_another_leads(ground, before)
    await asyncio.to_thread(ground.pair.wait_until_whole)


async def _until_another_leads(ground: Replicas[Patroni], before: Node) -> None:
    async with asyncio.timeout(MAX_FAILOVER):
        while await asyncio.to_thread(lambda: ground.pair.leader) in (None, before):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await ground.expect_health()


FAULTS = {
    "Patroni, leader killed": _kill,
    "Patroni, leader frozen": _freeze,
    "Patroni, switchover": _switch,
}


async def test_a_failover_by_patroni_loses_nothing_and_no_watch_breaks(tmp_path, chaos_report):
    need_patroni()
    plan = Plan(seed_of(0), tuple(FAULTS), least=100, knobs={}, patience=90.0)
    with patroni() as nodes:
        played = await Run(plan, tmp_path, partial(Replicas, pair=nodes, faults=FAULTS)).play()
        verdict = await judge(played)
    for fault, operations, messages in played.history.shares():
        chaos_report(fault, 1, operations, len(verdict.violations), messages)
    assert verdict.passed, f"COUNTERMAND_SEED={plan.seed}\n{verdict}"
