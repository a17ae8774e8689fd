"""Plays a script: server, clients and faults in one event loop, to the end of everything."""

import asyncio
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from countermand.core.rows import Saves
from countermand.engine.listeners import Committed
from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_pb2
from tests.chaos.robustness import reading, truth
from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.board import Board
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.clients import Client
from tests.chaos.robustness.ending import insist
from tests.chaos.robustness.history import PULSE, Call, History, Stream
from tests.chaos.robustness.watchers import Follower, Roamer, of_record
from tests.simulation.ending import Ending
from tests.simulation.endpoints import Endpoints, SimSender
from tests.simulation.faults import Faults
from tests.simulation.hooks import HookOwner
from tests.simulation.key_lives import KeyLives
from tests.simulation.loop import SimLoop, Stuck, bury
from tests.simulation.network import Address, Channel
from tests.simulation.operators import Operator
from tests.simulation.played import Played, SimHistory, joined
from tests.simulation.script import STEP, TENANTS, Script, Step, StepChance
from tests.simulation.server import Clocks, Life
from tests.simulation.store import Trouble
from tests.simulation.template import lay_out, migrated_file
from tests.simulation.workers import SimWorker
from tests.support.caller import SCOPES, span
from tests.support.knobs import changed

BEGIN = 1_790_000_000.0
"""What the wall clock says when a history begins."""
PATIENCE = 120.0
"""Seconds in which everything must have ended once the faults have stopped."""
ROOT = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())


ASIDES: dict[str, Any] = {"hooks": HookOwner, "operator": Operator}
"""Who does what beside the traffic, by the ends of their names."""


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
        self._chosen = StepChance()
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
        key = self.keys[tenant]
        return Client(name, tenant, Channel(self.address), key, self.history)

    async def play(self) -> None:
        """Plays it all."""
        self.mood.__init__()  # type: ignore[misc]
        self.mood.wall = lambda: self.wall() / 1e9
        latency = self.script.max_latency
        self.address = Address(lambda: latency * self.chance.random() ** 2)
        supervisor = asyncio.create_task(self._supervise())
        await self._in_time("the first start", self._start_with_keys())
        if self.broken:
            supervisor.cancel()
            return
        actors = self._cast()
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
        return int((self.loop.time() + BEGIN + self.ahead) * 1e9)

    def fail(self, promise: Promise, what: str) -> None:
        """Notes a promise that was seen to break."""
        self.broken.append(Violation(promise, what))

    async def _supervise(self) -> None:
        """Starts the server, and starts it again whenever it left."""
        path = self.folder / "0" / "countermand.db"
        path.parent.mkdir()
        lay_out(path, self.script.seed)
        vain = 0
        while not self.ended:
            life = self._start(path)
            waiting = asyncio.create_task(life.ready.wait())
            leaving = asyncio.create_task(life.left.wait())
            await asyncio.wait([waiting, leaving], return_when=asyncio.FIRST_COMPLETED)
            ready = self.loop.time()
            if life.ready.is_set():
                self.note("the server is ready")
                vain = 0
            await leaving
            waiting.cancel()
            if life.ready.is_set():
                self.history.lives.append((ready, self.loop.time()))
            else:
                vain += 1
            self.note(f"the server left: {life.failure!r}")
            if vain > 8:
                self.fail(Promise.GOES_ON, f"the server does not start: {life.failure!r}")
                return
            await asyncio.sleep(0.05 + 0.3 * self.chance.random())
            path = self._as_killed(path)

    def _start(self, path: Path) -> Life:
        life = Life(
            len(self.lives),
            path,
            self.knobs,
            None if self.script.retention is None else int(self.script.retention * 1e6),
            Clocks(self.wall, lambda: int(self.loop.time() * 1e9) + 10**15),
            self.trouble,
            self.address,
            self._hear,
            self._before_purge,
            self._before_write,
            SimSender(self.endpoints, self.address.delay),
        )
        self.endpoints.restarted()
        self.lives.append(life)
        self.note("the server starts")
        return life

    def _as_killed(self, path: Path) -> Path:
        """Copies the files of a process that is gone, as it left them. Returns the copy."""
        to = self.folder / str(len(self.lives))
        to.mkdir()
        for ending in ("", "-wal", "-shm"):
            source = Path(f"{path}{ending}")
            if source.exists():
                shutil.copyfile(source, to / source.name)
        return to / path.name

    def _hear(self, committed: Committed) -> None:
        self.endpoints.hear(committed)
        kinds = self.committed
        kinds.update(type(command).__name__ for command in committed.batch.commands)
        self.log.append(
            f"{self.loop.time():.6f} committed "
            + ", ".join(type(command).__name__ for command in committed.batch.commands)
        )

    def _before_purge(self) -> None:
        """Keeps what is about to be removed, to hold what was seen of it to that."""
        if not self._is_past_whole:
            self._is_past_whole = True
            self.past = joined(reading.read(self.life.path, checks_file=False), self.past)

    def _before_write(self, saves: Saves) -> None:
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
            self.boards[tenant] = Board(tenant, self._chosen)
            if tenant not in self.keys:
                made = await insist(
                    admin,
                    k.CreateKeyRequest(tenant=tenant, environment="sandbox", scopes=SCOPES),
                )
                self.keys[tenant] = made.answer.secret

    def _cast(self) -> list[asyncio.Task[None]]:
        """Gives every actor of the script its steps."""
        parts: dict[str, list[Step]] = {}
        for step in self.script.steps:
            parts.setdefault(step.who, []).append(step)
        begin = self.loop.time()
        return [asyncio.create_task(self._act(who, steps, begin)) for who, steps in parts.items()]

    async def _act(self, who: str, steps: list[Step], begin: float) -> None:
        do = self._part_of(who)
        for step in steps:
            wait = begin + step.at - self.loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            STEP.set(random.Random(step.seed))
            await do(step)

    def _part_of(self, who: str) -> Callable[[Step], Awaitable[None]]:
        tenant, _, role = who.partition("-")
        if tenant == "faults":
            return self.faults.inflict
        board, client = self.boards[tenant], self.client(who, tenant)
        aside = ASIDES.get(role)
        if aside is not None:
            beside = Client(who, tenant, Channel(self.address), self.keys[tenant], self.aside)
            actor = aside(beside, tenant, self)
            return lambda step: getattr(actor, step.what)()
        if role.startswith("worker"):
            worker = SimWorker(client, board, self.mood, self._chosen, {})
            return lambda step: getattr(worker, step.what)()
        if role.startswith("keys"):
            return lambda step: self.key_lives.live(who)
        if role.startswith("roamer"):
            roamer = Roamer(client, board, self.mood, self._chosen, self.seen[tenant])
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
        board, chosen = self.boards[tenant], self._chosen
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
        follower = Follower(client, request, self.mood)
        self.followers.append((tenant, follower))
        asyncio.create_task(follower.work())  # noqa: RUF006 - its loop keeps it

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
    Channel.numbers = 0
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
