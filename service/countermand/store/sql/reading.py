"""The readings. Each is one function that runs on a reader's thread, in one snapshot."""

import json
from typing import Any

from countermand.core.cancellations import Cancellation
from countermand.core.chronicle import Stretch
from countermand.core.instant import Instant
from countermand.core.keys import Key
from countermand.core.overdue import OverdueKind
from countermand.core.records import Task
from countermand.core.retention import Old
from countermand.core.states import RefundState, TargetKind
from countermand.store.contract import CancellationReading, Due
from countermand.store.lists import DeadlinePage, DeadlinePlace, TaskPage, TaskQuery, place_of
from countermand.store.sql import rows
from countermand.store.sql.queries import NO_NUMBER
from countermand.store.sql.reading_cancellations import CancellationReader
from countermand.store.sql.reading_holders import HolderReader, under
from countermand.store.sql.reading_logs import LogReader
from countermand.store.sql.reading_watches import WatchReader, holder_scope, parameters
from countermand.store.sql.reading_webhooks import WebhookReader


class Reader(CancellationReader, HolderReader, LogReader, WatchReader, WebhookReader):
    """Reads from one connection that cannot write."""

    def tasks(self, namespace: int, query: TaskQuery, before: int | None, limit: int) -> TaskPage:
        bound, found = self._all(
            f"list_{holder_scope(query.chosen) or _without_holder(query)}",
            _chosen(namespace, query)
            | {
                "before": NO_NUMBER if before is None else before,
                "window": self._max_scanned,
                "limit": limit,
            },
        )
        tasks = sorted(map(rows.read_task, found), key=lambda task: -task.number)
        if len(tasks) == limit:
            return TaskPage(tasks, tasks[-1].number)
        return TaskPage(tasks, bound)

    def tasks_by_deadline(
        self, namespace: int, query: TaskQuery, after: DeadlinePlace, limit: int
    ) -> DeadlinePage:
        looked_at, last, found = self._all(
            "list_deadline",
            _chosen(namespace, query)
            | {
                "after_time": after.deadline_time,
                "after_number": after.number,
                "deadline_before": (
                    NO_NUMBER if query.deadline_before is None else query.deadline_before
                ),
                "window": self._max_scanned,
                "limit": limit,
            },
        )
        tasks = sorted(
            map(rows.read_task, found), key=lambda task: (task.deadline_time or 0, task.number)
        )
        if len(tasks) == limit:
            return DeadlinePage(tasks, place_of(tasks[-1]))
        return DeadlinePage(tasks, DeadlinePlace(*last) if looked_at == self._max_scanned else None)

    def cancellation(self, namespace: int, cancellation_id: str) -> CancellationReading | None:
        row = self._one("cancellation", (namespace, rows.uuid_bytes(cancellation_id)))
        if row is None:
            return None
        cancellation = rows.read_cancellation(row)
        return CancellationReading(cancellation, self._covered(cancellation))

    def _covered(self, cancellation: Cancellation) -> list[Task]:
        target = cancellation.target
        if target.kind is TargetKind.TASK:
            task = self.task(target.namespace, target.id)
            return [task] if task is not None and cancellation.covers(task) else []
        return self._sorted(
            f"snapshot_{rows.HOLDER_ROWS[target.kind].scope}",
            parameters(target.namespace, under(target))
            | {
                "after": 0,
                "last_number": NO_NUMBER,
                "limit": NO_NUMBER,
                "position": NO_NUMBER,
            },
        )

    def stops(self, namespace: int, agent_id: str, limit: int) -> list[Task]:
        tasks = self._tasks("stops", (namespace, agent_id, limit))
        return sorted(tasks, key=lambda task: task.due_time or 0)

    def overdue(self, instant: Instant, lease_time: int) -> list[tuple[OverdueKind, int]]:
        times = {
            OverdueKind.LATE_TASK: instant.steady,
            OverdueKind.LOST_AGENT: lease_time,
            OverdueKind.EXPIRED_TASK: instant.now,
            OverdueKind.EXPIRED_CHECKOUT: instant.now,
        }
        return [
            (kind, namespace)
            for kind, time in times.items()
            for namespace in self._all(f"namespaces_{kind.lower()}", (time,))
        ] + [(OverdueKind.EARLY_CANCEL, 0)]

    def namespaces_with_old(self, old: Old) -> list[int]:
        found: list[int] = self._all("namespaces_with_old", old._asdict())
        return found

    def next_due(self) -> Due:
        deadline, lease, *expiries, waiting = self._all("next_due", ())
        return Due(deadline, lease, _first(*expiries), waiting)

    def clock_stretches(self) -> list[Stretch]:
        return [Stretch(*row) for row in self._all("clock_stretches", ())]

    def keys(self) -> list[Key]:
        return [rows.read_key(row) for row in self._all("keys", ())]


def _first(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)


def _without_holder(query: TaskQuery) -> str:
    """Returns what drives a list that names no holder: what chooses fewest."""
    if query.label is not None:
        return "label"
    if query.merchant is not None:
        return "merchant"
    return "all" if query.refund_state in (None, RefundState.NONE) else "refund"


def _chosen(namespace: int, query: TaskQuery) -> dict[str, Any]:
    key, value = query.label or (None, None)
    return parameters(namespace, query.chosen) | {
        "states": json.dumps(query.states) if query.states else None,
        "refund_state": query.refund_state,
        "merchant": query.merchant,
        "label_key": key,
        "label_value": value,
        "label_digest": None if query.label is None else rows.label_digest(*query.label),
    }
