"""Creating tasks and groups; and what a version looked like."""

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.log import TaskFilter, as_of
from countermand.core.records import MAX_TASKS_PER_TARGET, SECOND
from countermand.core.states import ChargeState, RefundState
from tests.support.ask import (
    G1,
    G2,
    NS,
    OTHER,
    T1,
    T2,
    T3,
    acknowledged,
    cancel,
    charge,
    charged,
    completed,
    create,
    create_group,
    failed,
    reap,
    settle,
    start,
    uid,
)
from tests.support.stores import shown
from tests.support.world import World


def _refused(world: World, command: object) -> Refused:
    before = world.copy().rows()
    with pytest.raises(Refused) as caught:
        world.do(command)  # type: ignore[arg-type]
    assert world.rows() == before
    return caught.value


# Tasks and groups.


def test_a_group_and_its_tasks_are_created_together_in_the_order_of_the_request(
    world: World,
) -> None:
    answer = world.do(create_group(T2, T1, closed=True))
    assert [task.task_id for task in answer.tasks] == [T2, T1]
    group = answer.group
    assert (group.closed, group.version, group.task_count, group.live_count) == (True, 1, 2, 2)
    assert [event.seq for event in world.events] == [1, 2]


def test_a_task_keeps_its_merchant_and_labels(world: World) -> None:
    task = world.do(create(merchant="Łódź & Söhne", labels={"a": "b"}))
    assert (task.merchant, task.labels) == ("Łódź & Söhne", {"a": "b"})


def test_a_task_that_joins_a_group_raises_the_groups_version_and_counts(world: World) -> None:
    world.do(create_group(T1))
    world.now += SECOND
    world.do(create(T2, G1))
    group = world.group(G1)
    assert (group.version, group.task_count, group.live_count) == (2, 2, 2)
    assert (group.create_time, group.update_time) == (world.now - SECOND, world.now)


def test_an_unknown_group_is_not_found(world: World) -> None:
    refusal = _refused(world, create(T1, G1))
    assert (refusal.reason, refusal.resource) == (Reason.GROUP_NOT_FOUND, ("group", G1))


def test_a_group_created_closed_takes_no_late_joiners(world: World) -> None:
    world.do(create_group(T1, closed=True))
    assert _refused(world, create(T2, G1)).reason is Reason.GROUP_CLOSED


def test_a_taken_group_id_is_group_exists(world: World) -> None:
    world.do(create_group(T1))
    assert _refused(world, create_group(T2)).reason is Reason.GROUP_EXISTS


def test_one_taken_task_id_refuses_the_whole_group(world: World) -> None:
    world.do(create(T2))
    assert _refused(world, create_group(T1, T2)).reason is Reason.TASK_EXISTS
    assert list(world.tasks) == [(NS, T2)]


def test_a_task_id_is_taken_within_the_same_batch_too(world: World) -> None:
    first, second, group = world.run(create(T1), create(T1), create_group(T1))
    assert (first.task_id, second.reason) == (T1, Reason.TASK_EXISTS)
    assert group.reason is Reason.TASK_EXISTS


def test_ids_are_unique_per_namespace_only(world: World) -> None:
    world.do_all(create_group(T1), create_group(T1, ns=OTHER))
    assert set(world.tasks) == {(NS, T1), (OTHER, T1)}
    assert [(event.namespace, event.seq) for event in world.events] == [(NS, 1), (OTHER, 1)]


def test_a_group_holds_at_most_10000_tasks(world: World) -> None:
    ids = [uid(number) for number in range(1, MAX_TASKS_PER_TARGET)]
    world.do(create_group(*ids))
    world.do(create(uid(MAX_TASKS_PER_TARGET), G1))
    refusal = _refused(world, create(uid(MAX_TASKS_PER_TARGET + 1), G1))
    assert refusal.reason is Reason.TOO_MANY_TASKS
    assert [violation.field for violation in refusal.violations] == ["group_id"]
    assert world.do(create(uid(MAX_TASKS_PER_TARGET + 1), None)).version == 1


# A task as it was.


def test_a_task_can_be_told_as_it_was_at_each_version(world: World) -> None:
    world.do(create_group(T1, T2, T3))
    for step in (
        start(T1),
        charge(T1),
        cancel(T1, grace=60 * SECOND, reason="slow"),
        charged(T1),
        cancel(T1, grace=9 * SECOND),
        acknowledged(T1),
        start(T2),
        failed(T2, message="broken"),
        charged(T1),
        settle(T1, amount=500, currency="EUR", note="paid back"),
        charged(T1, ChargeState.VOIDED),
        charged(T1),
        settle(T1, RefundState.NOT_OWED),
        start(T3, "lost", lease=SECOND),
        cancel(T3),
    ):
        world.now += 10
        world.do(step)
    world.now += SECOND
    world.do(reap())
    for event in world.events:
        then = event.task
        assert then is not None
        now = world.task(then.task_id)
        told = as_of(
            now,
            version=then.version,
            state=then.state,
            charge_state=then.charge_state,
            deadline_time=then.deadline_time,
            refund_state=then.refund_state,
            settlement=then.settlement,
            time=then.update_time,
            seq=event.seq,
        )
        assert shown(told) == shown(then)


def test_events_chain_each_version_to_the_one_before(world: World) -> None:
    world.do_all(create(T1), create(T2), start(T1), start(T2), completed(T1), completed(T2))
    assert [(event.seq, event.previous_seq) for event in world.events] == [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 2),
        (5, 3),
        (6, 4),
    ]


def test_a_filter_ands_what_is_set(world: World) -> None:
    world.do_all(create_group(T1, T2), start(T1, "a"))
    _, second, first = world.events
    assert first.chosen_by(TaskFilter())
    assert first.chosen_by(TaskFilter(G1, agent_id="a"))
    assert not first.chosen_by(TaskFilter(G1, agent_id="b"))
    assert not first.chosen_by(TaskFilter(G2, agent_id="a"))
    assert not second.chosen_by(TaskFilter(agent_id="a"))
