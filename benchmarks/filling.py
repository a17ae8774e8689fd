"""Stores of millions of tasks, filled by SQL: through the API they would take an hour.

A server makes one task of each kind on a new store, and their rows are copied. So the stores have
the schema and the rows of the present version, whatever these are.
"""

import hashlib
import shutil
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from benchmarks.stage import Stage
from benchmarks.tasks import AGENTS, RunningTasks

STORE, KEY = "bench.db", "key"
LONG_AGO = 946_684_800_000_000
"""A deadline that has passed: the year 2000, in microseconds."""
ID = "CAST(printf('%016d', n) AS BLOB)"
"""Ids that grow, as those of UUIDv7 do."""
LATE = {"deadline_time": str(LONG_AGO)}


class Filled(NamedTuple):
    """A store with tasks, and a key that it knows."""

    store: Path
    key: str


def task_id(number: int) -> str:
    """Answers the id of a task of a filled store, from 1 on."""
    return str(uuid.UUID(bytes=b"%016d" % number))


def filled(stage: Stage, running: int, overdue: int = 0) -> Filled:
    """Answers a store of the caller's own with so many tasks RUNNING and CANCELLING.

    The CANCELLING ones come first and are past their deadline. The store is made once and kept in
    the cache; the caller has a copy.
    """
    folder = stage.cache / f"{running}-running-{overdue}-overdue-{_version()}"
    if not folder.exists():
        stage.say(f"filling a store with {running + overdue:,} tasks, kept in {folder}")
        aside = stage.new_folder()
        aside.mkdir()
        key = _fill(stage, aside / STORE, running, overdue)
        (aside / KEY).write_text(key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(aside, folder)
    own = stage.new_folder()
    shutil.copytree(folder, own)
    return Filled(own / STORE, (own / KEY).read_text())


def _version() -> str:
    """Answers a text that changes with the schema and with what is filled in."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    folder = files("countermand.store.sqlite") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def _fill(stage: Stage, store: Path, running: int, overdue: int) -> str:
    """Makes the store, and answers its key."""
    with stage.another(store=store) as server:
        key = dict(server.metadata)["x-api-key"]
        RunningTasks.start(server, stage.generator, 2).cancel(1)
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1048576")
        connection.execute("BEGIN")
        for table in ("tasks", "events", "cancellations", "agents", "groups", "request_ids"):
            connection.execute(f"CREATE TEMP TABLE first_{table} AS SELECT * FROM {table}")
            connection.execute(f"DELETE FROM {table}")
        _copy(connection, "agents LIMIT 1", range(AGENTS), {"agent_id": "'bench-agent-' || n"})
        _copy_tasks(connection, "CANCELLING", range(1, 1 + overdue), events=3, after_seq=0)
        _copy(
            connection,
            "cancellations",
            range(1, 1 + overdue),
            {"cancellation_id": ID, "target_id": ID, "request_id": "NULL", **LATE},
        )
        numbers = range(1 + overdue, 1 + overdue + running)
        _copy_tasks(connection, "RUNNING", numbers, events=2, after_seq=3 * overdue)
        last_seq = 3 * overdue + 2 * running
        connection.execute("UPDATE namespaces SET last_seq = ?", (last_seq,))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    return key


def _copy_tasks(
    connection: sqlite3.Connection, state: str, numbers: range, *, events: int, after_seq: int
) -> None:
    late = LATE if state == "CANCELLING" else {}
    # What the place of a version in the log is, from the number of its task and its own.
    seq = f"{after_seq} + {events} * (n - {numbers.start})"
    _copy(
        connection,
        f"tasks WHERE state = '{state}'",
        numbers,
        {
            "task_no": "n",
            "task_id": ID,
            "group_id": "NULL",
            "agent_id": f"'bench-agent-' || n % {AGENTS}",
            "cancellation_id": ID if late else "NULL",
            "last_seq": f"{seq} + {events}",
            **late,
        },
    )
    _copy(
        connection,
        f"events WHERE task_no = (SELECT task_no FROM first_tasks WHERE state = '{state}')",
        numbers,
        {
            "task_no": "n",
            "seq": f"{seq} + version",
            "previous_seq": f"iif(version = 1, 0, {seq} + version - 1)",
        },
    )


def _copy(
    connection: sqlite3.Connection, source: str, numbers: range, changed: Mapping[str, str]
) -> None:
    """Copies the first rows of a table once for each number, n, with some columns changed."""
    if not numbers:
        return
    table = source.split()[0]
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(name, name) for name in names)
    connection.execute(
        "WITH RECURSIVE numbers (n) AS "
        "(VALUES (?1) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2) "
        f"INSERT INTO {table} ({', '.join(names)}) "
        f"SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM first_{source})",
        (numbers.start, numbers[-1]),
    )
