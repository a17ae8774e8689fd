"""What webhooks add to a cancel of a tenant without endpoints: the code that looks for these.

It is on and off in turns.
"""

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any, Final

from benchmarks.measured import Finding, Measured, at_most
from benchmarks.rows.counting import BATCH, STORE, TURNS, cancels
from benchmarks.stage import Stage
from countermand.core.knobs import Knobs
from countermand.core.webhook_rows import Outbox
from countermand.engine.listeners import Committed, Listener
from countermand.store.sqlite.statements import STATEMENTS
from countermand.telemetry.measures import Measures
from countermand.webhooks.dispatcher import Dispatcher

COLUMN: Final = "json(iif(n.webhook_count = 0, NULL, json_array(n.environment, n.last_notice)))"
"""By which a batch is told of the outboxes of its tenants."""
NOBODY: Final[Any] = SimpleNamespace(claims=None)
"""It has none of the other parts, of which nothing is asked without an endpoint."""


def measure(stage: Stage) -> Measured:
    """Times what a commit of cancels does to find that their tenant has no endpoint.

    That is a column of a row that it reads anyway, a look for each command and one where it saves,
    and the dispatcher's hearing of it. Off is the same without them.
    """
    committed = asyncio.run(cancels(stage.folder))
    listener = Dispatcher(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, Measures(), Knobs().webhooks).hear
    turns = stage.size(TURNS, 20)
    added = []
    with closing(sqlite3.connect(stage.folder / STORE)) as connection:
        sides = _sides(connection, committed, listener)
        for _ in range(max(stage.rounds, 5)):
            on = off = 0.0
            for _ in range(turns):
                off += _seconds(sides[0])
                on += _seconds(sides[1])
            added.append((on - off) / turns / BATCH * 1e6)
    finding = Finding(
        "what webhooks add to a cancel without endpoints, in µs",
        f"{statistics.median(added):.2f} µs",
        "",
        added,
        at_most(1.0),
    )
    return Measured([finding], figures={"batch": BATCH})


def _sides(
    connection: sqlite3.Connection, committed: Committed, listener: Listener
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns one commit's work without what looks for endpoints, and with it."""
    with_column = STATEMENTS.with_rows("load_positions", 1, 1)
    assert COLUMN in with_column
    without_column = with_column.replace(COLUMN, "NULL")
    outboxes, saves = committed.batch.rows.outboxes, committed.batch.saves
    numbers: list[tuple[int, int, int, Any]] = [(1, 5, 100, None)]

    def off() -> None:
        connection.execute(without_column, (1,)).fetchone()
        for _ in range(BATCH):
            pass

    def on() -> None:
        connection.execute(with_column, (1,)).fetchone()
        for _ in range(BATCH):
            assert not outboxes
        _ = [(number, Outbox(*outbox)) for number, *_, outbox in numbers if outbox]
        assert not saves.outboxes
        assert saves.webhooks is None
        listener(committed)

    return off, on


def _seconds(side: Callable[[], None]) -> float:
    """Returns the seconds of CPU that a side takes."""
    start = time.thread_time()
    side()
    return time.thread_time() - start
