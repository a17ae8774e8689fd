"""The rows that a batch works on: what it asks the store for, and what it has."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from countermand.core.cancellations import Cancellation, RequestId
from countermand.core.changes import KINDS, Changes, Id, Saves
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.core.keys import Key
from countermand.core.log import Event
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
)
from countermand.core.retention import Found, Search
from countermand.core.states import TargetKind
from countermand.core.webhook_rows import (
    LoadedWebhooks,
    Outbox,
    WantedWebhooks,
    WebhookChanges,
    WebhookRows,
)

__all__ = ["Id", "Loaded", "Rows", "Wanted"]


@dataclass(slots=True)
class Wanted:
    """What a batch asks the store for."""

    tasks: set[Id] = field(default_factory=set)
    ending: set[Id] = field(default_factory=set)
    """Tasks that are wanted with the cancellations that they name: an end is counted there."""
    holders: set[Target] = field(default_factory=set)
    snapshots: set[Target] = field(default_factory=set)
    """Holders of which the snapshot is wanted, too; without, it is None."""
    members: set[Target] = field(default_factory=set)
    """Holders of which all tasks are wanted."""
    subgroups: set[Target] = field(default_factory=set)
    """Orders of which all groups are wanted."""
    carts: set[Id] = field(default_factory=set)
    agents: set[Id] = field(default_factory=set)
    cancellations: set[Id] = field(default_factory=set)
    early_cancels: set[Id] = field(default_factory=set)
    """Tasks of which the cancel that came before them is wanted."""
    request_ids: set[Id] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    namespaces: set[int] = field(default_factory=set)
    """Namespaces of which the last position in the log is wanted."""
    overdue: OverdueSearch | None = None
    search: Search | None = None
    webhooks: WantedWebhooks | None = None
    """What is wanted of webhooks, if anything is."""

    def __bool__(self) -> bool:
        return bool(
            self.tasks
            or self.ending
            or self.holders
            or self.snapshots
            or self.members
            or self.subgroups
            or self.carts
            or self.agents
            or self.cancellations
            or self.early_cancels
            or self.request_ids
            or self.keys
            or self.namespaces
            or self.overdue
            or self.search
            or self.webhooks
        )


class Loaded(NamedTuple):
    """What the store answers to a Wanted. What does not exist is left out."""

    tasks: Iterable[Task] = ()
    holders: Iterable[Holder] = ()
    snapshots: Iterable[tuple[Target, bytes]] = ()
    members: Iterable[tuple[Target, list[Task]]] = ()
    """Tasks in the order of their creation."""
    subgroups: Iterable[tuple[Target, list[Group]]] = ()
    carts: Iterable[Cart] = ()
    agents: Iterable[Agent] = ()
    cancellations: Iterable[Cancellation] = ()
    early_cancels: Iterable[Cancellation] = ()
    request_ids: Iterable[RequestId] = ()
    keys: Iterable[Key] = ()
    positions: Iterable[tuple[int, int]] = ()
    stored_bytes: Iterable[tuple[int, int]] = ()
    """How much the tenant of each of these namespaces stores, in all of its namespaces."""
    overdue: Overdue | None = None
    found: Found | None = None
    """What the search came upon."""
    outboxes: Iterable[tuple[int, Outbox]] = ()
    """Those of the namespaces that have endpoints."""
    webhooks: LoadedWebhooks | None = None


class Rows:
    """The rows of one batch. A row that was asked for and does not exist is None.

    A row that was never asked for raises KeyError: the batch is then rolled back, and each of its
    commands tried alone.
    """

    def __init__(self, instant: Instant, ids: UuidMaker) -> None:
        self.instant = instant
        self.ids = ids
        self.tasks: dict[Id, Task | None] = {}
        self.holders: dict[Target, Holder | None] = {}
        self.snapshots: set[Target] = set()
        """The holders that have their snapshot, if they exist."""
        self.members: dict[Target, list[str]] = {}
        self.subgroups: dict[Target, list[Target]] = {}
        self.carts: dict[Id, Cart | None] = {}
        self.agents: dict[Id, Agent | None] = {}
        self.cancellations: dict[Id, Cancellation | None] = {}
        self.early_cancels: dict[Id, str | None] = {}
        """By the id of a task: the cancellation that came before it."""
        self.request_ids: dict[Id, RequestId | None] = {}
        self.keys: dict[str, Key | None] = {}
        self.positions: dict[int, int] = {}
        self.stored_bytes: dict[int, int] = {}
        """How much the tenants of these namespaces store."""
        self.added_bytes = 0
        """How much the commands of this batch store more."""
        self.overdue: Overdue | None = None
        self.found: Found | None = None
        self.outboxes: dict[int, Outbox] = {}
        """Of namespaces with endpoints alone: to the others, nothing is noticed."""
        self.webhooks = WebhookRows()
        self.saves = Saves()

    def unknown(self, wanted: Wanted) -> Wanted:
        """Returns what of that is not here yet."""
        return Wanted(
            tasks=wanted.tasks - self.tasks.keys() - wanted.ending,
            ending=wanted.ending - self.tasks.keys(),
            holders=wanted.holders - self.holders.keys(),
            snapshots=wanted.snapshots - self.snapshots,
            members=wanted.members - self.members.keys(),
            subgroups=wanted.subgroups - self.subgroups.keys(),
            carts=wanted.carts - self.carts.keys(),
            agents=wanted.agents - self.agents.keys(),
            cancellations=wanted.cancellations - self.cancellations.keys(),
            early_cancels=wanted.early_cancels - self.early_cancels.keys(),
            request_ids=wanted.request_ids - self.request_ids.keys(),
            keys=wanted.keys - self.keys.keys(),
            namespaces=wanted.namespaces - self.positions.keys(),
            overdue=wanted.overdue if self.overdue is None else None,
            search=wanted.search if self.found is None else None,
            webhooks=self.webhooks.unknown(wanted.webhooks),
        )

    def add(self, wanted: Wanted, loaded: Loaded) -> None:
        """Takes what the store answered; what was wanted and is not there does not exist."""
        for ids, rows in (
            (wanted.tasks, self.tasks),
            (wanted.ending, self.tasks),
            (wanted.carts, self.carts),
            (wanted.agents, self.agents),
            (wanted.cancellations, self.cancellations),
            (wanted.request_ids, self.request_ids),
        ):
            rows.update(dict.fromkeys(ids))
        self.holders.update(dict.fromkeys(wanted.holders))
        self.keys.update(dict.fromkeys(wanted.keys))
        self.early_cancels.update(dict.fromkeys(wanted.early_cancels))
        for task in loaded.tasks:
            self.tasks[task.namespace, task.task_id] = task
        for holder in loaded.holders:
            self.holders[holder.target] = holder
        self.snapshots |= wanted.snapshots
        for target, snapshot in loaded.snapshots:
            whole = self.holders.get(target)
            if isinstance(whole, Checkout | Order):
                self.holders[target] = whole.evolve(snapshot=snapshot)
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
        for cancellation in (*loaded.cancellations, *loaded.early_cancels):
            key = (cancellation.namespace, cancellation.cancellation_id)
            self.cancellations[key] = cancellation
        self._add_early_cancels(loaded.early_cancels)
        for request_id in loaded.request_ids:
            self.request_ids[request_id.namespace, request_id.request_id] = request_id
        for key_row in loaded.keys:
            self.keys[key_row.key_id] = key_row
        self.positions |= dict.fromkeys(wanted.namespaces, 0) | dict(loaded.positions)
        self.stored_bytes.update(loaded.stored_bytes)
        for namespace, outbox in loaded.outboxes:
            self.outboxes.setdefault(namespace, outbox)
        if wanted.webhooks is not None and loaded.webhooks is not None:
            self.webhooks.add(wanted.webhooks, loaded.webhooks, self.outboxes)
        if loaded.overdue is not None:
            self.overdue = loaded.overdue
        if loaded.found is not None:
            self.found = loaded.found

    def apply(self, changes: Changes) -> None:
        """Makes one command's changes the present state, and marks them to be saved."""
        # Most commands change two or three kinds of rows, so the others are passed over.
        saves = self.saves
        if changes.tasks:
            self._note_tasks(changes.tasks)
        if changes.holders:
            self._note_holders(changes.holders)
        if changes.cancellations:
            self._note_cancellations(changes.cancellations)
        if self.members:
            for event in changes.events:
                self._add_member(event)
        if self.early_cancels:
            self._add_early_cancels(changes.cancellations.values())
        here, changed, saved = vars(self), vars(changes), vars(saves)
        for kind in KINDS:
            if rows := changed[kind]:
                here[kind].update(rows)
                saved[kind].update(rows)
        if changes.webhooks is not None:
            self.webhooks.apply(changes.webhooks, self.outboxes)
            saves.webhooks = saves.webhooks or WebhookChanges()
            saves.webhooks.update(changes.webhooks)
        saves.events.extend(changes.events)
        if changes.attached:
            saves.attached.extend(changes.attached)
            saves.attach_seqs.update(changes.attach_seqs)
        saves.joins.extend(changes.joins)
        saves.gone.extend(changes.gone)
        saves.counts.update(changes.counts)
        saves.clock_stretches = changes.clock_stretches or saves.clock_stretches

    def _note_tasks(self, tasks: dict[Id, Task]) -> None:
        """Notes which tasks are new, which were given to an agent, and what the others were."""
        present, saves = self.tasks, self.saves
        for key, task in tasks.items():
            before = present.get(key)
            if before is None:
                saves.created.add(key)
                continue
            saves.found.setdefault(key, before)
            if before.agent_id != task.agent_id:
                saves.given.add(key)

    def _note_holders(self, holders: dict[Target, Holder]) -> None:
        """Notes which checkouts and orders have a new version."""
        for target, holder in holders.items():
            known = self.holders.get(target)
            changed = known is None or known.version != holder.version
            if changed and isinstance(holder, Checkout | Order):
                self.saves.to_log.append(holder)

    def _note_cancellations(self, cancellations: dict[Id, Cancellation]) -> None:
        """Notes which cancellations are new, and which of the others have ended."""
        for key, cancellation in cancellations.items():
            earlier = self.cancellations.get(key)
            if earlier is None:
                self.saves.accepted.add(key)
            if earlier is None or earlier.state is not cancellation.state:
                self.saves.to_log.append(cancellation)

    def _add_early_cancels(self, cancellations: Iterable[Cancellation]) -> None:
        """Lets those be found that wait for their task, for the commands that come after."""
        for cancellation in cancellations:
            if cancellation.waiting:
                key = (cancellation.namespace, cancellation.target.id)
                self.early_cancels[key] = cancellation.cancellation_id

    def _add_member(self, event: Event) -> None:
        """Counts a new task among those of its holders, for the commands that come after."""
        task = event.task
        if task is None or event.previous_seq:
            return
        named = [(TargetKind.GROUP, task.group_id), (TargetKind.CHECKOUT, task.checkout_id)]
        for kind, id in [*named, *((TargetKind.ORDER, id) for id in event.orders)]:
            siblings = self.members.get(Target(kind, task.namespace, id or ""))
            if siblings is not None:
                siblings.append(task.task_id)
