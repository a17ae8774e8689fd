"""CancelTask on PostgreSQL, beside the same on SQLite."""

import statistics
from collections.abc import Callable

from benchmarks.generator import Run
from benchmarks.measured import Finding, Measured, at_least, at_most, cpu, rate, ratios
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks

SQLITE, POSTGRES = "on SQLite", "on PostgreSQL"


def measure(stage: Stage) -> Measured:
    """Alternates, each with 256 calls in flight. The cluster is on the generator's core."""
    with stage.another(store=stage.new_database()) as server:
        runs = stage.alternate(
            {SQLITE: _cancels(stage, stage.server), POSTGRES: _cancels(stage, server)}
        )
    more = [
        ours.server_cpu_us - other.server_cpu_us
        for ours, other in zip(runs[POSTGRES], runs[SQLITE], strict=True)
    ]
    return Measured(
        [
            Finding(
                "CancelTask on PostgreSQL, throughput against SQLite",
                rate(runs[POSTGRES]),
                rate(runs[SQLITE]),
                ratios(runs[POSTGRES], runs[SQLITE], "rate"),
                at_least(0.8),
            ),
            Finding(
                "our CPU a cancel on PostgreSQL, more than on SQLite",
                cpu(runs[POSTGRES]),
                cpu(runs[SQLITE]),
                more,
                at_most(15, "{:.0f} µs"),
            ),
        ],
        runs,
        figures={"more_cpu_us": statistics.median(more)},
    )


def _cancels(stage: Stage, server: Server) -> Callable[[], Run]:
    count = WARM_UP_CALLS + stage.rounds * stage.calls
    stage.say(f"preparing {count:,} running tasks")
    tasks = RunningTasks.start(server, stage.generator, count)
    tasks.cancel(WARM_UP_CALLS)
    return lambda: tasks.cancel(stage.calls)
