"""CancelGroup: what it covers, how it ends, and that it closes the group."""

import pytest

from countermand.core.cancellations import Cancellation
from countermand.core.commands import Command
from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND
from countermand.core.states import CancellationState, Disposition, TaskState
from tests.support.ask import (
    G1,
    G2,
    R1,
    R2,
    T1,
    T2,
    T3,
    T4,
    acknowledged,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    failed,
    reap,
    start,
    target,
)
from tests.support.world import World

S, C, D = TaskState, CancellationState, Disposition


def _world(*commands: Command, closed: bool = False) -> World:
    """A world in which G1 holds T1, T2 and T3, and the commands were done."""
    world = World()
    world.do_all(create_group(T1, T2, T3, closed=closed), *commands)
    return world


def _results(world: World, record: Cancellation) -> list[Disposition]:
    return [record.disposition(task) for task in world.members(target("group", G1))]


def _refusal(world: World, command: Command) -> Reason:
    before = world.copy().rows()
    with pytest.raises(Refused) as caught:
        world.do(command)
    assert world.rows() == before
    return caught.value.reason


# What it covers.


def test_the_answer_has_one_result_per_task_in_the_order_of_creation() -> None:
    world = _world(start(T2), start(T3), completed(T3))
    answer = world.do(cancel_group())
    assert [task.task_id for task in answer.covered] == [T1, T2, T3]
    assert [task.state for task in answer.covered] == [S.CANCELLED, S.CANCELLING, S.COMPLETED]
    assert _results(world, answer.cancellation) == [D.STOPPED, D.STOPPING, D.SKIPPED]
    record = answer.cancellation
    assert record.target == target("group", G1)
    assert record.deadline_time == world.now + 30 * SECOND


def test_every_task_it_stops_names_it_and_its_reason() -> None:
    world = _world(start(T1))
    record = world.do(cancel_group(reason="fraud", message="look")).cancellation
    for task in world.members(target("group", G1)):
        assert task.cancellation_id == record.cancellation_id
        assert (task.cancel_reason, task.cancel_message) == ("fraud", "look")


def test_it_touches_no_other_group_and_no_other_task() -> None:
    world = _world()
    world.do_all(create_group(T4, group_id=G2), create(G1), start(T4))
    before = (world.task(T4), world.task(G1), world.group(G2))
    world.do(cancel_group())
    assert (world.task(T4), world.task(G1), world.group(G2)) == before


def test_a_task_that_is_cancelling_keeps_its_own_cancellation_and_stands_in_both() -> None:
    world = _world(start(T1))
    own = world.do(cancel(T1, grace=10 * SECOND, reason="own")).cancellation
    of_group = world.do(cancel_group(grace=60 * SECOND)).cancellation
    assert world.task(T1).cancellation_id == own.cancellation_id
    assert world.task(T1).deadline_time == world.now + 10 * SECOND
    assert of_group.disposition(world.task(T1)) is D.STOPPING
    world.do(acknowledged(T1))
    for record in (own, of_group):
        ended = world.cancellation(record.cancellation_id)
        assert ended.state is C.SUCCEEDED
        assert ended.disposition(world.task(T1)) is D.STOPPED


def test_it_may_bring_the_deadline_of_a_running_cancel_nearer() -> None:
    world = _world(start(T1))
    own = world.do(cancel(T1, grace=60 * SECOND)).cancellation
    version = world.task(T1).version
    world.do(cancel_group(grace=5 * SECOND))
    assert world.task(T1).version == version + 1
    assert world.task(T1).deadline_time == world.now + 5 * SECOND
    assert world.cancellation(own.cancellation_id).deadline_time == world.now + 5 * SECOND


def test_its_deadline_is_the_latest_of_its_tasks() -> None:
    world = _world(start(T1), cancel(T1, grace=10 * SECOND), start(T2))
    assert world.do(cancel_group(grace=20 * SECOND)).cancellation.deadline_time == (
        world.now + 20 * SECOND
    )


def test_the_deadline_of_the_cancellation_follows_the_join_of_its_last_task() -> None:
    world = _world(start(T1))
    record = world.do(cancel_group(grace=60 * SECOND)).cancellation
    world.do(cancel(T1, grace=SECOND))
    assert world.task(T1).deadline_time == world.now + SECOND
    # Its tasks end by then at the latest; it never says less than the latest of them.
    after = world.cancellation(record.cancellation_id).deadline_time
    assert after is not None
    assert after >= world.now + SECOND


def test_it_needs_no_deadline_when_nothing_has_to_be_waited_for() -> None:
    assert _world().do(cancel_group()).cancellation.deadline_time is None


# How it ends.


def test_all_of_them_pending_it_has_succeeded_in_the_answer() -> None:
    world = _world()
    answer = world.do(cancel_group())
    assert (answer.cancellation.state, answer.cancellation.end_time) == (C.SUCCEEDED, world.now)
    assert [task.state for task in answer.covered] == [S.CANCELLED] * 3


ENDS = {
    "acknowledged": (acknowledged, S.CANCELLED),
    "completed": (completed, S.COMPLETED),
    "failed": (failed, S.FAILED),
}


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (("acknowledged", "acknowledged", "acknowledged"), C.SUCCEEDED),
        (("acknowledged", "failed", "failed"), C.SUCCEEDED),
        (("acknowledged", "completed", "failed"), C.PARTIAL),
        (("completed", "completed", "acknowledged"), C.PARTIAL),
        (("completed", "completed", "completed"), C.TOO_LATE),
        (("completed", "failed", "failed"), C.TOO_LATE),
        (("failed", "failed", "failed"), C.TOO_LATE),
    ],
)
def test_it_ends_with_its_last_task_by_what_was_stopped_and_what_completed(
    ends: tuple[str, ...], state: CancellationState
) -> None:
    world = _world(start(T1), start(T2), start(T3))
    record = world.do(cancel_group()).cancellation
    for task_id, end in zip((T1, T2, T3), ends, strict=True):
        assert world.cancellation(record.cancellation_id).state is C.IN_PROGRESS
        world.now += SECOND
        world.do(ENDS[end][0](task_id))
    ended = world.cancellation(record.cancellation_id)
    assert (ended.state, ended.end_time) == (state, world.now)


def test_a_task_that_completed_before_the_cancel_makes_it_partial() -> None:
    world = _world(start(T1), completed(T1))
    assert world.do(cancel_group()).cancellation.state is C.PARTIAL


def test_a_task_that_was_cancelled_before_is_not_counted_as_stopped() -> None:
    world = _world(cancel(T1), start(T2), completed(T2), start(T3), completed(T3))
    answer = world.do(cancel_group())
    assert answer.cancellation.state is C.TOO_LATE
    assert _results(world, answer.cancellation) == [D.SKIPPED] * 3


def test_a_group_whose_tasks_had_all_ended_answers_ok_and_too_late() -> None:
    world = _world(cancel(T1), start(T2), failed(T2), start(T3), completed(T3))
    answer = world.do(cancel_group())
    assert answer.cancellation.state is C.TOO_LATE
    assert answer.cancellation.end_time == world.now
    assert [task.state for task in answer.covered] == [S.CANCELLED, S.FAILED, S.COMPLETED]
    assert answer.target.closed


def test_an_empty_group_answers_ok_and_too_late(world: World) -> None:
    world.do(create_group())
    answer = world.do(cancel_group())
    assert (answer.cancellation.state, answer.covered) == (C.TOO_LATE, ())


def test_a_second_cancel_answers_with_the_first_cancellation() -> None:
    world = _world(start(T1))
    first = world.do(cancel_group(request_id=R1)).cancellation
    version = world.group(G1).version
    again = world.do(cancel_group(request_id=R2, reason="fraud"))
    (join,) = again.cancellation.joins
    assert again.cancellation == first.evolve(join_count=1, joins=(join,))
    assert (again.replayed, join.reason) == (False, "fraud")
    assert world.group(G1).version == version
    assert world.do(cancel_group(request_id=R2, reason="fraud")).replayed


def test_a_second_cancel_after_the_end_answers_with_the_first_cancellation_as_it_is() -> None:
    world = _world(start(T1))
    first = world.do(cancel_group()).cancellation
    world.do(acknowledged(T1))
    again = world.do(cancel_group())
    assert again.cancellation == world.cancellation(first.cancellation_id)
    assert again.cancellation.state is C.SUCCEEDED
    assert len(again.covered) == 3


def test_a_second_cancel_may_bring_the_deadlines_nearer_never_farther() -> None:
    world = _world(start(T1), start(T2))
    world.do(cancel_group(grace=60 * SECOND))
    versions = [world.task(id).version for id in (T1, T2, T3)]
    answer = world.do(cancel_group(grace=90 * SECOND))
    assert [world.task(id).version for id in (T1, T2, T3)] == versions
    answer = world.do(cancel_group(grace=5 * SECOND))
    assert answer.cancellation.deadline_time == world.now + 5 * SECOND
    assert [world.task(id).version for id in (T1, T2, T3)] == [4, 4, 2]


def test_a_repeat_answers_with_every_task_as_it_is_now() -> None:
    world = _world(start(T1))
    world.do_all(cancel_group(request_id=R1), completed(T1))
    before = world.copy().rows()
    again = world.do(cancel_group(request_id=R1))
    assert (again.replayed, again.cancellation.state) == (True, C.PARTIAL)
    assert again.covered == tuple(world.members(target("group", G1)))
    assert world.rows() == before


# Closing.


def test_it_closes_the_group() -> None:
    world = _world(start(T1))
    group = world.do(cancel_group()).target
    assert (group.closed, group.version, group.update_time) == (True, 2, world.now)
    assert group.cancellation_id == world.task(T1).cancellation_id
    assert (group.task_count, group.live_count) == (3, 1)


def test_a_later_task_into_it_is_refused_with_group_closed() -> None:
    world = _world(cancel_group())
    assert _refusal(world, create(T4, G1)) is Reason.GROUP_CLOSED


def test_a_later_task_in_the_same_batch_is_refused_too() -> None:
    world = _world()
    _, refused = world.run(cancel_group(), create(T4, G1))
    assert refused.reason is Reason.GROUP_CLOSED
    assert refused.metadata["cancellation_id"] == world.group(G1).cancellation_id


def test_a_task_that_joined_in_the_same_batch_is_covered() -> None:
    world = _world()
    _, answer = world.run(create(T4, G1), cancel_group())
    assert [task.task_id for task in answer.covered] == [T1, T2, T3, T4]
    assert world.task(T4).state is S.CANCELLED


# Refusals, versions, trying.


def test_an_unknown_group_is_not_found(world: World) -> None:
    assert _refusal(world, cancel_group(request_id=R1)) is Reason.GROUP_NOT_FOUND


def test_the_expected_version_is_the_groups() -> None:
    world = _world()
    assert _refusal(world, cancel_group(expected_version=2)) is Reason.VERSION_MISMATCH
    world.do(create(T4, G1))
    assert world.do(cancel_group(expected_version=2)).target.version == 3
    assert _refusal(world, cancel_group(expected_version=2)) is Reason.VERSION_MISMATCH


def test_changes_of_its_tasks_do_not_change_the_groups_version() -> None:
    world = _world(start(T1), cancel(T1), acknowledged(T1), start(T2), completed(T2))
    assert world.group(G1).version == 1


def test_validate_only_answers_the_group_as_it_would_be_and_changes_nothing() -> None:
    world = _world(start(T1), start(T2), completed(T2))
    before, made = world.copy().rows(), world.ids.made
    tried = world.do(cancel_group(validate_only=True, request_id=R1))
    assert (world.rows(), world.ids.made) == (before, made)
    assert tried.cancellation.cancellation_id == ""
    done = world.do(cancel_group(request_id=R1))
    assert [task.state for task in tried.covered] == [task.state for task in done.covered]
    assert [task.version for task in tried.covered] == [task.version for task in done.covered]
    assert tried.target == done.target.evolve(cancellation_id=tried.target.cancellation_id)
    assert tried.cancellation.state is done.cancellation.state
    assert tried.cancellation.deadline_time == done.cancellation.deadline_time


def test_validate_only_of_a_cancelled_group_changes_nothing() -> None:
    world = _world(start(T1), cancel_group(grace=60 * SECOND))
    before = world.copy().rows()
    tried = world.do(cancel_group(validate_only=True, grace=SECOND))
    assert tried.cancellation.cancellation_id == ""
    assert tried.covered[0].deadline_time == world.now + SECOND
    assert world.rows() == before


# The log.


def _ends(world: World) -> list[tuple[str | None, bool]]:
    """The events that end G1: whose they are, and that they are the last."""
    last = len(world.events) - 1
    return [
        (event.task.task_id if event.task else None, place == last)
        for place, event in enumerate(world.events)
        if target("group", G1) in event.over
    ]


def test_the_end_of_the_last_task_of_a_closed_group_ends_the_group() -> None:
    world = _world(start(T1), completed(T1), start(T2), completed(T2), start(T3), closed=True)
    assert _ends(world) == []
    world.do(failed(T3))
    assert _ends(world) == [(T3, True)]


def test_the_end_of_the_last_task_of_an_open_group_does_not_end_it() -> None:
    world = _world(cancel(T1), cancel(T2), cancel(T3))
    assert _ends(world) == []


def test_closing_a_group_whose_tasks_had_ended_ends_it_without_a_tasks_change() -> None:
    world = _world(cancel(T1), cancel(T2), cancel(T3))
    world.do(cancel_group())
    assert _ends(world) == [(None, True)]
    assert world.events[-1].over == {target("group", G1)}


def test_a_cancel_that_stops_the_last_pending_task_ends_the_group_with_that_task() -> None:
    assert _ends(_world(cancel_group())) == [(T3, True)]
    assert _ends(_world(start(T3), completed(T3), cancel_group())) == [(T2, True)]


def test_a_cancel_that_must_wait_ends_the_group_with_the_task_it_waited_for() -> None:
    world = _world(start(T1), cancel_group())
    assert _ends(world) == []
    world.do(acknowledged(T1))
    assert _ends(world) == [(T1, True)]


def test_cancelling_a_group_that_was_over_ends_it_no_second_time() -> None:
    world = _world(cancel(T1), cancel(T2), cancel(T3), closed=True)
    world.do_all(cancel_group(), cancel_group())
    assert _ends(world) == [(T3, True)]


def test_a_forced_end_ends_the_group_too() -> None:
    world = _world(start(T1), cancel_group(grace=0), reap())
    assert _ends(world) == [(T1, True)]


def test_an_empty_open_group_is_over_with_its_cancel(world: World) -> None:
    world.do_all(create_group(), cancel_group())
    assert _ends(world) == [(None, True)]
