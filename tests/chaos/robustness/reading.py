"""Reads the truth of a run from the store's file, while no server has it open.

It reads the tables itself, not through the product's own readings: a mistake there must not hide
here.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos.robustness.truth import (
    Cancellation,
    Join,
    RecordVersion,
    Task,
    Truth,
    Version,
)


def read(path: Path, *, checks_file: bool = True) -> Truth:
    """Reads a store that no server has open; what a crash left in its log is recovered first.

    Checking the whole file takes longer than reading it, and may be left out.
    """
    truth = Truth()
    try:
        _read(path, truth, checks_file)
    except sqlite3.DatabaseError as error:
        truth.problems.append(f"the file cannot be read: {error}")
    return truth


def _read(path: Path, truth: Truth, checks_file: bool) -> None:
    with closing(sqlite3.connect(path)) as db:
        if checks_file:
            _check(db, truth)
        read_tables(db, truth)


def read_tables(db: sqlite3.Connection, truth: Truth) -> None:
    """Reads all tables that say something of the truth."""
    db.row_factory = sqlite3.Row
    tenants = {}
    for row in db.execute("SELECT * FROM namespaces"):
        tenants[row["namespace_no"]] = row["tenant"]
        truth.last[row["tenant"]] = row["last_seq"]
    for row in db.execute("SELECT * FROM cancellations"):
        _add_cancellation(truth, tenants[row["namespace_no"]], dict(row))
    for row in db.execute("SELECT * FROM request_ids"):
        key = (tenants[row["namespace_no"]], _text(row["request_id"]))
        truth.requests[key] = _text(row["answer_id"])
        if row["joined"]:
            truth.joined.add(key)
    for row in db.execute("SELECT * FROM joins ORDER BY place"):
        joined = truth.cancellations[_text(row["cancellation_id"])]
        joined.joins.append(Join(*(_text(row[name]) for name in Join._fields)))
    for kind in ("group", "checkout", "order", "cart"):
        for row in db.execute(f"SELECT * FROM {kind}s"):
            truth.holders[kind, _text(row[f"{kind}_id"])] = _plain(row)
    for row in db.execute("SELECT * FROM order_checkouts ORDER BY position"):
        truth.listed[row["order_id"]].append(row["checkout_id"])
    _read_tasks(db, truth, tenants)


def _check(db: sqlite3.Connection, truth: Truth) -> None:
    for check, good in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
        found = [tuple(row) for row in db.execute(f"PRAGMA {check}")]
        if found != good:
            truth.problems.append(f"{check}: {found[:3]}")


def _read_tasks(db: sqlite3.Connection, truth: Truth, tenants: dict[int, str]) -> None:
    numbers = {}
    for row in db.execute("SELECT * FROM tasks"):
        task = Task(tenants[row["namespace_no"]], _text(row["task_id"]), _plain(row))
        task.cancel = truth.cancellations.get(task.row["cancellation_id"] or "")
        truth.tasks[task.task_id] = numbers[row["task_no"]] = task
    for row in db.execute("SELECT * FROM events ORDER BY namespace_no, seq"):
        if row["task_no"] is None or row["record_kind"] is not None:
            truth.silent[tenants[row["namespace_no"]]].append(row["seq"])
            _add_record(truth, row)
            continue
        if row["task_no"] not in numbers:
            truth.problems.append(f"place {row['seq']} of the log is of no task")
            continue
        numbers[row["task_no"]].versions.append(Version(*(row[name] for name in Version._fields)))


def _add_record(truth: Truth, row: sqlite3.Row) -> None:
    """Adds a version of a checkout or order, and nothing of a task that came under an order."""
    kind = (row["record_kind"] or "").lower()
    if kind in ("checkout", "order") and row["task_no"] is None:
        of = (row["seq"], row["record_version"], row["state"], row["time"], row["previous_seq"])
        truth.records[kind, row["record_id"].decode()].append(RecordVersion(*of))


def _add_cancellation(truth: Truth, tenant: str, row: dict[str, Any]) -> None:
    kind, target = row["target_kind"], row["target_id"]
    by_uuid = kind in ("TASK", "GROUP")
    row["request_id"] = _text(row["request_id"])
    found = Cancellation(
        tenant,
        _text(row["cancellation_id"]),
        kind,
        _text(target) if by_uuid else target.decode(),
        row,
    )
    truth.cancellations[found.cancellation_id] = found


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    """Returns a row with the UUIDs in it as text."""
    found = dict(row)
    for name in ("task_id", "group_id", "cancellation_id"):
        if isinstance(found.get(name), bytes):
            found[name] = _text(found[name])
    return found


def _text(value: Any) -> str:
    return str(UUID(bytes=value)) if isinstance(value, bytes) else value or ""
