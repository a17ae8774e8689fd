"""The state machine of a task: what each command does in each state."""

from collections.abc import Callable

import pytest

from countermand.core.answers import Cancelled
from countermand.core.commands import Command
from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND, Task
from countermand.core.states import CancelProof, TaskState
from tests.support.ask import (
    G1,
    T1,
    acknowledged,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    failed,
    finish,
    reap,
    renew,
    start,
)
from tests.support.world import World

S = TaskState


def _started(world: World) -> None:
    world.do(start())


def _cancelling(world: World) -> None:
    world.do_all(start(), cancel())


def _lost(world: World, *before: Command) -> None:
    world.do_all(start(lease=SECOND), *before)
    world.now += SECOND
    world.do(reap())


def _forced(world: World) -> None:
    world.do_all(start(), cancel(grace=0), reap())


# How a task of group G1 comes to each place, and the fence that a finish must then carry.
PLACES: dict[str, tuple[Callable[[World], object], int]] = {
    "PENDING": (lambda world: None, 0),
    "RUNNING": (_started, 1),
    "CANCELLING": (_cancelling, 1),
    "COMPLETED": (lambda world: world.do_all(start(), completed()), 1),
    "COMPLETED in spite": (lambda world: world.do_all(start(), cancel(), completed()), 1),
    "FAILED": (lambda world: world.do_all(start(), failed()), 1),
    "FAILED lost": (_lost, 2),
    "CANCELLED never started": (lambda world: world.do(cancel()), 1),
    "CANCELLED acknowledged": (lambda world: world.do_all(start(), cancel(), acknowledged()), 1),
    "CANCELLED forced": (_forced, 2),
    "CANCELLED lost": (lambda world: _lost(world, cancel()), 2),
}


def _of(place: str) -> World:
    world = World()
    world.do(create_group(T1))
    PLACES[place][0](world)
    assert world.task(T1).state is S(place.split()[0])
    return world


def _try(world: World, command: Command) -> Task | Reason:
    """Returns the task after the command, or why it was refused; a refusal changes nothing."""
    before = world.copy().rows()
    try:
        world.do(command)
    except Refused as refusal:
        assert world.rows() == before
        return refusal.reason
    return world.task(T1)


LIVE = ("PENDING", "RUNNING", "CANCELLING")
ENDED = tuple(place for place in PLACES if place.split()[0] not in LIVE)


def test_a_new_task_is_pending_at_version_1(world: World) -> None:
    task = world.do(create())
    assert (task.state, task.version, task.fence, task.agent_id) == (S.PENDING, 1, 0, None)
    assert (task.create_time, task.update_time) == (world.now, world.now)
    assert (task.start_time, task.end_time, task.deadline_time) == (None, None, None)


@pytest.mark.parametrize("place", PLACES)
def test_a_task_id_is_taken_in_every_state(place: str) -> None:
    assert _try(_of(place), create(T1)) is Reason.TASK_EXISTS


def test_starting_a_pending_task_makes_it_running() -> None:
    world = _of("PENDING")
    world.now += 5
    task = world.do(start())
    assert (task.state, task.version, task.fence, task.agent_id) == (S.RUNNING, 2, 1, "agent-1")
    assert (task.start_time, task.update_time) == (world.now, world.now)


@pytest.mark.parametrize("place", ["RUNNING", "CANCELLING"])
def test_starting_again_by_the_same_agent_is_ok_with_a_higher_fence(place: str) -> None:
    world = _of(place)
    before, events = world.task(T1), len(world.events)
    assert world.do(start()) == before.evolve(fence=before.fence + 1)
    assert len(world.events) == events


@pytest.mark.parametrize("place", ["RUNNING", "CANCELLING"])
def test_starting_by_another_agent_is_not_pending(place: str) -> None:
    assert _try(_of(place), start(agent_id="agent-2")) is Reason.TASK_NOT_PENDING


@pytest.mark.parametrize("agent", ["agent-1", "agent-2"])
@pytest.mark.parametrize("place", ENDED)
def test_starting_an_ended_task_is_not_pending(place: str, agent: str) -> None:
    assert _try(_of(place), start(agent_id=agent)) is Reason.TASK_NOT_PENDING


@pytest.mark.parametrize("outcome", [S.COMPLETED, S.FAILED, S.CANCELLED])
def test_finishing_a_pending_task_is_not_running(outcome: TaskState) -> None:
    for fence in (0, 1):
        refused = _try(_of("PENDING"), finish(outcome=outcome, fence=fence))
        assert refused is Reason.TASK_NOT_RUNNING


@pytest.mark.parametrize("outcome", [S.COMPLETED, S.FAILED])
@pytest.mark.parametrize("place", ["RUNNING", "CANCELLING"])
def test_an_agent_may_finish_a_task_that_runs_or_winds_down(place: str, outcome: TaskState) -> None:
    world = _of(place)
    before = world.task(T1)
    world.now += 7
    task = world.do(finish(outcome=outcome, message="why" if outcome is S.FAILED else ""))
    assert (task.state, task.version) == (outcome, before.version + 1)
    assert (task.end_time, task.update_time) == (world.now, world.now)
    assert task.failure_message == ("why" if outcome is S.FAILED else "")
    assert (task.cancel_proof, task.deadline_time) == (None, before.deadline_time)


def test_acknowledging_without_a_cancel_is_not_cancelling() -> None:
    assert _try(_of("RUNNING"), acknowledged()) is Reason.NOT_CANCELLING


def test_acknowledging_a_cancel_proves_that_the_task_stopped() -> None:
    world = _of("CANCELLING")
    task = world.do(acknowledged())
    assert (task.state, task.cancel_proof) == (S.CANCELLED, CancelProof.ACKNOWLEDGED)
    assert (task.version, task.end_time) == (4, world.now)


@pytest.mark.parametrize("place", ENDED)
def test_a_repeat_of_the_finish_that_ended_the_task_is_ok_and_changes_nothing(place: str) -> None:
    world = _of(place)
    before = world.copy().rows()
    ended = world.task(T1)
    assert world.do(finish(outcome=ended.state, fence=PLACES[place][1])) == ended
    assert world.rows() == before


@pytest.mark.parametrize("place", ENDED)
@pytest.mark.parametrize("outcome", [S.COMPLETED, S.FAILED, S.CANCELLED])
def test_another_outcome_for_an_ended_task_is_not_running(place: str, outcome: TaskState) -> None:
    world = _of(place)
    if outcome is not world.task(T1).state:
        refused = _try(world, finish(outcome=outcome, fence=PLACES[place][1]))
        assert refused is Reason.TASK_NOT_RUNNING


@pytest.mark.parametrize("place", [place for place in PLACES if place != "PENDING"])
@pytest.mark.parametrize("outcome", [S.COMPLETED, S.FAILED, S.CANCELLED])
def test_an_outdated_fence_is_fenced_in_every_state(place: str, outcome: TaskState) -> None:
    fence = PLACES[place][1] - 1
    assert _try(_of(place), finish(outcome=outcome, fence=fence)) is Reason.FENCED


def test_cancelling_a_pending_task_ends_it_in_the_answer() -> None:
    world = _of("PENDING")
    task = world.do(cancel()).target
    assert (task.state, task.cancel_proof) == (S.CANCELLED, CancelProof.NEVER_STARTED)
    assert (task.version, task.end_time, task.deadline_time) == (2, world.now, None)
    assert (task.cancel_reason, task.cancel_message) == ("customer_requested", "please stop")


def test_cancelling_a_running_task_answers_cancelling_and_no_more() -> None:
    world = _of("RUNNING")
    task = world.do(cancel(grace=7 * SECOND)).target
    assert (task.state, task.version, task.end_time) == (S.CANCELLING, 3, None)
    assert (task.deadline_time, task.cancel_proof) == (world.now + 7 * SECOND, None)


def test_with_grace_0_the_answer_is_cancelling_and_the_next_batch_of_the_reaper_ends_it() -> None:
    world = _of("RUNNING")
    task = world.do(cancel(grace=0)).target
    assert (task.state, task.deadline_time) == (S.CANCELLING, world.now)
    world.do(reap())
    assert world.task(T1).state is S.CANCELLED


def test_cancelling_a_cancelling_task_joins() -> None:
    world = _of("CANCELLING")
    before = world.task(T1)
    answer = world.do(cancel(reason="fraud"))
    assert (answer.target, answer.replayed) == (before, False)
    assert answer.cancellation.cancellation_id == before.cancellation_id


@pytest.mark.parametrize("place", ENDED)
def test_cancelling_an_ended_task_is_refused_by_a_reason_of_its_own(place: str) -> None:
    world = _of(place)
    ended = world.task(T1)
    with pytest.raises(Refused) as caught:
        world.do(cancel())
    assert caught.value.reason == f"TASK_ALREADY_{ended.state}"
    metadata = caught.value.metadata
    assert metadata["state"] == ended.state
    assert metadata["cancellation_id"] == (ended.cancellation_id or "")
    assert metadata["end_time"].startswith("2023-11-14T22:13:2")
    assert metadata["end_time"].endswith("Z")


@pytest.mark.parametrize("place", PLACES)
def test_cancelling_its_group_stops_what_lives_and_lets_be_what_ended(place: str) -> None:
    world = _of(place)
    before = world.task(T1)
    answer: Cancelled = world.do(cancel_group())
    after = {"PENDING": S.CANCELLED, "RUNNING": S.CANCELLING}.get(place, before.state)
    assert world.task(T1).state is after
    if place not in ("PENDING", "RUNNING"):
        assert world.task(T1) == before
    assert answer.covered == (world.task(T1),)


@pytest.mark.parametrize("place", PLACES)
def test_renewing_a_lease_changes_no_task(place: str) -> None:
    world = _of(place)
    tasks, events = dict(world.tasks), list(world.events)
    world.do(renew())
    assert (world.tasks, world.events) == (tasks, events)


@pytest.mark.parametrize("place", PLACES)
def test_reaping_lets_be_what_is_not_overdue(place: str) -> None:
    world = _of(place)
    before = world.copy().rows()
    assert world.do(reap()).ended == 0
    assert world.rows() == before


@pytest.mark.parametrize("place", ENDED)
def test_an_end_never_changes_whatever_comes_after(place: str) -> None:
    world = _of(place)
    ended, version = world.task(T1), world.task(T1).version
    for command in (start(), completed(), failed(), acknowledged(), cancel(), cancel_group(G1)):
        _try(world, command)
    world.now += 7200 * SECOND
    world.do(reap())
    assert world.task(T1) == ended
    assert [event.task.version for event in world.events if event.task] == [
        *range(1, version + 1),
    ]


@pytest.mark.parametrize(
    "command",
    [start(), completed(), cancel(), cancel(request_id=G1)],
    ids=["start", "finish", "cancel", "cancel with a request id"],
)
def test_a_command_for_an_unknown_task_finds_none(world: World, command: Command) -> None:
    with pytest.raises(Refused) as caught:
        world.do(command)
    assert caught.value.reason is Reason.TASK_NOT_FOUND
    assert caught.value.resource == ("task", T1)
    assert world.rows() == World().rows()
