"""The memory of a WatchTask that waits, against a bare stream of grpc.aio."""

from benchmarks.measured import Finding, Measured, at_most
from benchmarks.rows.told import BARE_WATCH, WATCH_TASK, watch_request
from benchmarks.servers import Server, floor
from benchmarks.stage import Stage
from benchmarks.tasks import RunningTasks
from benchmarks.watching import watching

WARM_UP = 100


def measure(stage: Stage) -> Measured:
    """What the server's memory grows by for each stream; every one watches a task of its own."""
    count = stage.size(5000, 200)
    with stage.another() as server:
        ids = RunningTasks.start(server, stage.generator, count).take(count)
        requests = [watch_request(task_id) for task_id in ids]
        ours = _kib_each(stage, server, WATCH_TASK, requests)
    with floor(stage.new_folder()) as server:
        bare = _kib_each(stage, server, BARE_WATCH, [b""] * count)
    finding = Finding(
        "memory of an idle WatchTask against a bare stream",
        f"{ours:.1f} KiB",
        f"{bare:.1f} KiB",
        [ours / bare],
        at_most(1.3),
    )
    return Measured([finding], figures={"ours_kib": ours, "bare_kib": bare, "streams": count})


def _kib_each(stage: Stage, server: Server, method: str, requests: list[bytes]) -> float:
    with watching(server, method, requests[:WARM_UP], WARM_UP, stage.new_folder()):
        before = server.memory_kib()
        with watching(server, method, requests, len(requests), stage.new_folder()):
            return (server.memory_kib() - before) / len(requests)
