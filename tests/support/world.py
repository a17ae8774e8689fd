"""Drives the rules without a store: answers a plan's wishes from dictionaries, and keeps its saves.

It speaks the generator protocol of `Batch.plan`, as a store does, and knows no rule.
"""

import copy
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from countermand.core import commands as c
from countermand.core.cancellations import EARLY_CANCEL_LIFETIME, Cancellation, RequestId
from countermand.core.changes import Id, Saves
from countermand.core.decide import Batch
from countermand.core.errors import Refused
from countermand.core.instant import Instant
from countermand.core.keys import Key
from countermand.core.leases import Renewal
from countermand.core.log import Event, Floor, LoggedRecord, RecordEvent
from countermand.core.overdue import Overdue, OverdueSearch
from countermand.core.records import (
    Agent,
    Cart,
    Checkout,
    Group,
    Holder,
    Order,
    Target,
    Task,
    whole,
)
from countermand.core.retention import Found, Gone, Leftover, Search, Spot, floors
from countermand.core.rows import Loaded, Wanted
from countermand.core.states import CartState, CheckoutState, TargetKind, TaskState
from tests.support.ask import FIRST_TIME, NS, purges


class Counter:
    """Makes ids that count up, so that two runs of the same commands make the same ids."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, now: int) -> str:
        self.made += 1
        return f"00000000-0000-7000-8000-{self.made:012x}"


class World:
    """All rows there are, and the time."""

    def __init__(self) -> None:
        self.now = FIRST_TIME
        self.ahead = 0
        """How far the clock by which times are shown is ahead of the steady one."""
        self.ids: Any = Counter()
        self.tasks: dict[Id, Task] = {}
        self.holders: dict[Target, Holder] = {}
        self.carts: dict[Id, Cart] = {}
        self.agents: dict[Id, Agent] = {}
        self.cancellations: dict[Id, Cancellation] = {}
        self.request_ids: dict[Id, RequestId] = {}
        self.keys: dict[str, Key] = {}
        self.positions: dict[int, int] = {}
        self.events: list[Event] = []
        self.attached: list[Event] = []
        self.records: list[RecordEvent] = []
        self.floors: dict[int, Floor] = {}
        self.numbers: dict[Any, int] = {}
        """Of rows that a search saw."""

    def copy(self) -> "World":
        """Returns a world with the same rows that goes its own way. Records are never changed."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            setattr(other, name, copy.copy(value))
        return other

    def rows(self) -> dict[str, Any]:
        """Returns all that is kept, for comparing."""
        hidden = ("ids", "now", "ahead", "numbers")
        return {name: value for name, value in vars(self).items() if name not in hidden}

    def run(self, *commands: c.Command) -> list[Any]:
        """Decides commands in one batch, saves what they change, and returns their answers."""
        return self.run_batch(Batch(commands, self.instant, self.ids))

    def run_batch(self, batch: Batch) -> list[Any]:
        """Runs one batch, and returns its answers."""
        self._renew_leases(batch.renewal)
        plan = batch.plan()
        try:
            wanted = next(plan)
            while True:
                wanted = plan.send(self.load(wanted))
        except StopIteration as end:
            self.take(end.value)
        for target, counts in batch.saves.counts.items():
            for task in self.members(target):
                counts[task.state] = counts.get(task.state, 0) + 1
        if len(batch.commands) == 1:
            _expect_records_last(batch.saves)
        return batch.answers

    def do(self, command: c.Command) -> Any:
        """Decides one command alone. Returns its answer, or raises its refusal."""
        (answer,) = self.run(command)
        if isinstance(answer, Refused):
            raise answer
        return answer

    def do_all(self, *commands: c.Command) -> list[Any]:
        """Decides commands one after the other, each in a batch of its own."""
        return [self.do(command) for command in commands]

    def purge(
        self, retention: int, limit: int = 1000, *, check: Callable[[], None] = lambda: None
    ) -> int:
        """Removes all that is older than a retention. Returns how many rows went.

        It checks after each batch.
        """
        asked = purges(self.now, retention, limit)
        try:
            command = next(asked)
            while True:
                answer = self.do(command)
                check()
                command = asked.send(answer)
        except StopIteration as end:
            return int(end.value)

    @property
    def instant(self) -> Instant:
        """This moment by all clocks."""
        return Instant.at(self.now)._replace(steady=self.now - self.ahead)

    def task(self, task_id: str) -> Task:
        return self.tasks[NS, task_id]

    def group(self, group_id: str) -> Group:
        found = self.holders[Target(TargetKind.GROUP, NS, group_id)]
        assert isinstance(found, Group)
        return found

    def checkout(self, checkout_id: str) -> Checkout:
        found = self.holders[Target(TargetKind.CHECKOUT, NS, checkout_id)]
        assert isinstance(found, Checkout)
        return found

    def order(self, order_id: str) -> Order:
        found = self.holders[Target(TargetKind.ORDER, NS, order_id)]
        assert isinstance(found, Order)
        return found

    def cart(self, cart_id: str) -> Cart:
        return self.carts[NS, cart_id]

    def cancellation(self, cancellation_id: str | None) -> Cancellation:
        return self.cancellations[NS, cancellation_id or ""]

    def covered(self, record: Cancellation) -> list[Task]:
        """Returns the tasks that a cancellation covers in the order of their creation."""
        return [task for task in self.members(record.target) if record.covers(task)]

    def members(self, target: Target) -> list[Task]:
        """Returns the tasks of a holder in the order of their creation."""
        return [task for task in self.tasks.values() if self.is_under(task, target)]

    def is_under(self, task: Task, target: Target) -> bool:
        if task.namespace != target.namespace:
            return False
        if target.kind is TargetKind.TASK:
            return task.task_id == target.id
        if target.kind is TargetKind.GROUP:
            return task.group_id == target.id
        if target.kind is TargetKind.CHECKOUT:
            return task.checkout_id == target.id
        order = self.holders.get(target)
        listed = order.checkout_ids if isinstance(order, Order) else ()
        return task.order_id == target.id or task.checkout_id in listed

    def subgroups(self, target: Target) -> list[Group]:
        """Returns the groups that name an order."""
        return [
            group
            for group in self.holders.values()
            if isinstance(group, Group)
            and (group.namespace, group.order_id) == (target.namespace, target.id)
        ]

    def load(self, wanted: Wanted) -> Loaded:
        """Answers what a plan wants to see."""

        def pick(rows: dict[Any, Any], keys: set[Any]) -> list[Any]:
            return [rows[key] for key in keys if key in rows]

        return Loaded(
            tasks=pick(self.tasks, wanted.tasks | wanted.ending),
            holders=[_without_snapshot(one) for one in pick(self.holders, wanted.holders)],
            snapshots=[
                (one.target, whole(one.snapshot))
                for one in pick(self.holders, wanted.snapshots)
                if isinstance(one, Checkout | Order)
            ],
            members=[(target, self.members(target)) for target in wanted.members],
            subgroups=[(target, self.subgroups(target)) for target in wanted.subgroups],
            carts=[one.evolve(line_items=None) for one in pick(self.carts, wanted.carts)],
            agents=pick(self.agents, wanted.agents),
            cancellations=pick(
                self.cancellations,
                wanted.cancellations
                | {
                    (task.namespace, task.cancellation_id or "")
                    for task in pick(self.tasks, wanted.ending)
                },
            ),
            early_cancels=[
                record
                for record in self.cancellations.values()
                if record.waiting and (record.namespace, record.target.id) in wanted.early_cancels
            ],
            request_ids=pick(self.request_ids, wanted.request_ids),
            keys=pick(self.keys, wanted.keys),
            positions=[(number, self.positions.get(number, 0)) for number in wanted.namespaces],
            overdue=self.overdue(wanted.overdue) if wanted.overdue else None,
            found=self.search(wanted.search) if wanted.search else None,
        )

    def overdue(self, search: OverdueSearch) -> Overdue:
        """Returns what has run out by now."""
        limit = search.limit
        lost = {
            key
            for key, agent in self.agents.items()
            if agent.lease_expire_time is not None and agent.lease_expire_time <= search.lease_time
        }
        late = [
            key
            for key, task in self.tasks.items()
            if task.state is TaskState.CANCELLING and (task.due_time or 0) <= self.instant.steady
        ][:limit]
        orphans = [
            key
            for key, task in self.tasks.items()
            if not task.ended and (task.namespace, task.agent_id) in lost
        ][:limit]
        agents = sorted(lost)[:limit] if len(orphans) < limit else []
        expired = [
            key
            for key, task in self.tasks.items()
            if task.state in (TaskState.PENDING, TaskState.RUNNING) and self._past(task.expire_time)
        ][:limit]
        checkouts = [
            (checkout.namespace, checkout.checkout_id)
            for checkout in self.holders.values()
            if isinstance(checkout, Checkout)
            and checkout.state is CheckoutState.OPEN
            and self._past(checkout.expire_time)
        ][:limit]
        early = [
            key
            for key, record in self.cancellations.items()
            if record.waiting and self._past(record.create_time + EARLY_CANCEL_LIFETIME)
        ][:limit]
        more = limit in map(len, (late, orphans, agents, expired, checkouts, early))
        tasks = list(dict.fromkeys(late + orphans))
        return Overdue(tasks, agents, expired, checkouts, early, more)

    def search(self, search: Search) -> Found:
        """Returns what is old."""
        kinds = {
            Leftover.TASK: self._ended(owed=False),
            Leftover.OWED_TASK: self._ended(owed=True),
            Leftover.CART: [
                (cart.update_time, key)
                for key, cart in self.carts.items()
                if cart.state is CartState.ACTIVE
            ],
            Leftover.CANCELLATION: [
                (record.end_time, key)
                for key, record in self.cancellations.items()
                if record.waited_in_vain
            ],
            Leftover.AGENT: [(agent.lost_time, key) for key, agent in self.agents.items()],
            Leftover.EVENT: [(event.time, event) for event in self.events if event.task is None],
        }
        for kind in (TargetKind.GROUP, TargetKind.CHECKOUT, TargetKind.ORDER):
            kinds[Leftover(kind)] = [
                (holder.update_time, (target.namespace, target.id))
                for target, holder in self.holders.items()
                if target.kind is kind and not holder.task_count and not _is_of_checkout(holder)
            ]
        rows = [
            (Spot(time, self.numbers.setdefault(row, len(self.numbers))), row)
            for time, row in kinds[search.kind]
            if time is not None and time <= search.before and row_namespace(row) == search.namespace
        ]
        later = sorted((row for row in rows if row[0] > search.after), key=itemgetter(0))
        page = later[: search.limit]
        after = page[-1][0] if len(page) == search.limit else None
        found = [row for _, row in page]
        if search.kind is Leftover.EVENT:
            return Found([], found, after)
        return Found(found, [], after)

    def _ended(self, *, owed: bool) -> list[tuple[int | None, Any]]:
        """Returns the ended tasks of which a refund is required, or the others."""
        return [
            (task.update_time, key)
            for key, task in self.tasks.items()
            if task.ended and task.refund_required is owed
        ]

    def _past(self, time: int | None) -> bool:
        return time is not None and time <= self.now

    def take(self, saves: Saves) -> None:
        """Keeps what a plan wants saved."""
        self.tasks |= saves.tasks
        for target, holder in saves.holders.items():
            if isinstance(holder, Checkout | Order) and holder.snapshot is None:
                before = self.holders[target]
                assert isinstance(before, Checkout | Order)
                holder = holder.evolve(snapshot=before.snapshot)
            self.holders[target] = holder
        for key, cart in saves.carts.items():
            if cart.line_items is None:
                cart = cart.evolve(line_items=self.carts[key].line_items)
            self.carts[key] = cart
        self.agents |= saves.agents
        self.cancellations |= saves.cancellations
        self.request_ids |= saves.request_ids
        self.keys |= saves.keys
        self.positions |= saves.positions
        self.events += saves.events
        self.attached += saves.attached
        self.records += saves.records
        for gone in saves.gone:
            self._remove(gone)
        for namespace, floor in floors(saves.gone).items():
            self.floors[namespace] = max(floor, self.floors.get(namespace, floor))

    def _remove(self, gone: Gone) -> None:
        """Removes a row, with what belongs to it alone."""
        if isinstance(gone, Task):
            del self.tasks[gone.namespace, gone.task_id]
            self.events = [event for event in self.events if not _is_of(event, gone)]
            self.attached = [event for event in self.attached if not _is_of(event, gone)]
            self._forget_requests(gone.namespace, gone.task_id, settles=True)
        elif isinstance(gone, Cancellation):
            del self.cancellations[gone.namespace, gone.cancellation_id]
            self._forget_entries(gone)
            self._forget_requests(gone.namespace, gone.cancellation_id, settles=False)
        elif isinstance(gone, Cart):
            del self.carts[gone.namespace, gone.cart_id]
        elif isinstance(gone, Agent):
            del self.agents[gone.namespace, gone.agent_id]
        elif isinstance(gone, Event):
            self.events.remove(gone)
        else:
            del self.holders[gone.target]
            if not isinstance(gone, Group):
                self._forget_entries(gone)

    def _forget_entries(self, gone: LoggedRecord) -> None:
        self.records = [event for event in self.records if key_of(event.record) != key_of(gone)]

    def log(self) -> list[Event | RecordEvent]:
        """Returns every entry of the log, by namespace and place."""
        entries = [*self.events, *self.attached, *self.records]
        return sorted(entries, key=lambda entry: (entry.namespace, entry.seq))

    def _forget_requests(self, namespace: int, answer_id: str, *, settles: bool) -> None:
        gone = (namespace, answer_id, settles)
        self.request_ids = {
            key: one
            for key, one in self.request_ids.items()
            if (one.namespace, one.answer_id, one.settles) != gone
        }

    def _renew_leases(self, renewal: Renewal) -> None:
        for key, agent in self.agents.items():
            chosen = renewal.all or key in renewal.agents
            if chosen and agent.lease_expire_time is not None:
                end = self.instant.steady + agent.lease_duration
                self.agents[key] = agent.evolve(lease_expire_time=end)


def _expect_records_last(saves: Saves) -> None:
    """What one command did to tasks has its places before all else."""
    last = {event.namespace: event.seq for event in (*saves.attached, *saves.events)}
    last |= {event.namespace: max(event.seq, last[event.namespace]) for event in saves.attached}
    for event in saves.records:
        assert event.seq > last.get(event.namespace, 0)


def row_namespace(row: Any) -> int:
    """Returns the namespace of what a search found."""
    return int(row.namespace if isinstance(row, Event) else row[0])


def key_of(record: LoggedRecord) -> Any:
    """Returns by what a record is known."""
    if isinstance(record, Cancellation):
        return (record.namespace, record.cancellation_id)
    return record.target


def _is_of(event: Event, task: Task) -> bool:
    own = event.task
    return own is not None and (own.namespace, own.task_id) == (task.namespace, task.task_id)


def _is_of_checkout(holder: Holder) -> bool:
    return isinstance(holder, Group) and holder.checkout_id is not None


def _without_snapshot(holder: Holder) -> Holder:
    """Returns a holder as a batch sees it that did not want its snapshot."""
    return holder.evolve(snapshot=None) if isinstance(holder, Checkout | Order) else holder
