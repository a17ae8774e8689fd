"""One CancelTask at a time: what a caller waits for on a server that has nothing else to do."""

import statistics

from benchmarks.generator import ALONE
from benchmarks.machine import fdatasync_ms
from benchmarks.measured import Finding, Measured, at_most
from benchmarks.stage import Stage
from benchmarks.tasks import RunningTasks

GOAL_MS = 0.4
"""What may come on top of an empty call and of making one append durable."""
# A sync faster than any disk: the store probably lies in memory and nothing was durable.
MEMORY_SYNC_MS = 0.01


def measure(stage: Stage) -> Measured:
    """Alternates single calls with syncs of a file beside the store."""
    calls = stage.size(500, 50)
    tasks = RunningTasks.start(stage.server, stage.generator, stage.rounds * calls)
    syncs: list[float] = []
    runs = stage.alternate(
        {
            "empty RPC": lambda: stage.empty(calls, ALONE),
            "CancelTask": lambda: tasks.cancel(calls, ALONE),
        },
        after_round=lambda: syncs.append(fdatasync_ms(stage.server.folder)),
    )
    empty = [run.p50_ms for run in runs["empty RPC"]]
    cancel = [run.p50_ms for run in runs["CancelTask"]]
    added = [ours - floor - sync for ours, floor, sync in zip(cancel, empty, syncs, strict=True)]
    sync_ms = statistics.median(syncs)
    notes = []
    if sync_ms < MEMORY_SYNC_MS:
        notes.append("doubtful: a sync costs next to nothing here: choose --store-dir on a disk")
    finding = Finding(
        "CancelTask alone, p50 beyond an empty call and a sync",
        f"{statistics.median(cancel):.2f} ms",
        f"{statistics.median(empty):.2f} ms + {sync_ms:.2f} ms",
        added,
        at_most(GOAL_MS, "{:.2f} ms"),
    )
    return Measured([finding], runs, notes, {"fdatasync_ms": syncs})
