"""One run: traffic, faults, traffic again, until everything has ended and the file can be read."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import key_service_pb2 as k
from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.clients import ServerFailed
from tests.chaos.robustness.crew import TENANTS, Crew
from tests.chaos.robustness.ending import ask_again, end_everything, make_marker
from tests.chaos.robustness.faults import Ground
from tests.chaos.robustness.history import PULSE, History
from tests.chaos.robustness.kept import Kept
from tests.chaos.robustness.truth import Truth
from tests.chaos.robustness.unsynced import cut_power
from tests.support.caller import SCOPES
from tests.support.knobs import draw
from tests.support.server import Server, Stubs

PATIENCE = 40.0
"""Seconds in which the least traffic, or the end of everything, must come. etcd asks for 100
operations a second of machines of its own; these runs share a small one with whatever else is
there, and ask for that many seconds' worth in this time."""
BEAT = 0.05
"""Seconds between two small writes of the pulse."""


@dataclass(frozen=True)
class Plan:
    """What to do in a run."""

    seed: int
    faults: tuple[str, ...]
    program: tuple[str, ...] = ("countermand",)
    least: int = 150
    """How many operations must be answered before each fault, and after the last."""
    seconds: float = 0.0
    """How long the traffic before each fault, and after the last, goes on at least."""
    patience: float = PATIENCE
    """Within how many seconds its operations must be answered."""
    ends: str = "SIGTERM"
    """SIGTERM when everything has ended; or in the middle of the traffic a kill -9 or power cut."""
    knobs: Mapping[str, float] | None = None
    """Those of the server that differ from production, by their paths; None: drawn by the seed."""
    likes: Mapping[str, int] = field(default_factory=dict)
    """What the workers do more often, or less, than by the mix."""


@dataclass
class Played:
    """What came of a run, to be checked."""

    plan: Plan
    history: History
    truth: Truth
    kept: Kept
    shortfalls: list[str] = field(default_factory=list)
    """Why the run cannot count, such as too little traffic."""
    broken: list[str] = field(default_factory=list)
    """What the server did not do, or not in time."""


class Run:
    """One run of a plan, on a store in a folder."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        ground: Callable[[Server, Mood, History, random.Random], Ground] = Ground,
    ) -> None:
        """`ground` makes that of the faults from a server that has not been started."""
        self.plan = plan
        self.mood = Mood()
        self.history = History()
        knobs = draw(plan.seed) if plan.knobs is None else plan.knobs
        server = Server(folder, program=plan.program, knobs=knobs, makes_store=True)
        self.ground = ground(server, self.mood, self.history, self.dice("faults"))
        self.stack = AsyncExitStack()
        self._crews: list[Crew] = []
        self._shortfalls: list[str] = []
        self._broken: list[str] = []

    def dice(self, who: str) -> random.Random:
        """Returns the chance of one participant."""
        return random.Random(f"{self.plan.seed} {who}")

    async def play(self) -> Played:
        """Plays the run, and reads what it left in the file."""
        try:
            await self.ground.start()
            await self._hire()
            await self.ground.spread()
            async with self.stack, asyncio.TaskGroup() as group:
                await self._direct(group)
        finally:
            await self.ground.close()
        if self.plan.ends == "power cut":
            cut_power(self.ground.server.store, self.dice("power"))
        kept = self.ground.kept
        return Played(self.plan, self.history, kept.read(), kept, self._shortfalls, self._broken)

    async def _hire(self) -> None:
        """Makes a key for each tenant; the first key is that of the first."""
        server = self.ground.server
        async with server.connect().channel as channel:
            for tenant in TENANTS:
                key = server.key
                if self._crews:
                    made = await Stubs(channel).keys.CreateKey(
                        k.CreateKeyRequest(tenant=tenant, environment="sandbox", scopes=SCOPES)
                    )
                    key = made.secret
                crew = Crew(tenant, key, self.ground, self.history, self.stack, self.dice(tenant))
                self._crews.append(crew)

    async def _direct(self, group: asyncio.TaskGroup) -> None:
        pulse = group.create_task(self._beat())
        acting = [
            task
            for crew in self._crews
            for task in await crew.begin(group, self.dice, self.plan.likes)
        ]
        try:
            enough = await self._go_through_faults()
            if self.plan.ends != "SIGTERM":
                await self.ground.kill()
            self.mood.stopped = True
            await asyncio.wait(acting)
            if enough and self.plan.ends == "SIGTERM":
                await self._in_time("the end of everything", self._end())
                await self._in_time("the end of all watches", self._part())
                await self.ground.stop()
        except ServerFailed as failure:
            self._broken.append(str(failure))
        finally:
            self.mood.stopped = self.mood.ended = True
            for crew in self._crews:
                for follower in crew.followers:
                    follower.leaves = True
        await pulse

    async def _go_through_faults(self) -> bool:
        """Returns whether there was enough traffic before, between and after them."""
        enough = await self._has_traffic("before the first fault")
        for number, fault in enumerate(self.plan.faults, start=1):
            if not enough:
                break
            await self.ground.inflict(fault)
            enough = await self._has_traffic(f"after fault {number}, {fault}")
        return enough

    async def _beat(self) -> None:
        """A small write all the time, from one client that sees how long the writer takes."""
        one = await self._crews[0].client(PULSE)
        while not self.mood.ended:
            await one.call(a.HeartbeatRequest(agent_id="nobody"), timeout=PATIENCE)
            await asyncio.sleep(BEAT)

    async def _has_traffic(self, when: str) -> bool:
        """Waits for enough answers. Returns False, and notes it, if they do not come."""
        least, patience = self.plan.least, self.plan.patience
        begin, start = self.history.operations, monotonic()
        while (done := self.history.operations - begin) < least:
            if monotonic() > start + patience:
                self._shortfalls.append(
                    f"too little traffic {when}: {done} operations in {patience:g} s, "
                    f"where {least} are needed"
                )
                return False
            await asyncio.sleep(0.02)
        await asyncio.sleep(max(0.0, start + self.plan.seconds - monotonic()))
        return True

    async def _end(self) -> None:
        for crew in self._crews:
            one = await crew.client(f"{crew.tenant}-ender")
            await end_everything(one, crew.board)
            await ask_again(one, crew.board)
            marker = await make_marker(one, crew.board)
            for follower in crew.followers:
                follower.marker = marker

    async def _part(self) -> None:
        for crew in self._crews:
            for follower in crew.followers:
                await follower.left.wait()

    async def _in_time(self, what: str, ending: Awaitable[None]) -> None:
        patience = max(PATIENCE, self.plan.patience)
        try:
            await asyncio.wait_for(ending, patience)
        except TimeoutError:
            self._broken.append(f"{what} did not come within {patience:g} s")
