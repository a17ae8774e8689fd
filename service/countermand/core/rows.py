"""The rows that a batch works on: what it asks the store for, what it has, what it changes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from countermand.core.ids import UuidMaker
from countermand.core.records import (
    Agent,
    Cancellation,
    Event,
    Group,
    Key,
    RequestId,
    Task,
)

Id = tuple[int, str]
"""A namespace, and an id in it."""


@dataclass(slots=True)
class Wanted:
    """What a batch asks the store for."""

    tasks: set[Id] = field(default_factory=set)
    groups: set[Id] = field(default_factory=set)
    members: set[Id] = field(default_factory=set)
    """Groups of which all tasks are wanted."""
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
            or self.groups
            or self.members
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
    """Agents past their lease; none while some of their live tasks may be missing above."""
    more: bool
    """Whether there may be more than was wanted."""


class Loaded(NamedTuple):
    """What the store answers to a Wanted. What does not exist is left out."""

    tasks: Iterable[Task] = ()
    groups: Iterable[Group] = ()
    members: Iterable[tuple[Id, list[Task]]] = ()
    """Tasks in the order of their creation."""
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
        self.groups: dict[Id, Group | None] = {}
        self.members: dict[Id, list[str]] = {}
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
            groups=wanted.groups - self.groups.keys(),
            members=wanted.members - self.members.keys(),
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
            (wanted.groups, self.groups),
            (wanted.agents, self.agents),
            (wanted.cancellations, self.cancellations),
            (wanted.request_ids, self.request_ids),
        ):
            rows.update(dict.fromkeys(ids))
        self.keys.update(dict.fromkeys(wanted.keys))
        for task in loaded.tasks:
            self.tasks[task.namespace, task.task_id] = task
        for group in loaded.groups:
            self.groups[group.namespace, group.group_id] = group
        for group_key, tasks in loaded.members:
            self.members[group_key] = [task.task_id for task in tasks]
            for task in tasks:
                self.tasks[task.namespace, task.task_id] = task
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
        for task_key, task in changes.tasks.items():
            if self.tasks.get(task_key) is None:
                self.saves.created.add(task_key)
                siblings = self.members.get((task.namespace, task.group_id or ""))
                if siblings is not None:
                    siblings.append(task.task_id)
        self.tasks.update(changes.tasks)
        self.groups.update(changes.groups)
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
        self.groups: dict[Id, Group] = {}
        self.agents: dict[Id, Agent] = {}
        self.cancellations: dict[Id, Cancellation] = {}
        self.request_ids: dict[Id, RequestId] = {}
        self.keys: dict[str, Key] = {}
        self.positions: dict[int, int] = {}
        self.events: list[Event] = []

    def merge(self, later: "Changes") -> None:
        """Takes in what changed after this."""
        self.tasks.update(later.tasks)
        self.groups.update(later.groups)
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

    def group(self, namespace: int, group_id: str) -> Group | None:
        """Returns a group as this command left it, or None if there is none."""
        key = (namespace, group_id)
        return self.groups.get(key) or self.rows.groups[key]

    def members(self, group: Group) -> list[Task]:
        """Returns all tasks of a group in the order of their creation."""
        namespace = group.namespace
        ids = self.rows.members[namespace, group.group_id]
        return [task for id in ids if (task := self.task(namespace, id)) is not None]

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

    def save_group(self, group: Group) -> None:
        """Keeps a group's new state."""
        self.groups[group.namespace, group.group_id] = group

    def save_cancellation(self, cancellation: Cancellation) -> None:
        """Keeps a cancellation's new state."""
        self.cancellations[cancellation.namespace, cancellation.cancellation_id] = cancellation

    def log_task(self, task: Task, *, ends_group: bool = False) -> Task:
        """Keeps a new version of a task and logs it. Returns it with its place in the log."""
        seq = self.position(task.namespace) + 1
        self.positions[task.namespace] = seq
        logged = task.evolve(seq=seq)
        self.save_task(logged)
        self.events.append(
            Event(seq, task.namespace, logged, task.group_id, ends_group, previous_seq=task.seq)
        )
        return logged

    def log_group_over(self, group: Group) -> None:
        """Logs that a group is over without a task's change."""
        seq = self.position(group.namespace) + 1
        self.positions[group.namespace] = seq
        self.events.append(Event(seq, group.namespace, None, group.group_id, ends_group=True))
