"""The memory of a server after a burst: it is not to stay as large as its worst hour made it."""

import time

from benchmarks.generator import Run
from benchmarks.measured import Finding, Measured, at_most
from benchmarks.rows.told import WATCH_TASK, watch_request
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks, create_group
from benchmarks.watching import watching

IN_GROUPS_OF = 5000
REST_SECONDS = 60
BACK = 1.5
"""Times what it was before."""


def measure(stage: Stage) -> Measured:
    """Creates 200,000 tasks, starts half of them, watches 20,000, cancels that half, and looks at
    the memory for a minute. Once, since it takes that long."""
    count = stage.size(100_000, 1000)
    with stage.another() as server:
        RunningTasks.start(server, stage.generator, WARM_UP_CALLS).cancel(WARM_UP_CALLS)
        before = server.memory_kib()
        runs, most = _burst(stage, server, count)
        seconds, after = _rest(server, before, stage.size(REST_SECONDS, 2))
    stage.say(
        f"{before / 1024:.0f} MiB before, {most / 1024:.0f} in the burst, then {after / 1024:.0f}"
    )
    finding = Finding(
        f"memory a minute after a burst of {2 * count:,} tasks, against before",
        f"{after / 1024:.0f} MiB",
        f"{before / 1024:.0f} MiB; {most / 1024:.0f} MiB in the burst",
        [after / before],
        at_most(BACK),
    )
    figures = {"before_kib": before, "most_kib": most, "after_kib": after, "seconds": seconds}
    return Measured([finding], {"cancels": runs}, figures=figures)


def _burst(stage: Stage, server: Server, count: int) -> tuple[list[Run], int]:
    """Returns the runs of cancels, and the most memory that was seen."""
    for _ in range(0, count, IN_GROUPS_OF):
        create_group(server, min(IN_GROUPS_OF, count))
    ids = RunningTasks.start(server, stage.generator, count).take(count)
    watched = [watch_request(task_id) for task_id in ids[: count // 5]]
    with watching(server, WATCH_TASK, watched, len(watched), stage.new_folder()):
        runs = [RunningTasks(server, stage.generator, ids).cancel(count)]
        return runs, server.memory_kib()


def _rest(server: Server, before: int, seconds: int) -> tuple[float, int]:
    """Waits until the memory is back, for so long at most. Returns after how long, and how much it
    is."""
    begin = time.monotonic()
    while True:
        present, waited = server.memory_kib(), time.monotonic() - begin
        if present <= BACK * before or waited >= seconds:
            return waited, present
        time.sleep(0.5)
