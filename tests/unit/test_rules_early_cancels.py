"""The cancel that comes before its task: it waits for a day, and stops the task at its creation."""

from typing import Any

import pytest

from countermand.core import commands as c
from countermand.core.caller import Caller
from countermand.core.cancellations import EARLY_CANCEL_LIFETIME, Cancellation
from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND
from countermand.core.states import (
    CancellationState,
    CancelProof,
    CheckoutState,
    Disposition,
    OrderState,
    TaskState,
)
from countermand.core.trace import TraceContext
from tests.support.ask import (
    G1,
    NS,
    O1,
    OTHER,
    R1,
    R2,
    R3,
    T1,
    T2,
    TRACE,
    X1,
    XG1,
    acknowledged,
    cancel,
    cancel_group,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    failed,
    reap,
    start,
    target,
    uid,
)
from tests.support.world import World

S, C = TaskState, CancellationState
DAY = 24 * 3600 * SECOND
LATER = TraceContext("f" * 32, "e" * 16, False)
CREATIONS: dict[str, list[c.Command]] = {
    "alone": [create()],
    "into a group": [create_group(), create(group_id=G1)],
    "with a group": [create_group(T1)],
    "into a checkout": [create_checkout(T2), create(checkout_id=X1)],
    "with a checkout": [create_checkout(T1)],
    "into an order": [create_order(), create(order_id=O1)],
    "with an order": [create_order(T1)],
    "beneath an order": [create_checkout(T2), create_order(checkout_ids=(X1,)), create(T1, XG1)],
}


def early(task_id: str = T1, **fields: Any) -> c.CancelTask:
    return cancel(task_id, allow_missing=True, **fields)


def _accepted(world: World, **fields: Any) -> Cancellation:
    record: Cancellation = world.do(early(**fields)).cancellation
    return record


def _refused(world: World, command: c.Command) -> Refused:
    before = world.copy().rows()
    with pytest.raises(Refused) as caught:
        world.do(command)
    assert world.rows() == before
    return caught.value


# Accepting.


def test_the_cancel_of_a_missing_task_is_accepted_without_a_task_and_without_results(
    world: World,
) -> None:
    answer = world.do(early(request_id=R1, on_behalf_of="buyer 7"))
    record = answer.cancellation
    assert (answer.target, answer.covered, answer.replayed) == (None, (), False)
    assert (record.state, record.end_time, record.deadline_time) == (C.IN_PROGRESS, None, None)
    assert (record.target, record.create_time) == (target("task", T1), world.now)
    assert (record.reason, record.message) == ("customer_requested", "please stop")
    assert (record.caller.requested_by, record.on_behalf_of) == ("key-1", "buyer 7")
    assert (record.request_id, record.caller.trace) == (R1, TRACE)
    assert world.cancellation(record.cancellation_id) == record
    assert (world.tasks, world.events) == ({}, [])


def test_without_allow_missing_an_unknown_task_is_not_found_early_cancel_or_not(
    world: World,
) -> None:
    assert _refused(world, cancel()).reason is Reason.TASK_NOT_FOUND
    world.do(early())
    assert _refused(world, cancel()).reason is Reason.TASK_NOT_FOUND


def test_validate_only_stores_nothing_and_answers_an_empty_cancellation_id(world: World) -> None:
    tried = world.do(early(validate_only=True, request_id=R1))
    assert (tried.target, tried.covered) == (None, ())
    assert tried.cancellation.cancellation_id == ""
    assert tried.cancellation.state is C.IN_PROGRESS
    assert not any(world.rows().values())
    world.do(early())
    before = world.copy().rows()
    assert world.do(early(validate_only=True)).cancellation.cancellation_id == ""
    assert world.rows() == before


def test_a_task_of_another_namespace_is_missing_here(world: World) -> None:
    world.do_all(create(ns=OTHER), start(ns=OTHER))
    world.do(early())
    assert world.do(create()).state is S.CANCELLED
    assert world.tasks[OTHER, T1].state is S.RUNNING


# Repeats and joins.


def test_the_same_request_again_is_replayed_as_things_are_now(world: World) -> None:
    first = _accepted(world, request_id=R1)
    waiting = world.do(early(request_id=R1))
    assert (waiting.replayed, waiting.target, waiting.cancellation) == (True, None, first)
    world.now += SECOND
    task = world.do(create())
    done = world.do(early(request_id=R1))
    assert (done.replayed, done.target, done.covered) == (True, task, (task,))
    assert done.cancellation == world.cancellation(first.cancellation_id)
    assert done.cancellation.state is C.SUCCEEDED


def test_allow_missing_belongs_to_what_makes_two_requests_the_same(world: World) -> None:
    world.do(early(request_id=R1))
    assert _refused(world, cancel(request_id=R1)).reason is Reason.REQUEST_ID_CONFLICT
    world.do_all(create(T2), cancel(T2, request_id=R2))
    assert _refused(world, early(T2, request_id=R2)).reason is Reason.REQUEST_ID_CONFLICT
    assert cancel().fingerprint() == cancel(allow_missing=False).fingerprint()


def test_another_early_cancel_joins_the_one_that_waits(world: World) -> None:
    first = _accepted(world, request_id=R1)
    world.now += SECOND
    other = {"reason": "fraud", "caller": Caller("key-2", LATER)}
    for request_id in (R2, None):
        join = world.do(early(request_id=request_id, **other))
        assert (join.target, join.covered, join.replayed) == (None, (), False)
        assert join.cancellation.evolve(join_count=0, joins=()) == first
    assert list(world.cancellations.values()) == [join.cancellation]
    again = world.do(early(request_id=R2, **other))
    assert (again.replayed, again.cancellation) == (True, join.cancellation)


def test_two_in_one_batch_are_one_cancellation(world: World) -> None:
    first, join, again = world.run(early(request_id=R1), early(request_id=R2), early(request_id=R1))
    assert again.cancellation == join.cancellation
    assert first.cancellation == join.cancellation.evolve(join_count=0, joins=())
    assert (first.replayed, join.replayed, again.replayed) == (False, False, True)


def test_the_request_id_of_a_join_is_replayed_when_the_task_has_come(world: World) -> None:
    first = _accepted(world)
    world.do_all(early(request_id=R2), create())
    again = world.do(early(request_id=R2))
    assert again.replayed
    assert (again.target, again.cancellation.state) == (world.task(T1), C.SUCCEEDED)
    assert again.cancellation.cancellation_id == first.cancellation_id


# The task comes.


@pytest.mark.parametrize("how", CREATIONS)
def test_the_task_is_cancelled_as_it_is_created_by_whatever_call(world: World, how: str) -> None:
    record = _accepted(world)
    world.now += SECOND
    *before, last = CREATIONS[how]
    world.do_all(*before)
    logged = len(world.events)
    answer = world.do(last)
    task = world.task(T1)
    assert answer == task if isinstance(last, c.CreateTask) else answer.tasks == (task,)
    assert (task.state, task.cancel_proof) == (S.CANCELLED, CancelProof.NEVER_STARTED)
    assert (task.cancellation_id, task.cancel_reason, task.cancel_message) == (
        record.cancellation_id,
        record.reason,
        record.message,
    )
    assert (task.create_time, task.end_time, task.deadline_time) == (world.now, world.now, None)
    assert (task.agent_id, task.refund_required, task.version) == (None, False, 2)
    versions = [event.task for event in world.events[logged:] if event.task]
    assert [(v.version, v.state) for v in versions] == [(1, S.PENDING), (2, S.CANCELLED)]
    assert versions[0].cancellation_id is None


@pytest.mark.parametrize("how", CREATIONS)
def test_what_holds_the_task_counts_it_as_ended(world: World, how: str) -> None:
    world.do_all(early(), *CREATIONS[how])
    for key, holder in world.holders.items():
        members = world.members(key)
        assert holder.task_count == len(members)
        assert holder.live_count == sum(not task.ended for task in members)
        assert holder.version == (2 if "into" in how or "beneath" in how else 1)


def test_the_cancellation_succeeds_with_the_task(world: World) -> None:
    record = _accepted(world)
    world.now += SECOND
    task = world.do(create())
    ended = world.cancellation(record.cancellation_id)
    assert (ended.state, ended.end_time) == (C.SUCCEEDED, world.now)
    assert (ended.stopped_count, ended.completed_count, ended.live_count) == (1, 0, 0)
    assert ended.disposition(task) is Disposition.STOPPED
    assert world.covered(ended) == [task]


def test_only_the_task_that_was_cancelled_is_stopped(world: World) -> None:
    world.do(early(T2))
    tasks = world.do(create_group(T1, T2, closed=True)).tasks
    assert [task.state for task in tasks] == [S.PENDING, S.CANCELLED]
    assert [event.task.state for event in world.events if event.task] == [
        S.PENDING,
        S.PENDING,
        S.CANCELLED,
    ]
    assert not any(event.over for event in world.events)


def test_a_closed_group_whose_tasks_were_all_cancelled_before_is_over(world: World) -> None:
    world.do_all(early(T1), early(T2))
    answer = world.do(create_group(T1, T2, closed=True))
    assert (answer.group, answer.group.over) == (world.group(G1), True)
    assert [event.over for event in world.events] == [
        *[frozenset()] * 3,
        {target("group", G1)},
    ]


def test_a_checkout_or_order_whose_tasks_were_all_cancelled_before_stays_open(
    world: World,
) -> None:
    world.do_all(early(T1), early(T2))
    checkout = world.do(create_checkout(T1)).checkout
    order = world.do(create_order(T2, checkout_ids=(X1,))).order
    assert (checkout.state, checkout.live_count) == (CheckoutState.OPEN, 0)
    assert (order.state, order.live_count, order.task_count) == (OrderState.OPEN, 0, 2)
    assert (checkout.version, order.version) == (1, 1)


def test_no_agent_can_start_it_and_another_cancel_is_refused(world: World) -> None:
    record = _accepted(world)
    world.do(create())
    assert _refused(world, start()).reason is Reason.TASK_NOT_PENDING
    for again in (cancel(), early()):
        refusal = _refused(world, again)
        assert refusal.reason is Reason.TASK_ALREADY_CANCELLED
        assert refusal.metadata["cancellation_id"] == record.cancellation_id


def test_its_time_to_expire_does_nothing(world: World) -> None:
    world.do_all(early(), create(expire_time=world.now + 5 * SECOND))
    before = world.copy().rows()
    world.now += 6 * SECOND
    assert world.do(reap()).expired == 0
    assert world.rows() == before


def test_each_task_is_stopped_by_the_cancel_that_waited_for_it(world: World) -> None:
    records = [_accepted(world), world.do(early(T2)).cancellation]
    world.do_all(create(T2), create(T1))
    ids = [record.cancellation_id for record in records]
    assert [world.task(id).cancellation_id for id in (T1, T2)] == ids
    assert not any(world.cancellation(id).waiting for id in ids)


@pytest.mark.parametrize(
    ("before", "creation", "reason"),
    [
        ([create_group(closed=True)], create(group_id=G1), Reason.GROUP_CLOSED),
        ([create_group(), cancel_group()], create(group_id=G1), Reason.GROUP_CLOSED),
        ([], create(group_id=G1), Reason.GROUP_NOT_FOUND),
        ([create_group()], create_group(T1), Reason.GROUP_EXISTS),
        ([create(T2)], create_group(T1, T2), Reason.TASK_EXISTS),
        ([create(T2)], create_checkout(T1, T2), Reason.TASK_EXISTS),
        ([create_order()], create_order(T1), Reason.ORDER_EXISTS),
    ],
)
def test_a_creation_that_is_refused_leaves_the_cancel_waiting(
    world: World, before: list[c.Command], creation: c.Command, reason: Reason
) -> None:
    record = _accepted(world)
    world.do_all(*before)
    assert _refused(world, creation).reason is reason
    assert world.do(create()).cancellation_id == record.cancellation_id


# The task is there.


@pytest.mark.parametrize("started", [False, True])
def test_if_the_task_exists_allow_missing_changes_nothing(world: World, started: bool) -> None:
    world.do_all(create(), *[start()] * started)
    plain = world.copy()
    plain.ids = type(world.ids)()
    assert world.do(early()) == plain.do(cancel())
    assert world.rows() == plain.rows()


@pytest.mark.parametrize("end", [completed(), failed(), acknowledged()])
def test_a_task_that_has_ended_is_refused_as_without_it(world: World, end: c.Command) -> None:
    world.do_all(create(), start())
    if end == acknowledged():
        world.do(cancel())
    world.do(end)
    plain, missing = _refused(world, cancel()), _refused(world, early())
    assert (plain.reason, plain.metadata) == (missing.reason, missing.metadata)
    assert plain.reason is Reason(f"TASK_ALREADY_{world.task(T1).state}")


# One batch.


def test_a_cancel_and_then_the_task_in_one_batch(world: World) -> None:
    accepted, task = world.run(early(), create())
    assert (accepted.target, task.state) == (None, S.CANCELLED)
    assert task.cancellation_id == accepted.cancellation.cancellation_id
    assert world.cancellation(task.cancellation_id).state is C.SUCCEEDED


def test_a_task_and_then_its_cancel_in_one_batch(world: World) -> None:
    task, accepted = world.run(create(), early())
    assert (task.state, accepted.target.state) == (S.PENDING, S.CANCELLED)
    assert accepted.cancellation.state is C.SUCCEEDED


def test_a_refused_creation_and_the_cancel_in_one_batch(world: World) -> None:
    refused, accepted, task = world.run(create(group_id=G1), early(), create())
    assert isinstance(refused, Refused)
    assert (accepted.target, task.state) == (None, S.CANCELLED)


def test_what_is_only_tried_is_not_seen_by_the_rest_of_its_batch(world: World) -> None:
    _, task = world.run(early(validate_only=True, request_id=R3), create())
    assert task.state is S.PENDING


# The task does not come.


def test_it_waits_for_24_hours_from_the_accept() -> None:
    assert EARLY_CANCEL_LIFETIME == DAY
    for waited, state in ((DAY - 1, S.CANCELLED), (DAY, S.PENDING), (DAY + 1, S.PENDING)):
        world = World()
        world.do(early())
        world.now += waited
        assert world.do(create()).state is state


def test_the_reaper_ends_it_too_late_when_its_time_has_passed(world: World) -> None:
    record = _accepted(world)
    world.now += DAY - 1
    assert world.do(reap()).too_late == 0
    assert world.cancellation(record.cancellation_id) == record
    world.now += 1
    assert world.do(reap()).too_late == 1
    ended = world.cancellation(record.cancellation_id)
    assert (ended.state, ended.end_time) == (C.TOO_LATE, world.now)
    assert (ended.stopped_count, ended.completed_count, ended.live_count) == (0, 0, 0)
    assert world.do(reap()).too_late == 0
    assert world.events == []


def test_the_reaper_ends_so_many_at_once(world: World) -> None:
    world.do_all(*[early(uid(number)) for number in range(1, 8)])
    world.now += DAY
    reaped = [world.do(reap(3)) for _ in range(3)]
    assert [(each.too_late, each.more) for each in reaped] == [(3, True), (3, True), (1, False)]


def test_a_task_that_comes_too_late_is_an_ordinary_one_also_before_the_reaper(
    world: World,
) -> None:
    record = _accepted(world, request_id=R1)
    world.now += DAY
    task = world.do(create())
    assert (task.state, task.version, task.cancellation_id) == (S.PENDING, 1, None)
    ended = world.cancellation(record.cancellation_id)
    assert (ended.state, ended.end_time) == (C.TOO_LATE, world.now)
    assert world.do(reap()).too_late == 0
    world.do(start())
    again = world.do(early(request_id=R1))
    assert (again.replayed, again.target, again.covered) == (True, world.task(T1), ())
    assert again.cancellation == ended


@pytest.mark.parametrize("reaped", [False, True])
def test_another_cancel_of_a_task_that_came_too_late_is_an_ordinary_one(
    world: World, reaped: bool
) -> None:
    late = _accepted(world)
    world.now += DAY
    world.do_all(*[reap()] * reaped, create(), start())
    record = world.do(early()).cancellation
    world.do(acknowledged())
    assert record.cancellation_id != late.cancellation_id
    assert world.covered(world.cancellation(record.cancellation_id)) == [world.task(T1)]
    assert world.covered(world.cancellation(late.cancellation_id)) == []


def test_an_early_cancel_after_one_that_waited_in_vain_begins_anew(world: World) -> None:
    first = _accepted(world)
    world.now += DAY
    second = _accepted(world)
    assert second.cancellation_id != first.cancellation_id
    assert world.cancellation(first.cancellation_id).state is C.TOO_LATE
    world.now += DAY - 1
    assert world.do(reap()).too_late == 0
    assert world.do(create()).cancellation_id == second.cancellation_id


def test_a_refused_creation_does_not_even_end_one_that_has_waited_long_enough(
    world: World,
) -> None:
    world.do(early())
    world.now += DAY
    _refused(world, create(group_id=G1))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_in_one_batch_with_the_reaper_the_clock_of_the_batch_decides(
    world: World, place: int
) -> None:
    record = _accepted(world)
    world.now += DAY
    commands: list[c.Command] = [create(), early(request_id=R1)]
    commands.insert(place, reap())
    world.run(*commands)
    assert world.cancellation(record.cancellation_id).state is C.TOO_LATE
    assert world.task(T1).cancellation_id not in (None, record.cancellation_id)
    assert world.request_ids[NS, R1].answer_id == world.task(T1).cancellation_id
