"""One transaction: load what a batch wants, save what it changed. Runs on the writer's thread."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from countermand.core.cancellations import EARLY_CANCEL_LIFETIME
from countermand.core.decide import Batch
from countermand.core.log import Event
from countermand.core.records import Group, Holder, Order, Target, Task
from countermand.core.retention import Found, Leftover, Search, Spot
from countermand.core.rows import Id, Loaded, Overdue, Saves, Wanted
from countermand.core.states import TargetKind
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
        self._listed: dict[Target, tuple[str, ...]] = {}
        """The checkouts of each order as this transaction found them."""

    def commit(self, batch: Batch) -> None:
        """Runs the batch's plan in one transaction, and returns when it is synced."""
        last_number = self._last_number
        self._listed.clear()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._save(self._decide(batch), batch.rows.now)
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
        overdue, due = self._load_overdue(now, wanted.overdue) if wanted.overdue else (None, [])
        return Loaded(
            tasks=due + self._read("load_tasks", _uuid_ids(wanted.tasks), rows.read_task),
            holders=self._load_holders(wanted.holders),
            members=self._load_members(wanted.members),
            subgroups=self._load_subgroups(list(wanted.subgroups)),
            carts=self._read("load_carts", list(wanted.carts), rows.read_cart),
            agents=self._read("load_agents", list(wanted.agents), rows.read_agent),
            cancellations=self._read(
                "load_cancellations", _uuid_ids(wanted.cancellations), rows.read_cancellation
            ),
            early_cancels=self._read(
                "load_early_cancels", _uuid_ids(wanted.early_cancels), rows.read_cancellation
            ),
            request_ids=self._read(
                "load_request_ids", _uuid_ids(wanted.request_ids), rows.read_request_id
            ),
            keys=self._read("load_keys", [(key,) for key in wanted.keys], rows.read_key),
            positions=self._read(
                "load_positions", [(number,) for number in wanted.namespaces], _pair
            ),
            overdue=overdue,
            found=self._search(wanted.search) if wanted.search else None,
        )

    def _load_holders(self, wanted: set[Target]) -> list[Holder]:
        found: list[Holder] = []
        for kind, targets in _by_kind(wanted).items():
            scope, read, _ = rows.HOLDER_ROWS[kind]
            ids: list[Parameters] = [
                (target.namespace, rows.id_value(target)) for target in targets
            ]
            found.extend(self._read(f"load_{scope}", ids, read))
        for holder in found:
            if isinstance(holder, Order):
                self._listed[holder.target] = holder.checkout_ids
        return found

    def _load_members(self, wanted: set[Target]) -> Iterable[tuple[Target, list[Task]]]:
        members: dict[Target, list[Task]] = {target: [] for target in wanted}
        for kind, targets in _by_kind(wanted).items():
            name = f"load_members_{rows.HOLDER_ROWS[kind].scope}"
            for place, task in self._read(name, _places(targets), _placed(rows.read_task)):
                members[targets[place]].append(task)
        for tasks in members.values():
            tasks.sort(key=lambda task: task.number)
        return members.items()

    def _load_subgroups(self, orders: list[Target]) -> Iterable[tuple[Target, list[Group]]]:
        groups: dict[Target, list[Group]] = {target: [] for target in orders}
        found = self._read("load_subgroups", _places(orders), _placed(rows.read_group))
        for place, group in found:
            groups[orders[place]].append(group)
        for subgroups in groups.values():
            subgroups.sort(key=lambda group: (group.create_time, group.group_id))
        return groups.items()

    def _load_overdue(self, now: int, limit: int) -> tuple[Overdue, list[Task]]:
        """Returns what has run out, and the rows of its tasks, which will be wanted next."""

        def found(name: str, time: int = now) -> list[list[Any]]:
            (value,) = self._connection.execute(statements()[name], (time, limit)).fetchone()
            rows_found: list[list[Any]] = json.loads(value)
            return rows_found

        late = [rows.read_task(row) for row in found("load_late_tasks")]
        orphans = [rows.read_task(row) for row in found("load_orphans")]
        expired = [rows.read_task(row) for row in found("load_expired_tasks")]
        agents = _ids(found("load_lost_agents")) if len(orphans) < limit else []
        checkouts = _ids(found("load_expired_checkouts"))
        early = _with_text(found("load_late_early_cancels", now - EARLY_CANCEL_LIFETIME))
        parts = (late, orphans, agents, expired, checkouts, early)
        more = limit in [len(part) for part in parts]
        tasks = list(dict.fromkeys(_keys(late) + _keys(orphans)))
        overdue = Overdue(tasks, agents, _keys(expired), checkouts, early, more)
        return overdue, [*late, *orphans, *expired]

    def _search(self, search: Search) -> Found:
        (value,) = self._connection.execute(
            statements()[f"load_old_{search.kind.lower()}"],
            {"before": search.before, "limit": search.limit, **search.after._asdict()},
        ).fetchone()
        found = sorted(json.loads(value), key=lambda row: (row[2], row[3]))
        after = Spot(*found[-1][2:]) if len(found) == search.limit else None
        if search.kind is Leftover.EVENT:
            events = [Event(seq, namespace, None, time=time) for namespace, _, time, seq in found]
            return Found([], events, after)
        by_uuid = search.kind in (Leftover.TASK, Leftover.GROUP, Leftover.CANCELLATION)
        return Found(_with_text(found) if by_uuid else _ids(found), [], after)

    def _read(
        self, name: str, wanted: list[Parameters], read: Callable[[list[Any]], Record]
    ) -> list[Record]:
        found: list[Record] = []
        for chunk in _chunks(wanted):
            (value,) = self._run(name, chunk).fetchone()
            found.extend(map(read, json.loads(value)))
        return found

    def _save(self, saves: Saves, now: int) -> None:
        for namespace in {(key.tenant, key.environment) for key in saves.keys.values()}:
            self._connection.execute(statements()["insert_namespace"], namespace)
        self._write("save_keys", map(rows.write_key, saves.keys.values()))
        if saves.renews_leases:
            self.renew_leases(now)
        self._save_holders(saves.holders)
        self._write("save_carts", map(rows.write_cart, saves.carts.values()))
        self._write("save_agents", map(rows.write_agent, saves.agents.values()))
        self._save_cancellations(saves)
        self._write("save_request_ids", map(rows.write_request_id, saves.request_ids.values()))
        self._save_tasks(saves)
        self._write("insert_events", (_event(event, saves) for event in saves.events))
        self._write("save_positions", saves.positions.items())
        for name, gone in rows.write_gone(saves.gone):
            self._write(name, gone)

    def _save_holders(self, saved: dict[Target, Holder]) -> None:
        for kind, targets in _by_kind(saved).items():
            scope, _, write = rows.HOLDER_ROWS[kind]
            self._write(f"save_{scope}", [write(saved[target]) for target in targets])
        orders = [holder for holder in saved.values() if isinstance(holder, Order)]
        listed = {order.target: self._listed.get(order.target, ()) for order in orders}
        changed = [order for order in orders if order.checkout_ids != listed[order.target]]
        self._write(
            "delete_order_checkouts",
            [(order.namespace, order.order_id) for order in changed if listed[order.target]],
        )
        self._write(
            "insert_order_checkouts",
            [
                (order.namespace, order.order_id, checkout_id, position)
                for order in changed
                for position, checkout_id in enumerate(order.checkout_ids)
            ],
        )

    def _save_cancellations(self, saves: Saves) -> None:
        created, changed = [], []
        for key, cancellation in saves.cancellations.items():
            if key in saves.accepted:
                created.append(rows.write_new_cancellation(cancellation))
            else:
                changed.append(rows.write_changed_cancellation(cancellation))
        # In this order: one may end its wait for the task for which another begins to wait.
        self._write("update_cancellations", changed)
        self._write("insert_cancellations", created)

    def _save_tasks(self, saves: Saves) -> None:
        created, changed, going_on = [], [], []
        for key, task in saves.tasks.items():
            if key in saves.created:
                self._last_number += 1
                saves.tasks[key] = task = task.evolve(number=self._last_number)
                created.append(rows.write_new_task(task))
            elif task.ended or key in saves.given:
                changed.append(rows.write_changed_task(task))
            else:
                going_on.append(rows.write_live_task(task))
        self._write("insert_tasks", created)
        self._write("update_tasks", changed)
        self._write("update_live_tasks", going_on)

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


def _event(event: Event, saves: Saves) -> Parameters:
    task = event.task
    number = None if task is None else saves.tasks[task.namespace, task.task_id].number
    return rows.write_event(event, number)


def _by_kind(targets: Iterable[Target]) -> dict[TargetKind, list[Target]]:
    kinds: dict[TargetKind, list[Target]] = {}
    for target in targets:
        kinds.setdefault(target.kind, []).append(target)
    return kinds


def _places(targets: Sequence[Target]) -> list[Parameters]:
    """Returns rows of targets with their places in the list, by which what they hold is told."""
    return [
        (place, target.namespace, rows.id_value(target)) for place, target in enumerate(targets)
    ]


def _placed(
    read: Callable[[list[Any]], Record],
) -> Callable[[list[Any]], tuple[int, Record]]:
    return lambda row: (row[0], read(row[1:]))


def _uuid_ids(ids: Iterable[Id]) -> list[Parameters]:
    return [(namespace, rows.uuid_bytes(id)) for namespace, id in ids]


def _ids(found: list[list[Any]]) -> list[Id]:
    return [(namespace, id) for namespace, id, *_ in found]


def _with_text(found: list[list[Any]]) -> list[Id]:
    return [(namespace, str(rows.uuid_text(digits))) for namespace, digits, *_ in found]


def _keys(tasks: Iterable[Task]) -> list[Id]:
    return [(task.namespace, task.task_id) for task in tasks]


def _pair(row: list[int]) -> tuple[int, int]:
    first, second = row
    return first, second
