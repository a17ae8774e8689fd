"""Traffic of all kinds while the server is killed, frozen and cut off: no promise breaks.

The short round goes through every fault once; the full one, with COUNTERMAND_CHAOS=full, thirty
times. A run prints its seed, and COUNTERMAND_SEED=that plays it again, as far as chance is ours.
"""

import os
import random
from pathlib import Path

import pytest

from tests.chaos.robustness import unsynced
from tests.chaos.robustness.faults import FAULTS
from tests.chaos.robustness.judge import judge
from tests.chaos.robustness.run import Plan, Run
from tests.support.knobs import draw

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
SEED = os.environ.get("COUNTERMAND_SEED")
EVERY = sorted(FAULTS.keys() - {"power cut"})
NOTED = ("tests.chaos.planted", "note_unsynced")
"""The server as it is, but that the harness can take back what it did not sync."""


def seed_of(round: int) -> int:
    """Returns a round's seed, that which was asked for first, or a new one; two rounds in a row go
    through every fault."""
    return int(SEED) + round if SEED else random.SystemRandom().randrange(10**8) * 2 + round % 2


async def expect_all_promises(plan: Plan, folder: Path, chaos_report) -> None:
    what = f"COUNTERMAND_SEED={plan.seed}: {', '.join(plan.faults)}; see {folder}"
    print(f"{what}; knobs {draw(plan.seed) or 'of production'}")
    played = await Run(plan, folder).play()
    verdict = await judge(played)
    for fault, operations, messages in played.history.shares():
        # Nobody knows which of them it was, so a violation counts for every fault of its run.
        chaos_report(fault, 1, operations, len(verdict.violations), messages)
    assert verdict.passed, f"{what}\n{verdict}"


@pytest.mark.parametrize("round", range(60 if FULL else 2))
async def test_no_promise_breaks_under_any_fault(tmp_path, chaos_report, round):
    seed = seed_of(round)
    faults = EVERY[seed % 2 :: 2]
    random.Random(seed).shuffle(faults)
    await expect_all_promises(Plan(seed, tuple(faults)), tmp_path, chaos_report)


@pytest.mark.skipif(not unsynced.library(), reason="Python has a SQLite of its own")
@pytest.mark.parametrize("round", range(20 if FULL else 1))
async def test_a_power_cut_loses_nothing_that_was_answered(tmp_path, chaos_report, round):
    plan = Plan(seed_of(round), ("power cut", "power cut"), program=NOTED)
    await expect_all_promises(plan, tmp_path, chaos_report)


async def test_a_run_with_too_little_traffic_is_a_failed_run(tmp_path):
    played = await Run(Plan(1, ("SIGTERM",), least=10**9, patience=0.5), tmp_path).play()
    verdict = await judge(played)
    assert not verdict.violations
    assert not verdict.passed
    assert "too little traffic before the first fault" in str(verdict)
