"""What a batch wants, loaded in its transaction. Runs on the writer's thread."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from countermand.core.changes import Id
from countermand.core.instant import Instant
from countermand.core.knobs import StoreKnobs
from countermand.core.log import Event
from countermand.core.overdue import Overdue
from countermand.core.records import Group, Holder, Order, Target, Task
from countermand.core.retention import Found, Leftover, Search, Spot
from countermand.core.rows import Loaded, Wanted
from countermand.core.webhook_rows import Outbox
from countermand.store.sql import rows
from countermand.store.sql.chunks import by_kind
from countermand.store.sql.session import Parameters
from countermand.store.sqlite.chunks import run_in_chunks
from countermand.store.sqlite.loading_overdue import OverdueLoader, ids_of, with_text
from countermand.store.sqlite.statements import statements
from countermand.store.sqlite.webhooks import WebhookTables

Record = TypeVar("Record")

BY_UUID = (Leftover.OWED_TASK, Leftover.TASK, Leftover.GROUP, Leftover.CANCELLATION)
"""What of the old is known by a UUID."""


class Loader:
    """Loads rows on the one connection that writes."""

    def __init__(self, connection: sqlite3.Connection, knobs: StoreKnobs) -> None:
        self._connection = connection
        self._max_rows = knobs.max_statement_rows
        self._overdue = OverdueLoader(connection)
        self._webhooks = WebhookTables(connection, knobs.max_statement_rows)
        self.listed: dict[Target, tuple[str, ...]] = {}
        """The checkouts of each order as this transaction found them."""
        self.snapshots: dict[Target, bytes] = {}
        """The snapshots that this transaction found."""

    def forget(self) -> None:
        """Forgets what the transaction before found."""
        self.listed.clear()
        self.snapshots.clear()

    def load(self, wanted: Wanted, instant: Instant) -> Loaded:
        """Returns what is wanted, as far as it exists."""
        overdue: Overdue | None = None
        due: list[Task] = []
        if wanted.overdue is not None:
            overdue, due = self._overdue.load(instant, wanted.overdue)
        numbers: list[Parameters] = [(number,) for number in wanted.namespaces]
        namespaces = self._read("load_positions", numbers, _four)
        return Loaded(
            tasks=due + self._read("load_tasks", _uuid_ids(wanted.tasks), rows.read_task),
            holders=self._load_holders(wanted.holders),
            snapshots=self._load_snapshots(wanted.snapshots),
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
            positions=[(number, seq) for number, seq, *_ in namespaces],
            stored_bytes=[(number, stored) for number, _, stored, _ in namespaces],
            outboxes=[(number, Outbox(*outbox)) for number, *_, outbox in namespaces if outbox],
            webhooks=None if wanted.webhooks is None else self._webhooks.load(wanted.webhooks),
            overdue=overdue,
            found=self._search(wanted.search) if wanted.search else None,
        )

    def _load_holders(self, wanted: set[Target]) -> list[Holder]:
        found: list[Holder] = []
        for kind, targets in by_kind(wanted).items():
            scope, read, _ = rows.HOLDER_ROWS[kind]
            ids: list[Parameters] = [
                (target.namespace, rows.id_value(target)) for target in targets
            ]
            found.extend(self._read(f"load_{scope}", ids, read))
        for holder in found:
            if isinstance(holder, Order):
                self.listed[holder.target] = holder.checkout_ids
        return found

    def _load_snapshots(self, wanted: set[Target]) -> list[tuple[Target, bytes]]:
        found: list[tuple[Target, bytes]] = []
        for target in wanted:
            name = f"load_{rows.HOLDER_ROWS[target.kind].scope}_snapshot"
            row = self._connection.execute(statements()[name], (target.namespace, target.id))
            found.extend((target, snapshot) for (snapshot,) in row)
        self.snapshots.update(found)
        return found

    def _load_members(self, wanted: set[Target]) -> Iterable[tuple[Target, list[Task]]]:
        members: dict[Target, list[Task]] = {target: [] for target in wanted}
        for kind, targets in by_kind(wanted).items():
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

    def _search(self, search: Search) -> Found:
        (value,) = self._connection.execute(
            statements()[f"load_old_{search.kind.lower()}"],
            {"before": search.before, "limit": search.limit, **search.after._asdict()},
        ).fetchone()
        found = sorted(json.loads(value), key=lambda row: (row[2], row[3]))
        taken = _as_fit(found, search.max_bytes)
        cut = len(taken) < len(found) or len(found) == search.limit
        after = Spot(*taken[-1][2:4]) if cut else None
        found = taken
        if search.kind is Leftover.EVENT:
            events = [
                Event(seq, namespace, None, time=time) for namespace, _, time, seq, _ in found
            ]
            return Found([], events, after)
        return Found(with_text(found) if search.kind in BY_UUID else ids_of(found), [], after)

    def _read(
        self, name: str, wanted: list[Parameters], read: Callable[[list[Any]], Record]
    ) -> list[Record]:
        found: list[Record] = []
        if not wanted:
            return found
        for cursor in run_in_chunks(self._connection, name, wanted, self._max_rows):
            (value,) = cursor.fetchone()
            found.extend(map(read, json.loads(value)))
        return found


def _as_fit(found: list[list[Any]], max_bytes: int) -> list[list[Any]]:
    """Returns the first rows, as many as have so many bytes together; at least one."""
    size = 0
    for place, row in enumerate(found):
        size += row[-1]
        if place and size > max_bytes:
            return found[:place]
    return found


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


def _four(row: list[Any]) -> tuple[int, int, int, list[Any] | None]:
    first, second, third, fourth = row
    return first, second, third, fourth
