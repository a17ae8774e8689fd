"""The rules of refunds, for every combination of what can happen to a task and its money."""

import pytest

from countermand.core.errors import Refused
from tests.support.ask import NS, reap
from tests.support.invariants import RowInvariants
from tests.support.refund_cases import (
    COVERS,
    LAST,
    LATE,
    REAPED,
    REAPING,
    SETTLING,
    Case,
    cases,
    expected,
    stages,
)
from tests.support.world import World

SPEAKING = (LATE, SETTLING, LAST)


@pytest.mark.parametrize("cover", ["none", *COVERS])
def test_every_combination_ends_as_the_api_says_and_changes_nothing_but_the_task(
    cover: str,
) -> None:
    for case in cases():
        if case.cover == cover:
            _play(case)


def _play(case: Case) -> None:
    world, wanted = World(), expected(case)
    refusals = []
    for place, commands in enumerate(stages(case)):
        before = _but_the_task(world) if place in SPEAKING else []
        answers = world.run(*commands) if commands else []
        if place in SPEAKING:
            reasons = [answer.reason for answer in answers if isinstance(answer, Refused)]
            refusals.append("".join(reasons))
            assert _but_the_task(world) == before, case
        else:
            assert not any(isinstance(answer, Refused) for answer in answers), case
        if place == REAPING:
            world.now += REAPED
            world.do(reap())
    assert refusals == wanted.refusals, case
    task = world.tasks[NS, case.task_id]
    assert (task.state, task.cancel_proof or case.end) == (case.state, case.end), case
    ended = [event.task for event in world.events if event.task and event.task.ended]
    assert [(task.charge_state, task.refund_state) for task in ended] == wanted.money, case
    assert {task.state for task in ended} == {case.state}
    rows = RowInvariants()
    rows.world = world
    rows.a_refund_is_required_exactly_where_money_may_be_held_for_work_that_does_not_stand()
    rows.the_counts_of_a_holder_equal_a_recount()
    rows.the_counts_and_state_of_a_cancellation_equal_a_recount()


def _but_the_task(world: World) -> list[object]:
    """Returns what a word about money leaves as it is: all but what is counted of it."""
    holders = [holder.evolve(owed_count=0, money_time=None) for holder in world.holders.values()]
    return [holders, dict(world.carts), dict(world.agents), dict(world.cancellations)]
