"""Ready after a crash, with much to do."""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from benchmarks.filling import Filled, filled
from benchmarks.machine import RunFailedError
from benchmarks.measured import Finding, Measured, at_least, at_most
from benchmarks.stage import Stage

MIB = 1024 * 1024
SECONDS = 120


def measure(stage: Stage) -> Measured:
    """From the start of the process to its line `listening`, and until nothing is overdue.

    The store is what a crash leaves behind: its WAL was never taken into the database.
    """
    live, overdue = stage.size(900_000, 1000), stage.size(100_000, 1000)
    wal = stage.size(1024, 8) * MIB
    ready, rates = [], []
    for number in range(stage.size(min(stage.rounds, 3), 1)):
        crashed = _crashed(filled(stage, live, overdue), wal, stage.new_folder())
        started = time.monotonic()
        with stage.another(store=crashed.store, key=crashed.key):
            ready.append(time.monotonic() - started)
            rates.append(_rate_of_ends(crashed.store))
        stage.say(
            f"round {number + 1}: ready in {ready[-1]:.2f} s, {rates[-1]:,.0f} ended a second"
        )
    what = f"{live + overdue:,} live tasks and a WAL of {wal // MIB:,} MiB"
    return Measured(
        [
            Finding(f"ready after a restart with {what}", "", "", ready, at_most(1.5, "{:.2f} s")),
            Finding(
                f"{overdue:,} overdue tasks then ended",
                "",
                "",
                rates,
                at_least(12_000, "{:,.0f} a second"),
            ),
        ]
    )


def _crashed(whole: Filled, wal_bytes: int, folder: Path) -> Filled:
    """Writes until the WAL is that long, and answers a copy of what a crash would leave then."""
    folder.mkdir()
    copy = folder / whole.store.name
    with closing(sqlite3.connect(whole.store, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA synchronous = OFF")
        wal = Path(f"{whole.store}-wal")
        while not wal.exists() or wal.stat().st_size < wal_bytes:
            connection.execute("UPDATE tasks SET update_time = update_time + 1")
        shutil.copy(whole.store, copy)
        shutil.copy(wal, f"{copy}-wal")
    # A server that crashed had synced all that, so the next one need not.
    os.sync()
    return Filled(copy, whole.key)


def _rate_of_ends(store: Path) -> float:
    """Waits until nothing is overdue any more. Answers how many ended a second from now on."""
    started = time.monotonic()
    count = "SELECT count(*) FROM tasks WHERE state = 'CANCELLING'"
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        (before,) = left = connection.execute(count).fetchone()
        while left[0]:
            if time.monotonic() > started + SECONDS:
                raise RunFailedError(f"after {SECONDS} s overdue tasks have not ended")
            time.sleep(0.05)
            left = connection.execute(count).fetchone()
    return float(before / (time.monotonic() - started))
