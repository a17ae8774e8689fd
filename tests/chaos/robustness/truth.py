"""What the store holds at the end of a run, read from its file while no server has it open.

It reads the tables itself, not through the product's own readings: a mistake there must not hide
here.
"""

import json
import sqlite3
from bisect import bisect_right
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from countermand.v1 import task_pb2

ENDED = frozenset({"CANCELLED", "COMPLETED", "FAILED"})
HOLDERS = ("GROUP", "CHECKOUT", "ORDER")


class Version(NamedTuple):
    """One version of a task, as its event in the log says."""

    seq: int
    version: int
    state: str
    charge_state: str
    deadline_time: int | None
    time: int
    previous_seq: int = 0
    refund_state: str | None = None
    settlement: str | None = None
    """The last settlement as a JSON array."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def refund(self) -> str:
        return self.refund_state or "NONE"


@dataclass
class Task:
    """The row of a task, and its versions."""

    tenant: str
    task_id: str
    row: dict[str, Any]
    versions: list[Version] = field(default_factory=list)
    cancel: "Cancellation | None" = None
    """The first cancellation that was accepted for it."""

    def at(self, seq: int) -> Version | None:
        """Returns the version that was the present one at a place of the log."""
        place = bisect_right(self.versions, seq, key=lambda version: version.seq)
        return self.versions[place - 1] if place else None

    def agent_at(self, version: Version) -> str:
        """Returns the agent that it had at a version: it is set once, with RUNNING."""
        return (self.row["agent_id"] or "") if version.state != "PENDING" else ""

    @property
    def end(self) -> Version | None:
        """The version with which it ended; later ones say something of its money."""
        return next((version for version in self.versions if version.ended), None)

    @cached_property
    def shown(self) -> dict[int, task_pb2.Task]:
        """How each version must be shown to everyone."""
        return {version.version: _message(self, version) for version in self.versions}


@dataclass
class Cancellation:
    """The row of a cancellation."""

    tenant: str
    cancellation_id: str
    kind: str
    target: str
    row: dict[str, Any]


@dataclass
class Truth:
    """The log and the rows of all tenants."""

    tasks: dict[str, Task] = field(default_factory=dict)
    cancellations: dict[str, Cancellation] = field(default_factory=dict)
    requests: dict[tuple[str, str], str] = field(default_factory=dict)
    """Which cancellation answered each request id of a tenant, or which task that was settled."""
    holders: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """The rows of groups, checkouts, orders and carts, by kind and id."""
    listed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The checkouts of each order."""
    last: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """The last place of each tenant's log."""
    silent: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The places of each tenant's log that are no version of a task."""
    problems: list[str] = field(default_factory=list)
    """What SQLite says of the file."""

    @cached_property
    def log(self) -> dict[str, dict[int, tuple[Task, Version]]]:
        """What stands at each place of each tenant's log."""
        found: dict[str, dict[int, tuple[Task, Version]]] = defaultdict(dict)
        for task in self.tasks.values():
            found[task.tenant] |= {version.seq: (task, version) for version in task.versions}
        return found

    @cached_property
    def blocks(self) -> dict[str, list[tuple[int, int]]]:
        """The stretches of each tenant's log that are one cancel each: first and last place."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for one in self.cancellations.values():
            first, last = one.row["accept_seq"] + 1, self.block_end(one)
            if first < last:
                found[one.tenant].append((first, last))
        return found

    def block_end(self, cancellation: Cancellation) -> int:
        """Returns the last place of what one cancel changed at once, from its accept on: each of
        its tasks once, since what comes after it in the same batch is another's."""
        log, last = self.log[cancellation.tenant], int(cancellation.row["accept_seq"])
        changed: set[str] = set()
        while (following := log.get(last + 1)) is not None:
            task, version = following
            covered = self.is_under(task, cancellation.kind, cancellation.target)
            same = covered and version.time == cancellation.row["create_time"]
            if not same or task.task_id in changed:
                break
            changed.add(task.task_id)
            last += 1
        return last

    def undoing(self, task: Task) -> list[Cancellation]:
        """Returns the cancels by which not even COMPLETED work of a task stands."""
        return [
            one
            for one in self.cancellations.values()
            if one.kind in ("CHECKOUT", "ORDER") and self.is_under(task, one.kind, one.target)
        ]

    def under(self, tenant: str, kind: str, id: str) -> list[Task]:
        """Returns the tasks under a holder, or the task itself."""
        return self._members.get((tenant, kind, id), [])

    def is_under(self, task: Task, kind: str, id: str) -> bool:
        """Whether a task is under a holder, or is it."""
        return (kind, id) in self._above[task.task_id]

    @cached_property
    def _above(self) -> dict[str, set[tuple[str, str]]]:
        """What each task is under: what it names, and the orders that list its checkout."""
        listing = defaultdict(set)
        for order_id, checkout_ids in self.listed.items():
            for checkout_id in checkout_ids:
                listing[checkout_id].add(("ORDER", order_id))
        found = {}
        for task in self.tasks.values():
            named = {(kind, task.row[f"{kind.lower()}_id"]) for kind in HOLDERS}
            named |= listing[task.row["checkout_id"]] | {("TASK", task.task_id)}
            found[task.task_id] = {(kind, id) for kind, id in named if id}
        return found

    @cached_property
    def _members(self) -> dict[tuple[str, str, str], list[Task]]:
        found = defaultdict(list)
        for task in self.tasks.values():
            for kind, id in self._above[task.task_id]:
                found[task.tenant, kind, id].append(task)
        return found


def read(path: Path) -> Truth:
    """Reads a store that no server has open; what a crash left in its log is recovered first."""
    truth = Truth()
    try:
        _read(path, truth)
    except sqlite3.DatabaseError as error:
        truth.problems.append(f"the file cannot be read: {error}")
    return truth


def _read(path: Path, truth: Truth) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        for check, good in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            found = [tuple(row) for row in db.execute(f"PRAGMA {check}")]
            if found != good:
                truth.problems.append(f"{check}: {found[:3]}")
        tenants = {}
        for row in db.execute("SELECT * FROM namespaces"):
            tenants[row["namespace_no"]] = row["tenant"]
            truth.last[row["tenant"]] = row["last_seq"]
        for row in db.execute("SELECT * FROM cancellations"):
            _add_cancellation(truth, tenants[row["namespace_no"]], dict(row))
        for row in db.execute("SELECT * FROM request_ids"):
            key = (tenants[row["namespace_no"]], _text(row["request_id"]))
            truth.requests[key] = _text(row["answer_id"])
        for kind in ("group", "checkout", "order", "cart"):
            for row in db.execute(f"SELECT * FROM {kind}s"):
                truth.holders[kind, _text(row[f"{kind}_id"])] = _plain(row)
        for row in db.execute("SELECT * FROM order_checkouts ORDER BY position"):
            truth.listed[row["order_id"]].append(row["checkout_id"])
        _read_tasks(db, truth, tenants)


def _read_tasks(db: sqlite3.Connection, truth: Truth, tenants: dict[int, str]) -> None:
    numbers = {}
    for row in db.execute("SELECT * FROM tasks"):
        task = Task(tenants[row["namespace_no"]], _text(row["task_id"]), _plain(row))
        task.cancel = truth.cancellations.get(task.row["cancellation_id"] or "")
        truth.tasks[task.task_id] = numbers[row["task_no"]] = task
    for row in db.execute("SELECT * FROM events ORDER BY namespace_no, seq"):
        if row["task_no"] is None or row["record_kind"] is not None:
            truth.silent[tenants[row["namespace_no"]]].append(row["seq"])
            continue
        if row["task_no"] not in numbers:
            truth.problems.append(f"place {row['seq']} of the log is of no task")
            continue
        numbers[row["task_no"]].versions.append(Version(*(row[name] for name in Version._fields)))


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


def _message(task: Task, then: Version) -> task_pb2.Task:
    """Returns a task as a version of it must be shown."""
    row = task.row
    cancelled = then.state == "CANCELLING" or then.ended
    message = task_pb2.Task(
        task_id=task.task_id,
        group_id=row["group_id"],
        checkout_id=row["checkout_id"],
        order_id=row["order_id"],
        merchant=row["merchant"],
        labels=json.loads(row["labels"]),
        state=f"TASK_STATE_{then.state}",
        version=then.version,
        agent_id=task.agent_at(then),
        charge_state=f"CHARGE_STATE_{then.charge_state}",
        refund_state=f"REFUND_STATE_{then.refund}",
        refund_required=then.refund == "REQUIRED",
    )
    times = {
        "deadline_time": then.deadline_time,
        "expire_time": row["expire_time"],
        "create_time": row["create_time"],
        "start_time": row["start_time"] if then.state != "PENDING" else None,
        "update_time": then.time,
    }
    if cancelled and task.cancel is not None:
        message.cancellation_id = task.cancel.cancellation_id
        message.cancel_reason = task.cancel.row["reason"]
        message.cancel_message = task.cancel.row["message"]
    if then.ended:
        message.failure_message = row["failure_message"]
        if row["cancel_proof"]:
            message.cancel_proof = task_pb2.CancelProof.Value(f"CANCEL_PROOF_{row['cancel_proof']}")
        times["end_time"] = row["end_time"]
    if then.settlement is not None:
        _settle(message.settlement, json.loads(then.settlement))
    for name, moment in times.items():
        if moment is not None:
            getattr(message, name).FromMicroseconds(moment)
    return message


def _settle(message: task_pb2.Settlement, said: list[Any]) -> None:
    outcome, amount, currency, note, settled_by, settle_time, request_id = said
    message.outcome = task_pb2.RefundState.Value(f"REFUND_STATE_{outcome}")
    if amount is not None:
        message.amount = amount
    message.currency, message.note, message.settled_by = currency, note, settled_by
    message.settle_time.FromMicroseconds(settle_time)
    message.request_id = request_id or ""
