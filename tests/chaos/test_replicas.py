"""Three servers on one PostgreSQL with a synchronous standby, whichever of them fails: nothing that
was acknowledged is lost, no watch breaks its promises, and nobody sees what is undone later.

Each call of a client goes to another server, so that tokens, request ids and pages of one are used
on all. The short round has five failovers; the full one fifty, and 20,000 commands without faults.
"""

import os
import random
from functools import partial

import pytest

from tests.chaos.robustness.checks.verdict import Promise
from tests.chaos.robustness.judge import judge
from tests.chaos.robustness.replicas import FAILOVERS, LOSSES, OF_REPLICAS, Replicas, pair
from tests.chaos.robustness.run import Plan, Run
from tests.chaos.test_robustness import SEED, seed_of
from tests.support.knobs import draw

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
KINDS = sorted(FAILOVERS)
ROUNDS, FAILOVERS_EACH = (10, 5) if FULL else (1, 5)
COMMANDS, COMMANDS_EACH = 20_000, 2_000
CASCADES = {
    "create_group": 12,
    "create_checkout": 12,
    "create_order": 10,
    "cancel_group": 10,
    "cancel_checkout": 12,
    "cancel_order": 10,
    "join_a_cancel": 8,
    "undo_a_sale": 6,
    "settle_refund": 12,
}
"""What those do that cancel across each other."""
PATIENCE = 200.0
"""Seconds: with pages of one change, on a busy machine, a hundred answers take a while."""
QUICK = {"store.postgres.max_wait": 3.0}
"""The short round does not wait as long for a server that does not answer; all else is as in
production there, so that it takes as long each time."""


def knobs_of(seed: int) -> dict[str, float]:
    """Returns knobs that are drawn, but for those by which deadlines are held to a second."""
    if not FULL:
        return QUICK
    return {name: value for name, value in draw(seed).items() if not name.startswith("reaper.")}


async def expect_all_promises(plan: Plan, folder, chaos_report) -> None:
    what = f"COUNTERMAND_SEED={plan.seed}: {', '.join(plan.faults)}; see {folder}"
    print(f"{what}; knobs {plan.knobs or 'of production'}")
    with pair() as clusters:
        ground = partial(Replicas, pair=clusters, faults={**OF_REPLICAS, **FAILOVERS})
        played = await Run(plan, folder, ground).play()
        verdict = await judge(played)
    for fault, operations, messages in played.history.shares():
        chaos_report(fault, 1, operations, len(verdict.violations), messages)
    if not plan.faults:
        operations, messages = played.history.operations, played.history.messages
        chaos_report("cascades from three", 1, operations, len(verdict.violations), messages)
    if not FULL:
        # A second is too short for a deadline while a primary is replaced on a machine that has
        # other work, too: that is for the full round to hold.
        kept = [one for one in verdict.violations if one.promise is not Promise.DEADLINE]
        verdict.violations = kept
    assert verdict.passed, f"{what}\n{verdict}"


def faults_of(seed: int) -> tuple[str, ...]:
    """Returns failovers of both kinds, with other faults among them."""
    chosen = random.Random(seed)
    faults = [KINDS[at % len(KINDS)] for at in range(FAILOVERS_EACH)]
    faults += sorted(OF_REPLICAS) if FULL else ["replica kill -9", "replica frozen"]
    chosen.shuffle(faults)
    return tuple(faults)


@pytest.mark.parametrize("round", range(1 if SEED else ROUNDS))
async def test_no_promise_breaks_whichever_server_or_database_fails(tmp_path, chaos_report, round):
    seed = seed_of(round)
    least = 100 if FULL else 40
    plan = Plan(seed, faults_of(seed), least=least, patience=PATIENCE, knobs=knobs_of(seed))
    await expect_all_promises(plan, tmp_path, chaos_report)


@pytest.mark.skipif(not FULL, reason="a check of the checks, for the full round alone")
async def test_the_checks_find_what_a_standby_that_is_behind_has_lost(tmp_path):
    plan = Plan(seed_of(0), tuple(LOSSES), knobs=knobs_of(1), ends="kill -9")
    with pair(synchronous=False) as clusters:
        played = await Run(plan, tmp_path, partial(Replicas, pair=clusters, faults=LOSSES)).play()
        verdict = await judge(played)
    assert Promise.DURABLE in verdict.promises, str(verdict)


@pytest.mark.skipif(not FULL, reason="20,000 commands are for the full round alone")
@pytest.mark.parametrize("round", range(COMMANDS // COMMANDS_EACH))
async def test_cascades_across_each_other_from_three_servers_add_up(tmp_path, chaos_report, round):
    seed = seed_of(round)
    plan = Plan(seed, (), least=COMMANDS_EACH, patience=400.0, knobs=knobs_of(seed), likes=CASCADES)
    await expect_all_promises(plan, tmp_path, chaos_report)
