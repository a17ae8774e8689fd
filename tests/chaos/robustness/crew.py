"""All clients of one tenant: workers, watchers that come and go, and watchers that stay."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from tests.chaos.robustness.board import Board
from tests.chaos.robustness.clients import Client, client
from tests.chaos.robustness.faults import Ground
from tests.chaos.robustness.history import History, Stream
from tests.chaos.robustness.traffic import AGENTS, Worker
from tests.chaos.robustness.watchers import Follower, Roamer, of_record

TENANTS = {"default": (5, 4), "other": (2, 1)}
"""How many workers and roamers each tenant has."""
FOLLOWED = 8
"""How many groups, checkouts and orders of a tenant have a watcher that stays."""


class Crew:
    """All clients of one tenant."""

    def __init__(
        self,
        tenant: str,
        key: str,
        ground: Ground,
        history: History,
        stack: AsyncExitStack,
        chosen: random.Random,
    ) -> None:
        self.tenant = tenant
        self._key = key
        self._ground = ground
        self._mood = ground.mood
        self._history = history
        self._stack = stack
        self.board = Board(tenant, chosen)
        self.followers: list[Follower] = []

    async def begin(
        self,
        group: asyncio.TaskGroup,
        dice: Callable[[str], random.Random],
        likes: Mapping[str, int],
    ) -> list[asyncio.Task[None]]:
        """Starts all of them. Returns the tasks of those that stop with the traffic."""
        workers, roamers = TENANTS[self.tenant]
        seen: list[Stream] = []
        tasks = []
        for number in range(workers):
            name = f"{self.tenant}-worker-{number}"
            one = await self.client(name, proxied=number % 2 == 0)
            worker = Worker(one, self.board, self._mood, dice(name), likes)
            tasks.append(group.create_task(worker.work()))
        for number in range(roamers):
            name = f"{self.tenant}-roamer-{number}"
            one = await self.client(name, proxied=number % 2 == 0)
            roamer = Roamer(one, self.board, self._mood, dice(name), seen)
            tasks.append(group.create_task(roamer.work()))
        for chosen in ({}, {"agent_id": AGENTS[0]}):
            await self._follow(group, c.WatchTasksRequest(filter=task_pb2.TaskFilter(**chosen)))
        tasks.append(group.create_task(self._follow_some(group)))
        return tasks

    async def _follow(self, group: asyncio.TaskGroup, request: Any) -> None:
        """Starts a watcher that stays."""
        number = len(self.followers)
        one = await self.client(f"{self.tenant}-follower-{number}", proxied=number % 2 == 0)
        follower = Follower(one, request, self._mood)
        self.followers.append(follower)
        group.create_task(follower.work())

    async def _follow_some(self, group: asyncio.TaskGroup) -> None:
        """Follows some of what is created, from soon after its creation to its end."""
        followed: set[str] = set()
        while not self._mood.stopped and len(followed) < FOLLOWED:
            for kind in ("group", "checkout", "order"):
                id = self.board.some(kind)
                if id is not None and id not in followed:
                    followed.add(id)
                    chosen = task_pb2.TaskFilter(**{f"{kind}_id": id})
                    await self._follow(group, c.WatchTasksRequest(filter=chosen))
                    if kind != "group":
                        await self._follow(group, of_record(kind, id, after_version=0))
            task_id = self.board.some("task")
            if task_id is not None:
                await self._follow(group, c.WatchTaskRequest(task_id=task_id, after_version=0))
            await asyncio.sleep(0.1)

    async def client(self, name: str, *, proxied: bool = False) -> Client:
        """Opens a client of this tenant, which is closed when the run ends."""
        address = self._ground.address(proxied=proxied)
        opened = client(name, self.tenant, address, self._key, self._history)
        return await self._stack.enter_async_context(opened)
