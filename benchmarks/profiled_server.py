"""`countermand serve`, with the CPU time of the stages of a CancelTask taken.

Each function in STAGES is wrapped. What a stage spends in another one counts for the other alone.
With SIGUSR1 it writes what was spent since it began, as JSON, to the file `profile.json`.
"""

import importlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE = "profile.json"
STAGES: dict[str, tuple[str, ...]] = {
    "ids of the trace": ("countermand.telemetry.tracing:Tracing.start_call",),
    "spans of sampled calls": (
        "countermand.telemetry.calls:SampledCall.end",
        "countermand.app.commit_traces:CommitTraces.__call__",
    ),
    "log line of sampled calls": ("logging:Logger.info",),
    "key": (
        "countermand.rpc.guard.credentials:Credentials.__init__",
        "countermand.rpc.guard.credentials:Credentials.key",
        "countermand.engine.keyring:Keyring.authenticate",
    ),
    "decode": ("countermand.rpc.guard.calls:Guard._let_in",),
    "parse and validate": ("countermand.rpc.wire.parse.cancels:parse_cancel",),
    "queue": (
        "countermand.engine.writer:Writer.submit",
        "countermand.engine.write_queue:WriteQueue.take",
        "countermand.engine.writer:_settle",
    ),
    "tell watchers and reaper": (
        "countermand.engine.watching.hub:Hub.publish",
        "countermand.engine.reaper:Reaper._hear",
    ),
    "render": (
        "countermand.rpc.servicers.cancellation:set_task",
        "countermand.rpc.servicers.cancellation:set_cancellation",
    ),
    "rows to records": ("countermand.store.sql.loading:Loader.load",),
    "decide": ("countermand.store.sqlite.writing:Writer._decide",),
    "records to rows": ("countermand.store.sqlite.writing:Writer._save",),
}
CONNECT = "countermand.store.sqlite.file.store_file:connect_writer"


class Totals:
    """Nanoseconds of CPU, and calls, by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, list[int]] = {}
        self._local = threading.local()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a function that does not wait."""
        spent = self.spent.setdefault(stage, [0, 0])
        local, clock = self._local, time.thread_time_ns

        def wrapped(*arguments: Any, **named: Any) -> Any:
            outer = getattr(local, "inner", 0)
            local.inner = 0
            started = clock()
            try:
                return function(*arguments, **named)
            finally:
                whole = clock() - started
                spent[0] += whole - local.inner
                spent[1] += 1
                local.inner = outer + whole

        return wrapped

    def cost_ns(self) -> tuple[float, float]:
        """Answers what a wrapping costs: within its own stage, and in all."""
        rounds = 20_000
        wrapped = self.timed("cost", lambda: None)
        started = time.thread_time_ns()
        for _ in range(rounds):
            wrapped()
        whole = time.thread_time_ns() - started
        within, _ = self.spent.pop("cost")
        return within / rounds, whole / rounds


class Connection:
    """A connection whose statements are timed: commits by themselves, since they sync."""

    def __init__(self, connection: Any, totals: Totals) -> None:
        self._connection = connection
        self._run = totals.timed("SQL", connection.execute)
        self._commit = totals.timed("commit and sync", connection.execute)

    def execute(self, sql: str, *parameters: Any) -> Any:
        return self._commit(sql) if sql == "COMMIT" else self._run(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def threads_ns() -> dict[str, int]:
    """Answers the CPU time of Python's threads by their names, and of all threads together."""
    spent = {"all": time.process_time_ns()}
    for thread in threading.enumerate():
        schedstat = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        spent[thread.name] = int(schedstat.read_text().split()[0])
    return spent


def _owner(path: str) -> tuple[Any, str]:
    module, _, names = path.partition(":")
    *outer, name = names.split(".")
    owner = importlib.import_module(module)
    for step in outer:
        owner = getattr(owner, step)
    return owner, name


def _wrap(totals: Totals) -> None:
    for stage, paths in STAGES.items():
        for path in paths:
            owner, name = _owner(path)
            setattr(owner, name, totals.timed(stage, getattr(owner, name)))
    owner, name = _owner(CONNECT)
    connect = getattr(owner, name)
    setattr(owner, name, lambda *given: Connection(connect(*given), totals))


def _tell(totals: Totals) -> None:
    """Waits for the signal, forever."""
    within, in_all = totals.cost_ns()
    while True:
        signal.sigwait({signal.SIGUSR1})
        told = {"stages": totals.spent, "threads": threads_ns(), "cost_ns": [within, in_all]}
        Path(f"{FILE}.new").write_text(json.dumps(told))
        Path(f"{FILE}.new").replace(FILE)


def main() -> None:
    """Serves, with the arguments of `countermand`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    totals = Totals()
    _wrap(totals)
    threading.Thread(target=_tell, args=(totals,), name="profile", daemon=True).start()
    from countermand.cli.main import app_entry

    app_entry()


if __name__ == "__main__":
    sys.exit(main())
