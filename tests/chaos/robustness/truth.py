"""What the store holds at the end of a run, and how all of it must have been shown."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

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


class RecordVersion(NamedTuple):
    """One version of a checkout or order, as its entry in the log says."""

    seq: int
    version: int
    state: str
    time: int
    previous_seq: int


class Join(NamedTuple):
    """Who else asked for a cancel, as the store keeps it."""

    requested_by: str
    reason: str
    message: str
    on_behalf_of: str
    request_id: str
    join_time: int


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
    joins: list[Join] = field(default_factory=list)


@dataclass
class Truth:
    """The log and the rows of all tenants."""

    tasks: dict[str, Task] = field(default_factory=dict)
    cancellations: dict[str, Cancellation] = field(default_factory=dict)
    requests: dict[tuple[str, str], str] = field(default_factory=dict)
    """Which cancellation answered each request id of a tenant, or which task that was settled."""
    holders: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """The rows of groups, checkouts, orders and carts, by kind and id."""
    records: dict[tuple[str, str], list[RecordVersion]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """The versions of checkouts and orders, by kind and id."""
    joined: set[tuple[str, str]] = field(default_factory=set)
    """The request ids of a tenant that joined a cancellation."""
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

    def versions_of(self, kind: str, id: str) -> Sequence[Version | RecordVersion]:
        """Returns the versions of a task, checkout or order; none of what is not there."""
        if kind != "task":
            return self.records.get((kind, id), [])
        return self.tasks[id].versions if id in self.tasks else []

    def place_of(self, kind: str, shown: Any) -> int:
        """Returns the place of a version that was shown; 0 for what is not in the log."""
        versions = self.versions_of(kind, getattr(shown, f"{kind}_id"))
        return versions[shown.version - 1].seq if 0 < shown.version <= len(versions) else 0

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
