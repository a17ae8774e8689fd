"""The readings. Each is one function that runs on a reader's thread, in one snapshot."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from countermand.core.ids import uuid_at
from countermand.core.records import (
    SECOND,
    Event,
    Key,
    TargetKind,
    Task,
    TaskFilter,
    TaskState,
)
from countermand.store.contract import (
    Bookmark,
    CancellationPage,
    CancellationQuery,
    CancellationReading,
    GroupReading,
    History,
    LogPage,
    TaskPage,
)
from countermand.store.sqlite import rows
from countermand.store.sqlite.statements import statements

WINDOW = 10_000
"""How many rows one page looks at, at most."""
AHEAD = 60 * SECOND
"""How far the time in a cancellation's id may be ahead of its own: others make ids meanwhile."""
LAST_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
FIRST_UUID = "00000000-0000-0000-0000-000000000000"
NO_NUMBER = (1 << 63) - 1


class Reader:
    """Reads from one connection that cannot write."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def snapshot_begin(self) -> None:
        """Begins a reading: everything until the end is one moment of the store."""
        self._connection.execute("BEGIN")

    def snapshot_end(self) -> None:
        """Ends a reading. A reader that stays in one keeps the log from being recycled."""
        self._connection.execute("ROLLBACK")

    def task(self, namespace: int, task_id: str) -> Task | None:
        row = self._one("task", (namespace, rows.uuid_bytes(task_id)))
        return None if row is None else rows.read_task(row)

    def group(self, namespace: int, group_id: str) -> GroupReading | None:
        key = (namespace, rows.uuid_bytes(group_id))
        row = self._one("group", key)
        if row is None:
            return None
        counts = {TaskState(state): tally for state, tally in self._all("group_counts", key)}
        return GroupReading(rows.read_group(row), counts)

    def tasks(
        self,
        namespace: int,
        chosen: TaskFilter,
        states: Sequence[TaskState],
        before: int | None,
        limit: int,
    ) -> TaskPage:
        name = "list_tasks" if chosen.group_id is None else "list_group_tasks"
        looked_at, lowest, found = self._all(
            name,
            {
                "namespace_no": namespace,
                "group_id": rows.uuid_bytes(chosen.group_id),
                "agent_id": chosen.agent_id,
                "states": json.dumps(states) if states else None,
                "before": NO_NUMBER if before is None else before,
                "window": WINDOW,
                "limit": limit,
            },
        )
        tasks = sorted(map(rows.read_task, found), key=lambda task: -task.number)
        if len(tasks) == limit:
            return TaskPage(tasks, tasks[-1].number)
        return TaskPage(tasks, lowest if looked_at == WINDOW else None)

    def cancellation(self, namespace: int, cancellation_id: str) -> CancellationReading | None:
        row = self._one("cancellation", (namespace, rows.uuid_bytes(cancellation_id)))
        if row is None:
            return None
        cancellation = rows.read_cancellation(row)
        if cancellation.target_kind is TargetKind.TASK:
            task = self.task(namespace, cancellation.target_id)
            return CancellationReading(cancellation, [] if task is None else [task])
        key = (namespace, rows.uuid_bytes(cancellation.target_id))
        return CancellationReading(cancellation, self._sorted("group_tasks", key))

    def cancellations(
        self, namespace: int, query: CancellationQuery, before: str | None, limit: int
    ) -> CancellationPage:
        if query.ids is not None:
            return self._chosen_cancellations(namespace, query, before, limit)
        highest = before or LAST_UUID
        if query.end_time is not None:
            highest = min(highest, uuid_at(query.end_time + AHEAD))
        lowest = FIRST_UUID if query.start_time is None else uuid_at(query.start_time)
        looked_at, last, found = self._all(
            "list_cancellations",
            {
                "namespace_no": namespace,
                "before": rows.uuid_bytes(highest),
                "from": rows.uuid_bytes(lowest),
                "window": WINDOW,
                "limit": limit,
                "reason": query.reason,
                "state": query.state,
                "start_time": query.start_time,
                "end_time": query.end_time,
            },
        )
        cancellations = [rows.read_cancellation(row) for row in found]
        cancellations.sort(key=lambda cancellation: cancellation.cancellation_id, reverse=True)
        if len(cancellations) == limit:
            return CancellationPage(cancellations, cancellations[-1].cancellation_id)
        return CancellationPage(
            cancellations, rows.uuid_text(last) if looked_at == WINDOW else None
        )

    def _chosen_cancellations(
        self, namespace: int, query: CancellationQuery, before: str | None, limit: int
    ) -> CancellationPage:
        found = []
        for id in sorted(query.ids or (), reverse=True):
            if before is not None and id >= before:
                continue
            row = self._one("cancellation", (namespace, rows.uuid_bytes(id)))
            if row is not None and query.matches(rows.read_cancellation(row)):
                found.append(rows.read_cancellation(row))
        more = len(found) > limit
        return CancellationPage(found[:limit], found[limit - 1].cancellation_id if more else None)

    def stops(self, namespace: int, agent_id: str, limit: int) -> list[Task]:
        tasks = self._tasks("stops", (namespace, agent_id, limit))
        return sorted(tasks, key=lambda task: task.deadline_time or 0)

    def next_due(self) -> int | None:
        return min((time for time in self._all("next_due", ()) if time is not None), default=None)

    def keys(self) -> list[Key]:
        return [rows.read_key(row) for row in self._all("keys", ())]

    def history(self, namespace: int, task_id: str, after_version: int) -> History | None:
        task = self.task(namespace, task_id)
        if task is None:
            return None
        found = self._all(
            "history",
            {
                "namespace_no": namespace,
                "last_seq": task.seq,
                "after_version": after_version,
            },
        )
        events = [rows.read_event(row, task) for row in sorted(found)]
        return History(task, events)

    def bookmark(self, namespace: int, chosen: TaskFilter) -> Bookmark | None:
        seq, last_number, over = self._all(
            "position",
            {"namespace_no": namespace, "group_id": rows.uuid_bytes(chosen.group_id)},
        )
        if chosen.group_id is not None and over is None:
            return None
        return Bookmark(seq or 0, last_number or 0, bool(over))

    def snapshot(
        self, namespace: int, chosen: TaskFilter, mark: Bookmark, after: int, limit: int
    ) -> TaskPage:
        name = "snapshot_live"
        if chosen.group_id is not None:
            name = "snapshot_group"
        elif chosen.agent_id is not None:
            name = "snapshot_agent"
        found = self._sorted(
            name,
            {
                "namespace_no": namespace,
                "group_id": rows.uuid_bytes(chosen.group_id),
                "agent_id": chosen.agent_id,
                "after": after,
                "last_number": mark.last_number,
                "limit": limit,
            },
        )
        then = [self._rewind(task, mark.seq) for task in found]
        tasks = [task for task in then if task is not None and chosen.matches(task)]
        return TaskPage(tasks, found[-1].number if len(found) == limit else None)

    def _rewind(self, task: Task, position: int) -> Task | None:
        """Returns the task as it was at a position; None if it did not exist."""
        if task.seq <= position:
            return task
        row = self._one(
            "version_at",
            {"namespace_no": task.namespace, "last_seq": task.seq, "position": position},
        )
        return None if row is None else rows.read_event(row, task).task

    def log(self, namespace: int, chosen: TaskFilter, after: int, limit: int) -> LogPage:
        mark = self.bookmark(namespace, chosen)
        if mark is None:
            raise LookupError("the group of a watch does not exist any more")
        parameters = {
            "namespace_no": namespace,
            "group_id": rows.uuid_bytes(chosen.group_id),
            "agent_id": chosen.agent_id,
            "after": after,
            "through": min(after + limit, mark.seq),
            "limit": limit,
        }
        if chosen.group_id is None:
            found, through = self._all("log", parameters), min(after + limit, mark.seq)
        else:
            found = self._all("log_group", parameters)
            through = max(row[0] for row in found) if len(found) == limit else mark.seq
        events = [
            event for row in sorted(found, key=_seq) if (event := self._event(row, namespace))
        ]
        matching = [event for event in events if event.task is None or chosen.matches(event.task)]
        return LogPage(matching, through, mark.seq, mark.over)

    def _event(self, row: list[Any], namespace: int) -> Event | None:
        event, group_id, task = row[:7], row[7], row[8:]
        if task[0] is not None:
            return rows.read_event(event, rows.read_task(task))
        if not group_id:
            return None
        return Event(event[0], namespace, None, rows.uuid_text(group_id), ends_group=True)

    def _sorted(self, name: str, parameters: Any) -> list[Task]:
        return sorted(self._tasks(name, parameters), key=lambda task: task.number)

    def _tasks(self, name: str, parameters: Any) -> list[Task]:
        return [rows.read_task(row) for row in self._all(name, parameters)]

    def _one(self, name: str, parameters: Any) -> list[Any] | None:
        found = self._connection.execute(statements()[name], parameters).fetchone()
        return None if found is None else json.loads(found[0])

    def _all(self, name: str, parameters: Any) -> list[Any]:
        found = self._one(name, parameters)
        return [] if found is None else found


def _seq(row: list[Any]) -> int:
    seq: int = row[0]
    return seq
