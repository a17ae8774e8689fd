"""Plays a script: server, clients and faults in one event loop, to the end of everything."""

import asyncio
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countermand.engine.listeners import Committed
from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_pb2
from tests.chaos.robustness import reading, truth
from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.board import Board
from tests.chaos.robustness.checks import rows
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.clients import Client
from tests.chaos.robustness.ending import ask_again, end_everything, insist, make_marker
from tests.chaos.robustness.history import PULSE, Call, History, Stream, text
from tests.chaos.robustness.watchers import Follower, Roamer
from tests.simulation.faults import Faults
from tests.simulation.key_lives import KeyLives
from tests.simulation.leaks import left_in
from tests.simulation.loop import SimLoop, Stuck, bury
from tests.simulation.network import Address, Channel
from tests.simulation.script import STEP, TENANTS, Script, Step, StepChance
from tests.simulation.server import Clocks, Life
from tests.simulation.store import Trouble
from tests.simulation.workers import SimWorker
from tests.support.caller import SCOPES, span
from tests.support.knobs import changed

BEGIN = 1_790_000_000.0
"""What the wall clock says when a history begins."""
PATIENCE = 120.0
"""Seconds in which everything must have ended once the faults have stopped."""
ROOT = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())


@dataclass
class Played:
    """What came of a history."""

    script: Script
    history: History
    truth: truth.Truth
    violations: list[Violation] = field(default_factory=list)
    commands: int = 0
    log: list[str] = field(default_factory=list)
    """What the server and the faults did, line by line."""

    def story(self) -> list[str]:
        """Returns all that was done and seen, in the order of time."""
        lines = [(float(line.split()[0]), line) for line in self.log]
        lines += [(call.start, str(call)) for call in self.history.calls]
        for stream in self.history.streams:
            opened = f"{stream.client} {stream.method} {text(stream.request)}"
            ended = f"{stream.client} {stream.method} ends with {stream.code} {stream.reason}"
            lines += [(stream.start, opened), (stream.end, ended)]
            lines += [(at, f"{stream.client} {text(told)}") for at, told in stream.messages]
        lines.sort(key=lambda pair: pair[0])
        return [line if line[0].isdigit() else f"{at:.6f} {line}" for at, line in lines]


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
        self.past = truth.Truth()
        """What was removed by now."""
        self.ended = False
        self.end_begin = 0.0
        self._chosen = StepChance()
        self.boards: dict[str, Board] = {}
        self.keys: dict[str, str] = {}
        self.admin = ""
        self.followers: list[tuple[str, Follower]] = []
        self.seen: dict[str, list[Stream]] = {tenant: [] for tenant in TENANTS}
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
        self.mood.reading.set()
        if not self.broken:
            await self._in_time("the end of everything", self._end())
            await self._in_time("the end of all watches", self._part())
        for _, follower in self.followers:
            follower.leaves = True
        self.ended = True
        if not self.broken:
            await self._look_into()
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
        )
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
        self.log.append(
            f"{self.loop.time():.6f} committed "
            + ", ".join(type(command).__name__ for command in committed.batch.commands)
        )

    def _before_purge(self) -> None:
        """Keeps what is about to be removed, to hold what was seen of it to that."""
        self.past = joined(reading.read(self.life.path), self.past)

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
            ("task", "task", "group", "checkout", "order", "agent", "both", "none")
        )
        request: Any = c.WatchTasksRequest()
        has_two, kind = kind == "both", "group" if kind == "both" else kind
        id = board.some(kind) if kind in ("task", *board.recent) else None
        if kind == "task" and id is not None:
            request = c.WatchTaskRequest(task_id=id, after_version=0)
        elif id is not None:
            request.filter.CopyFrom(task_pb2.TaskFilter(**{f"{kind}_id": id}))
        if kind == "agent" or has_two:
            request.filter.agent_id = "agent-1"
        if chosen.random() < 0.5:
            request.heartbeat_interval.CopyFrom(span(1))
        follower = Follower(client, request, self.mood)
        self.followers.append((tenant, follower))
        asyncio.create_task(follower.work())  # noqa: RUF006 - its loop keeps it

    async def _end(self) -> None:
        STEP.set(random.Random(self.script.seed))
        self.end_begin = self.loop.time()
        for tenant in TENANTS:
            ender = self.client(f"{tenant}-ender", tenant)
            board = self.boards[tenant]
            await end_everything(ender, board)
            await ask_again(ender, board)
            marker = await make_marker(ender, board)
            for whose, follower in self.followers:
                if whose == tenant:
                    follower.marker = marker

    async def _part(self) -> None:
        for _, follower in self.followers:
            if not follower.leaves:
                # Who came after the marker's end is told of it by no watch of live tasks.
                follower.leaves = follower.note.start > self.end_begin and _is_endless(follower)
            await follower.left.wait()

    async def _look_into(self) -> None:
        """Reads the store, and looks for what was left in the parts of the running server."""
        await asyncio.sleep(5.0)
        self.truth = joined(reading.read(self.life.path), self.past)
        if self.script.retention is None:
            self.broken += await rows.broken(self.life.store, self.truth)
        for what in sorted(await self._left()):
            self.fail(Promise.GOES_ON, f"something was left in {what}")

    async def _left(self) -> set[str]:
        """Returns where something is left each time that somebody looks: the server's own work,
        such as removing what is old, never ends."""
        left = set(left_in(self.life.parts))
        for pause in (0.11, 0.37, 1.3, 0.013, 2.9):
            if left:
                await asyncio.sleep(pause)
                left &= set(left_in(self.life.parts))
        return left

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


def _is_endless(follower: Follower) -> bool:
    """Whether no end of a task or holder ends its watch."""
    request = follower.note.request
    holders = ("group_id", "checkout_id", "order_id")
    return isinstance(request, c.WatchTasksRequest) and not any(
        getattr(request.filter, name) for name in holders
    )


@dataclass(slots=True)
class SimHistory(History):
    """A history in which the wall clock leaps."""

    leaps: list[tuple[float, float]] = field(default_factory=list)
    """When the wall clock was set, and how far ahead it was from then on."""

    def wall(self, moment: float) -> int:
        ahead = next((by for when, by in reversed(self.leaps) if when <= moment), 0.0)
        return int((moment + self.wall_offset + ahead) * 1_000_000)


def joined(now: truth.Truth, past: truth.Truth) -> truth.Truth:
    """Returns what the store has, with what it had of what was removed since."""
    now.tasks = past.tasks | now.tasks
    now.cancellations = past.cancellations | now.cancellations
    now.requests = past.requests | now.requests
    now.holders = past.holders | now.holders
    now.joined = past.joined | now.joined
    for record, versions in past.records.items():
        now.records.setdefault(record, versions)
    for order_id, checkout_ids in past.listed.items():
        now.listed.setdefault(order_id, checkout_ids)
    for tenant, places in past.silent.items():
        now.silent[tenant] = sorted({*now.silent[tenant], *places})
    return now


@contextmanager
def determined(seed: int) -> Iterator[None]:
    """Lets the seed decide what is otherwise drawn by the system."""
    chance = random.Random(f"system {seed}")
    kept = os.urandom, secrets.token_hex, secrets.choice, random.getstate()
    os.urandom = lambda size: chance.randbytes(size)  # type: ignore[assignment]
    secrets.token_hex = lambda size=16: chance.randbytes(size or 16).hex()  # type: ignore[assignment]
    secrets.choice = chance.choice  # type: ignore[assignment]
    random.seed(seed)
    Channel.numbers = 0
    try:
        yield
    finally:
        os.urandom, secrets.token_hex, secrets.choice = kept[:3]
        random.setstate(kept[3])


def play(script: Script) -> Played:
    """Plays a script. Whatever happens in it, this returns."""
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
    commands = sum(call.is_traffic for call in history.calls)
    return Played(
        script,
        history,
        getattr(found, "truth", None) or truth.Truth(),
        found.broken,
        commands,
        found.log,
    )
