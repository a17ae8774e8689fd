"""The rows that a batch works on: what it asks the store for, what it has, what it changes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from countermand.core.ids import UuidMaker
from countermand.core.log import Event
from countermand.core.records import (
    Agent,
    Cancellation,
    Cart,
    Checkout,
    Group,
    Holder,
    Key,
    Order,
    RequestId,
    Target,
    Task,
)
from countermand.core.states import TargetKind

Id = tuple[int, str]
"""A namespace, and an id in it."""


@dataclass(slots=True)
class Wanted:
    """What a batch asks the store for."""

    tasks: set[Id] = field(default_factory=set)
    holders: set[Target] = field(default_factory=set)
    members: set[Target] = field(default_factory=set)
    """Holders of which all tasks are wanted."""
    subgroups: set[Target] = field(default_factory=set)
    """Orders of which all groups are wanted."""
    carts: set[Id] = field(default_factory=set)
    agents: set[Id] = field(default_factory=set)
    cancellations: set[Id] = field(default_factory=set)
    request_ids: set[Id] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    namespaces: set[int] = field(default_factory=set)
    """Namespaces of which the last position in the log is wanted."""
    overdue: int = 0
    """How many overdue tasks are wanted at most."""

    def __bool__(self) -> bool:
        return bool(
            self.tasks
            or self.holders
            or self.members
            or self.subgroups
            or self.carts
            or self.agents
            or self.cancellations
            or self.request_ids
            or self.keys
            or self.namespaces
            or self.overdue
        )


class Overdue(NamedTuple):
    """What has run out at the time of the batch."""

    tasks: list[Id]
    """Tasks past their deadline, and live tasks of agents past their lease."""
    agents: list[Id]
    """Agents past their lease."""
    expired: list[Id]
    """Tasks past their time to expire, PENDING or RUNNING."""
    expired_checkouts: list[Id]
    """Checkouts past their time to expire, OPEN."""
    more: bool
    """Whether there may be more than was wanted."""


class Loaded(NamedTuple):
    """What the store answers to a Wanted. What does not exist is left out."""

    tasks: Iterable[Task] = ()
    holders: Iterable[Holder] = ()
    members: Iterable[tuple[Target, list[Task]]] = ()
    """Tasks in the order of their creation."""
    subgroups: Iterable[tuple[Target, list[Group]]] = ()
    carts: Iterable[Cart] = ()
    agents: Iterable[Agent] = ()
    cancellations: Iterable[Cancellation] = ()
    request_ids: Iterable[RequestId] = ()
    keys: Iterable[Key] = ()
    positions: Iterable[tuple[int, int]] = ()
    overdue: Overdue | None = None


class Rows:
    """The rows of one batch. A row that was asked for and does not exist is None.

    A row that was never asked for raises KeyError: the batch is then rolled back, and each of its
    commands tried alone.
    """

    def __init__(self, now: int, ids: UuidMaker) -> None:
        self.now = now
        self.ids = ids
        self.tasks: dict[Id, Task | None] = {}
        self.holders: dict[Target, Holder | None] = {}
        self.members: dict[Target, list[str]] = {}
        self.subgroups: dict[Target, list[Target]] = {}
        self.carts: dict[Id, Cart | None] = {}
        self.agents: dict[Id, Agent | None] = {}
        self.cancellations: dict[Id, Cancellation | None] = {}
        self.request_ids: dict[Id, RequestId | None] = {}
        self.keys: dict[str, Key | None] = {}
        self.positions: dict[int, int] = {}
        self.overdue: Overdue | None = None
        self.saves = Saves()

    def unknown(self, wanted: Wanted) -> Wanted:
        """Returns what of that is not here yet."""
        return Wanted(
            tasks=wanted.tasks - self.tasks.keys(),
            holders=wanted.holders - self.holders.keys(),
            members=wanted.members - self.members.keys(),
            subgroups=wanted.subgroups - self.subgroups.keys(),
            carts=wanted.carts - self.carts.keys(),
            agents=wanted.agents - self.agents.keys(),
            cancellations=wanted.cancellations - self.cancellations.keys(),
            request_ids=wanted.request_ids - self.request_ids.keys(),
            keys=wanted.keys - self.keys.keys(),
            namespaces=wanted.namespaces - self.positions.keys(),
            overdue=wanted.overdue if self.overdue is None else 0,
        )

    def add(self, wanted: Wanted, loaded: Loaded) -> None:
        """Takes what the store answered; what was wanted and is not there does not exist."""
        for ids, rows in (
            (wanted.tasks, self.tasks),
            (wanted.carts, self.carts),
            (wanted.agents, self.agents),
            (wanted.cancellations, self.cancellations),
            (wanted.request_ids, self.request_ids),
        ):
            rows.update(dict.fromkeys(ids))
        self.holders.update(dict.fromkeys(wanted.holders))
        self.keys.update(dict.fromkeys(wanted.keys))
        for task in loaded.tasks:
            self.tasks[task.namespace, task.task_id] = task
        for holder in loaded.holders:
            self.holders[holder.target] = holder
        for target, tasks in loaded.members:
            self.members[target] = [task.task_id for task in tasks]
            for task in tasks:
                self.tasks.setdefault((task.namespace, task.task_id), task)
        for target, groups in loaded.subgroups:
            self.subgroups[target] = [group.target for group in groups]
            for group in groups:
                self.holders.setdefault(group.target, group)
        for cart in loaded.carts:
            self.carts[cart.namespace, cart.cart_id] = cart
        for agent in loaded.agents:
            self.agents[agent.namespace, agent.agent_id] = agent
        for cancellation in loaded.cancellations:
            key = (cancellation.namespace, cancellation.cancellation_id)
            self.cancellations[key] = cancellation
        for request_id in loaded.request_ids:
            self.request_ids[request_id.namespace, request_id.request_id] = request_id
        for key_row in loaded.keys:
            self.keys[key_row.key_id] = key_row
        self.positions.update(loaded.positions)
        if loaded.overdue is not None:
            self.overdue = loaded.overdue

    def apply(self, changes: "Changes") -> None:
        """Makes one command's changes the present state, and marks them to be saved."""
        for task_key in changes.tasks:
            if self.tasks.get(task_key) is None:
                self.saves.created.add(task_key)
        self.tasks.update(changes.tasks)
        self.holders.update(changes.holders)
        self.carts.update(changes.carts)
        self.agents.update(changes.agents)
        self.cancellations.update(changes.cancellations)
        self.request_ids.update(changes.request_ids)
        self.keys.update(changes.keys)
        self.positions.update(changes.positions)
        self.saves.merge(changes)


class Changes:
    """What commands change: the last state of each row, and every event in order."""

    def __init__(self) -> None:
        self.tasks: dict[Id, Task] = {}
        self.holders: dict[Target, Holder] = {}
        self.carts: dict[Id, Cart] = {}
        self.agents: dict[Id, Agent] = {}
        self.cancellations: dict[Id, Cancellation] = {}
        self.request_ids: dict[Id, RequestId] = {}
        self.keys: dict[str, Key] = {}
        self.positions: dict[int, int] = {}
        self.events: list[Event] = []

    def merge(self, later: "Changes") -> None:
        """Takes in what changed after this."""
        self.tasks.update(later.tasks)
        self.holders.update(later.holders)
        self.carts.update(later.carts)
        self.agents.update(later.agents)
        self.cancellations.update(later.cancellations)
        self.request_ids.update(later.request_ids)
        self.keys.update(later.keys)
        self.positions.update(later.positions)
        self.events.extend(later.events)


class Saves(Changes):
    """What a batch has to save."""

    def __init__(self) -> None:
        super().__init__()
        self.created: set[Id] = set()
        """Which of the tasks are new."""


class Draft(Changes):
    """The rows as one command sees them while it changes them.

    The rows themselves stay as they are until the whole command is accepted, so that a refusal at
    any point leaves nothing behind.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows
        self.now = rows.now

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

    def position(self, namespace: int) -> int:
        """Returns the last place in the namespace's log that is taken."""
        taken = self.positions.get(namespace)
        return self.rows.positions[namespace] if taken is None else taken

    def save_task(self, task: Task) -> None:
        """Keeps a change that is no version of the task, such as a new fence."""
        self.tasks[task.namespace, task.task_id] = task

    def save_holder(self, holder: Holder) -> None:
        """Keeps a holder's new state."""
        self.holders[holder.target] = holder

    def next_version(self, target: Target) -> int:
        """Returns the version of a holder that this command changes: one more than before it."""
        before = self.rows.holders.get(target)
        return 1 if before is None else before.version + 1

    def save_cart(self, cart: Cart) -> None:
        """Keeps a cart's new state."""
        self.carts[cart.namespace, cart.cart_id] = cart

    def save_cancellation(self, cancellation: Cancellation) -> None:
        """Keeps a cancellation's new state."""
        self.cancellations[cancellation.namespace, cancellation.cancellation_id] = cancellation

    def orders_of(self, task: Task) -> frozenset[str]:
        """Returns the orders that a task is under: its own, and those of its checkout."""
        own = {task.order_id} if task.order_id is not None else set()
        if task.checkout_id is None:
            return frozenset(own)
        checkout = self.checkout(task.namespace, task.checkout_id)
        return frozenset(own.union(checkout.order_ids if checkout is not None else ()))

    def log_task(self, task: Task, *, over: frozenset[Target] = frozenset()) -> Task:
        """Keeps a new version of a task and logs it. Returns it with its place in the log."""
        seq = self._next_seq(task.namespace)
        logged = task.evolve(seq=seq)
        self.save_task(logged)
        orders = NO_ORDERS
        if task.order_id is not None or task.checkout_id is not None:
            orders = self.orders_of(task)
        self.events.append(Event(seq, task.namespace, logged, orders, over, previous_seq=task.seq))
        return logged

    def log_over(self, namespace: int, over: frozenset[Target]) -> None:
        """Logs that holders are over without a task's change."""
        self.events.append(Event(self._next_seq(namespace), namespace, None, over=over))

    def _next_seq(self, namespace: int) -> int:
        seq = self.positions[namespace] = self.position(namespace) + 1
        return seq


NO_ORDERS: frozenset[str] = frozenset()
