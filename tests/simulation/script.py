"""What a seed draws before a history begins: its conditions, and a script of steps.

Each step has a chance of its own, so one that is left out changes no other: that is what makes a
script one that can be cut short.
"""

import random
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.simulation.knobs import draw_knobs

TENANTS = ("default", "other", "third")
WORKERS = 3
"""How many clients of each tenant act at the same time."""
ROAMERS = 2
"""How many of its watchers come and go."""
SECONDS = 4.0
"""How long the traffic lasts."""
FAULTS = {
    "commit_fails": 2,
    "commit_full": 2,
    "commit_busy": 2,
    "commit_unknown": 2,
    "read_fails": 2,
    "slow": 2,
    "crash": 4,
    "restart": 2,
    "stand_still": 2,
    "clock_jump": 1,
    "stall_watchers": 2,
}
"""How often which fault is drawn."""


OPERATOR_STEPS = (
    "list_all_tasks",
    "watch_all_tasks",
    "server_status",
    "agents",
    "open_watches",
    "keys",
    "summary",
)
"""What an operator looks at."""


class Step(NamedTuple):
    """One thing that somebody does."""

    at: float
    """When it begins at the earliest."""
    who: str
    what: str
    seed: int

    def __str__(self) -> str:
        return f"{self.at:.3f} {self.who} {self.what} #{self.seed}"


@dataclass(frozen=True)
class Script:
    """One history before it is played."""

    seed: int
    steps: tuple[Step, ...]
    window: int
    """How many that are ready later may overtake a task."""
    max_hop: float
    """Seconds that a hop to a thread takes at most, one way."""
    max_latency: float
    """Seconds that a message is on its way at most."""
    retention: float | None
    """Seconds after which what has ended is removed."""
    steps_commits: bool = False
    """Whether a transaction can be left in its middle."""
    luck: int = 0
    """Another number gives the same script another order of what is ready."""
    knobs: dict[str, float] = field(default_factory=dict)
    """Those that differ from production."""


def draw_script(seed: int, likes: dict[str, int] | None = None) -> Script:
    """Draws all that a seed decides beforehand."""
    chance = random.Random(f"script {seed}")
    steps = [*_commands(chance, likes or {}), *_watches(chance), *_faults(chance), *_asides(chance)]
    return Script(
        seed,
        tuple(sorted(steps)),
        window=chance.choice((0, 0, 2, 8, 40)),
        max_hop=chance.choice((0.0002, 0.002, 0.01, 0.05)),
        max_latency=chance.choice((0.0005, 0.005, 0.05)),
        retention=chance.choice((None, None, None, 0.5)),
        steps_commits=chance.random() < 0.3,
        knobs=draw_knobs(seed),
    )


def _commands(chance: random.Random, likes: dict[str, int]) -> list[Step]:
    from tests.simulation.workers import MIX

    mix = MIX | likes
    names = list(mix)
    # Each history has much of some things and little of others: so more of them meet.
    weights = [weight * chance.choice((0.2, 1, 1, 6)) for weight in mix.values()]
    found = []
    for tenant in TENANTS:
        for number in range(WORKERS):
            who = f"{tenant}-worker-{number}"
            for what in chance.choices(names, weights, k=chance.randint(10, 28)):
                found.append(Step(_moment(chance), who, what, chance.getrandbits(32)))
    return found


def _watches(chance: random.Random) -> list[Step]:
    found = []
    for tenant in TENANTS:
        for number in range(ROAMERS):
            who = f"{tenant}-roamer-{number}"
            for _ in range(chance.randint(2, 6)):
                found.append(Step(_moment(chance), who, "roam", chance.getrandbits(32)))
        for number in range(chance.randint(2, 6)):
            who = f"{tenant}-follower-{number}"
            found.append(Step(_moment(chance), who, "follow", chance.getrandbits(32)))
    for number in range(chance.randint(0, 2)):
        who = f"{TENANTS[0]}-keys-{number}"
        found.append(Step(_moment(chance), who, "key_life", chance.getrandbits(32)))
    return found


def _asides(chance: random.Random) -> list[Step]:
    """What is done beside the traffic: some tenants have webhooks, and an operator looks."""
    from tests.simulation.hooks import MIX

    found = []
    for tenant in TENANTS:
        if chance.random() < 0.5:
            who = f"{tenant}-hooks"
            first = Step(_moment(chance) / 4, who, "create_webhook", chance.getrandbits(32))
            found.append(first)
            for what in chance.choices(list(MIX), list(MIX.values()), k=chance.randint(1, 6)):
                at = max(first.at, _moment(chance))
                found.append(Step(at, who, what, chance.getrandbits(32)))
    if chance.random() < 0.4:
        who = f"{TENANTS[0]}-operator"
        for what in chance.choices(OPERATOR_STEPS, k=chance.randint(2, 6)):
            found.append(Step(_moment(chance), who, what, chance.getrandbits(32)))
    return found


def _faults(chance: random.Random) -> list[Step]:
    names, weights = list(FAULTS), list(FAULTS.values())
    return [
        Step(_moment(chance), "faults", what, chance.getrandbits(32))
        for what in chance.choices(names, weights, k=chance.randint(3, 7))
    ]


def _moment(chance: random.Random) -> float:
    return round(chance.uniform(0, SECONDS), 3)


STEP: ContextVar[random.Random] = ContextVar("step")


class StepChance(random.Random):
    """The chance of whichever step asks."""

    def random(self) -> float:
        return STEP.get().random()

    def getrandbits(self, k: int) -> int:
        return STEP.get().getrandbits(k)
