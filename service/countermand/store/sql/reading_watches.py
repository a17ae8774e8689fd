"""The readings of watches: tasks and their versions, and the log, page by page."""

import json
from array import array
from bisect import bisect_right
from typing import Any

from countermand.core.log import Event, Floor, TaskFilter
from countermand.core.records import Task
from countermand.store.contract import Bookmark, History, LogPage
from countermand.store.lists import TaskPage, Trail
from countermand.store.sql import rows
from countermand.store.sql.queries import Queries

HOLDER_KINDS = tuple(rows.HOLDER_ROWS)
"""In the order in which the statement `position` tells of them."""


class WatchReader(Queries):
    """Reads pages of the log, and tasks as they were."""

    def task(self, namespace: int, task_id: str) -> Task | None:
        row = self._one("task", (namespace, rows.uuid_bytes(task_id)))
        return None if row is None else rows.read_task(row)

    def history(
        self,
        namespace: int,
        task_id: str,
        after_version: int,
        limit: int,
        trail: Trail | None = None,
    ) -> History | None:
        task = self.task(namespace, task_id)
        if task is None:
            return None
        if trail is None or not trail.leads_on(after_version):
            trail = self._trail_of_task(task, after_version)
        begin = after_version - trail.begin
        found = self._all(
            "history",
            {
                "namespace_no": namespace,
                "seqs": json.dumps(trail.seqs[begin : begin + limit].tolist()),
            },
        )
        events = [rows.read_event(row, task) for row in sorted(found, key=_seq)]
        return History(task, events, trail if begin + limit < len(trail.seqs) else None)

    def _trail_of_task(self, task: Task, after_version: int) -> Trail:
        found = self._all(
            "trail_task",
            {
                "namespace_no": task.namespace,
                "last_seq": task.seq,
                "after_version": after_version,
            },
        )
        return Trail(after_version, task.version, array("q", found))

    def bookmark(self, namespace: int, chosen: TaskFilter) -> Bookmark:
        found = self._all("position", parameters(namespace, chosen))
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
        scope = holder_scope(chosen) or ("live" if chosen.agent_id is None else "agent")
        found = self._sorted(
            f"snapshot_{scope}",
            parameters(namespace, chosen)
            | {
                "after": after,
                "last_number": mark.last_number,
                "limit": limit,
                "position": mark.seq,
            },
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

    def log(
        self,
        namespace: int,
        chosen: TaskFilter,
        after: int,
        limit: int,
        trail: Trail | None = None,
    ) -> LogPage:
        mark = self.bookmark(namespace, chosen)
        if mark.missing is not None:
            return LogPage([], after, mark)
        if trail is None or not trail.leads_on(after):
            trail = self._trail_of_log(namespace, chosen, after, mark.seq)
        if trail.scanned:
            found, through = self._scan(namespace, chosen, after, limit, trail.end)
        else:
            found, through = self._follow(namespace, after, limit, trail)
        time = found[-1].time if found and found[-1].seq == through else None
        if through == mark.seq:
            time = mark.time
        elif time is None:
            time = self.event_time(namespace, through)
        matching = [event for event in found if event.task and _ran_by(event.task, chosen)]
        rest = trail if through < trail.end else None
        return LogPage(matching, through, mark, time or 0, rest)

    def _trail_of_log(self, namespace: int, chosen: TaskFilter, after: int, last: int) -> Trail:
        """Looks for all that changed of a holder's tasks, if that is not too much."""
        scope = holder_scope(chosen)
        if scope is None:
            return Trail(after, last, array("q"), scanned=True)
        walked, found = self._all(
            f"trail_{scope}",
            parameters(namespace, chosen) | {"after": after, "max_walked": self._max_walked},
        )
        if walked > self._max_walked:
            return Trail(after, last, array("q"), scanned=True)
        return Trail(after, last, array("q", found))

    def _follow(
        self, namespace: int, after: int, limit: int, trail: Trail
    ) -> tuple[list[Event], int]:
        """Returns the next events on a trail, and up to where these are all."""
        begin = bisect_right(trail.seqs, after)
        seqs = trail.seqs[begin : begin + limit].tolist()
        through = seqs[-1] if begin + limit < len(trail.seqs) else trail.end
        names = {"namespace_no": namespace, "seqs": json.dumps(seqs)}
        return self._events("log_at", names), through

    def _scan(
        self, namespace: int, chosen: TaskFilter, after: int, limit: int, last: int
    ) -> tuple[list[Event], int]:
        """Reads the log through, and returns what matches, and up to where it was read."""
        through = min(after + self._max_scanned, last)
        # One more, so that the last that matches is known to be the last.
        bounds = {"after": after, "through": through, "limit": limit + 1}
        found = self._events("log", parameters(namespace, chosen) | bounds)
        page = found[:limit]
        return page, page[-1].seq if len(found) > limit else through

    def _events(self, name: str, names: dict[str, Any]) -> list[Event]:
        found = self._all(name, names)
        return [
            rows.read_event(row[: rows.EVENT_WIDTH], rows.read_task(row[rows.EVENT_WIDTH :]))
            for row in sorted(found, key=_seq)
        ]

    def event_time(self, namespace: int, seq: int) -> int | None:
        found = self._one("event_time", (namespace, seq))
        return None if found is None else int(found[0])

    def _sorted(self, name: str, parameters: Any) -> list[Task]:
        return sorted(self._tasks(name, parameters), key=lambda task: task.number)

    def _tasks(self, name: str, parameters: Any) -> list[Task]:
        return [rows.read_task(row) for row in self._all(name, parameters)]


def holder_scope(chosen: TaskFilter) -> str | None:
    """Returns the narrowest holder that a filter names: its tasks are read, the rest filtered."""
    named = chosen.targets(0)
    return rows.HOLDER_ROWS[named[0].kind].scope if named else None


def parameters(namespace: int, chosen: TaskFilter) -> dict[str, Any]:
    """Returns the parameters of the statements that take a filter."""
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
