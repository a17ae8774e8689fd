"""What came of a history."""

from dataclasses import dataclass, field

from tests.chaos.robustness import truth
from tests.chaos.robustness.checks.verdict import Violation
from tests.chaos.robustness.history import History, text
from tests.simulation.script import Script


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
    aside: History = field(default_factory=History)
    """What was seen of webhooks, and by operators."""
    done: set[str] = field(default_factory=set)
    """The commands that were committed, the methods that were answered, and the faults."""

    def story(self) -> list[str]:
        """Returns all that was done and seen, in the order of time."""
        lines = [(float(line.split()[0]), line) for line in self.log]
        lines += [(call.start, str(call)) for call in (*self.history.calls, *self.aside.calls)]
        for stream in (*self.history.streams, *self.aside.streams):
            opened = f"{stream.client} {stream.method} {text(stream.request)}"
            ended = f"{stream.client} {stream.method} ends with {stream.code} {stream.reason}"
            lines += [(stream.start, opened), (stream.end, ended)]
            lines += [(at, f"{stream.client} {text(told)}") for at, told in stream.messages]
        lines.sort(key=lambda pair: pair[0])
        return [line if line[0].isdigit() else f"{at:.6f} {line}" for at, line in lines]
