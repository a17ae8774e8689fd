"""Agents: starts, leases, fences, and lost agents."""

from collections import Counter

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND
from countermand.core.rules.reaping import LOST_MESSAGE
from countermand.core.states import CancellationState, CancelProof, TaskState
from tests.support.ask import (
    AGENT,
    NS,
    OTHER,
    T1,
    T2,
    T3,
    acknowledged,
    cancel,
    cancel_group,
    charge,
    completed,
    create,
    create_group,
    failed,
    finish,
    reap,
    renew,
    start,
    uid,
)
from tests.support.world import World

S, P = TaskState, CancelProof


@pytest.fixture
def created(world: World) -> World:
    """A world with the group of T1, T2 and T3."""
    world.do(create_group(T1, T2, T3))
    return world


def _lease_end(world: World, agent_id: str = AGENT) -> int | None:
    return world.agents[NS, agent_id].lease_expire_time


# Leases.


def test_a_start_gives_the_agent_its_lease(created: World) -> None:
    created.do(start(lease=30 * SECOND))
    agent = created.agents[NS, AGENT]
    assert (agent.lease_duration, agent.lease_expire_time) == (
        30 * SECOND,
        created.now + 30 * SECOND,
    )


def test_a_start_never_shortens_a_lease_that_lives_longer(created: World) -> None:
    created.do(start(T1, lease=60 * SECOND))
    end = _lease_end(created)
    created.do(start(T2, lease=10 * SECOND))
    assert _lease_end(created) == end
    created.do(start(T3, lease=90 * SECOND))
    assert _lease_end(created) == created.now + 90 * SECOND


def test_a_refused_start_renews_nothing(created: World) -> None:
    created.do_all(start(T1, lease=SECOND), cancel(T2))
    end = _lease_end(created)
    with pytest.raises(Refused):
        created.do(start(T2, lease=60 * SECOND))
    assert _lease_end(created) == end


def test_a_renewal_counts_from_now_for_the_one_lease_of_all_tasks(created: World) -> None:
    created.do_all(start(T1, lease=10 * SECOND), start(T2, lease=10 * SECOND))
    created.now += 9 * SECOND
    assert created.do(renew(lease=10 * SECOND)) is True
    created.now += 9 * SECOND
    assert created.do(reap()).ended == 0
    created.now += SECOND
    assert created.do(reap()).ended == 2


def test_a_heartbeat_may_shorten_the_lease(created: World) -> None:
    created.do(start(lease=3600 * SECOND))
    created.do(renew(lease=SECOND))
    assert _lease_end(created) == created.now + SECOND
    created.now += SECOND
    assert created.do(reap()).ended == 1


def test_an_unknown_agent_is_ok_and_stays_unknown(world: World) -> None:
    assert world.do(renew()) is False
    assert world.agents == {}


def test_an_agent_of_another_namespace_is_another_agent(created: World) -> None:
    created.do(start())
    assert created.do(renew(ns=OTHER)) is False


def test_a_lost_agent_may_come_back(created: World) -> None:
    created.do(start(T1, lease=SECOND))
    created.now += SECOND
    created.do(reap())
    assert _lease_end(created) is None
    assert created.do(renew(lease=SECOND)) is True
    assert _lease_end(created) == created.now + SECOND
    assert created.do(start(T2)).state is S.RUNNING


# Fences.


def test_each_start_gives_a_higher_fence_and_outdates_the_one_before(created: World) -> None:
    fences = [created.do(start()).fence for _ in range(4)]
    assert fences == [1, 2, 3, 4]
    for fence in (0, 1, 2, 3, 5):
        with pytest.raises(Refused) as caught:
            created.do(completed(fence=fence))
        assert caught.value.reason is Reason.FENCED
    assert created.do(completed(fence=4)).state is S.COMPLETED


@pytest.mark.parametrize("end", [completed, failed, acknowledged])
def test_an_end_that_the_agent_made_keeps_the_fence(created: World, end) -> None:
    created.do_all(start(), cancel())
    assert created.do(end()).fence == 1


def test_an_end_that_the_agent_did_not_make_raises_the_fence(created: World) -> None:
    created.do_all(start(T1), start(T2, "lost", lease=SECOND), start(T3, "lost", lease=SECOND))
    created.do_all(cancel(T1, grace=SECOND), cancel(T2))
    created.now += SECOND
    created.do(reap())
    assert [created.task(id).cancel_proof for id in (T1, T2, T3)] == [P.FORCED, P.AGENT_LOST, None]
    assert [created.task(id).state for id in (T1, T2, T3)] == [S.CANCELLED, S.CANCELLED, S.FAILED]
    for task_id in (T1, T2, T3):
        assert created.task(task_id).fence == 2
        for outcome in (S.COMPLETED, S.FAILED, S.CANCELLED):
            with pytest.raises(Refused) as caught:
                created.do(finish(task_id, outcome, fence=1))
            assert caught.value.reason is Reason.FENCED


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("word", [completed, failed, acknowledged, charge])
def test_every_late_word_of_a_lost_agent_is_fenced_and_changes_nothing(
    created: World, word, cancelled: bool
) -> None:
    """But for what it says of money."""
    created.do_all(start(lease=SECOND), *[cancel()] * cancelled)
    created.now += 3600 * SECOND
    created.do_all(reap(), renew())
    rows = created.copy().rows()
    with pytest.raises(Refused) as caught:
        created.do(word(fence=1))
    assert caught.value.reason is Reason.FENCED
    with pytest.raises(Refused) as caught:
        created.do(start())
    assert caught.value.reason is Reason.TASK_NOT_PENDING
    assert created.rows() == rows


def test_the_late_word_is_fenced_in_the_same_batch_too(created: World) -> None:
    created.do_all(start(), cancel(grace=0))
    reaped, late = created.run(reap(), completed())
    assert reaped.ended == 1
    assert late.reason is Reason.FENCED


# The reaper.


def test_a_running_task_of_a_lost_agent_becomes_failed_with_a_message(created: World) -> None:
    created.do(start(lease=SECOND))
    created.now += SECOND
    created.do(reap())
    task = created.task(T1)
    assert (task.state, task.failure_message, task.cancel_proof) == (S.FAILED, LOST_MESSAGE, None)
    assert (task.version, task.end_time) == (3, created.now)


def test_a_lease_lives_until_its_end_and_not_a_microsecond_longer(created: World) -> None:
    created.do(start(lease=SECOND))
    created.now += SECOND - 1
    assert created.do(reap()).ended == 0
    created.now += 1
    assert created.do(reap()).ended == 1


def test_a_deadline_counts_from_its_very_instant(created: World) -> None:
    created.do_all(start(), cancel(grace=SECOND))
    created.now += SECOND - 1
    assert created.do(reap()).ended == 0
    created.now += 1
    assert created.do(reap()).ended == 1


@pytest.mark.parametrize(
    ("deadline", "lease", "proof"),
    [
        (10, 3600, P.FORCED),
        (10, 12, P.FORCED),
        (10, 10, P.FORCED),
        (10, 9, P.AGENT_LOST),
        (3600, 9, P.AGENT_LOST),
    ],
    ids=["lease alive", "deadline first", "equal", "lease first", "deadline to come"],
)
def test_the_earlier_of_deadline_and_lease_names_the_proof_and_equal_means_forced(
    created: World, deadline: int, lease: int, proof: CancelProof
) -> None:
    created.do_all(start(lease=lease * SECOND), cancel(grace=deadline * SECOND))
    created.now += 100 * SECOND
    created.do(reap())
    task = created.task(T1)
    assert (task.state, task.cancel_proof) == (S.CANCELLED, proof)
    assert task.deadline_time == created.now - 100 * SECOND + deadline * SECOND


def test_a_pending_task_has_no_agent_and_is_never_reaped(created: World) -> None:
    created.now += 10**9 * SECOND
    assert created.do(reap()).ended == 0
    assert created.task(T1).state is S.PENDING


def test_forced_ends_count_for_the_cancellation_as_stopped(created: World) -> None:
    created.do_all(start(T1), start(T2), cancel(T3))
    record = created.do(cancel_group(grace=SECOND)).cancellation
    created.now += SECOND
    created.do(reap())
    ended = created.cancellation(record.cancellation_id)
    assert (ended.state, ended.stopped_count) == (CancellationState.SUCCEEDED, 2)


def test_what_came_before_in_the_batch_saves_a_task_from_the_reaper(created: World) -> None:
    created.do_all(start(T1, "a", lease=SECOND), start(T2, "b", lease=SECOND), cancel(T2))
    created.now += SECOND
    _, ended, reaped = created.run(renew("a"), completed(T2), reap())
    assert (ended.state, reaped.ended) == (S.COMPLETED, 0)
    assert created.task(T1).state is S.RUNNING
    assert created.agents[NS, "b"].lease_expire_time is None


def test_a_heartbeat_right_after_the_reaper_saves_the_agent_and_not_its_task(
    created: World,
) -> None:
    created.do_all(start(T1, lease=SECOND), start(T2, lease=SECOND), cancel(T2))
    created.now += SECOND
    reaped, renewed, late = created.run(reap(), renew(), completed(T1))
    assert (reaped.ended, renewed, late.reason) == (2, True, Reason.FENCED)
    assert [created.task(id).state for id in (T1, T2)] == [S.FAILED, S.CANCELLED]
    assert _lease_end(created) == created.now + 30 * SECOND
    assert created.do(start(T3)).state is S.RUNNING


def test_an_agent_that_is_lost_with_1000_tasks_loses_all_unless_it_comes_back(
    world: World,
) -> None:
    ids = [uid(number) for number in range(1, 1001)]
    world.do(create_group(*ids))
    world.do_all(*[start(id, lease=SECOND) for id in ids], *[cancel(id) for id in ids[::2]])
    world.now += SECOND
    assert world.do(reap(400)).more
    back = world.copy()

    while world.do(reap(400)).more:
        pass
    assert Counter(task.state for task in world.tasks.values()) == {S.CANCELLED: 500, S.FAILED: 500}
    assert _lease_end(world) is None

    back.do(renew(lease=SECOND))
    assert back.do(reap(400)).ended == 0
    assert sum(not task.ended for task in back.tasks.values()) == 600


def test_a_limit_ends_so_many_at_a_time_and_says_that_there_is_more(world: World) -> None:
    ids = [uid(number) for number in range(1, 6)]
    world.do(create_group(*ids))
    world.do_all(*[start(id) for id in ids], cancel_group(grace=0))
    rounds = []
    while not rounds or rounds[-1].more:
        rounds.append(world.do(reap(2)))
    assert [(reaped.ended, reaped.more) for reaped in rounds] == [
        (2, True),
        (2, True),
        (1, False),
    ]


def test_lost_agents_without_tasks_are_forgotten_however_many_they_are(world: World) -> None:
    for number in range(1, 6):
        world.do_all(
            create(uid(number)),
            start(uid(number), f"agent-{number}", lease=SECOND),
            completed(uid(number)),
        )
    world.now += SECOND
    rounds = []
    while not rounds or rounds[-1].more:
        rounds.append(world.do(reap(2)))
        assert len(rounds) < 10
    assert {agent.lease_expire_time for agent in world.agents.values()} == {None}


def test_an_agent_is_forgotten_only_when_no_task_of_it_is_left(world: World) -> None:
    ids = [uid(number) for number in range(1, 6)]
    world.do(create_group(*ids))
    world.do_all(*[start(id, lease=SECOND) for id in ids])
    world.now += SECOND
    assert world.do(reap(2)).more
    assert world.agents[NS, AGENT].lease_expire_time is not None
    while world.do(reap(2)).more:
        pass
    assert {task.state for task in world.tasks.values()} == {S.FAILED}
    assert world.agents[NS, AGENT].lease_expire_time is None
