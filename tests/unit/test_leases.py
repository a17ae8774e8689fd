"""Leases and our own delays: no agent that keeps asking is lost, and one that falls silent is.

A server in virtual time: its disk is slow, it is suspended, and requests keep it busy, as chance
has it. Its rules, its leases and its pulse are the real ones.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from countermand.core.answers import Reaped
from countermand.core.commands import Command, Reap
from countermand.core.decide import Batch
from countermand.core.leases import MAX_DELAY
from countermand.core.records import SECOND
from countermand.core.states import TaskState
from countermand.engine.leases import Leases
from countermand.engine.suspend_detector import Pulse
from tests.support.ask import FIRST_TIME, NS, create, renew, start, uid
from tests.support.knobs import PRODUCTION
from tests.support.world import World

THIRD = MAX_DELAY / SECOND
MOMENT = 0.002
"""What a batch takes at least, and until a message that is here is with the writer."""


@dataclass(order=True)
class Message:
    """A heartbeat on its way to the server, or in the buffer of its socket."""

    time: float
    number: int
    agent: str = field(compare=False)
    lease: float = field(compare=False)


class Server:
    """Batches, one after the other, in virtual time."""

    def __init__(self, agents: dict[str, float]) -> None:
        self.time = self.busy = self.idle = 0.0
        self.world = World()
        self.pulse = Pulse(
            lambda: None,
            PRODUCTION.pulse,
            clock=lambda: self.time,
            idle_clock=lambda: self.idle,
        )
        self.leases = Leases(self.pulse)
        self.leases.renewal()
        self.underway: list[Message] = []
        self.queue: list[Message] = []
        self.silent: dict[str, float] = {}
        """When agents had their last OK that ask no more."""
        self._sent = 0
        for number, (agent, lease) in enumerate(agents.items(), start=1):
            life = start(uid(number), agent, lease=int(lease * SECOND))
            self._commit([create(uid(number)), life])
            self._ask(agent, lease)

    @property
    def lost(self) -> set[str]:
        return {
            task.agent_id or ""
            for task in self.world.tasks.values()
            if task.state is TaskState.FAILED
        }

    def idle_for(self, seconds: float) -> None:
        """Waits for something to do; it beats meanwhile."""
        while seconds > 0:
            step = min(seconds, PRODUCTION.pulse.interval / 2)
            self.idle += step
            self._work_on(step)
            seconds -= step

    def _work_on(self, seconds: float) -> None:
        """The thread that commits works, while the loop is in time."""
        while seconds > 0:
            step = min(seconds, PRODUCTION.pulse.interval / 2)
            self._receive()
            self.time, seconds = self.time + step, seconds - step
            self.pulse.beat()

    def _receive(self) -> None:
        """Queues what has come, which takes the loop some rounds."""
        while self.underway and self.underway[0].time <= self.time:
            self.queue.append(heapq.heappop(self.underway))

    def be_suspended(self, seconds: float) -> None:
        self.time, self.idle = self.time + seconds, self.idle + seconds

    def be_busy(self, seconds: float) -> None:
        self.time += seconds
        self.busy += seconds

    def serve(
        self, *, disk: float = 0.0, work: float = MOMENT, late: float = 0.0, reaps: bool = True
    ) -> None:
        """Does a batch: what has come, which takes so long, and then the disk so long; its answers
        go out so late.

        The reaper looks as early as it can: after a time when we were late before what has come
        meanwhile, which the loop has not received yet.
        """
        if reaps and not self.queue:
            self._commit([self._reap()])
        self._receive()
        arrived, self.queue = self.queue, []
        commands: list[Command] = [
            renew(one.agent, lease=int(one.lease * SECOND)) for one in arrived
        ]
        self._commit([*commands, self._reap()], disk=disk, work=work)
        self.be_busy(late)
        for one in arrived:
            self._ask(one.agent, one.lease)

    def _reap(self) -> Reap:
        return Reap(0, 1000, self._now() - self.leases.delay)

    def _commit(self, commands: list[Command], *, disk: float = 0.0, work: float = MOMENT) -> None:
        self.world.now = self._now()
        batch = Batch(commands, self.world.instant, self.world.ids, self.leases.renewal())
        more: list[Reaped] = [one for one in self.world.run_batch(batch) if isinstance(one, Reaped)]
        assert not any(one.more for one in more)
        self._work_on(work)
        self.busy += work
        self.idle_for(disk)
        self.leases.committed(batch, disk, self._now())

    def _ask(self, agent: str, lease: float) -> None:
        """The agent has its OK, and will renew its lease after a third of it."""
        if agent in self.silent:
            self.silent[agent] = self.time
            return
        self._sent += 1
        heapq.heappush(self.underway, Message(self.time + lease / 3, self._sent, agent, lease))

    def _now(self) -> int:
        return FIRST_TIME + int(self.time * SECOND)


AGENTS = {"a": 1.0, "b": 1.0, "c": 1.5, "d": 3.0, "e": 30.0}


def _play(server: Server, chance: random.Random, turns: int, *what: str) -> None:
    """So many batches, with delays of these kinds between them and in them."""
    for _ in range(turns):
        kind = chance.choice(what)
        length = chance.choice([0.02, 0.1, THIRD - 0.06, THIRD + 0.06, 0.9, 2.5, 8.0])
        short = min(length, THIRD - 0.06)
        pause = chance.choice([0.0, 0.01, 0.1, 0.3])
        server.idle_for(min(pause, 0.02))
        if pause > 0.02:  # Then it has time for what has come.
            server.serve()
            server.idle_for(pause)
        if kind == "suspended":
            server.be_suspended(length)
        elif kind == "busy":
            server.be_busy(length)
        server.serve(
            disk={"slow": length, "slow at times": short}.get(kind, 0.003),
            work=length if kind == "slow batch" else MOMENT,
            late=length if kind == "late answer" else 0.0,
        )


KINDS = ("quick", "slow", "slow at times", "suspended", "busy", "slow batch", "late answer")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [*KINDS, "all"])
def test_no_agent_that_keeps_asking_is_lost_to_our_own_delay(kind: str, seed: int) -> None:
    server = Server(AGENTS)
    _play(server, random.Random(seed), 150, *(KINDS if kind == "all" else ("quick", kind)))
    assert server.lost == set()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["quick", "slow at times", "busy", "slow batch"])
def test_an_agent_that_falls_silent_is_lost_though_requests_keep_us_busy(
    kind: str, seed: int
) -> None:
    """Its lease, and what renewals have time for while we are not busy."""
    server, chance = Server(AGENTS), random.Random(seed)
    _play(server, chance, 10, kind)
    server.silent["a"] = server.time
    busy_before, turns = server.busy, 0
    while "a" not in server.lost:
        _play(server, chance, 1, kind)
        turns += 1
        not_busy = server.time - server.silent["a"] - (server.busy - busy_before)
        assert not_busy < 1.0 + 2 * THIRD + 0.3
        assert turns < 40
    assert server.lost == {"a"}


def test_a_lease_counts_from_its_ok() -> None:
    """An agent may use all of it, whatever its last answer had waited for."""
    for disk, work, late in (
        (0.0, MOMENT, 0.0),
        (0.3, MOMENT, 0.0),
        (2.5, MOMENT, 0.0),
        (0.0, 2.5, 0.0),
        (0.0, MOMENT, 2.5),
    ):
        server = Server({"a": 2.0})
        server.idle_for(2.0 / 3 + 0.01)
        server.serve(disk=disk, work=work, late=late)
        answered = server.time
        (message,) = server.underway
        message.time = answered + 1.95
        while server.time < answered + 1.96:
            server.serve()
            server.idle_for(0.01)
        server.serve()
        assert server.lost == set()


@pytest.mark.parametrize(
    ("delay", "renewed"),
    [
        (lambda server: server.be_suspended(THIRD + 0.06), True),
        (lambda server: server.be_suspended(THIRD - 0.01), False),
        (lambda server: server.be_busy(60.0), False),
        (lambda server: server.serve(disk=THIRD), True),
        (lambda server: server.serve(disk=THIRD - 0.01), False),
        (lambda server: server.serve(work=60.0), False),
    ],
    ids=["suspended", "suspended shortly", "busy", "slow disk", "quick disk", "slow batch"],
)
def test_every_live_lease_is_renewed_after_an_outage_and_a_request_is_none(
    delay: Callable[[Server], None], renewed: bool
) -> None:
    server = Server({"a": 1.0, "b": 3600.0})
    server.serve()
    before = server.world.agents[NS, "b"].lease_expire_time
    delay(server)
    server.serve(reaps=False)
    assert (server.world.agents[NS, "b"].lease_expire_time != before) is renewed
