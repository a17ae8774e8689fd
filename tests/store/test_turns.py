"""What is due in one namespace keeps what is due in another waiting for one batch at most."""

from collections.abc import Iterable

import pytest

from countermand.core import commands as c
from countermand.core.answers import Reaped
from countermand.core.records import SECOND
from countermand.core.states import TaskState
from tests.support.ask import (
    NS,
    OTHER,
    cancel,
    create,
    create_checkout,
    start,
    uid,
)
from tests.support.stores import Keeper

MANY, LIMIT = 20, 6
THEIRS = uid(999)
S = TaskState


def ids(count: int = MANY) -> list[str]:
    return [uid(100 + number) for number in range(count)]


async def state(keeper: Keeper, task_id: str, ns: int = NS) -> TaskState:
    task = await keeper.store.task(ns, task_id)
    assert task is not None
    return task.state


async def late(keeper: Keeper, ns: int, task_ids: Iterable[str], agent: str) -> None:
    for id in task_ids:
        await keeper.run(create(id, ns=ns), start(id, agent, ns=ns), cancel(id, grace=0, ns=ns))


async def orphans(keeper: Keeper, ns: int, task_ids: Iterable[str], agent: str) -> None:
    for id in task_ids:
        await keeper.run(create(id, ns=ns), start(id, agent, lease=SECOND, ns=ns))


async def expiring(keeper: Keeper, ns: int, task_ids: Iterable[str], agent: str) -> None:
    for id in task_ids:
        await keeper.run(create(id, ns=ns, expire_time=keeper.now + SECOND))


@pytest.mark.parametrize("make", [late, orphans, expiring])
async def test_each_namespace_has_its_share_of_a_batch(keeper: Keeper, make: object) -> None:
    assert callable(make)
    await make(keeper, NS, ids(), "agent-1")
    keeper.now += 1
    await make(keeper, OTHER, [THEIRS], "agent-2")
    keeper.now += 2 * SECOND
    reaped: Reaped = await keeper.do(c.Reap(0, LIMIT))
    assert reaped.more
    ended = [await state(keeper, id) not in (S.PENDING, S.RUNNING, S.CANCELLING) for id in ids()]
    assert sum(ended) == LIMIT // 2, "the others of that share are the other namespace's"
    assert await state(keeper, THEIRS, OTHER) in (S.CANCELLED, S.FAILED)
    while reaped.more:
        reaped = await keeper.do(c.Reap(0, LIMIT, None, reaped.last))
    assert {await state(keeper, id) for id in ids()} <= {S.CANCELLED, S.FAILED}


async def test_with_more_namespaces_than_a_batch_ends_tasks_none_is_left_out(
    keeper: Keeper,
) -> None:
    await late(keeper, NS, ids(), "agent-1")
    await late(keeper, OTHER, [THEIRS], "agent-2")
    for after, theirs in ((0, S.CANCELLING), (NS, S.CANCELLED)):
        reaped = await keeper.do(c.Reap(0, 1, None, after))
        assert await state(keeper, THEIRS, OTHER) is theirs
        assert reaped.more
    assert reaped.last in (0, OTHER)


async def test_checkouts_that_expire_together_are_bounded_by_their_tasks(keeper: Keeper) -> None:
    soon = keeper.now + SECOND
    for number in range(4):
        tasks = [uid(1000 * (number + 1) + place) for place in range(LIMIT // 2)]
        await keeper.run(
            create_checkout(
                *tasks, checkout_id=f"small-{number}", group_id=uid(number), expire_time=soon
            )
        )
    keeper.now += SECOND
    reaped = await keeper.do(c.Reap(0, LIMIT))
    assert (reaped.expired, reaped.more) == (2, True)
    reaped = await keeper.do(c.Reap(0, LIMIT))
    assert reaped.expired == 2


async def test_a_checkout_larger_than_a_batch_goes_alone_and_the_other_namespace_is_next(
    keeper: Keeper,
) -> None:
    soon = keeper.now + SECOND
    for number in range(3):
        tasks = [uid(1000 * (number + 1) + place) for place in range(MANY)]
        await keeper.run(
            create_checkout(
                *tasks, checkout_id=f"large-{number}", group_id=uid(number), expire_time=soon
            )
        )
    await keeper.run(create_checkout(THEIRS, ns=OTHER, expire_time=soon + 1))
    keeper.now += 2 * SECOND
    after, rounds = 0, []
    while not rounds or rounds[-1].more:
        rounds.append(await keeper.do(c.Reap(0, LIMIT, None, after)))
        after = rounds[-1].last
    assert [reaped.expired for reaped in rounds[:2]] == [1, 1]
    assert await state(keeper, THEIRS, OTHER) is S.CANCELLED
    assert sum(reaped.expired for reaped in rounds) == 4
