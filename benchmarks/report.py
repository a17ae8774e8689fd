"""What was measured, for a reader and for a program: a table on stdout, a file in results/."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.generator import Run

RESULTS_FOLDER = Path(__file__).with_name("results")
RATE_GOAL = 0.5
CPU_GOAL = 2.5
ALONE_GOAL_MS = 0.5
# Below this share of its core the floor server was not the limit; something else was.
BUSY_ENOUGH = 0.85
# Above this share the generator may have been the limit.
TOO_BUSY = 0.8
# With fewer, the clock ticks in which CPU time is counted are too coarse.
FEW_CALLS = 5000
# A sync faster than any disk: the store probably lies in memory and nothing was durable.
MEMORY_SYNC_MS = 0.01

ROWS: tuple[tuple[str, str, Callable[[Run], float]], ...] = (
    ("calls a second", "{:,.0f}", lambda run: run.rate),
    ("server CPU a call, µs", "{:.1f}", lambda run: run.server_cpu_us),
    ("p50, ms", "{:.2f}", lambda run: run.p50_ms),
    ("p99, ms", "{:.2f}", lambda run: run.p99_ms),
    ("p999, ms", "{:.2f}", lambda run: run.p999_ms),
    ("server's share of its core", "{:.0%}", lambda run: run.server_busy),
    ("generator's share of its core", "{:.0%}", lambda run: run.generator_busy),
)


@dataclass(frozen=True)
class Round:
    """One run of each, one right after the other; no cancel when only the floor is measured."""

    floor: Run
    cancel: Run | None = None


@dataclass(frozen=True)
class Alone:
    """One call at a time, and what making it durable costs on this disk."""

    floor: Run
    cancel: Run
    fdatasync_ms: float

    @property
    def limit_ms(self) -> float:
        return self.floor.p50_ms + self.fdatasync_ms + ALONE_GOAL_MS


@dataclass(frozen=True)
class Measurement:
    """Everything that one invocation measured."""

    ceiling: Run
    rounds: Sequence[Round]
    alone: Alone | None = None

    @property
    def rate_ratios(self) -> list[float]:
        return [pair.cancel.rate / pair.floor.rate for pair in self.rounds if pair.cancel]

    @property
    def cpu_ratios(self) -> list[float]:
        return [
            pair.cancel.server_cpu_us / pair.floor.server_cpu_us
            for pair in self.rounds
            if pair.cancel and pair.floor.server_cpu_us
        ]


def ceiling(run: Run) -> str:
    """Says how fast the generator could go at least, from the CPU time that it spent.

    It could go faster still: the answers of a faster server come in bigger batches, which cost the
    generator fewer system calls.
    """
    return (
        f"generator: busy {run.generator_busy:.0%} of the time at {run.rate:,.0f} calls a second, "
        f"so good for {_ceiling(run):,.0f} and more"
    )


def one_round(number: int, pair: Round) -> str:
    """One line for the reader who waits."""
    text = f"round {number}: empty RPC {pair.floor.rate:,.0f}/s"
    if pair.cancel:
        ratio = pair.cancel.rate / pair.floor.rate
        text += f", CancelTask {pair.cancel.rate:,.0f}/s, ratio {ratio:.2f}"
    return text


def table(measurement: Measurement) -> str:
    """Both sides, the goals, and what makes the figures doubtful."""
    parts = (_figures(measurement), _goals(measurement), _doubts(measurement))
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def write(measurement: Measurement) -> Path:
    """Writes the measurement, with the machine that it was made on, and answers the file."""
    time = datetime.now(UTC)
    record: dict[str, Any] = {
        "time": time.isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "goals": {"rate_ratio": RATE_GOAL, "cpu_ratio": CPU_GOAL, "alone_extra_ms": ALONE_GOAL_MS},
        "generator_ceiling": _ceiling(measurement.ceiling),
        "rate_ratios": measurement.rate_ratios,
        "cpu_ratios": measurement.cpu_ratios,
        **asdict(measurement),
    }
    RESULTS_FOLDER.mkdir(exist_ok=True)
    file = RESULTS_FOLDER / f"{time:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(record, indent=2) + "\n")
    return file


def _ceiling(run: Run) -> float:
    return 1e6 / run.generator_cpu_us


def _figures(measurement: Measurement) -> list[str]:
    floors = [pair.floor for pair in measurement.rounds]
    cancels = [pair.cancel for pair in measurement.rounds if pair.cancel]
    sides = {"empty RPC": floors} | ({"CancelTask": cancels} if cancels else {})
    lines = [f"{f'median of {len(floors)}':30}" + "".join(f"{name:>14}" for name in sides)]
    for label, form, figure in ROWS:
        medians = (statistics.median(map(figure, runs)) for runs in sides.values())
        lines.append(f"{label:30}" + "".join(f"{form.format(value):>14}" for value in medians))
    return lines


def _goals(measurement: Measurement) -> list[str]:
    lines = []
    if ratios := measurement.rate_ratios:
        median = statistics.median(ratios)
        lines.append(
            f"throughput: {median:.2f} of the empty RPC ({min(ratios):.2f} to {max(ratios):.2f}); "
            f"goal: at least {RATE_GOAL:.2f}; {_verdict(median >= RATE_GOAL)}"
        )
    if ratios := measurement.cpu_ratios:
        median = statistics.median(ratios)
        lines.append(
            f"server CPU: {median:.2f} of the empty RPC ({min(ratios):.2f} to {max(ratios):.2f}); "
            f"goal: at most {CPU_GOAL:.2f}; {_verdict(median <= CPU_GOAL)}"
        )
    if alone := measurement.alone:
        p50 = alone.cancel.p50_ms
        lines.append(
            f"one call alone, p50: {p50:.2f} ms; goal: at most {alone.limit_ms:.2f} ms (empty RPC "
            f"{alone.floor.p50_ms:.2f} + fdatasync {alone.fdatasync_ms:.2f} + {ALONE_GOAL_MS}); "
            f"{_verdict(p50 <= alone.limit_ms)}"
        )
    return lines


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def _doubts(measurement: Measurement) -> list[str]:
    doubts = []
    if measurement.rounds[0].floor.calls < FEW_CALLS:
        doubts.append("so few calls show that it works, not how fast")
    floors = [pair.floor for pair in measurement.rounds]
    runs = [run for pair in measurement.rounds for run in (pair.floor, pair.cancel) if run]
    if statistics.median(run.server_busy for run in floors) < BUSY_ENOUGH:
        doubts.append("the floor server did not get its whole core: the machine was not idle")
    if max(run.generator_busy for run in runs) > TOO_BUSY:
        doubts.append("the generator was nearly as busy as it can be: it may be the limit")
    if measurement.alone and measurement.alone.fdatasync_ms < MEMORY_SYNC_MS:
        doubts.append("a sync costs next to nothing here: choose --store-dir on a real disk")
    return [f"doubtful: {doubt}" for doubt in doubts]
