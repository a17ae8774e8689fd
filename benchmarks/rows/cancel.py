"""Durable CancelTask of distinct running tasks, against an RPC that does nothing."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.generator import Run, Shape
from benchmarks.measured import Finding, Measured, at_least, at_most, cpu, rate, ratios
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks

# More in flight than in a round, yet below the 1,000 waiting calls at which gRPC begins to refuse.
PLENTY = Shape(connections=8, streams=64)
FLOOR, OURS, BEFORE = "empty RPC", "CancelTask", "CancelTask before"
# Below this share of its core the empty RPC was not the limit; something else was.
BUSY_ENOUGH = 0.85
# Above this share the generator may have been the limit.
TOO_BUSY = 0.8


def measure(stage: Stage) -> Measured:
    """Alternates: a run of the empty RPC, one of CancelTask, each with 256 calls in flight."""
    ceiling = _ceiling(stage.empty(stage.calls, PLENTY))
    stage.say(ceiling)
    with ExitStack() as stack:
        sides = {FLOOR: lambda: stage.empty(stage.calls), OURS: _cancels(stage, stage.server)}
        if stage.against is not None:
            before = stack.enter_context(stage.another(source=stage.against))
            sides[BEFORE] = _cancels(stage, before)
        runs = stage.alternate(sides)
    findings = [_throughput(runs, OURS, FLOOR, 0.55), _cpu(runs, OURS, FLOOR, 1.8)]
    if BEFORE in runs:
        findings += [_throughput(runs, OURS, BEFORE, 1.0), _cpu(runs, OURS, BEFORE, 1.0)]
    return Measured(findings, runs, [ceiling, *_doubts(runs)])


def _cancels(stage: Stage, server: Server) -> Callable[[], Run]:
    count = WARM_UP_CALLS + stage.rounds * stage.calls
    stage.say(f"preparing {count:,} running tasks")
    tasks = RunningTasks.start(server, stage.generator, count)
    tasks.cancel(WARM_UP_CALLS)
    return lambda: tasks.cancel(stage.calls)


def _throughput(runs: dict[str, list[Run]], ours: str, other: str, bound: float) -> Finding:
    return Finding(
        f"{ours}, throughput against {other}",
        rate(runs[ours]),
        rate(runs[other]),
        ratios(runs[ours], runs[other], "rate"),
        at_least(bound),
    )


def _cpu(runs: dict[str, list[Run]], ours: str, other: str, bound: float) -> Finding:
    return Finding(
        f"{ours}, server CPU against {other}",
        cpu(runs[ours]),
        cpu(runs[other]),
        ratios(runs[ours], runs[other], "server_cpu_us"),
        at_most(bound),
    )


def _ceiling(run: Run) -> str:
    """Says how fast the generator could go at least, from the CPU time that it spent.

    It could go faster still: the answers of a faster server come in bigger batches, which cost the
    generator fewer system calls.
    """
    return (
        f"generator: busy {run.generator_busy:.0%} of the time at {run.rate:,.0f} empty calls a "
        f"second, so good for {1e6 / run.generator_cpu_us:,.0f} and more"
    )


def _doubts(runs: dict[str, list[Run]]) -> list[str]:
    doubts = []
    if statistics.median(run.server_busy for run in runs[FLOOR]) < BUSY_ENOUGH:
        doubts.append(
            "doubtful: the empty RPC did not get its whole core; the machine was not idle"
        )
    if max(run.generator_busy for side in runs.values() for run in side) > TOO_BUSY:
        doubts.append(
            "doubtful: the generator was nearly as busy as it can be; it may be the limit"
        )
    return doubts
