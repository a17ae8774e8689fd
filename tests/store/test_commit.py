"""Committing: what is on disk, what is rolled back, and what a reopened store still knows."""

import sqlite3
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from itertools import product

import pytest

from countermand.core.commands import CreateKey, NoteKeyUses, RevokeKey, RotateKey
from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused
from countermand.core.instant import Instant
from countermand.core.keys import KeyLimits
from countermand.core.log import TaskFilter
from countermand.core.records import SECOND, Task
from countermand.core.rows import Wanted
from countermand.core.states import CancellationState, TaskState
from countermand.store.contract import Store
from countermand.store.lists import TaskQuery
from tests.support.ask import (
    AGENT,
    CALLER,
    G1,
    NS,
    OTHER,
    R1,
    T1,
    T2,
    T3,
    T4,
    acknowledged,
    cancel,
    cancel_group,
    charge,
    charged,
    completed,
    create,
    create_group,
    failed,
    key,
    reap,
    renew,
    start,
    target,
    uid,
)
from tests.support.stores import Keeper

S = TaskState
FOUND = ((), (start,), (start, charge), (start, cancel), (start, charge, cancel))
"""What happened to a task before a batch."""
STEPS = (
    start,
    charge,
    charged,
    partial(start, lease=9 * SECOND),
    partial(cancel, grace=9 * SECOND),
    partial(completed, message=""),
    partial(failed, message="broken"),
    acknowledged,
)
BATCHES = [(one,) for one in STEPS] + [*product(STEPS, STEPS)]
TEXTS = {
    "quotes": """it's "quoted" \\ and `so` -- ; DROP TABLE tasks; /* */ %s ?1 :x {rows}""",
    "unicode": "Łódź 東京 עברית 🛒🧑‍🚀 é ﷽ \u202e\ufeff",
    "controls": "tab\tnewline\nreturn\r unit\x1f delete\x7f after",
    "long": "🛒" * 500,
    "json": '{"a": [1, null, "\\u0000"]}',
    "empty": "",
}


async def test_a_commit_is_seen_by_every_reading_that_begins_after_it(keeper: Keeper) -> None:
    for number in range(1, 30):
        task = await keeper.do(create(uid(number)))
        found = await keeper.store.task(NS, uid(number))
        assert found is not None
        assert found.evolve(number=0) == task.evolve(number=0)


async def test_a_task_that_starts_and_is_cancelled_in_one_batch_keeps_its_agent(
    keeper: Keeper,
) -> None:
    await keeper.do(create(T1))
    _, answer = await keeper.run(start(T1), cancel(T1))
    task = await keeper.store.task(NS, T1)
    assert task == answer.target
    assert task.agent_id == AGENT
    assert await keeper.store.stops(NS, AGENT, 10) == [task]


async def test_rows_read_back_are_the_rows_that_were_decided(keeper: Keeper) -> None:
    await keeper.run(create_group(T1, T2, T3, T4))
    await keeper.run(start(T1), start(T2), start(T3), failed(T3, message="broken"))
    await keeper.run(cancel(T1, request_id=R1, on_behalf_of="x"), completed(T2))
    answer = await keeper.do(cancel_group(grace=9 * SECOND))
    reading = await keeper.store.cancellation(NS, answer.cancellation.cancellation_id)
    assert reading is not None
    assert reading.cancellation == answer.cancellation
    assert reading.cancellation.caller == CALLER
    assert tuple(task.evolve(number=0) for task in reading.covered) == tuple(
        task.evolve(number=0) for task in answer.covered
    )
    group = await keeper.store.holder(target("group", G1, NS))
    assert group is not None
    assert group.holder == answer.target
    assert group.counts == {S.CANCELLING: 1, S.COMPLETED: 1, S.FAILED: 1, S.CANCELLED: 1}


async def test_a_row_is_what_all_commands_of_a_batch_made_of_it(keeper: Keeper) -> None:
    """Statements that write little know what most commands change, and a batch may have several."""
    cases = {uid(number): case for number, case in enumerate(product(FOUND, BATCHES), 1)}
    await keeper.run(*map(create, cases))
    for step in range(max(map(len, FOUND))):
        await keeper.run(
            *(before[step](id) for id, (before, _) in cases.items() if len(before) > step)
        )
    done = await keeper.commit([make(id) for id, (_, batch) in cases.items() for make in batch])
    found = {task.task_id: task for task in await keeper.tasks()}
    for (_, id), decided in done.saves.tasks.items():
        for field in fields(Task):
            said = getattr(decided, field.name)
            assert getattr(found[id], field.name) == said, (cases[id], field.name)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_texts_come_back_exactly(keeper: Keeper, text: str) -> None:
    labels = {f"{text[:100]}{number}": text[:128] for number in range(3)}
    await keeper.run(create(T1, merchant=text, labels=labels), start(T1))
    answer = await keeper.do(cancel(T1, reason=text, message=text, on_behalf_of=text))
    await keeper.run(failed(T1, message=text))
    task = await keeper.store.task(NS, T1)
    assert task is not None
    assert (task.merchant, task.labels, task.failure_message) == (text, labels, text)
    assert (task.cancel_reason, task.cancel_message) == (text, text)
    reading = await keeper.store.cancellation(NS, answer.cancellation.cancellation_id)
    assert reading is not None
    record = reading.cancellation
    assert (record.reason, record.message, record.on_behalf_of) == (text, text, text)


async def test_a_refused_command_stores_nothing_and_leaves_its_batch_be(keeper: Keeper) -> None:
    batch = await keeper.commit([create(T1), cancel(T2, request_id=R1), start(T1)])
    created, refused, started = batch.answers
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TASK_NOT_FOUND
    assert isinstance(created, Task)
    assert isinstance(started, Task)
    await keeper.run(create(T2), cancel(T2, request_id=R1))


async def test_an_exception_in_the_rules_rolls_everything_back(keeper: Keeper) -> None:
    class Broken(Batch):
        def plan(self):
            saves = yield from super().plan()
            yield Wanted(tasks={(NS, T1)})
            raise ArithmeticError(len(saves.tasks))

    await keeper.run(create(uid(3)))
    with pytest.raises(ArithmeticError):
        await keeper.store.commit(Broken([create(T1)], Instant.at(keeper.now), keeper.ids))
    assert await keeper.store.task(NS, T1) is None
    await keeper.run(create(T2), create(T1))
    before, *numbers = [task.number for task in reversed(await keeper.tasks())]
    assert numbers == [before + 1, before + 2]


async def test_a_command_of_a_tenant_that_is_not_there_ends_and_stores_nothing(
    keeper: Keeper,
) -> None:
    nobody = 99
    with pytest.raises((sqlite3.IntegrityError, LookupError)):
        await keeper.commit([create(ns=nobody)])
    await keeper.commit([create()])
    assert await keeper.store.task(nobody, T1) is None


async def test_a_text_that_is_no_unicode_rolls_everything_back(keeper: Keeper) -> None:
    with pytest.raises(UnicodeEncodeError):
        await keeper.commit([create(T1), create(T2, merchant="\ud800")])
    assert await keeper.store.task(NS, T1) is None
    await keeper.run(create(T1))


async def test_everything_is_kept_over_a_restart(
    keeper: Keeper, make_store: Callable[[], Store]
) -> None:
    await keeper.run(create_group(T1, T2, T3))
    await keeper.run(start(T1), start(T2, lease=60 * SECOND))
    answer = await keeper.do(cancel_group(request_id=R1))
    record = answer.cancellation.cancellation_id
    before = [
        await keeper.store.task(NS, T1),
        await keeper.store.holder(target("group", G1, NS)),
        await keeper.store.cancellation(NS, record),
        await keeper.store.keys(),
        await keeper.store.history(NS, T1, 0, 100),
        await keeper.store.log(NS, TaskFilter(), 0, 100),
        await keeper.store.stops(NS, AGENT, 10),
    ]
    await keeper.store.close()
    keeper.store = make_store()
    await keeper.store.open(keeper.now)
    after = [
        await keeper.store.task(NS, T1),
        await keeper.store.holder(target("group", G1, NS)),
        await keeper.store.cancellation(NS, record),
        await keeper.store.keys(),
        await keeper.store.history(NS, T1, 0, 100),
        await keeper.store.log(NS, TaskFilter(), 0, 100),
        await keeper.store.stops(NS, AGENT, 10),
    ]
    assert after == before
    again = await keeper.do(cancel_group(request_id=R1))
    assert (again.replayed, again.cancellation) == (True, answer.cancellation)
    await keeper.run(create(T4))
    newest = await keeper.store.tasks(NS, TaskQuery(), None, 1)
    assert [task.task_id for task in newest.tasks] == [T4]


async def test_opening_renews_every_live_lease_from_now_and_moves_no_deadline(
    keeper: Keeper, make_store: Callable[[], Store]
) -> None:
    if keeper.store.shared is not None:
        pytest.skip("there it renews leases only if no server ran for a while")
    await keeper.run(*[create(id) for id in (T1, T2, T3)])
    await keeper.run(start(T1, "a", lease=10 * SECOND), start(T2, "b", lease=500 * SECOND))
    await keeper.run(start(T3, "lost", lease=SECOND))
    keeper.now += SECOND
    await keeper.run(reap(), cancel(T2, grace=3000 * SECOND))
    await keeper.store.close()

    keeper.now += 1000 * SECOND
    keeper.store = make_store()
    await keeper.store.open(keeper.now)
    assert await keeper.next_due() == keeper.now + 10 * SECOND
    keeper.now += 10 * SECOND - 1
    assert (await keeper.do(reap())).ended == 0
    keeper.now += 1
    assert (await keeper.do(reap())).ended == 1
    assert await keeper.next_due() == keeper.now + 490 * SECOND
    task = await keeper.store.task(NS, T2)
    assert task is not None
    assert task.deadline_time == keeper.now - 1011 * SECOND + 3001 * SECOND


async def test_closing_twice_is_well(keeper: Keeper) -> None:
    await keeper.store.close()
    await keeper.store.close()


async def test_next_due_is_the_earliest_deadline_or_end_of_a_lease_anywhere(
    keeper: Keeper,
) -> None:
    assert await keeper.next_due() is None
    await keeper.run(create(T1), create(T2, ns=OTHER))
    await keeper.run(start(T1, lease=60 * SECOND), start(T2, lease=30 * SECOND, ns=OTHER))
    assert await keeper.next_due() == keeper.now + 30 * SECOND
    await keeper.run(cancel(T1, grace=5 * SECOND))
    assert await keeper.next_due() == keeper.now + 5 * SECOND
    await keeper.run(acknowledged(T1))
    assert await keeper.next_due() == keeper.now + 30 * SECOND
    await keeper.run(renew(lease=90 * SECOND, ns=OTHER))
    assert await keeper.next_due() == keeper.now + 60 * SECOND
    keeper.now += 90 * SECOND
    await keeper.run(reap())
    assert await keeper.next_due() is None


async def test_the_reaper_comes_to_an_end_however_many_agents_were_lost(keeper: Keeper) -> None:
    ids = [uid(number) for number in range(1, 8)]
    await keeper.run(create_group(*ids))
    await keeper.run(*[start(id, f"agent-{id}", lease=SECOND) for id in ids])
    await keeper.run(*[completed(id) for id in ids[:5]], cancel(ids[5]))
    keeper.now += SECOND
    ended = []
    more = True
    while more:
        reaped = await keeper.do(reap(2))
        ended.append(reaped.ended)
        more = reaped.more
        assert len(ended) < 20
    assert sum(ended) == 2
    assert await keeper.next_due() is None


async def test_keys_come_newest_first_with_revoked_ones(keeper: Keeper) -> None:
    made = key("third", environment="production").evolve(
        expire_time=keeper.now + 5, scopes=("a", "b"), limits=KeyLimits(1, 2, 3, 4)
    )
    await keeper.run(CreateKey(0, made), RevokeKey(0, "first"))
    found = await keeper.store.keys()
    assert [each.key_id for each in found] == ["third", "second", "first"]
    assert found[0] == made.evolve(create_time=keeper.now, namespace=3)
    assert (found[2].revoke_time, found[2].tenant) == (keeper.now, "acme")
    assert found[1].revoke_time is None


async def test_what_rotations_and_uses_change_of_keys_is_kept(keeper: Keeper) -> None:
    third = key("third", environment="production").evolve(limits=KeyLimits(1, 2, 3, 4))
    await keeper.run(CreateKey(0, third))
    new = await keeper.do(RotateKey(0, "third", 7, "fourth", bytes(range(32))))
    await keeper.do(NoteKeyUses(0, {"first": 11, "third": 13, "nobody": 17}))
    found = {each.key_id: each for each in await keeper.store.keys()}
    assert list(found) == ["fourth", "third", "second", "first"]
    assert found["fourth"] == new.evolve(namespace=3)
    assert found["third"] == third.evolve(
        create_time=keeper.now,
        expire_time=keeper.now + 7,
        last_use_time=13,
        successor_key_id="fourth",
        namespace=3,
    )
    assert [found[id].last_use_time for id in ("first", "second")] == [11, None]


async def test_a_batch_of_1000_creates_and_a_cancel_of_10000_are_one_transaction_each(
    keeper: Keeper,
) -> None:
    many = [uid(number) for number in range(1, 10_001)]
    await keeper.run(create_group(*many[:9_000]))
    batch = await keeper.commit([create(id, G1) for id in many[9_000:]])
    assert sys.getsizeof(batch.answers) > 0
    for first in range(0, 5_000, 1_000):
        await keeper.run(*[start(id) for id in many[first : first + 1_000]])
    answer = await keeper.do(cancel_group())
    assert [task.task_id for task in answer.covered] == many
    reading = await keeper.store.cancellation(NS, answer.cancellation.cancellation_id)
    assert reading is not None
    assert [task.task_id for task in reading.covered] == many
    assert reading.cancellation.state is CancellationState.IN_PROGRESS
    assert reading.cancellation.live_count == 5_000
    group = await keeper.store.holder(target("group", G1, NS))
    assert group is not None
    assert group.counts == {S.CANCELLED: 5_000, S.CANCELLING: 5_000}
    mark = await keeper.store.bookmark(NS, TaskFilter())
    assert mark is not None
    assert mark.seq == 25_000 + 1  # the accept
