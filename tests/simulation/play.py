"""Plays a script: server, clients and faults in one event loop, to the end of everything."""

import asyncio
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from countermand.core.rows import Saves
from countermand.engine.listeners import Committed
from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import key_service_pb2 as k
from tests.chaos.robustness import reading, truth
from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.board import Board
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.clients import Client
from tests.chaos.robustness.ending import insist
from tests.chaos.robustness.history import PULSE, Call, History, Stream
from tests.chaos.robustness.watchers import Follower
from tests.simulation.cast import Cast
from tests.simulation.ending import Ending
from tests.simulation.endpoints import Endpoints
from tests.simulation.faults import Faults
from tests.simulation.key_lives import KeyLives
from tests.simulation.loop import SimLoop, Stuck, bury
from tests.simulation.network import Address, Channel, SimClient
from tests.simulation.played import Played, SimHistory, joined
from tests.simulation.script import TENANTS, Script, StepChance
from tests.simulation.server import Life
from tests.simulation.store import Trouble
from tests.simulation.supervisor import Supervisor
from tests.simulation.template import migrated_file
from tests.support.caller import SCOPES
from tests.support.knobs import changed

BEGIN = 1_790_000_000.0
"""What the wall clock says when a history begins."""
PATIENCE = 120.0
"""Seconds in which everything must have ended once the faults have stopped."""
ROOT = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())


class Play:
    """One history."""

    def __init__(self, script: Script, folder: Path) -> None:
        self.script = script
        self.folder = folder
        self.chance = random.Random(f"loop {script.seed} {script.luck}")
        self.loop = SimLoop(self.chance, script.window)
        self.knobs: Any = changed(script.knobs)
        self.mood = Mood.__new__(Mood)
        self.history = SimHistory(wall_offset=BEGIN)
        self.ahead = 0.0
        """How far the wall clock was set ahead."""
        self.lives: list[Life] = []
        self.trouble = Trouble(self.chance, script.max_hop)
        self.trouble.steps = script.steps_commits
        self.broken: list[Violation] = []
        self.log: list[str] = []
        self.committed: set[str] = set()
        """The kinds of all commands that were committed."""
        self.past = truth.Truth()
        """What was removed by now."""
        self._is_past_whole = False
        """Whether that has all that the store has."""
        self.ended = False
        self.chosen = StepChance()
        self.boards: dict[str, Board] = {}
        self.keys: dict[str, str] = {}
        self.admin = ""
        self.followers: list[tuple[str, Follower]] = []
        self.seen: dict[str, list[Stream]] = {tenant: [] for tenant in TENANTS}
        self.aside = History()
        """What was seen of webhooks, and by operators."""
        self.endpoints = Endpoints(self.chance, self.loop.time)
        self.faults = Faults(self)
        self.key_lives = KeyLives(self)

    @property
    def life(self) -> Life:
        """The present process, or the last one."""
        return self.lives[-1]

    def note(self, what: str) -> None:
        """Writes a line of what happened beside calls."""
        self.log.append(f"{self.loop.time():.6f} {what}")

    def client(self, name: str, tenant: str) -> Client:
        """Returns a client with the key of a tenant."""
        return SimClient(name, tenant, Channel(self.address), self.keys[tenant], self.history)

    async def play(self) -> None:
        """Plays it all."""
        self.mood.__init__()  # type: ignore[misc]
        self.mood.wall = lambda: self.wall() / 1e9
        latency = self.script.max_latency
        self.address = Address(lambda: latency * self.chance.random() ** 2)
        supervisor = asyncio.create_task(Supervisor(self, self.folder).supervise())
        await self._in_time("the first start", self._start_with_keys())
        if self.broken:
            supervisor.cancel()
            return
        actors = Cast(self).begin()
        await self._in_time("the traffic", asyncio.wait(actors))
        for actor in actors:
            if actor.done():
                actor.result()
        self.mood.stopped = True
        self.faults.stop()
        ending = Ending(self)
        self.endpoints.are_well = True
        self.mood.reading.set()
        if not self.broken:
            await self._in_time("the end of everything", ending.end())
            await self._in_time("the end of all watches", ending.part())
            await self._in_time("all notices at their endpoints", ending.deliver())
        for _, follower in self.followers:
            follower.leaves = True
        self.ended = True
        if not self.broken:
            await ending.look_into()
            self.life.stop()
            await self._in_time("the drain", self.life.left.wait())
            if self.life.failure is not None:
                self.fail(Promise.GOES_ON, f"it drained with {self.life.failure!r}")
        self.life.die()
        supervisor.cancel()

    def wall(self) -> int:
        """Returns what the wall clock says, in nanoseconds."""
        return int((self.loop.time() + BEGIN + self.ahead) * 1e9)

    def fail(self, promise: Promise, what: str) -> None:
        """Notes a promise that was seen to break."""
        self.broken.append(Violation(promise, what))

    def hear(self, committed: Committed) -> None:
        """Hears of what was committed."""
        self.endpoints.hear(committed)
        kinds = self.committed
        kinds.update(type(command).__name__ for command in committed.batch.commands)
        self.log.append(
            f"{self.loop.time():.6f} committed "
            + ", ".join(type(command).__name__ for command in committed.batch.commands)
        )

    def before_purge(self) -> None:
        """Keeps what is about to be removed, to hold what was seen of it to that."""
        if not self._is_past_whole:
            self._is_past_whole = True
            self.past = joined(reading.read(self.life.path, checks_file=False), self.past)

    def before_write(self, saves: Saves) -> None:
        """Hears of what is about to be written."""
        self.endpoints.write(saves)
        # Purges come one after another, and the next one has nothing new to keep.
        if saves.tasks or saves.events or saves.cancellations or saves.request_ids or saves.holders:
            self._is_past_whole = False

    async def _start_with_keys(self) -> None:
        while not self.admin:
            life = self.life if self.lives else None
            if life is not None and life.ready.is_set() and not life.realm.is_dead:
                self.admin = await life.app.keyring.create_first()
            await asyncio.sleep(0.01)
        self.keys[TENANTS[0]] = self.admin
        admin = self.client("admin", TENANTS[0])
        for tenant in TENANTS:
            self.boards[tenant] = Board(tenant, self.chosen)
            if tenant not in self.keys:
                made = await insist(
                    admin,
                    k.CreateKeyRequest(tenant=tenant, environment="sandbox", scopes=SCOPES),
                )
                self.keys[tenant] = made.answer.secret

    async def _in_time(self, what: str, ending: Awaitable[object]) -> None:
        try:
            await asyncio.wait_for(ending, PATIENCE)
        except TimeoutError:
            self.fail(Promise.GOES_ON, f"{what} did not come within {PATIENCE:g} s")

    def hinder(self, seconds: float) -> None:
        """Notes that the writer may be held up from now on for so long."""
        now = self.loop.time()
        held_up = a.HeartbeatRequest(agent_id="held up")
        self.history.calls.append(Call(PULSE, "", "", held_up, now, now + seconds, code="OK"))


@contextmanager
def determined(seed: int) -> Iterator[None]:
    """Lets the seed decide what is otherwise drawn by the system."""
    chance = random.Random(f"system {seed}")
    kept = os.urandom, secrets.token_hex, secrets.choice, secrets.token_bytes
    state = random.getstate()
    os.urandom = lambda size: chance.randbytes(size)  # type: ignore[assignment]
    secrets.token_hex = lambda size=16: chance.randbytes(size or 16).hex()  # type: ignore[assignment]
    secrets.choice = chance.choice  # type: ignore[assignment]
    secrets.token_bytes = lambda size=32: chance.randbytes(size or 32)  # type: ignore[assignment]
    random.seed(seed)
    try:
        yield
    finally:
        os.urandom, secrets.token_hex, secrets.choice, secrets.token_bytes = kept
        random.setstate(state)


def play(script: Script) -> Played:
    """Plays a script. Whatever happens in it, this returns."""
    migrated_file()  # Nothing of it is drawn by the seed.
    folder = Path(tempfile.mkdtemp(prefix="countermand-", dir=ROOT))
    try:
        with determined(script.seed):
            found = Play(script, folder)
            try:
                found.loop.play(found.play())
            except Stuck as stuck:
                found.fail(Promise.GOES_ON, f"{stuck}")
            for failure in found.loop.failures:
                found.fail(Promise.GOES_ON, f"unseen failure: {failure}")
            for life in found.lives:
                life.die()
                bury(life.realm, found.loop)
                life.store.abandon()
            found.loop.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    history = found.history
    calls = [*history.calls, *found.aside.calls, *found.key_lives.seen.calls]
    commands = sum(call.is_traffic for call in calls)
    streams = [*history.streams, *found.aside.streams]
    done = found.committed | {f"{one.method}" for one in calls if one.done}
    done |= {one.method for one in streams if one.messages}
    done |= {what for _, _, what in history.faults}
    return Played(
        script,
        history,
        getattr(found, "truth", None) or truth.Truth(),
        found.broken,
        commands,
        found.log,
        found.aside,
        done,
    )
