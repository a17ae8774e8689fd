"""What the traffic of one tenant knows of, so that clients meet each other at the same things."""

import random
from collections import deque
from typing import Any, NamedTuple
from uuid import UUID

RECENT = 40
"""How many tasks are in the traffic at a time: few enough that clients meet."""


class Held(NamedTuple):
    """What an agent was given with a task."""

    agent_id: str
    fence: int


class Board:
    """The ids and requests that clients of one tenant share. Ids are unique over all tenants."""

    def __init__(self, tenant: str, chosen: random.Random) -> None:
        self.tenant = tenant
        self._chosen = chosen
        self._made = 0
        self.tasks: deque[str] = deque(maxlen=RECENT)
        self.recent: dict[str, deque[str]] = {
            kind: deque(maxlen=8) for kind in ("group", "checkout", "order", "cart")
        }
        self.every: dict[str, list[str]] = {
            kind: [] for kind in ("task", "group", "checkout", "order")
        }
        """All that was asked for, to be ended when the traffic ends."""
        self.held: dict[str, list[Held]] = {}
        """The fences of each task, the newest last."""
        self.cancels: list[Any] = []
        """Requests of cancels that had an answer."""
        self.running: deque[Any] = deque(maxlen=8)
        """Requests of cancels that were not over when they were answered."""
        self.settlements: list[Any] = []
        """Requests of settlements that had an answer."""
        self.owed: deque[str] = deque(maxlen=RECENT)
        """Tasks of which a refund was required when somebody looked."""
        self.cancellations: deque[str] = deque(maxlen=40)

    def new_uuid(self) -> str:
        return str(UUID(int=self._chosen.getrandbits(128), version=4))

    def new_name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self.tenant}-{self._made}"

    def add(self, kind: str, id: str) -> str:
        """Puts a new thing before all clients."""
        if kind == "task":
            self.tasks.append(id)
        else:
            self.recent[kind].append(id)
        if kind in self.every:
            self.every[kind].append(id)
        return id

    def some(self, kind: str) -> str | None:
        """Returns one of the recent things, if there is any."""
        known = self.tasks if kind == "task" else self.recent[kind]
        return self._chosen.choice(known) if known else None

    def hold(self, task_id: str, held: Held) -> None:
        """Notes what an agent was given."""
        self.held.setdefault(task_id, []).append(held)

    def some_held(self) -> tuple[str, Held] | None:
        """Returns a task with one of its fences; mostly the newest, sometimes an outdated one."""
        known = [task_id for task_id in self.tasks if task_id in self.held]
        if not known:
            return None
        task_id = self._chosen.choice(known)
        fences = self.held[task_id]
        old = self._chosen.random() < 0.15
        return task_id, self._chosen.choice(fences) if old else fences[-1]
