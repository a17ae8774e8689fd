"""Watchers that take nothing: what they cost others, and what they hold."""

import statistics
from contextlib import ExitStack

from google.protobuf.duration_pb2 import Duration

from benchmarks.generator import LIGHT, Run
from benchmarks.measured import Finding, Measured, at_most
from benchmarks.servers import Server
from benchmarks.stage import Stage
from benchmarks.tasks import RunningTasks
from benchmarks.watching import watching
from countermand.v1 import cancellation_service_pb2

WATCH_TASKS = "/countermand.v1.CancellationService/WatchTasks"
STALLS_AFTER = 2000
"""Bytes that each takes: a few messages."""


def measure(stage: Stage) -> Measured:
    """Cancels with and without 1,000 watchers of everything, who all stopped to read.

    Half of them stall while they are told of the tasks that are there, the others while they are
    told of changes. The memory that as many cancels take without them is taken off.
    """
    watchers, calls = stage.size(1000, 100), stage.size(5000, 200)
    p99s: dict[str, list[Run]] = {"without": [], "with stalled watchers": []}
    grown: list[float] = []
    held: dict[str, list[int]] = {side: [] for side in p99s}
    for number in range(stage.rounds):
        for side, runs in p99s.items():
            with stage.another() as server, ExitStack() as stack:
                stalled = side != "without"
                before = server.memory_kib()
                tasks = _stalled(stage, server, watchers if stalled else 0, calls, stack)
                runs.append(tasks.cancel(calls, LIGHT))
                held[side].append(server.memory_kib() - before)
        without, beside = (runs[-1].p99_ms for runs in p99s.values())
        stage.say(f"round {number + 1}: p99 {without:.1f} ms without, {beside:.1f} ms with them")
        grown.append(beside - without)
    each = [
        (with_them - without) / watchers for without, with_them in zip(*held.values(), strict=True)
    ]
    before = statistics.median(run.p99_ms for run in p99s["without"])
    after = statistics.median(run.p99_ms for run in p99s["with stalled watchers"])
    return Measured(
        [
            Finding(
                f"p99 of cancels grows by, beside {watchers:,} stalled watchers",
                f"{after:.1f} ms",
                f"{before:.1f} ms without",
                grown,
                at_most(1, "{:.1f} ms"),
            ),
            Finding(
                "memory of a stalled watcher",
                f"{statistics.median(each):.1f} KiB",
                "",
                each,
                at_most(48, "{:.1f} KiB"),
            ),
        ],
        p99s,
    )


def _stalled(
    stage: Stage, server: Server, watchers: int, calls: int, stack: ExitStack
) -> RunningTasks:
    """Starts tasks to cancel, with half of the watchers opened before and half after that."""
    heartbeat = Duration(seconds=600)
    request = cancellation_service_pb2.WatchTasksRequest(heartbeat_interval=heartbeat)

    def watch() -> None:
        if watchers:
            stack.enter_context(
                watching(
                    server,
                    WATCH_TASKS,
                    [request.SerializeToString()],
                    watchers // 2,
                    stage.new_folder(),
                    stalls_after=STALLS_AFTER,
                )
            )

    watch()
    tasks = RunningTasks.start(server, stage.generator, calls)
    watch()
    return tasks
