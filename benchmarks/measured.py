"""What a row measured: the figures of both sides, and each that is held against a goal."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.generator import Run


@dataclass(frozen=True)
class Goal:
    """A bound, and how figures beside it are written."""

    bound: float
    form: str = "{:.2f}"
    at_most: bool = False

    def met(self, figure: float) -> bool:
        return figure <= self.bound if self.at_most else figure >= self.bound

    def __str__(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {self.form.format(self.bound)}"


def at_least(bound: float, form: str = "{:.2f}") -> Goal:
    return Goal(bound, form)


def at_most(bound: float, form: str = "{:.2f}") -> Goal:
    return Goal(bound, form, at_most=True)


@dataclass(frozen=True)
class Finding:
    """One figure a round, whose median is held against a goal."""

    what: str
    ours: str
    other: str
    figures: Sequence[float]
    goal: Goal

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    @property
    def met(self) -> bool:
        return self.goal.met(self.median)

    def __str__(self) -> str:
        form = self.goal.form.format
        spread = f" ({form(min(self.figures))} to {form(max(self.figures))})"
        return f"{form(self.median)}{spread if len(self.figures) > 1 else ''}"


@dataclass
class Measured:
    """All that one row measured."""

    findings: list[Finding] = field(default_factory=list)
    sides: dict[str, list[Run]] = field(default_factory=dict)
    """The runs of the generator, one a round, by what they were sent to."""
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    """Whatever else is worth keeping, for the file alone."""


def ratios(ours: Sequence[Run], others: Sequence[Run], of: str) -> list[float]:
    """Divides each run by the other side's of the same round."""
    return [getattr(our, of) / getattr(other, of) for our, other in zip(ours, others, strict=True)]


def rate(runs: Sequence[Run]) -> str:
    """The median of calls a second, as text."""
    return f"{statistics.median(run.rate for run in runs):,.0f}/s"


def cpu(runs: Sequence[Run]) -> str:
    """The median of server CPU a call, as text."""
    return f"{statistics.median(run.server_cpu_us for run in runs):,.0f} µs"
