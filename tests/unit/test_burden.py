"""What one large request costs for each of its tasks: nobody else is served meanwhile.

It is counted in calls of the rules' functions, which are the same on every machine. A bound is near
what is needed now: a step that is taken again for each task, though one would do for all, breaks
it.
"""

import asyncio
from collections.abc import Callable

import pytest

from countermand.app.commit_metrics import CommitCounter
from countermand.core.commands import Command
from countermand.core.decide import Batch
from countermand.engine.listeners import Committed
from countermand.rpc.wire.render.cancellations import (
    render_cancellation,
    set_large_cancellation,
)
from countermand.telemetry.metrics import Metrics
from countermand.v1 import cancellation_pb2
from tests.support.ask import (
    AGENT,
    G1,
    O1,
    X1,
    XG1,
    cancel_checkout,
    cancel_group,
    cancel_order,
    create_checkout,
    create_group,
    create_order,
    start,
    uid,
)
from tests.support.calls import calls_of
from tests.support.world import World

FEW, MANY = 20, 120
MAX_OF_CREATED, MAX_OF_STOPPED, MAX_OF_RUNNING = 9, 22, 13
"""Calls for each task that is created, cancelled before it starts, and asked to stop."""


def each(before: list[Command], request: Command, fewer: tuple[list[Command], Command]) -> float:
    """Returns how many calls each further task of a request takes."""
    found = []
    for commands, last in ((before, request), fewer):
        world = World()
        world.do_all(*commands)
        found.append(calls_of(lambda: world.do(last), "countermand.core"))  # noqa: B023
    return (found[0] - found[1]) / (MANY - FEW)


def ids(count: int) -> list[str]:
    return [uid(1000 + number) for number in range(count)]


CREATIONS: dict[str, Callable[[int], Command]] = {
    "group": lambda count: create_group(*ids(count)),
    "checkout": lambda count: create_checkout(*ids(count), group_id=XG1),
    "order": lambda count: create_order(*ids(count)),
}
CASCADES: dict[str, Command] = {
    "group": cancel_group(G1),
    "checkout": cancel_checkout(X1),
    "order": cancel_order(O1),
}


@pytest.mark.parametrize("kind", CREATIONS)
def test_a_creation_costs_little_for_each_of_its_tasks(kind: str) -> None:
    create = CREATIONS[kind]
    assert each([], create(MANY), ([], create(FEW))) <= MAX_OF_CREATED


@pytest.mark.parametrize(("runs", "bound"), [(False, MAX_OF_STOPPED), (True, MAX_OF_RUNNING)])
@pytest.mark.parametrize("kind", CASCADES)
def test_a_cascade_costs_little_for_each_of_its_tasks(kind: str, runs: bool, bound: int) -> None:
    def made(count: int) -> list[Command]:
        return [CREATIONS[kind](count), *(start(id, AGENT) for id in ids(count) if runs)]

    assert each(made(MANY), CASCADES[kind], (made(FEW), CASCADES[kind])) <= bound


def test_to_count_a_cascade_calls_nothing_for_each_of_its_tasks() -> None:
    def counted(count: int) -> int:
        world = World()
        world.do_all(create_group(*ids(count)))
        batch = Batch([cancel_group(G1)], world.instant, world.ids)
        world.run_batch(batch)
        counter, committed = CommitCounter(Metrics()), Committed(batch, [], 0, 0, 0.1)
        return calls_of(lambda: counter(committed), "countermand")

    assert counted(MANY) == counted(FEW)


async def test_others_have_their_turn_while_the_answer_to_a_large_cancel_is_rendered() -> None:
    world = World()
    world.do_all(create_group(*ids(MANY)))
    done = world.do(cancel_group(G1))
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    rendered = cancellation_pb2.Cancellation()
    await set_large_cancellation(rendered, done.cancellation, done.covered, 10)
    others.cancel()
    assert turns >= MANY // 10 - 1
    assert rendered == render_cancellation(done.cancellation, done.covered)
