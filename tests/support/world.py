"""Drives the rules without a store: answers a plan's wishes from dictionaries, and keeps its saves.

It speaks the generator protocol of `Batch.plan`, as a store does, and knows no rule.
"""

import copy
from typing import Any

from countermand.core import commands as c
from countermand.core.decide import Batch
from countermand.core.errors import Refused
from countermand.core.records import (
    Agent,
    Cancellation,
    Event,
    Group,
    Key,
    RequestId,
    Task,
    TaskState,
)
from countermand.core.rows import Id, Loaded, Overdue, Saves, Wanted
from tests.support.ask import FIRST_TIME, NS


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
        self.ids: Any = Counter()
        self.tasks: dict[Id, Task] = {}
        self.groups: dict[Id, Group] = {}
        self.agents: dict[Id, Agent] = {}
        self.cancellations: dict[Id, Cancellation] = {}
        self.request_ids: dict[Id, RequestId] = {}
        self.keys: dict[str, Key] = {}
        self.positions: dict[int, int] = {}
        self.events: list[Event] = []

    def copy(self) -> "World":
        """Returns a world with the same rows that goes its own way. Records are never changed."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            setattr(other, name, copy.copy(value))
        return other

    def rows(self) -> dict[str, Any]:
        """Returns all that is kept, for comparing."""
        return {name: value for name, value in vars(self).items() if name not in ("ids", "now")}

    def run(self, *commands: c.Command) -> list[Any]:
        """Decides commands in one batch, saves what they change, and returns their answers."""
        batch = Batch(commands, self.now, self.ids)
        plan = batch.plan()
        try:
            wanted = next(plan)
            while True:
                wanted = plan.send(self.load(wanted))
        except StopIteration as end:
            self.take(end.value)
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

    def task(self, task_id: str) -> Task:
        return self.tasks[NS, task_id]

    def group(self, group_id: str) -> Group:
        return self.groups[NS, group_id]

    def cancellation(self, cancellation_id: str | None) -> Cancellation:
        return self.cancellations[NS, cancellation_id or ""]

    def members(self, key: Id) -> list[Task]:
        """Returns the tasks of a group in the order of their creation."""
        return [
            task for (ns, _), task in self.tasks.items() if ns == key[0] and task.group_id == key[1]
        ]

    def load(self, wanted: Wanted) -> Loaded:
        """Answers what a plan wants to see."""

        def pick(rows: dict[Any, Any], keys: set[Any]) -> list[Any]:
            return [rows[key] for key in keys if key in rows]

        return Loaded(
            tasks=pick(self.tasks, wanted.tasks),
            groups=pick(self.groups, wanted.groups),
            members=[(key, self.members(key)) for key in wanted.members],
            agents=pick(self.agents, wanted.agents),
            cancellations=pick(self.cancellations, wanted.cancellations),
            request_ids=pick(self.request_ids, wanted.request_ids),
            keys=pick(self.keys, wanted.keys),
            positions=[(number, self.positions.get(number, 0)) for number in wanted.namespaces],
            overdue=self.overdue(wanted.overdue) if wanted.overdue else None,
        )

    def overdue(self, limit: int) -> Overdue:
        """Returns what has run out by now."""
        lost = {
            key
            for key, agent in self.agents.items()
            if agent.lease_expire_time is not None and agent.lease_expire_time <= self.now
        }
        late = [
            key
            for key, task in self.tasks.items()
            if task.state is TaskState.CANCELLING and (task.deadline_time or 0) <= self.now
        ][:limit]
        orphans = [
            key
            for key, task in self.tasks.items()
            if not task.ended and (task.namespace, task.agent_id) in lost
        ][:limit]
        agents = sorted(lost)[:limit] if len(orphans) < limit else []
        more = limit in (len(late), len(orphans), len(agents))
        return Overdue(list(dict.fromkeys(late + orphans)), agents, more)

    def take(self, saves: Saves) -> None:
        """Keeps what a plan wants saved."""
        self.tasks |= saves.tasks
        self.groups |= saves.groups
        self.agents |= saves.agents
        self.cancellations |= saves.cancellations
        self.request_ids |= saves.request_ids
        self.keys |= saves.keys
        self.positions |= saves.positions
        self.events += saves.events
