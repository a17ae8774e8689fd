"""CancelTask: joins, repeats, versions, and trying without doing."""

import pytest

from countermand.core.caller import Caller
from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND
from countermand.core.states import CancellationState, Disposition, TaskState
from countermand.core.trace import TraceContext
from tests.support.ask import (
    CALLER,
    NS,
    OTHER,
    R1,
    R2,
    R3,
    T1,
    T2,
    acknowledged,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    failed,
    start,
    target,
)
from tests.support.world import World

S, C = TaskState, CancellationState
LATER = TraceContext("f" * 32, "e" * 16, False)


@pytest.fixture
def running(world: World) -> World:
    """A world in which T1 runs."""
    world.do_all(create(), start())
    return world


def _refused(world: World, command: object) -> Refused:
    before = world.copy().rows()
    with pytest.raises(Refused) as caught:
        world.do(command)  # type: ignore[arg-type]
    assert world.rows() == before
    return caught.value


# The record.


def test_the_record_says_who_why_and_what(running: World) -> None:
    record = running.do(
        cancel(request_id=R1, on_behalf_of="buyer 7", grace=5 * SECOND)
    ).cancellation
    assert (record.target) == (target("task", T1))
    assert (record.reason, record.message) == ("customer_requested", "please stop")
    assert (record.caller, record.on_behalf_of) == (CALLER, "buyer 7")
    assert record.request_id == R1
    assert (record.create_time, record.deadline_time) == (running.now, running.now + 5 * SECOND)
    assert (record.state, record.end_time) == (C.IN_PROGRESS, None)
    assert running.task(T1).cancellation_id == record.cancellation_id


def test_the_cancel_of_a_pending_task_has_succeeded_in_the_answer(world: World) -> None:
    world.do(create())
    record = world.do(cancel()).cancellation
    assert (record.state, record.end_time, record.deadline_time) == (C.SUCCEEDED, world.now, None)


@pytest.mark.parametrize(
    ("end", "state", "disposition"),
    [
        (acknowledged(), C.SUCCEEDED, Disposition.STOPPED),
        (completed(), C.TOO_LATE, Disposition.SKIPPED),
        (failed(), C.TOO_LATE, Disposition.SKIPPED),
    ],
)
def test_a_cancel_ends_with_its_task_and_says_whether_it_stopped_it(
    running: World, end: object, state: CancellationState, disposition: Disposition
) -> None:
    record = running.do(cancel()).cancellation
    assert record.disposition(running.task(T1)) is Disposition.STOPPING
    running.now += SECOND
    running.do(end)  # type: ignore[arg-type]
    ended = running.cancellation(record.cancellation_id)
    assert (ended.state, ended.end_time) == (state, running.now)
    assert ended.disposition(running.task(T1)) is disposition


# Joins.


def test_a_join_answers_with_the_first_cancellation_whose_reason_and_caller_stay(
    running: World,
) -> None:
    first = running.do(cancel(request_id=R1)).cancellation
    running.now += SECOND
    answer = running.do(
        cancel(
            request_id=R2,
            reason="fraud",
            message="other",
            on_behalf_of="x",
            caller=Caller("key-2", LATER),
            grace=60 * SECOND,
        )
    )
    assert answer.cancellation.evolve(join_count=0, joins=()) == first
    assert not answer.replayed
    assert running.task(T1).cancel_reason == "customer_requested"


def test_a_join_never_puts_a_deadline_farther(running: World) -> None:
    running.do(cancel(grace=5 * SECOND))
    before, events = running.task(T1), len(running.events)
    for grace in (5 * SECOND, 6 * SECOND, 3600 * SECOND):
        assert running.do(cancel(grace=grace)).target == before
    assert len(running.events) == events


def test_a_join_may_bring_the_deadline_nearer_as_one_version_and_one_change(
    running: World,
) -> None:
    running.do(cancel(grace=60 * SECOND))
    before, events = running.task(T1), len(running.events)
    running.now += SECOND
    answer = running.do(cancel(grace=2 * SECOND))
    assert answer.target.version == before.version + 1
    assert answer.target.deadline_time == running.now + 2 * SECOND
    assert answer.cancellation.deadline_time == running.now + 2 * SECOND
    assert len(running.events) == events + 1


def test_the_deadline_of_a_join_counts_from_the_join(running: World) -> None:
    running.do(cancel(grace=10 * SECOND))
    deadline = running.task(T1).deadline_time
    running.now += 9 * SECOND
    running.do(cancel(grace=2 * SECOND))
    assert running.task(T1).deadline_time == deadline


def test_50_parallel_cancels_make_one_cancellation_and_one_cancelling_event(
    running: World,
) -> None:
    answers = running.run(*[cancel() for _ in range(50)])
    assert len({answer.cancellation.cancellation_id for answer in answers}) == 1
    assert len(running.cancellations) == 1
    states = [event.task.state for event in running.events if event.task]
    assert states == [S.PENDING, S.RUNNING, S.CANCELLING]


def test_the_request_id_of_a_join_is_remembered_for_the_first_cancellation(running: World) -> None:
    first = running.do(cancel(request_id=R1)).cancellation
    running.do(cancel(request_id=R2, reason="fraud"))
    running.do(acknowledged())
    again = running.do(cancel(request_id=R2, reason="fraud"))
    assert again.replayed
    assert again.cancellation.cancellation_id == first.cancellation_id
    assert again.cancellation.request_id == R1


def test_a_task_of_a_cancelled_group_is_joined_under_the_groups_cancellation(world: World) -> None:
    world.do_all(create_group(T1, T2), start(T1))
    of_group = world.do(cancel_group()).cancellation
    answer = world.do(cancel(T1, request_id=R1))
    assert answer.cancellation.cancellation_id == of_group.cancellation_id
    assert [task.task_id for task in answer.covered] == [T1]


# Repeats.


def test_the_same_request_again_is_replayed_and_changes_nothing(running: World) -> None:
    first = running.do(cancel(request_id=R1))
    before = running.copy().rows()
    running.now += SECOND
    again = running.do(cancel(request_id=R1))
    assert (again.target, again.cancellation) == (first.target, first.cancellation)
    assert (first.replayed, again.replayed) == (False, True)
    assert running.rows() == before


def test_a_repeat_in_the_same_batch_is_replayed(running: World) -> None:
    first, again = running.run(cancel(request_id=R1), cancel(request_id=R1))
    assert again.replayed
    assert again.cancellation == first.cancellation


@pytest.mark.parametrize("end", [acknowledged(), completed(), failed()])
def test_a_repeat_after_the_end_answers_as_things_are_now(running: World, end: object) -> None:
    running.do(cancel(request_id=R1))
    running.now += SECOND
    running.do(end)  # type: ignore[arg-type]
    again = running.do(cancel(request_id=R1))
    assert again.replayed
    assert again.target == running.task(T1)
    assert again.cancellation.state is not C.IN_PROGRESS


def test_a_repeat_comes_before_the_expected_version(running: World) -> None:
    running.do(cancel(request_id=R1, expected_version=2))
    assert running.do(cancel(request_id=R1, expected_version=2)).replayed


def test_a_repeat_may_come_from_another_key_and_trace(running: World) -> None:
    running.do(cancel(request_id=R1))
    assert running.do(cancel(request_id=R1, caller=Caller("key-2", LATER))).replayed


@pytest.mark.parametrize(
    "changed",
    [
        {"reason": "fraud"},
        {"message": "other"},
        {"grace": 31 * SECOND},
        {"expected_version": 2},
        {"on_behalf_of": "somebody"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_same_request_id_with_another_field_is_a_conflict(
    running: World, changed: dict[str, object]
) -> None:
    first = running.do(cancel(request_id=R1)).cancellation
    refusal = _refused(running, cancel(request_id=R1, **changed))
    assert refusal.reason is Reason.REQUEST_ID_CONFLICT
    assert refusal.metadata == {
        "request_id": R1,
        "cancellation_id": first.cancellation_id,
    }


def test_the_same_request_id_for_another_target_or_method_is_a_conflict(world: World) -> None:
    world.do_all(create_group(T1, group_id=T1), start(T1), cancel(T1, request_id=R1))
    for command in (cancel(T2, request_id=R1), cancel_group(T1, request_id=R1)):
        assert _refused(world, command).reason is Reason.REQUEST_ID_CONFLICT


def test_a_conflict_is_found_before_existence_and_state(running: World) -> None:
    running.do_all(cancel(request_id=R1), acknowledged())
    for task_id in (T1, T2):
        refusal = _refused(running, cancel(task_id, request_id=R1, reason="fraud"))
        assert refusal.reason is Reason.REQUEST_ID_CONFLICT


def test_a_request_id_is_unique_per_namespace_only(running: World) -> None:
    running.do_all(create(ns=OTHER), start(ns=OTHER), cancel(request_id=R1))
    answer = running.do(cancel(request_id=R1, reason="fraud", ns=OTHER))
    assert not answer.replayed
    assert running.task(T1).cancellation_id != answer.cancellation.cancellation_id


def test_without_a_request_id_nothing_is_remembered(running: World) -> None:
    running.do_all(cancel(), cancel())
    assert running.request_ids == {}


def test_the_request_id_of_a_refused_call_stays_free(running: World) -> None:
    _refused(running, cancel(request_id=R1, expected_version=9))
    _refused(running, cancel(T2, request_id=R1))
    assert not running.do(cancel(request_id=R1)).replayed


# Versions, and the order of checks.


def test_an_expected_version_must_be_the_present_one(running: World) -> None:
    for version in (0, 1, 3):
        refusal = _refused(running, cancel(expected_version=version))
        assert refusal.reason is Reason.VERSION_MISMATCH
        assert refusal.metadata == {"task_id": T1, "version": "2"}
    assert running.do(cancel(expected_version=2)).target.version == 3


def test_a_join_checks_the_expected_version_too(running: World) -> None:
    running.do(cancel())
    assert _refused(running, cancel(expected_version=2)).reason is Reason.VERSION_MISMATCH
    assert running.do(cancel(expected_version=3)).target.version == 3


def test_existence_comes_before_the_expected_version(running: World) -> None:
    assert _refused(running, cancel(T2, expected_version=9)).reason is Reason.TASK_NOT_FOUND


def test_the_terminal_state_comes_before_the_expected_version(running: World) -> None:
    running.do(completed())
    refusal = _refused(running, cancel(expected_version=9))
    assert refusal.reason is Reason.TASK_ALREADY_COMPLETED


def test_another_namespaces_task_is_unknown(running: World) -> None:
    assert _refused(running, cancel(ns=OTHER)).reason is Reason.TASK_NOT_FOUND


# Trying without doing.


@pytest.mark.parametrize("started", [False, True])
def test_validate_only_answers_the_task_as_it_would_be_and_changes_nothing(
    world: World, started: bool
) -> None:
    world.do(create())
    if started:
        world.do(start())
    before, made = world.copy().rows(), world.ids.made
    tried = world.do(cancel(validate_only=True, request_id=R1))
    assert (world.rows(), world.ids.made) == (before, made)
    assert tried.cancellation.cancellation_id == ""
    done = world.do(cancel(request_id=R1))
    assert not done.replayed
    assert tried.target.evolve(cancellation_id=done.target.cancellation_id) == done.target
    assert tried.cancellation.state is done.cancellation.state
    assert tried.cancellation.disposition(tried.target) is done.cancellation.disposition(
        done.target
    )


def test_validate_only_of_a_join_answers_the_nearer_deadline(running: World) -> None:
    running.do(cancel(grace=60 * SECOND))
    before = running.copy().rows()
    tried = running.do(cancel(validate_only=True, grace=SECOND))
    assert tried.target.deadline_time == running.now + SECOND
    assert tried.target.version == running.task(T1).version + 1
    assert tried.cancellation.cancellation_id == ""
    assert running.rows() == before


def test_validate_only_ignores_the_request_id(running: World) -> None:
    running.do(cancel(request_id=R1))
    tried = running.do(cancel(request_id=R1, validate_only=True, reason="fraud"))
    assert not tried.replayed
    running.do(cancel(request_id=R2, validate_only=True))
    assert set(running.request_ids) == {(NS, R1)}


def test_validate_only_runs_every_check(running: World) -> None:
    refusal = _refused(running, cancel(T2, validate_only=True))
    assert refusal.reason is Reason.TASK_NOT_FOUND
    refusal = _refused(running, cancel(validate_only=True, expected_version=7))
    assert refusal.reason is Reason.VERSION_MISMATCH
    running.do(failed())
    assert _refused(running, cancel(validate_only=True)).reason is Reason.TASK_ALREADY_FAILED


def test_what_is_only_tried_is_not_seen_by_the_rest_of_its_batch(running: World) -> None:
    tried, done = running.run(cancel(validate_only=True, request_id=R3), completed())
    assert tried.target.state is S.CANCELLING
    assert (done.state, done.version) == (S.COMPLETED, 3)
