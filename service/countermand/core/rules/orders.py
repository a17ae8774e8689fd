"""Orders: a platform's picture of them, and the tasks and checkouts beneath."""

from collections.abc import Sequence

from countermand.core.answers import OrderChanged, OrderCreated
from countermand.core.commands import CreateOrder, UpdateOrder
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, already_exists, invalid, not_found
from countermand.core.records import (
    MAX_CHECKOUTS_PER_ORDER,
    MAX_HOLDER_VERSIONS,
    MAX_ORDERS_PER_CHECKOUT,
    MAX_TASKS_PER_TARGET,
    Checkout,
    Order,
    Target,
    whole,
)
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.creating import create_tasks_under, wants_new_tasks
from countermand.core.rules.holders import announce_over, order_ended
from countermand.core.states import OrderState, TargetKind, TaskState


def wants_to_create_order(command: CreateOrder, rows: Rows, wanted: Wanted) -> None:
    """A new order needs free ids, and its checkouts with their tasks."""
    namespace = command.namespace
    wants_new_tasks(namespace, command.tasks, wanted)
    wanted.holders.add(Target(TargetKind.ORDER, namespace, command.order_id))
    _wants_checkouts(namespace, command.checkout_ids, wanted)


def _wants_checkouts(namespace: int, checkout_ids: Sequence[str], wanted: Wanted) -> None:
    for checkout_id in checkout_ids:
        target = Target(TargetKind.CHECKOUT, namespace, checkout_id)
        wanted.holders.add(target)
        wanted.members.add(target)


def create_order(command: CreateOrder, draft: Draft) -> OrderCreated:
    """Creates an order with its tasks, and lists its checkouts."""
    if draft.order(command.namespace, command.order_id) is not None:
        raise already_exists("order", command.order_id)
    count = len(command.tasks)
    order = Order(
        namespace=command.namespace,
        order_id=command.order_id,
        checkout_ids=(),
        snapshot=command.snapshot,
        state=command.state,
        create_time=draft.now,
        update_time=draft.now,
        task_count=count,
        live_count=count,
    )
    order = _list_checkouts(order, command.checkout_ids, draft)
    draft.save_holder(order)
    announce_over([order.target], draft)
    tasks = create_tasks_under(
        command.tasks,
        draft,
        namespace=command.namespace,
        order_id=command.order_id,
        created=order.target,
    )
    order = draft.order(command.namespace, command.order_id) or order
    return OrderCreated(order, draft.count(order.target), tasks)


def wants_to_update_order(command: UpdateOrder, rows: Rows, wanted: Wanted) -> None:
    """An update needs the order, and the checkouts that it lists and will list."""
    namespace = command.namespace
    wanted.namespaces.add(namespace)
    target = Target(TargetKind.ORDER, namespace, command.order_id)
    wanted.holders.add(target)
    wanted.snapshots.add(target)
    if command.checkout_ids is None:
        return
    order = rows.holders.get(target)
    if isinstance(order, Order) and _few_enough(command.checkout_ids, order):
        _wants_checkouts(namespace, (*order.checkout_ids, *command.checkout_ids), wanted)


def update_order(command: UpdateOrder, draft: Draft) -> OrderChanged:
    """Takes over what the platform says; state and checkouts only change while OPEN."""
    order = draft.order(command.namespace, command.order_id)
    if order is None:
        raise not_found("order", command.order_id)
    if command.checkout_ids is not None and not _few_enough(command.checkout_ids, order):
        raise invalid("order.checkout_ids", f"must be at most {MAX_CHECKOUTS_PER_ORDER}")
    changed = order.evolve(snapshot=command.merge(whole(order.snapshot)))
    closes = command.close and order.state is not OrderState.CLOSED
    if closes:
        if not order.open:
            raise order_ended(order)
        changed = changed.evolve(state=OrderState.CLOSED)
    if command.checkout_ids is not None and command.checkout_ids != order.checkout_ids:
        if not order.open:
            raise order_ended(order)
        changed = _list_checkouts(changed, command.checkout_ids, draft)
        _show_attached(order, command.checkout_ids, draft)
    if changed == order:
        return OrderChanged(order, draft.count(order.target))
    if order.version >= MAX_HOLDER_VERSIONS and not closes:
        raise Refused(
            Reason.TOO_MANY_CHANGES,
            f"order {order.order_id} has {order.version} versions: it takes no more updates",
            metadata={"order_id": order.order_id, "version": str(order.version)},
        )
    changed = draft.save_holder(
        changed.evolve(version=draft.next_version(order.target), update_time=draft.now)
    )
    if closes:
        announce_over([changed.target], draft)
    return OrderChanged(changed, draft.count(changed.target))


def _show_attached(order: Order, checkout_ids: tuple[str, ...], draft: Draft) -> None:
    """Logs the tasks that come under an order with checkouts which it did not list before."""
    for checkout_id in checkout_ids:
        if checkout_id not in order.checkout_ids:
            checkout = Target(TargetKind.CHECKOUT, order.namespace, checkout_id)
            members = draft.members(checkout)
            own = order.order_id
            draft.log_attached(
                order, checkout_id, (task for task in members if task.order_id != own)
            )


def _few_enough(checkout_ids: tuple[str, ...], order: Order) -> bool:
    """Whether an order may list these: few, or not one more of the many that it lists already."""
    return len(checkout_ids) <= MAX_CHECKOUTS_PER_ORDER or set(order.checkout_ids).issuperset(
        checkout_ids
    )


def _list_checkouts(order: Order, checkout_ids: tuple[str, ...], draft: Draft) -> Order:
    """Returns the order with other checkouts, whose tasks it counts from now on."""
    before, after = set(order.checkout_ids), set(checkout_ids)
    for checkout_id in [*(before - after), *(id for id in checkout_ids if id not in before)]:
        checkout = draft.checkout(order.namespace, checkout_id)
        if checkout is None:
            raise not_found("checkout", checkout_id)
        listed = checkout_id in after
        if listed and len(checkout.order_ids) >= MAX_ORDERS_PER_CHECKOUT:
            raise Refused(
                Reason.TOO_MANY_ORDERS,
                f"checkout {checkout_id} is listed by {len(checkout.order_ids)} orders already",
                metadata={"checkout_id": checkout_id},
            )
        order = _count(order, checkout, 1 if listed else -1, draft)
        ids = set(checkout.order_ids) - {order.order_id} | ({order.order_id} if listed else set())
        draft.save_holder(checkout.evolve(order_ids=tuple(sorted(ids))))
    if order.task_count > MAX_TASKS_PER_TARGET:
        raise invalid(
            "order.checkout_ids",
            f"the order would hold more than {MAX_TASKS_PER_TARGET} tasks",
            Reason.TOO_MANY_TASKS,
        )
    return order.evolve(checkout_ids=checkout_ids)


def _count(order: Order, checkout: Checkout, sign: int, draft: Draft) -> Order:
    """Returns the order with a checkout's tasks counted in, or out; its own are counted already."""
    tasks = [task for task in draft.members(checkout.target) if task.order_id != order.order_id]
    completed = sum(task.state is TaskState.COMPLETED for task in tasks)
    owed = sum(task.refund_required for task in tasks)
    return order.evolve(
        task_count=order.task_count + sign * len(tasks),
        live_count=order.live_count + sign * sum(not task.ended for task in tasks),
        completed_count=order.completed_count + sign * completed,
        owed_count=order.owed_count + sign * owed,
    )
