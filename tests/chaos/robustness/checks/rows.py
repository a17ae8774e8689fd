"""Whether the rows add up: the invariants of the rules, held to what a store was left with."""

import asyncio
from collections.abc import Iterable

from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.store.contract import Store
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.truth import Truth
from tests.support.invariants import RowInvariants
from tests.support.world import World


async def broken(store: Store, truth: Truth) -> list[Violation]:
    """Finds what does not add up in an open store."""
    world = await _world(store, truth)
    return [Violation(Promise.COUNTS, what) for what in _broken(world)]


def _broken(world: World) -> Iterable[str]:
    """Returns the sentences that do not hold."""
    rows = RowInvariants()
    rows.world = world
    for name in dir(RowInvariants):
        if name.startswith("_"):
            continue
        try:
            getattr(rows, name)()
        except AssertionError as error:
            yield f"{name.replace('_', ' ')}: {str(error)[:200]}"


async def _world(store: Store, truth: Truth) -> World:
    world = World()
    by_tenant = {task.tenant: task.row["namespace_no"] for task in truth.tasks.values()}
    tasks = await asyncio.gather(
        *(store.task(by_tenant[task.tenant], task.task_id) for task in truth.tasks.values())
    )
    for task in sorted((task for task in tasks if task), key=lambda task: task.number):
        world.tasks[task.namespace, task.task_id] = task
    for (kind, id), row in truth.holders.items():
        namespace = row["namespace_no"]
        if kind == "cart":
            cart = await store.cart(namespace, id)
            assert cart is not None
            world.carts[namespace, id] = cart
            continue
        target = Target(TargetKind(kind.upper()), namespace, id)
        reading = await store.holder(target)
        assert reading is not None
        world.holders[target] = reading.holder
    for cancellation in truth.cancellations.values():
        namespace = cancellation.row["namespace_no"]
        found = await store.cancellation(namespace, cancellation.cancellation_id)
        assert found is not None
        world.cancellations[namespace, cancellation.cancellation_id] = found.cancellation
    return world
