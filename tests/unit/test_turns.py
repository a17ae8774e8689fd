"""Who asks much waits, and others do not."""

import asyncio

from countermand.rpc.public.turns import Turns

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 100 * SECOND

    def __call__(self) -> int:
        return self.now


def test_a_second_s_worth_comes_at_once_and_then_one_after_the_other():
    clock = Clock()
    turns = Turns(4, 10, clock)
    assert [turns.take("a") for _ in range(6)] == [0, 0, 0, 0, 0.25, 0.5]
    assert turns.take("b") == 0
    clock.now += 10 * SECOND
    assert [turns.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.25]


def test_nobody_waits_for_more_than_a_second_however_many_gave_up_before():
    turns = Turns(4, 10, Clock())
    assert max(turns.take("a") for _ in range(1000)) == 1


def test_names_without_number_are_forgotten():
    clock = Clock()
    turns = Turns(4, 10, clock)
    for number in range(10_000):
        turns.take(str(number))
        clock.now += SECOND // 100
    assert len(turns) < 500


async def test_so_many_wait_at_one_time_and_those_above_do_not():
    turns = Turns(1, 2, Clock())
    await turns.wait("a")
    waiting = [asyncio.create_task(turns.wait("a")) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.wait_for(turns.wait("a"), 0.5)
    assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)
