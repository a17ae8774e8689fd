"""A wall clock that leaps to and fro: what is decided does not depend on it, and what is shown
follows it, but never backwards within a row.

Leases and deadlines are judged by a steady clock; expiries, which callers name, by the wall clock.
"""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermand.core.commands import Cancel, CreateKey, NoteKeyUses, RevokeKey
from countermand.core.errors import Refused
from countermand.core.evolving import Record
from countermand.core.keys import KeyState
from countermand.core.records import SECOND, Checkout, Order, Task
from countermand.core.states import CancelProof, TaskState
from tests.support import strategies
from tests.support.ask import (
    FIRST_TIME,
    G1,
    R1,
    R2,
    T1,
    T2,
    cancel,
    cancel_checkout,
    cancel_group,
    change_cart,
    create,
    create_checkout,
    create_group,
    finish,
    key,
    reap,
    renew,
    start,
    uid,
)
from tests.support.world import World

S, P = TaskState, CancelProof
HOUR = 3600 * SECOND
LEAPS = [HOUR, -HOUR]


def leap(world: World, span: int) -> None:
    """Lets the wall clock leap, while no time passes."""
    world.now += span
    world.ahead += span


def wait(world: World, span: int) -> None:
    world.now += span


# What is decided.


@pytest.mark.parametrize("span", LEAPS)
def test_a_deadline_comes_after_its_grace_whatever_the_wall_clock_says(
    world: World, span: int
) -> None:
    world.do_all(create(T1), start(T1, lease=2 * HOUR))
    accepted = world.do(cancel(T1, grace=30 * SECOND)).target
    assert accepted.deadline_time == FIRST_TIME + 30 * SECOND
    leap(world, span)
    wait(world, 30 * SECOND - 1)
    assert world.do(reap()).ended == 0
    wait(world, 1)
    assert world.do(reap()).ended == 1
    ended = world.task(T1)
    assert (ended.cancel_proof, ended.deadline_time) == (P.FORCED, accepted.deadline_time)


@pytest.mark.parametrize("span", LEAPS)
def test_a_lease_ends_after_its_duration_whatever_the_wall_clock_says(
    world: World, span: int
) -> None:
    world.do_all(create(T1), create(T2), start(T1, lease=30 * SECOND), start(T2, lease=SECOND))
    leap(world, span)
    world.do(renew(lease=30 * SECOND))
    leap(world, -2 * span)
    wait(world, 30 * SECOND - 1)
    assert world.do(reap()).ended == 0
    wait(world, 1)
    assert world.do(reap()).ended == 2
    assert world.task(T1).state is S.FAILED


@pytest.mark.parametrize("span", LEAPS)
@pytest.mark.parametrize(
    ("grace", "lease", "proof"),
    [(5, 6, P.FORCED), (6, 5, P.AGENT_LOST), (5, 5, P.FORCED)],
)
def test_which_came_first_is_judged_by_one_clock(
    world: World, span: int, grace: int, lease: int, proof: CancelProof
) -> None:
    world.do_all(create(T1), start(T1, lease=lease * SECOND))
    leap(world, span)
    world.do(cancel(T1, grace=grace * SECOND))
    leap(world, -span)
    wait(world, 10 * SECOND)
    world.do(reap())
    assert world.task(T1).cancel_proof is proof


@pytest.mark.parametrize("span", LEAPS)
def test_what_expires_follows_the_wall_clock(world: World, span: int) -> None:
    world.do(create(T1, expire_time=FIRST_TIME + HOUR // 2))
    leap(world, span)
    assert world.do(reap()).expired == (span > 0)
    leap(world, -span)
    wait(world, HOUR // 2)
    world.do(reap())
    assert world.task(T1).state is S.CANCELLED


def test_a_join_brings_a_deadline_nearer_though_the_wall_clock_leapt_ahead(world: World) -> None:
    world.do_all(create(T1), start(T1, lease=9 * HOUR), cancel(T1, grace=HOUR))
    before = world.task(T1)
    leap(world, 8 * HOUR)
    world.do(cancel(T1, grace=60 * SECOND, reason="later"))
    # What is shown moves no farther, so this is no version; it counts all the same.
    assert world.task(T1) == before
    wait(world, 60 * SECOND)
    world.do(reap())
    assert world.task(T1).cancel_proof is P.FORCED


def test_a_join_moves_no_deadline_farther_though_the_wall_clock_was_set_back(world: World) -> None:
    world.do_all(create(T1), start(T1, lease=9 * HOUR), cancel(T1, grace=60 * SECOND))
    before = world.task(T1)
    leap(world, -HOUR)
    world.do(cancel(T1, grace=HOUR // 2))
    assert world.task(T1) == before
    world.do(cancel(T1, grace=30 * SECOND))
    nearer = world.task(T1)
    assert nearer.version == before.version + 1
    assert nearer.deadline_time == world.now + 30 * SECOND


def test_a_key_lives_by_the_wall_clock_and_keeps_no_use_of_the_future(world: World) -> None:
    world.do(CreateKey(0, key().evolve(expire_time=FIRST_TIME + HOUR)))
    leap(world, 2 * HOUR)
    assert world.keys["key-1"].state(world.now) is KeyState.EXPIRED
    world.do(NoteKeyUses(0, {"key-1": world.now}))
    leap(world, -2 * HOUR)
    assert world.keys["key-1"].state(world.now) is KeyState.LIVE
    world.do(NoteKeyUses(0, {"key-1": world.now}))
    assert world.keys["key-1"].last_use_time == world.now
    leap(world, -HOUR)
    assert world.do(RevokeKey(0, "key-1")).revoke_time == FIRST_TIME


# What is shown.


@pytest.mark.parametrize("span", LEAPS)
def test_what_is_new_has_the_wall_clock_s_time_at_once(world: World, span: int) -> None:
    leap(world, span)
    world.do_all(create(T1), create_group(T2), start(T1))
    answer = world.do(cancel(T1, grace=5 * SECOND))
    assert world.task(T1).create_time == world.group(G1).create_time == world.now
    assert answer.cancellation.create_time == world.now
    assert answer.target.deadline_time == world.now + 5 * SECOND


def test_a_row_of_a_clock_that_was_ahead_is_not_changed_before_its_last_change(
    world: World,
) -> None:
    leap(world, HOUR)
    world.do_all(create(T1), create_group(T2), create_checkout(uid(3), cart_id="cart"))
    ahead = world.now
    leap(world, -HOUR)
    wait(world, SECOND)
    started = world.do(start(T1))
    assert started.start_time == started.update_time == ahead
    stopped = world.do(cancel(T1, grace=5 * SECOND))
    assert stopped.target.update_time == ahead
    assert stopped.target.deadline_time == world.now + 5 * SECOND  # which is still to come
    assert stopped.cancellation.create_time == world.now
    ended = world.do(finish(T1, S.CANCELLED))
    assert ended.end_time == ended.update_time == ahead
    group = world.do(cancel_group())
    assert group.target.update_time == ahead
    checkout = world.do(cancel_checkout()).target
    assert checkout.cancel_time == checkout.update_time == ahead
    assert world.cart("cart").update_time == ahead
    assert world.do(change_cart("cart", b"a")).cart.update_time == ahead
    wait(world, 2 * HOUR)
    assert world.do(change_cart("cart", b"b")).cart.update_time == world.now


def test_a_cancellation_does_not_end_before_it_began_nor_is_it_joined_before_it_ended(
    world: World,
) -> None:
    leap(world, HOUR)
    world.do_all(create_group(T1), start(T1))
    answer = world.do(cancel_group(request_id=R1))
    leap(world, -HOUR)
    world.do(finish(T1, S.CANCELLED))
    record = world.cancellation(answer.cancellation.cancellation_id)
    assert record.end_time == record.create_time == FIRST_TIME + HOUR
    world.do(cancel_group(request_id=R2))
    record = world.cancellation(answer.cancellation.cancellation_id)
    assert record.join_time == record.end_time


Turns = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 5 * SECOND, 30 * SECOND]),
        st.sampled_from([0, 0, 0, HOUR, -HOUR, 7 * SECOND, -7 * SECOND, -SECOND]),
        strategies.commands,
    ),
    max_size=25,
)
TIMES = {
    "create_time",
    "update_time",
    "start_time",
    "end_time",
    "deadline_time",
    "due_time",
    "cancel_time",
    "join_time",
    "lease_expire_time",
    "lost_time",
}


def _expires(command: Any) -> bool:
    tasks = [*getattr(command, "tasks", ()), getattr(command, "task", command)]
    return any(getattr(one, "expire_time", None) is not None for one in [command, *tasks])


def _timeless(record: Record) -> dict[str, Any]:
    found = {name: value for name, value in vars(record).items() if name not in TIMES}
    if "joins" in found:
        found["joins"] = [join._replace(join_time=0) for join in found["joins"]]
    return found


def _decided(world: World) -> list[Any]:
    """Returns all rows without their times."""
    kinds = (world.tasks, world.holders, world.carts, world.agents, world.cancellations)
    return [{key: _timeless(row) for key, row in kind.items()} for kind in kinds]


def _is_in_order(*times: int | None) -> bool:
    known = [time for time in times if time is not None]
    return known == sorted(known)


def _check_order(world: World) -> None:
    for task in world.tasks.values():
        assert _is_in_order(task.create_time, task.start_time, task.end_time, task.update_time)
    for holder in world.holders.values():
        cancelled = holder.cancel_time if isinstance(holder, Checkout | Order) else None
        assert _is_in_order(holder.create_time, cancelled, holder.update_time)
    for one in world.cancellations.values():
        assert _is_in_order(one.create_time, one.end_time, one.join_time)
    versions: dict[tuple[int, str], list[tuple[int, Task]]] = defaultdict(list)
    for event in world.events:
        if event.task is not None:
            assert event.time == event.task.update_time
            versions[event.namespace, event.task.task_id].append((event.time, event.task))
    for told in versions.values():
        assert _is_in_order(*(time for time, _ in told))


@pytest.mark.timeout(300)
@settings(max_examples=150, deadline=None)
@given(Turns)
def test_whatever_leaps_the_same_is_decided_and_no_row_runs_backwards(
    turns: list[tuple[int, int, Any]],
) -> None:
    even, leaping = World(), World()
    before: dict[Any, Any] = {}
    for later, span, command in turns:
        if _expires(command):
            continue
        if isinstance(command, Cancel):  # A join that is a version must be one in both.
            command = replace(command, grace_period=30 * SECOND)
        for world in (even, leaping):
            wait(world, later)
        leap(leaping, span)
        said = [[_reason(answer) for answer in w.run(reap(), command)] for w in (even, leaping)]
        assert said[0] == said[1]
        assert _decided(leaping) == _decided(even)
        _check_order(leaping)
        rows = {**leaping.tasks, **leaping.holders, **leaping.carts}
        for row_key, row in rows.items():
            if row_key in before:
                assert row.update_time >= before[row_key].update_time
        before = rows


def _reason(answer: Any) -> Any:
    return answer.reason if isinstance(answer, Refused) else type(answer)
