"""CancelTask in a large store against a small one."""

import random

from benchmarks.filling import filled, task_id
from benchmarks.generator import Run
from benchmarks.measured import Finding, Measured, at_least, rate, ratios
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks


def measure(stage: Stage) -> Measured:
    """Alternates cancels of tasks anywhere in a store of 10,000,000 and in one of 10,000.

    All tasks are running, so that the indexes of live tasks are as large as they can be.
    """
    large, small = stage.size(10_000_000, 5000), stage.size(10_000, 1000)
    calls = min(stage.calls, (small - WARM_UP_CALLS) // stage.rounds)
    large_store, small_store = filled(stage, large), filled(stage, small)
    with (
        stage.another(store=large_store.store, key=large_store.key) as large_server,
        stage.another(store=small_store.store, key=small_store.key) as small_server,
    ):

        def tasks(server: Server, count: int) -> RunningTasks:
            numbers = random.Random(count).sample(range(1, count + 1), small)
            tasks = RunningTasks(server, stage.generator, [task_id(n) for n in numbers])
            tasks.cancel(WARM_UP_CALLS)
            return tasks

        in_large, in_small = tasks(large_server, large), tasks(small_server, small)
        of_large, of_small = f"of {large:,} tasks", f"of {small:,} tasks"
        runs: dict[str, list[Run]] = stage.alternate(
            {of_small: lambda: in_small.cancel(calls), of_large: lambda: in_large.cancel(calls)}
        )
    finding = Finding(
        f"CancelTask in a store {of_large}, throughput against one {of_small}",
        rate(runs[of_large]),
        rate(runs[of_small]),
        ratios(runs[of_large], runs[of_small], "rate"),
        at_least(0.9),
    )
    return Measured([finding], runs)
