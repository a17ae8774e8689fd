"""What waits for the writer: bounded, in turn, and not done for nobody if it is large."""

import asyncio
from typing import Any

import pytest

from countermand.core import commands as c
from countermand.core.errors import Reason, Refused
from countermand.core.knobs import WriterKnobs
from countermand.engine.write_queue import Request, WriteQueue
from tests.support.ask import NS, OTHER, cancel_group, create, reap, uid

pytestmark = pytest.mark.asyncio


def request(command: c.Command) -> Request:
    return Request(command, asyncio.get_running_loop().create_future(), None)


def put(queue: WriteQueue, *commands: c.Command) -> list[Request]:
    made = [request(command) for command in commands]
    for one in made:
        queue.put(one)
    return made


def queue(**knobs: Any) -> WriteQueue:
    return WriteQueue(WriterKnobs(**knobs))


def refused(waiting: WriteQueue, command: c.Command) -> Reason:
    with pytest.raises(Refused) as refusal:
        waiting.put(request(command))
    return refusal.value.reason


def namespaces(batch: list[Request]) -> list[int]:
    return [one.command.namespace for one in batch]


async def test_one_tenant_has_so_many_waiting_and_another_is_let_in_beside_it() -> None:
    waiting = queue(max_waiting_of_one=3)
    put(waiting, create(uid(1)), cancel_group(uid(2)), create(uid(3)))
    for command in (create(uid(4)), cancel_group(uid(5))):
        assert refused(waiting, command) is Reason.RATE_LIMITED
    put(waiting, create(uid(1), ns=OTHER))
    assert len(waiting.take()) == 3
    put(waiting, create(uid(6)), create(uid(7)))
    assert refused(waiting, create(uid(8))) is Reason.RATE_LIMITED


async def test_all_together_have_so_many_waiting_but_for_our_own() -> None:
    waiting = queue(max_waiting=2)
    put(waiting, create(uid(1)), create(uid(2), ns=OTHER))
    assert refused(waiting, create(uid(3))) is Reason.STORE_UNAVAILABLE
    put(waiting, reap(), reap())
    assert len(waiting.take()) == 4
    assert not waiting


async def test_a_large_command_whose_caller_is_gone_is_left_out_and_a_small_one_is_done() -> None:
    waiting = queue()
    gone, small, kept = put(waiting, cancel_group(uid(1)), create(uid(2)), cancel_group(uid(3)))
    gone.answer.cancel()
    small.answer.cancel()
    assert waiting.take() == [small]
    assert waiting.take() == [kept]
    assert not waiting


async def test_of_1500_cascades_that_were_reset_none_is_done() -> None:
    waiting = queue()
    for one in put(waiting, *[cancel_group(uid(1))] * 1500):
        one.answer.cancel()
    assert waiting.take() == []
    assert not waiting
    assert waiting.drain() == []


async def test_small_commands_of_one_tenant_leave_room_for_those_of_another() -> None:
    waiting = queue(max_batch=10)
    put(waiting, *[create(uid(n)) for n in range(1, 31)])
    (theirs,) = put(waiting, create(uid(1), ns=OTHER))
    batch = waiting.take()
    assert len(batch) == 10
    assert theirs in batch
    sizes = [len(waiting.take()) for _ in range(3)]
    assert sizes == [10, 10, 1]
    assert not waiting


async def test_with_more_tenants_than_a_batch_takes_each_has_its_turn() -> None:
    waiting = queue(max_batch=2)
    put(waiting, *[create(uid(n), ns=ns) for ns in (1, 2, 3) for n in (1, 2)])
    batches = [namespaces(waiting.take()) for _ in range(3)]
    assert [sorted(batch) for batch in batches] == [[1, 2], [1, 3], [2, 3]]


async def test_the_commands_of_one_tenant_keep_their_order() -> None:
    waiting = queue(max_batch=4)
    made = put(waiting, *[create(uid(n), ns=ns) for n in range(1, 9) for ns in (NS, OTHER)])
    taken: list[Request] = []
    while waiting:
        taken += waiting.take()
    for ns in (NS, OTHER):
        mine = [one for one in made if one.command.namespace == ns]
        assert [one for one in taken if one.command.namespace == ns] == mine


async def test_a_tenant_that_another_writes_rests_and_is_tried_again_alone() -> None:
    waiting = queue(busy_pause=1.0, max_busy=10.0)
    mine, theirs = put(waiting, create(uid(1)), create(uid(1), ns=OTHER))
    assert waiting.take(0.0) == [mine, theirs]
    assert waiting.put_back([theirs], 0.0) == []
    put(waiting, create(uid(2)), create(uid(2), ns=OTHER), cancel_group(uid(3), ns=OTHER))
    assert namespaces(waiting.take(0.5)) == [NS]
    assert waiting.take(0.75) == []
    assert waiting.rest(0.75) == 0.25
    put(waiting, create(uid(4)))
    tried = waiting.take(1.0)
    assert namespaces(tried) == [OTHER, OTHER]
    assert tried[0] is theirs
    waiting.committed(tried)
    put(waiting, create(uid(5), ns=OTHER))
    assert namespaces(waiting.take(1.0)) == [OTHER]  # the large one
    assert sorted(namespaces(waiting.take(1.0))) == [NS, OTHER]


async def test_commands_of_a_tenant_that_another_writes_for_long_come_back() -> None:
    waiting = queue(busy_pause=1.0, max_busy=2.0)
    put(waiting, create(uid(1)))
    for now in (0.0, 1.0, 2.0):
        assert waiting.put_back(waiting.take(now), now) == []
    later = put(waiting, create(uid(2)))
    first, second = waiting.take(3.0)
    assert waiting.put_back([first, second], 3.0) == [second, first]
    assert not waiting
    put(waiting, create(uid(3)))
    assert waiting.put_back(waiting.take(4.0), 4.0) == []  # Its time begins anew.
    assert later == [second]


async def test_large_commands_rest_with_the_small_ones_of_their_tenant() -> None:
    waiting = queue(busy_pause=1.0, max_busy=10.0)
    [large] = put(waiting, cancel_group(uid(1)))
    assert waiting.put_back(waiting.take(0.0), 0.0) == []
    assert waiting.take(0.5) == []
    assert waiting.take(1.0) == [large]
    waiting.committed([large])
    [large] = put(waiting, cancel_group(uid(1)))
    assert waiting.put_back(waiting.take(2.0), 2.0) == []
    large.answer.cancel()
    assert waiting.take(3.0) == []
    assert waiting.rest(3.0) == 0.0
    assert not waiting
