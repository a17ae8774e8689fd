"""What metrics add to a cancel: the code that counts it, on and off in turns."""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from uuid import uuid4

from benchmarks.measured import Finding, Measured, at_most
from benchmarks.stage import Stage
from countermand.app.commit_metrics import CommitCounter
from countermand.app.composition import open_store, running
from countermand.core import commands as c
from countermand.core.caller import Caller
from countermand.core.knobs import Knobs
from countermand.core.records import SECOND
from countermand.core.trace import TraceContext
from countermand.engine.listeners import Committed
from countermand.telemetry.measures import CallMeasure
from countermand.telemetry.metrics import Metrics

BATCH: Final = 64
"""Cancels in one commit, as when many callers are at it."""
TURNS: Final = 200
STORE: Final = "counting.db"
TRACE: Final = TraceContext("1" * 32, "2" * 16, False)
CALLER: Final = Caller("key", TRACE)
METHOD: Final = "countermand.v1.CancellationService/CancelTask"


def measure(stage: Stage) -> Measured:
    """Times the calls that a server makes to count cancels of running tasks.

    Those are two readings of the clock and one count for each call, and the counting of each
    commit. Off is the same loop without them.
    """
    committed = asyncio.run(cancels(stage.folder))
    assert len(committed.batch.saves.accepted) == BATCH
    metrics = Metrics()
    counting = CommitCounter(metrics)
    measure = metrics.of_method(METHOD)
    turns = stage.size(TURNS, 20)
    added = []
    for _ in range(max(stage.rounds, 5)):
        on = off = 0.0
        for _ in range(turns):
            off += _uncounted()
            on += _counted(committed, measure, counting)
        added.append((on - off) / turns / BATCH * 1e6)
    finding = Finding(
        "what metrics add to a cancel, in µs",
        f"{statistics.median(added):.2f} µs",
        "",
        added,
        at_most(2.0),
    )
    return Measured([finding], figures={"batch": BATCH})


def _counted(committed: Committed, measure: CallMeasure, counting: CommitCounter) -> float:
    """Returns the seconds of CPU that it takes to count one commit and its calls."""
    start = time.thread_time()
    for _ in range(BATCH):
        measure.ended("OK", time.perf_counter(), TRACE)
    counting(committed)
    return time.thread_time() - start


def _uncounted() -> float:
    """Returns the seconds of CPU that the loop itself takes."""
    start = time.thread_time()
    for _ in range(BATCH):
        pass
    return time.thread_time() - start


async def cancels(folder: Path) -> Committed:
    """Returns a commit of cancels of running tasks, as a server makes it."""
    heard: list[Committed] = []
    knobs = Knobs()
    async with AsyncExitStack() as stack:
        store = open_store(f"sqlite:///{folder / STORE}", knobs.store)
        app, _ = await stack.enter_async_context(running(store, knobs, listeners=[heard.append]))
        await app.keyring.create_first()  # and with it the namespace of its tenant
        ids = [str(uuid4()) for _ in range(BATCH)]
        for made in (
            [c.CreateTask(1, c.NewTask(id, None, "shop", {})) for id in ids],
            [c.StartTask(1, id, "agent", 3600 * SECOND) for id in ids],
            [_cancel(id) for id in ids],
        ):
            await asyncio.gather(*map(app.writer.submit, made))
    return next(one for one in heard if len(one.batch.saves.accepted) == BATCH)


def _cancel(task_id: str) -> c.CancelTask:
    return c.CancelTask(
        namespace=1,
        target_id=task_id,
        reason="customer_requested",
        message="",
        request_id=str(uuid4()),
        grace_period=3600 * SECOND,
        expected_version=None,
        validate_only=False,
        on_behalf_of="",
        caller=CALLER,
    )
