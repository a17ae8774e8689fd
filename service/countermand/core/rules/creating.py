"""Creating tasks and groups."""

from collections.abc import Iterable

from countermand.core.answers import GroupCreated
from countermand.core.commands import CreateGroup, CreateTask, NewTask
from countermand.core.draft import Draft
from countermand.core.errors import already_exists, invalid, not_found
from countermand.core.records import Checkout, Group, Holder, Target, Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.cancelling_tasks import stop_new_task
from countermand.core.rules.holders import expect_open, join, wants_holders
from countermand.core.states import TargetKind


def wants_to_create_task(command: CreateTask, rows: Rows, wanted: Wanted) -> None:
    """A new task needs its id to be free, and all that will hold it."""
    wants_new_tasks(command.namespace, (command.task,), wanted)
    targets = _named(command.task, command.namespace)
    for target in targets:  # It grows meanwhile: a checkout brings its group, that its order.
        targets += [more for more in _brought_along(target, rows) if more not in targets]
    wants_holders(targets, rows, wanted)


def wants_new_tasks(namespace: int, tasks: Iterable[NewTask], wanted: Wanted) -> None:
    """New tasks need free ids, and the cancels that came before them."""
    wanted.namespaces.add(namespace)
    ids = [(namespace, task.task_id) for task in tasks]
    wanted.tasks.update(ids)
    wanted.early_cancels.update(ids)


def _brought_along(target: Target, rows: Rows) -> list[Target]:
    """Returns the other holders of a task that names this one."""
    holder = rows.holders.get(target)
    named: tuple[tuple[TargetKind, str | None], ...] = ()
    if isinstance(holder, Group):
        named = ((TargetKind.CHECKOUT, holder.checkout_id), (TargetKind.ORDER, holder.order_id))
    elif isinstance(holder, Checkout):
        named = ((TargetKind.GROUP, holder.group_id),)
    return [Target(kind, target.namespace, id) for kind, id in named if id is not None]


def create_task(command: CreateTask, draft: Draft) -> Task:
    """Creates a task, and lets it join all that holds it."""
    namespace, new = command.namespace, command.task
    holders = {target: draft.holder(target) for target in _named(new, namespace)}
    for target, holder in holders.items():
        if holder is None:
            raise not_found(target.kind.lower(), target.id)
    new = _inherit(new, namespace, draft)
    if draft.task(namespace, new.task_id) is not None:
        raise already_exists("task", new.task_id)
    task = _new_task(new, namespace, new.group_id, new.checkout_id, new.order_id, draft)
    # What the caller named is asked first, so that the refusal speaks of that.
    targets = dict.fromkeys((*holders, *_named(new, namespace)))
    for order_id in draft.orders_of(task):
        targets[Target(TargetKind.ORDER, namespace, order_id)] = None
    for target in targets:
        joined = draft.holder(target)
        if joined is not None:
            join(joined, 1, draft)
    return stop_new_task(draft.log_task(task), draft)


def _inherit(new: NewTask, namespace: int, draft: Draft) -> NewTask:
    """Returns the task with the holders that those it names bring along. Raises if they differ."""
    group_id, checkout_id, order_id = new.group_id, new.checkout_id, new.order_id
    if checkout_id is not None:
        checkout = draft.checkout(namespace, checkout_id)
        of_checkout = checkout.group_id if checkout is not None else None
        if group_id not in (None, of_checkout):
            raise invalid("group_id", "is not the group of the checkout")
        group_id = of_checkout
    if group_id is not None:
        group = draft.group(namespace, group_id)
        if group is not None:
            checkout_id = group.checkout_id
            if order_id is not None and group.order_id not in (None, order_id):
                raise invalid("order_id", "is not the order of the group")
            order_id = order_id or group.order_id
    return NewTask(
        new.task_id, group_id, new.merchant, new.labels, new.expire_time, checkout_id, order_id
    )


def _named(new: NewTask, namespace: int) -> list[Target]:
    named = (
        (TargetKind.CHECKOUT, new.checkout_id),
        (TargetKind.ORDER, new.order_id),
        (TargetKind.GROUP, new.group_id),
    )
    return [Target(kind, namespace, id) for kind, id in named if id is not None]


def wants_to_create_group(command: CreateGroup, rows: Rows, wanted: Wanted) -> None:
    """A new group needs its id and those of its tasks to be free, and what will hold it."""
    wants_new_tasks(command.namespace, command.tasks, wanted)
    wanted.holders.add(Target(TargetKind.GROUP, command.namespace, command.group_id))
    wants_holders(_holders_of_group(command), rows, wanted)


def _holders_of_group(command: CreateGroup) -> list[Target]:
    named = ((TargetKind.CHECKOUT, command.checkout_id), (TargetKind.ORDER, command.order_id))
    return [Target(kind, command.namespace, id) for kind, id in named if id is not None]


def create_group(command: CreateGroup, draft: Draft) -> GroupCreated:
    """Creates a group with its tasks."""
    holders = []
    for target in _holders_of_group(command):
        holder = draft.holder(target)
        if holder is None:
            raise not_found(target.kind.lower(), target.id)
        holders.append(holder)
    if draft.group(command.namespace, command.group_id) is not None:
        raise already_exists("group", command.group_id)
    for holder in holders:
        expect_open(holder)
        if isinstance(holder, Checkout):
            if holder.group_id is not None:
                raise invalid("checkout_id", "has its group already")
            version = draft.next_version(holder.target)
            draft.save_holder(
                holder.evolve(group_id=command.group_id, version=version, update_time=draft.now)
            )
    group = Group(
        namespace=command.namespace,
        group_id=command.group_id,
        checkout_id=command.checkout_id,
        order_id=command.order_id,
        closed=command.closed,
        create_time=draft.now,
        update_time=draft.now,
        task_count=len(command.tasks),
        live_count=len(command.tasks),
    )
    draft.save_holder(group)
    tasks = create_tasks_under(
        command.tasks,
        draft,
        namespace=command.namespace,
        group_id=command.group_id,
        checkout_id=command.checkout_id,
        order_id=command.order_id,
        created=group.target,
    )
    return GroupCreated(draft.group(command.namespace, command.group_id) or group, tasks)


def create_tasks_under(
    new: tuple[NewTask, ...],
    draft: Draft,
    *,
    namespace: int,
    created: Target,
    group_id: str | None = None,
    checkout_id: str | None = None,
    order_id: str | None = None,
) -> tuple[Task, ...]:
    """Creates tasks under holders; `created` is the one that counts them already."""
    _expect_same("group_id", group_id, [task.group_id for task in new])
    _expect_same("checkout_id", checkout_id, [task.checkout_id for task in new])
    _expect_same("order_id", order_id, [task.order_id for task in new])
    for task in new:
        if draft.task(namespace, task.task_id) is not None:
            raise already_exists("task", task.task_id)
    placed = [_new_task(task, namespace, group_id, checkout_id, order_id, draft) for task in new]
    if placed:
        for holder in _others(placed[0], created, draft):
            join(holder, len(placed), draft)
    for made in placed:
        draft.log_task(made)
    if any(draft.rows.early_cancels.values()):
        return tuple(stop_new_task(made, draft) for made in placed)
    return tuple(placed)


def _others(task: Task, created: Target, draft: Draft) -> list[Holder]:
    targets = dict.fromkeys(
        Target(kind, task.namespace, id)
        for kind, id in ((TargetKind.GROUP, task.group_id), (TargetKind.CHECKOUT, task.checkout_id))
        if id is not None
    )
    for order_id in draft.orders_of(task):
        targets[Target(TargetKind.ORDER, task.namespace, order_id)] = None
    found = (draft.holder(target) for target in targets if target != created)
    return [holder for holder in found if holder is not None]


def _expect_same(field: str, id: str | None, named: Iterable[str | None]) -> None:
    for place, other in enumerate(named):
        if other is not None and other != id:
            raise invalid(f"tasks[{place}].{field}", "must be absent, or that of this request")


def _new_task(
    new: NewTask,
    namespace: int,
    group_id: str | None,
    checkout_id: str | None,
    order_id: str | None,
    draft: Draft,
) -> Task:
    """Returns a new task under these holders, at the next place in the log."""
    return Task.make(
        namespace=namespace,
        task_id=new.task_id,
        group_id=group_id,
        checkout_id=checkout_id,
        order_id=order_id,
        merchant=new.merchant,
        labels=new.labels,
        expire_time=new.expire_time,
        create_time=draft.now,
        update_time=draft.now,
        seq=draft.next_seq(namespace),
    )
