"""Reading what holds tasks."""

from typing import TypeVar

from countermand.core.errors import not_found
from countermand.core.records import Checkout, Holder, Target, Task
from countermand.core.states import TargetKind, TaskState
from countermand.store.contract import Store
from countermand.store.lists import HolderReading

Kind = TypeVar("Kind", bound=Holder)


async def read(store: Store, target: Target) -> HolderReading:
    """Returns a group, checkout or order. Raises Refused: NOT_FOUND of its kind."""
    found = await store.holder(target)
    if found is None:
        raise not_found(target.kind.lower(), target.id)
    return found


async def read_holder(
    store: Store, target: Target, kind: type[Kind]
) -> tuple[Kind, dict[TaskState, int]]:
    """Returns what `read` returns, of this kind."""
    holder, counts = await read(store, target)
    assert isinstance(holder, kind)
    return holder, counts


async def covering(store: Store, covered: Target | None) -> tuple[str, ...] | None:
    """Returns the ids of the cancellations that cover a target; None if none is asked for."""
    if covered is None:
        return None
    ids: set[str | None] = set()
    above = [covered]
    if covered.kind is TargetKind.TASK:
        # Asked for first: a task that is created meanwhile takes it along.
        early = await store.early_cancel(covered.namespace, covered.id)
        task = await store.task(covered.namespace, covered.id)
        if task is None and early is not None:
            return (early.cancellation_id,)
        if task is None:
            raise not_found("task", covered.id)
        ids.add(task.cancellation_id)
        above = await _above(task, store)
    for target in above:
        ids.add((await read(store, target)).holder.cancellation_id)
    return tuple(sorted(id for id in ids if id))


async def _above(task: Task, store: Store) -> list[Target]:
    """Returns all that holds a task: what it names, and the orders that list its checkout."""
    orders = {task.order_id}
    if task.checkout_id is not None:
        target = Target(TargetKind.CHECKOUT, task.namespace, task.checkout_id)
        checkout, _ = await read_holder(store, target, Checkout)
        orders.update(checkout.order_ids)
    named = [(TargetKind.GROUP, task.group_id), (TargetKind.CHECKOUT, task.checkout_id)]
    named += [(TargetKind.ORDER, order_id) for order_id in orders]
    return [Target(kind, task.namespace, id) for kind, id in named if id is not None]
