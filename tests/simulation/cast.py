"""Who acts in a history, each with the steps that the script has for it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from tests.chaos.robustness.clients import Client
from tests.chaos.robustness.watchers import Follower, Roamer, of_record
from tests.simulation.hooks import HookOwner
from tests.simulation.network import Channel, SimClient
from tests.simulation.operators import Operator
from tests.simulation.script import STEP, Step
from tests.simulation.workers import SimWorker
from tests.support.caller import span

if TYPE_CHECKING:
    from tests.simulation.play import Play

ASIDES: dict[str, Any] = {"hooks": HookOwner, "operator": Operator}
"""Who does what beside the traffic, by the ends of their names."""


class Cast:
    """All who act in one history."""

    def __init__(self, play: "Play") -> None:
        self._play = play

    def begin(self) -> list[asyncio.Task[None]]:
        """Gives every actor of the script its steps."""
        parts: dict[str, list[Step]] = {}
        for step in self._play.script.steps:
            parts.setdefault(step.who, []).append(step)
        begin = self._play.loop.time()
        return [asyncio.create_task(self._act(who, steps, begin)) for who, steps in parts.items()]

    async def _act(self, who: str, steps: list[Step], begin: float) -> None:
        do = self._part_of(who)
        for step in steps:
            wait = begin + step.at - self._play.loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            STEP.set(random.Random(step.seed))
            await do(step)

    def _part_of(self, who: str) -> Callable[[Step], Awaitable[None]]:
        tenant, _, role = who.partition("-")
        if tenant == "faults":
            return self._play.faults.inflict
        board, client = self._play.boards[tenant], self._play.client(who, tenant)
        aside = ASIDES.get(role)
        if aside is not None:
            beside = SimClient(
                who, tenant, Channel(self._play.address), self._play.keys[tenant], self._play.aside
            )
            actor = aside(beside, tenant, self._play)
            return lambda step: getattr(actor, step.what)()
        if role.startswith("worker"):
            worker = SimWorker(client, board, self._play.mood, self._play.chosen, {})
            return lambda step: getattr(worker, step.what)()
        if role.startswith("keys"):
            return lambda step: self._play.key_lives.live(who)
        if role.startswith("roamer"):
            roamer = Roamer(
                client, board, self._play.mood, self._play.chosen, self._play.seen[tenant]
            )
            return lambda step: self._roam(roamer)
        return lambda step: self._follow(client, tenant)

    async def _roam(self, roamer: Roamer) -> None:
        opened = roamer._open()
        if opened is not None:
            await roamer._read_some(opened)
            await opened.close()
            if opened.note.messages:
                roamer._seen.append(opened.note)

    async def _follow(self, client: Client, tenant: str) -> None:
        """Starts a watcher that stays."""
        board, chosen = self._play.boards[tenant], self._play.chosen
        kind = chosen.choice(
            ("task", "task", "group", "checkout", "order", "record", "agent", "both", "none")
        )
        request: Any = c.WatchTasksRequest()
        of_itself = kind == "record"
        kind = chosen.choice(("checkout", "order")) if of_itself else kind
        has_two, kind = kind == "both", "group" if kind == "both" else kind
        id = board.some(kind) if kind in ("task", *board.recent) else None
        if kind == "task" and id is not None:
            request = c.WatchTaskRequest(task_id=id, after_version=0)
        elif of_itself and id is not None:
            request = of_record(kind, id, after_version=0)
        elif id is not None:
            request.filter.CopyFrom(task_pb2.TaskFilter(**{f"{kind}_id": id}))
        if kind == "agent" or has_two:
            request.filter.agent_id = "agent-1"
        if chosen.random() < 0.5:
            request.heartbeat_interval.CopyFrom(span(1))
        follower = Follower(client, request, self._play.mood)
        self._play.followers.append((tenant, follower))
        asyncio.create_task(follower.work())  # noqa: RUF006 - its loop keeps it
