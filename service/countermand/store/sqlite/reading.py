"""The readings. Each is one function that runs on a reader's thread, in one snapshot."""

import json
from collections.abc import Sequence
from typing import Any

from countermand.core.cancellations import EARLY_CANCEL_LIFETIME, Cancellation
from countermand.core.keys import Key
from countermand.core.log import Floor, TaskFilter
from countermand.core.records import Cart, Target, Task
from countermand.core.states import TargetKind, TaskState
from countermand.store.contract import (
    Bookmark,
    CancellationReading,
    History,
    HolderReading,
    LogPage,
    TaskPage,
)
from countermand.store.sqlite import rows
from countermand.store.sqlite.queries import NO_NUMBER
from countermand.store.sqlite.reading_cancellations import CancellationReader

HOLDER_KINDS = tuple(rows.HOLDER_ROWS)
"""In the order in which the statement `position` tells of them."""


class Reader(CancellationReader):
    """Reads from one connection that cannot write."""

    def task(self, namespace: int, task_id: str) -> Task | None:
        row = self._one("task", (namespace, rows.uuid_bytes(task_id)))
        return None if row is None else rows.read_task(row)

    def holder(self, target: Target) -> HolderReading | None:
        scope, read, _ = rows.HOLDER_ROWS[target.kind]
        row = self._loaded(f"load_{scope}", target.namespace, rows.id_value(target))
        if row is None:
            return None
        counts = self._all(f"count_{scope}", _parameters(target.namespace, _under(target)))
        return HolderReading(read(row), {TaskState(state): tally for state, tally in counts})

    def cart(self, namespace: int, cart_id: str) -> Cart | None:
        row = self._loaded("load_carts", namespace, cart_id)
        return None if row is None else rows.read_cart(row)

    def tasks(
        self,
        namespace: int,
        chosen: TaskFilter,
        states: Sequence[TaskState],
        before: int | None,
        limit: int,
    ) -> TaskPage:
        bound, found = self._all(
            f"list_{_holder_scope(chosen) or 'all'}",
            _parameters(namespace, chosen)
            | {
                "states": json.dumps(states) if states else None,
                "before": NO_NUMBER if before is None else before,
                "window": self._max_scanned,
                "limit": limit,
            },
        )
        tasks = sorted(map(rows.read_task, found), key=lambda task: -task.number)
        if len(tasks) == limit:
            return TaskPage(tasks, tasks[-1].number)
        return TaskPage(tasks, bound)

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
            _parameters(target.namespace, _under(target))
            | {"after": 0, "last_number": NO_NUMBER, "limit": -1},
        )

    def stops(self, namespace: int, agent_id: str, limit: int) -> list[Task]:
        tasks = self._tasks("stops", (namespace, agent_id, limit))
        return sorted(tasks, key=lambda task: task.deadline_time or 0)

    def next_due(self) -> int | None:
        times = self._all("next_due", {"early_lifetime": EARLY_CANCEL_LIFETIME})
        return min((time for time in times if time is not None), default=None)

    def keys(self) -> list[Key]:
        return [rows.read_key(row) for row in self._all("keys", ())]

    def history(
        self, namespace: int, task_id: str, after_version: int, limit: int
    ) -> History | None:
        task = self.task(namespace, task_id)
        if task is None:
            return None
        found = self._all(
            "history",
            {
                "namespace_no": namespace,
                "last_seq": task.seq,
                "after_version": after_version,
                "limit": limit,
            },
        )
        events = [rows.read_event(row, task) for row in sorted(found)]
        return History(task, events)

    def bookmark(self, namespace: int, chosen: TaskFilter) -> Bookmark:
        found = self._all("position", _parameters(namespace, chosen))
        (seq, time, *floor), last_number, *over = found
        states = dict(zip(HOLDER_KINDS, over, strict=True))
        named = chosen.targets(namespace)
        return Bookmark(
            seq,
            last_number or 0,
            over=any(states[target.kind] for target in named),
            missing=next((target for target in named if states[target.kind] is None), None),
            time=time,
            floor=Floor(*floor),
        )

    def snapshot(
        self, namespace: int, chosen: TaskFilter, mark: Bookmark, after: int, limit: int
    ) -> TaskPage:
        scope = _holder_scope(chosen) or ("live" if chosen.agent_id is None else "agent")
        found = self._sorted(
            f"snapshot_{scope}",
            _parameters(namespace, chosen)
            | {"after": after, "last_number": mark.last_number, "limit": limit},
        )
        then = [self._rewind(task, mark.seq) for task in found]
        tasks = [task for task in then if task is not None and _ran_by(task, chosen)]
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
        if mark.missing is not None:
            return LogPage([], after, mark)
        scope, through = _holder_scope(chosen), min(after + limit, mark.seq)
        found = self._all(
            f"log_{scope}" if scope else "log",
            _parameters(namespace, chosen) | {"after": after, "through": through, "limit": limit},
        )
        if scope:
            through = max(row[0] for row in found) if len(found) == limit else mark.seq
        events = [
            rows.read_event(row[: rows.EVENT_WIDTH], rows.read_task(row[rows.EVENT_WIDTH :]))
            for row in sorted(found, key=_seq)
        ]
        matching = [event for event in events if event.task and _ran_by(event.task, chosen)]
        return LogPage(matching, through, mark)

    def event_time(self, namespace: int, seq: int) -> int | None:
        found = self._one("event_time", (namespace, seq))
        return None if found is None else int(found[0])

    def _sorted(self, name: str, parameters: Any) -> list[Task]:
        return sorted(self._tasks(name, parameters), key=lambda task: task.number)

    def _tasks(self, name: str, parameters: Any) -> list[Task]:
        return [rows.read_task(row) for row in self._all(name, parameters)]


def _under(target: Target) -> TaskFilter:
    """Returns the filter that chooses a holder's tasks."""
    return TaskFilter(**{f"{rows.HOLDER_ROWS[target.kind].scope}_id": target.id})


def _holder_scope(chosen: TaskFilter) -> str | None:
    """Returns the narrowest holder that a filter names: its tasks are read, the rest filtered."""
    named = chosen.targets(0)
    return rows.HOLDER_ROWS[named[0].kind].scope if named else None


def _parameters(namespace: int, chosen: TaskFilter) -> dict[str, Any]:
    return {
        "namespace_no": namespace,
        "group_id": rows.uuid_bytes(chosen.group_id),
        "checkout_id": chosen.checkout_id,
        "order_id": chosen.order_id,
        "agent_id": chosen.agent_id,
    }


def _ran_by(task: Task, chosen: TaskFilter) -> bool:
    """Whether the task, as it was at some version, had the agent that is asked for.

    That is all of a filter that can differ between versions.
    """
    return chosen.agent_id in (None, task.agent_id)


def _seq(row: list[Any]) -> int:
    seq: int = row[0]
    return seq
