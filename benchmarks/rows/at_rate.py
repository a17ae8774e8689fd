"""CancelTask of distinct running tasks that arrive evenly, whatever became of those before.

With so many calls in flight and no more, a server that stalls keeps its callers from asking, and
the wait of those who would have asked is not measured. Here each call counts from when it was due.
"""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.generator import OPEN, Run
from benchmarks.measured import Finding, Goal, Measured, at_most
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks

GOALS = {1000: {"p50": 1.2, "p99": 4.0, "p999": 10.0}, 3000: {"p99": 15.0}}
"""By calls a second: in milliseconds."""
EMPTY, SQLITE, POSTGRES, BEFORE = "empty RPC", "on SQLite", "on PostgreSQL", "on SQLite before"


def measure_sqlite(stage: Stage) -> Measured:
    """Alternates the empty RPC and CancelTask, at each rate."""
    with ExitStack() as stack:
        servers = {SQLITE: stage.server}
        if stage.against is not None:
            servers[BEFORE] = stack.enter_context(stage.another(source=stage.against))
        return _measure(stage, servers, SQLITE)


def measure_postgres(stage: Stage) -> Measured:
    """The same with a store on PostgreSQL, beside one on SQLite."""
    with stage.another(store=stage.new_database()) as server:
        return _measure(stage, {SQLITE: stage.server, POSTGRES: server}, POSTGRES)


def _measure(stage: Stage, servers: dict[str, Server], ours: str) -> Measured:
    done = Measured()
    for rate in list(GOALS)[: stage.size(len(GOALS), 1)]:
        empty = partial(stage.empty_at, rate, stage.calls)
        sides = {name: _cancels(stage, server, rate) for name, server in servers.items()}
        runs = stage.alternate({EMPTY: empty, **sides})
        done.sides |= {f"{rate:,}/s, {name}": of_one for name, of_one in runs.items()}
        done.findings += [
            _finding(rate, name, ours, runs, at_most(bound, "{:.2f} ms"))
            for name, bound in GOALS[rate].items()
        ]
    return done


def _cancels(stage: Stage, server: Server, rate: int) -> Callable[[], Run]:
    count = WARM_UP_CALLS + stage.rounds * stage.calls
    stage.say(f"preparing {count:,} running tasks")
    tasks = RunningTasks.start(server, stage.generator, count)
    tasks.cancel(WARM_UP_CALLS)
    return lambda: tasks.cancel(stage.calls, OPEN, rate)


def _finding(rate: int, name: str, ours: str, runs: dict[str, list[Run]], goal: Goal) -> Finding:
    figures, floor = ([getattr(run, f"{name}_ms") for run in runs[side]] for side in (ours, EMPTY))
    return Finding(
        f"{rate:,} cancels a second {ours}, {name}",
        f"{statistics.median(figures):.2f} ms",
        f"{statistics.median(floor):.2f} ms an empty call",
        figures,
        goal,
    )
