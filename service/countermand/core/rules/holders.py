"""What holds tasks: groups, checkouts and orders, and how tasks join and leave them."""

from collections.abc import Iterable

from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, invalid
from countermand.core.records import (
    MAX_TASKS_PER_TARGET,
    Checkout,
    Group,
    Holder,
    Order,
    Target,
    Task,
)
from countermand.core.rows import Rows, Wanted
from countermand.core.states import CheckoutState, OrderState, TargetKind


def direct_targets(task: Task) -> tuple[Target, ...]:
    """Returns the holders that a task names itself."""
    if task.group_id is None and task.checkout_id is None and task.order_id is None:
        return ()
    named = (
        (TargetKind.GROUP, task.group_id),
        (TargetKind.CHECKOUT, task.checkout_id),
        (TargetKind.ORDER, task.order_id),
    )
    return tuple(Target(kind, task.namespace, id) for kind, id in named if id is not None)


def wants_holders(targets: Iterable[Target], rows: Rows, wanted: Wanted) -> None:
    """Wants holders, the orders that list a checkout, and what of them may end with a task."""
    for target in targets:
        wanted.holders.add(target)
        holder = rows.holders.get(target)
        if holder is None:
            continue
        if holder.cancellation_id is not None:
            wanted.cancellations.add((target.namespace, holder.cancellation_id))
        if isinstance(holder, Checkout):
            if holder.cart_id is not None:
                wanted.carts.add((target.namespace, holder.cart_id))
            orders = (Target(TargetKind.ORDER, target.namespace, id) for id in holder.order_ids)
            wants_holders(orders, rows, wanted)


def holders_of(task: Task, draft: Draft) -> list[Holder]:
    """Returns all holders that a task is under: those that it names, and its checkout's orders."""
    targets = dict.fromkeys(direct_targets(task))
    if not targets:
        return []
    for order_id in draft.orders_of(task):
        targets[Target(TargetKind.ORDER, task.namespace, order_id)] = None
    found = (draft.holder(target) for target in targets)
    return [holder for holder in found if holder is not None]


def join(holder: Holder, tasks: int, draft: Draft) -> None:
    """Lets so many new tasks join a holder. Raises Refused if it is closed, or full."""
    if not tasks:
        return
    expect_open(holder)
    if holder.task_count + tasks > MAX_TASKS_PER_TARGET:
        kind = holder.target.kind.lower()
        raise invalid(
            f"{kind}_id",
            f"{kind} {holder.target.id} would hold more than {MAX_TASKS_PER_TARGET} tasks",
            Reason.TOO_MANY_TASKS,
        )
    draft.save_holder(
        holder.evolve(
            version=draft.next_version(holder.target),
            task_count=holder.task_count + tasks,
            live_count=holder.live_count + tasks,
            update_time=draft.now,
        )
    )


def expect_open(holder: Holder) -> None:
    """Raises Refused if no task may join the holder any more."""
    if holder.open:
        return
    if isinstance(holder, Checkout):
        raise checkout_ended(holder)
    if isinstance(holder, Order):
        raise order_ended(holder)
    raise _refused(Reason.GROUP_CLOSED, holder, "is closed to new tasks")


def checkout_ended(checkout: Checkout) -> Refused:
    """Returns the refusal of what only an OPEN checkout allows."""
    if checkout.state is CheckoutState.COMPLETED:
        return _refused(Reason.CHECKOUT_ALREADY_COMPLETED, checkout, "is already completed")
    return _refused(Reason.CHECKOUT_ALREADY_CANCELLED, checkout, "is already cancelled")


def order_ended(order: Order) -> Refused:
    """Returns the refusal of what only an OPEN order allows."""
    if order.state is OrderState.CLOSED:
        return _refused(Reason.ORDER_CLOSED, order, "is closed")
    return _refused(Reason.ORDER_ALREADY_CANCELLED, order, "is already cancelled")


def _refused(reason: Reason, holder: Holder, what: str) -> Refused:
    kind = holder.target.kind.lower()
    metadata = {
        f"{kind}_id": holder.target.id,
        "cancellation_id": holder.cancellation_id or "",
    }
    if isinstance(holder, Checkout | Order):
        metadata["state"] = holder.state
    return Refused(reason, f"{kind} {holder.target.id} {what}", metadata=metadata)


def close_group(group: Group, draft: Draft) -> None:
    """Closes a group to new tasks, if it is open."""
    if group.open:
        version = draft.next_version(group.target)
        draft.save_holder(group.evolve(closed=True, version=version, update_time=draft.now))


def announce_over(closed: Iterable[Target], draft: Draft) -> None:
    """Logs the holders that this command closed and that were over without a task's change."""
    told = {target for event in draft.events for target in event.over}
    newly_over = set()
    for target in closed:
        before, after = draft.rows.holders.get(target), draft.holder(target)
        if after is not None and after.over and not (before is not None and before.over):
            newly_over.add(target)
    silent = frozenset(newly_over - told)
    if silent:
        draft.log_over(next(iter(silent)).namespace, silent)
