"""One transaction: load what a batch wants, save what it changed. Runs on the writer's thread."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from countermand.core.decide import Batch
from countermand.core.records import Event, Task
from countermand.core.rows import Id, Loaded, Overdue, Saves, Wanted
from countermand.store.sqlite import rows
from countermand.store.sqlite.statements import statements, with_rows

Record = TypeVar("Record")
Parameters = Sequence[Any]

MOST_ROWS = 1024
"""How many rows of parameters one statement takes; SQLite takes 32,766 parameters."""


class Writer:
    """Turns batches into transactions on the one connection that writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        (number,) = connection.execute("SELECT coalesce(max(task_no), 0) FROM tasks").fetchone()
        self._last_number: int = number

    def commit(self, batch: Batch) -> None:
        """Runs the batch's plan in one transaction, and returns when it is synced."""
        last_number = self._last_number
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._save(self._decide(batch))
            self._connection.execute("COMMIT")
        except BaseException:
            self._last_number = last_number
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def renew_leases(self, now: int) -> None:
        """Renews every live lease to its full duration."""
        self._connection.execute(statements()["renew_leases"], (now,))

    def _decide(self, batch: Batch) -> Saves:
        plan = batch.plan()
        try:
            wanted = next(plan)
            while True:
                wanted = plan.send(self._load(wanted, batch.rows.now))
        except StopIteration as end:
            saves: Saves = end.value
            return saves

    def _load(self, wanted: Wanted, now: int) -> Loaded:
        members: dict[Id, list[Task]] = {key: [] for key in wanted.members}
        for task in self._read("load_members", _uuid_ids(wanted.members), rows.read_task):
            members[task.namespace, task.group_id or ""].append(task)
        for tasks in members.values():
            tasks.sort(key=lambda task: task.number)
        return Loaded(
            tasks=self._read("load_tasks", _uuid_ids(wanted.tasks), rows.read_task),
            groups=self._read("load_groups", _uuid_ids(wanted.groups), rows.read_group),
            members=members.items(),
            agents=self._read("load_agents", list(wanted.agents), rows.read_agent),
            cancellations=self._read(
                "load_cancellations", _uuid_ids(wanted.cancellations), rows.read_cancellation
            ),
            request_ids=self._read(
                "load_request_ids", _uuid_ids(wanted.request_ids), rows.read_request_id
            ),
            keys=self._read("load_keys", [(key,) for key in wanted.keys], rows.read_key),
            positions=self._read(
                "load_positions", [(number,) for number in wanted.namespaces], _pair
            ),
            overdue=self._load_overdue(now, wanted.overdue) if wanted.overdue else None,
        )

    def _load_overdue(self, now: int, limit: int) -> Overdue:
        def ids(name: str) -> list[Id]:
            found = self._connection.execute(statements()[name], (now, limit)).fetchall()
            return [(namespace, id) for namespace, id in found]

        late, orphans = ids("load_late_tasks"), ids("load_orphans")
        agents = ids("load_lost_agents") if len(orphans) < limit else []
        more = limit in (len(late), len(orphans), len(agents))
        tasks = [(number, str(rows.uuid_text(digits))) for number, digits in late + orphans]
        return Overdue(list(dict.fromkeys(tasks)), agents, more)

    def _read(
        self, name: str, wanted: list[Parameters], read: Callable[[list[Any]], Record]
    ) -> list[Record]:
        found: list[Record] = []
        for chunk in _chunks(wanted):
            (value,) = self._run(name, chunk).fetchone()
            found.extend(map(read, json.loads(value)))
        return found

    def _save(self, saves: Saves) -> None:
        for key in saves.keys.values():
            self._connection.execute(
                statements()["insert_namespace"], (key.tenant, key.environment)
            )
            self._connection.execute(statements()["save_key"], rows.write_key(key))
        self._write("save_groups", map(rows.write_group, saves.groups.values()))
        self._write("save_agents", map(rows.write_agent, saves.agents.values()))
        self._write(
            "save_cancellations", map(rows.write_cancellation, saves.cancellations.values())
        )
        self._write("save_request_ids", map(rows.write_request_id, saves.request_ids.values()))
        self._save_tasks(saves)
        self._write("insert_events", (self._event(event, saves) for event in saves.events))
        self._write("save_positions", saves.positions.items())

    def _save_tasks(self, saves: Saves) -> None:
        created, changed = [], []
        for key, task in saves.tasks.items():
            if key in saves.created:
                self._last_number += 1
                saves.tasks[key] = task = task.evolve(number=self._last_number)
                created.append(rows.write_new_task(task))
            else:
                changed.append(rows.write_changed_task(task))
        self._write("insert_tasks", created)
        self._write("update_tasks", changed)

    def _event(self, event: Event, saves: Saves) -> Parameters:
        task = event.task
        number = None if task is None else saves.tasks[task.namespace, task.task_id].number
        return rows.write_event(event, number)

    def _write(self, name: str, changed: Iterable[Parameters]) -> None:
        for chunk in _chunks(list(changed)):
            self._run(name, chunk)

    def _run(self, name: str, chunk: list[Parameters]) -> sqlite3.Cursor:
        """Runs a statement for a chunk, padded with null rows to the next power of two.

        So there are eleven texts of each statement, and each is compiled once.
        """
        width = len(chunk[0])
        size = 1 << (len(chunk) - 1).bit_length()
        parameters = [value for row in chunk for value in row]
        parameters.extend([None] * (width * (size - len(chunk))))
        return self._connection.execute(with_rows(name, size, width), parameters)


def _chunks(parameters: list[Parameters]) -> Iterable[list[Parameters]]:
    if len(parameters) <= MOST_ROWS:
        return [parameters] if parameters else []
    return [parameters[start : start + MOST_ROWS] for start in range(0, len(parameters), MOST_ROWS)]


def _uuid_ids(ids: Iterable[Id]) -> list[Parameters]:
    return [(namespace, rows.uuid_bytes(id)) for namespace, id in ids]


def _pair(row: list[int]) -> tuple[int, int]:
    first, second = row
    return first, second
