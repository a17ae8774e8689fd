"""Where each microsecond of a CancelTask goes."""

import json
import signal
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.machine import RunFailedError
from benchmarks.profiled_server import FILE, STAGES
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks

PROGRAM = (sys.executable, str(Path(__file__).with_name("profiled_server.py")))
SECONDS = 10
LOOP, WRITER = "MainThread", "store-writer"
ON_WRITER = ("rows to records", "decide", "records to rows", "SQL", "commit and sync")


def profile(stage: Stage) -> str:
    """Answers, in Markdown, the CPU time of a call by what it was spent for."""
    calls = stage.rounds * stage.calls
    with stage.another(program=PROGRAM) as server:
        tasks = RunningTasks.start(server, stage.generator, WARM_UP_CALLS + calls)
        tasks.cancel(WARM_UP_CALLS)
        before = _read(server)
        runs = stage.alternate(
            {
                "empty RPC": lambda: stage.empty(stage.calls),
                "CancelTask while profiled": lambda: tasks.cancel(stage.calls),
            }
        )
        after = _read(server)
    empty = statistics.median(run.server_cpu_us for run in runs["empty RPC"])
    return _table(_Spent(before, after, calls), empty)


class _Spent:
    """What was spent between two readings, in microseconds a call."""

    def __init__(self, before: dict[str, Any], after: dict[str, Any], calls: int) -> None:
        self._before, self._after, self._calls = before, after, calls
        self._within_ns, whole_ns = after["cost_ns"]
        self._beside_ns = whole_ns - self._within_ns

    def stage(self, name: str) -> float:
        spent_ns, times = self._stage(name)
        return (spent_ns - times * self._within_ns) / self._calls / 1000

    def rest(self, thread: str, stages: Iterable[str]) -> float:
        """What a thread spent outside of its stages, without the wrapping of these."""
        staged = [self._stage(name) for name in stages]
        spent_ns = sum(spent_ns + times * self._beside_ns for spent_ns, times in staged)
        return self.thread(thread) - spent_ns / self._calls / 1000

    def thread(self, name: str) -> float:
        """All that a thread spent."""
        spent_ns = self._after["threads"].get(name, 0) - self._before["threads"].get(name, 0)
        return float(spent_ns / self._calls / 1000)

    def _stage(self, name: str) -> tuple[int, int]:
        spent_ns, times = self._after["stages"][name]
        before_ns, times_before = self._before["stages"].get(name, (0, 0))
        return spent_ns - before_ns, times - times_before


def _table(spent: _Spent, empty_us: float) -> str:
    on_loop = [name for name in STAGES if name not in ON_WRITER]
    others = spent.thread("all") - spent.thread(LOOP) - spent.thread(WRITER)
    lines = [
        ("event loop", "gRPC, asyncio, uvloop and the handler", spent.rest(LOOP, on_loop)),
        *(("event loop", name, spent.stage(name)) for name in on_loop),
        *(("writer", name, spent.stage(name)) for name in ON_WRITER),
        ("writer", "its queue, and waking the loop", spent.rest(WRITER, ON_WRITER)),
        ("others", "gRPC's own threads, export of spans", others),
    ]
    total = sum(us for _, _, us in lines)
    rows = [f"| {thread} | {what} | {us:.1f} | {us / total:.0%} |" for thread, what, us in lines]
    return "\n".join(
        (
            "| thread | spent for | µs a call | share |",
            "|---|---|---|---|",
            *rows,
            f"| all | | {total:.1f} | |",
            f"| an empty RPC | | {empty_us:.1f} | |",
        )
    )


def _read(server: Server) -> dict[str, Any]:
    """Has the server write what it spent so far."""
    file = server.folder / FILE
    file.unlink(missing_ok=True)
    server.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise RunFailedError("the profiled server does not say what it spent")
        time.sleep(0.02)
    totals: dict[str, Any] = json.loads(file.read_text())
    return totals
