"""kill -9 under load, again and again on one store: nothing acknowledged is lost, and no watcher's
history breaks a promise over all the lives of its server.

The short round kills three times; the full one, with COUNTERMAND_CHAOS=full, five hundred times,
after about two seconds of traffic each.
"""

import os

import pytest

from tests.chaos.robustness.run import Plan
from tests.chaos.test_robustness import SEED, expect_all_promises, seed_of

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
STORES, KILLS, SECONDS = (25, 20, 2.0) if FULL else (1, 3, 0.5)


@pytest.mark.parametrize("store", range(1 if SEED else STORES))
async def test_nothing_is_lost_by_any_number_of_kills(tmp_path, chaos_report, store):
    plan = Plan(seed_of(store), ("kill -9",) * KILLS, seconds=SECONDS)
    await expect_all_promises(plan, tmp_path, chaos_report)
