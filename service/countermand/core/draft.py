"""The rows as one command sees them while it changes them."""

from collections.abc import Iterable
from typing import Any, TypeVar

from countermand.core.cancellations import Cancellation
from countermand.core.changes import Changes, Counts
from countermand.core.log import Event
from countermand.core.records import (
    Agent,
    Cart,
    Checkout,
    Group,
    Holder,
    Order,
    Target,
    Task,
)
from countermand.core.retention import Gone
from countermand.core.rows import Rows
from countermand.core.states import TargetKind

AnyHolder = TypeVar("AnyHolder", bound=Holder)

NO_ORDERS: frozenset[str] = frozenset()
NOTHING: frozenset[Target] = frozenset()


class Draft(Changes):
    """The rows as one command sees them while it changes them.

    The rows themselves stay as they are until the whole command is accepted, so that a refusal at
    any point leaves nothing behind.

    The times of a row never run backwards, though the wall clock may have been set back since its
    last change: then what happens to it now is kept with the time of that.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows
        self.instant = rows.instant
        self.now = rows.instant.now
        """The time that is shown, and compared with the times of callers."""

    def new_uuid(self) -> str:
        """Returns a UUIDv7 of this instant."""
        return self.rows.ids(self.now)

    def task(self, namespace: int, task_id: str) -> Task | None:
        """Returns a task as this command left it, or None if there is none."""
        key = (namespace, task_id)
        return self.tasks.get(key) or self.rows.tasks[key]

    def holder(self, target: Target) -> Holder | None:
        """Returns a holder as this command left it, or None if there is none."""
        return self.holders.get(target) or self.rows.holders[target]

    def group(self, namespace: int, group_id: str) -> Group | None:
        """Returns a group as this command left it, or None if there is none."""
        group = self.holder(Target(TargetKind.GROUP, namespace, group_id))
        return group if isinstance(group, Group) else None

    def checkout(self, namespace: int, checkout_id: str) -> Checkout | None:
        """Returns a checkout as this command left it, or None if there is none."""
        checkout = self.holder(Target(TargetKind.CHECKOUT, namespace, checkout_id))
        return checkout if isinstance(checkout, Checkout) else None

    def order(self, namespace: int, order_id: str) -> Order | None:
        """Returns an order as this command left it, or None if there is none."""
        order = self.holder(Target(TargetKind.ORDER, namespace, order_id))
        return order if isinstance(order, Order) else None

    def cart(self, namespace: int, cart_id: str) -> Cart | None:
        """Returns a cart as this command left it, or None if there is none."""
        key = (namespace, cart_id)
        return self.carts.get(key) or self.rows.carts[key]

    def members(self, target: Target) -> list[Task]:
        """Returns all tasks of a holder in the order of their creation."""
        ids = self.rows.members[target]
        return [task for id in ids if (task := self.task(target.namespace, id)) is not None]

    def agent(self, namespace: int, agent_id: str) -> Agent | None:
        """Returns an agent as this command left it, or None if it is unknown."""
        key = (namespace, agent_id)
        return self.agents.get(key) or self.rows.agents[key]

    def cancellation(self, namespace: int, cancellation_id: str) -> Cancellation | None:
        """Returns a cancellation as this command left it, or None if there is none."""
        key = (namespace, cancellation_id)
        return self.cancellations.get(key) or self.rows.cancellations[key]

    def early_cancel(self, namespace: int, task_id: str) -> Cancellation | None:
        """Returns the cancel that waits for a task to be created, or None if there is none."""
        cancellation_id = self.rows.early_cancels[namespace, task_id]
        found = None if cancellation_id is None else self.cancellation(namespace, cancellation_id)
        return found if found is not None and found.waiting else None

    def position(self, namespace: int) -> int:
        """Returns the last place in the namespace's log that is taken."""
        taken = self.positions.get(namespace)
        return self.rows.positions[namespace] if taken is None else taken

    def count(self, target: Target) -> Counts:
        """Returns how many of a holder's tasks are in each state once this command's batch is
        saved. It is empty until then."""
        return self.counts.setdefault(target, self.rows.saves.counts.get(target, {}))

    def save_task(self, task: Task) -> None:
        """Keeps a change that is no version of the task, such as a new fence."""
        self.tasks[task.namespace, task.task_id] = task

    def save_holder(self, holder: AnyHolder) -> AnyHolder:
        """Keeps a holder's new state. Returns it as it is kept."""
        before = self.holders.get(holder.target) or self.rows.holders.get(holder.target)
        if before is not None and holder.update_time < before.update_time:
            ends = isinstance(holder, Checkout | Order) and holder.cancel_time == holder.update_time
            time = before.update_time
            holder = holder.evolve(update_time=time, **({"cancel_time": time} if ends else {}))
        self.holders[holder.target] = holder
        return holder

    def next_version(self, target: Target) -> int:
        """Returns the version of a holder that this command changes: one more than before it."""
        before = self.rows.holders.get(target)
        return 1 if before is None else before.version + 1

    def save_cart(self, cart: Cart) -> Cart:
        """Keeps a cart's new state. Returns it as it is kept."""
        key = (cart.namespace, cart.cart_id)
        before = self.carts.get(key) or self.rows.carts.get(key)
        if before is not None and cart.update_time < before.update_time:
            cart = cart.evolve(update_time=before.update_time)
        self.carts[key] = cart
        return cart

    def save_cancellation(self, cancellation: Cancellation) -> None:
        """Keeps a cancellation's new state."""
        self.cancellations[cancellation.namespace, cancellation.cancellation_id] = (
            cancellation.in_order()
        )

    def remove(self, gone: Gone) -> None:
        """Keeps that something is removed; this command must not look at it again."""
        self.gone.append(gone)

    def orders_of(self, task: Task) -> frozenset[str]:
        """Returns the orders that a task is under: its own, and those of its checkout."""
        own = task.order_id
        listing: tuple[str, ...] = ()
        if task.checkout_id is not None:
            checkout = self.checkout(task.namespace, task.checkout_id)
            listing = checkout.order_ids if checkout is not None else ()
        if not listing:
            return NO_ORDERS if own is None else frozenset((own,))
        return frozenset(listing if own is None else (own, *listing))

    def log_change(self, task: Task, **changes: Any) -> Task:
        """Keeps the next version of a task, with these changes, and logs it. Returns it."""
        changes["version"] = task.version + 1
        changes["update_time"] = time = max(self.now, task.update_time)
        changes["seq"] = self.next_seq(task.namespace)
        if "start_time" in changes:
            changes["start_time"] = time
        return self.log_task(task.evolve_by(changes), task.seq)

    def log_end(self, task: Task, over: frozenset[Target], changes: dict[str, Any]) -> Task:
        """Keeps the version with which a task ends, with these changes, to which it adds, and logs
        it with the holders that are over with it. Returns it."""
        changes["version"] = task.version + 1
        changes["update_time"] = changes["end_time"] = max(self.now, task.update_time)
        changes["seq"] = changes["end_seq"] = self.next_seq(task.namespace)
        return self.log_task(task.evolve_by(changes), task.seq, over)

    def log_task(
        self, task: Task, previous_seq: int = 0, over: frozenset[Target] = NOTHING
    ) -> Task:
        """Keeps a version of a task and logs it at its place, which `next_seq` gave; one without a
        version before is new. `over` are the holders that are over with it. Returns it."""
        self.tasks[task.namespace, task.task_id] = task
        orders = NO_ORDERS
        if task.order_id is not None or task.checkout_id is not None:
            orders = self.orders_of(task)
        self.events.append(
            Event(task.seq, task.namespace, task, orders, over, previous_seq, task.update_time)
        )
        return task

    def log_attached(self, order: Order, checkout_id: str, tasks: Iterable[Task]) -> None:
        """Logs that tasks came under an order with their checkout; it makes no version of them."""
        place = self.position(order.namespace)
        self.attach_seqs[order.namespace, order.order_id, checkout_id] = place
        for before in tasks:
            task = before.evolve(seq=self.next_seq(before.namespace))
            self.save_task(task)
            self.attached.append(
                Event(
                    task.seq,
                    task.namespace,
                    task,
                    previous_seq=before.seq,
                    time=task.update_time,
                    joined=order.order_id,
                )
            )

    def log_over(self, namespace: int, over: frozenset[Target]) -> None:
        """Logs that holders are over without a task's change."""
        seq = self.next_seq(namespace)
        self.events.append(Event(seq, namespace, None, over=over, time=self.now))

    def next_seq(self, namespace: int) -> int:
        """Takes the next place in the namespace's log, which something must be logged at."""
        taken = self.positions.get(namespace)
        seq = (self.rows.positions[namespace] if taken is None else taken) + 1
        self.positions[namespace] = seq
        return seq
