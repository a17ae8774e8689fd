"""What a batch wants, loaded in its transaction. Runs on the writer's thread.

A round first starts all its statements and then takes what they found, so that it takes one turn
to the database.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from countermand.core.changes import Id
from countermand.core.instant import Instant
from countermand.core.log import Event
from countermand.core.overdue import Overdue
from countermand.core.records import Group, Holder, Order, Target, Task
from countermand.core.retention import Found, Leftover, Search, Spot
from countermand.core.rows import Loaded, Wanted
from countermand.core.webhook_rows import Outbox
from countermand.store.sql import rows
from countermand.store.sql.chunks import by_kind
from countermand.store.sql.loading_overdue import OverdueLoader, ids_of, with_text
from countermand.store.sql.session import Parameters, Session, value_of, values_of
from countermand.store.sql.webhooks import WebhookTables

Record = TypeVar("Record")

BY_UUID = (Leftover.OWED_TASK, Leftover.TASK, Leftover.GROUP, Leftover.CANCELLATION)
"""What of the old is known by a UUID."""


class Loader:
    """Loads rows on the one connection that writes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._overdue = OverdueLoader(session)
        self._webhooks = WebhookTables(session)
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
        return self.start(wanted, instant)()

    def start(self, wanted: Wanted, instant: Instant) -> Callable[[], Loaded]:
        """Starts to load what is wanted. Returns what takes it, as far as it exists."""
        overdue: Overdue | None = None
        due: list[Task] = []
        if wanted.overdue is not None:
            overdue, due = self._overdue.load(instant, wanted.overdue)
        namespaces = self._start(
            "load_positions", [(number,) for number in wanted.namespaces], _four
        )
        tasks = self._start("load_tasks", _uuid_ids(wanted.tasks), rows.read_task)
        ending = self._start("load_ending_tasks", _uuid_ids(wanted.ending), rows.read_ending_task)
        holders = self._start_holders(wanted.holders)
        snapshots = self._start_snapshots(wanted.snapshots)
        members = self._start_members(wanted.members)
        subgroups = self._start_subgroups(list(wanted.subgroups))
        carts = self._start("load_carts", list(wanted.carts), rows.read_cart)
        agents = self._start("load_agents", list(wanted.agents), rows.read_agent)
        cancellations = self._start(
            "load_cancellations", _uuid_ids(wanted.cancellations), rows.read_cancellation
        )
        early_cancels = self._start(
            "load_early_cancels", _uuid_ids(wanted.early_cancels), rows.read_cancellation
        )
        request_ids = self._start(
            "load_request_ids", _uuid_ids(wanted.request_ids), rows.read_request_id
        )
        keys = self._start("load_keys", [(key,) for key in wanted.keys], rows.read_key)
        webhooks = None if wanted.webhooks is None else self._webhooks.start(wanted.webhooks)
        found = None if wanted.search is None else self._start_search(wanted.search)

        def take() -> Loaded:
            numbers = namespaces()
            ends = ending()
            return Loaded(
                tasks=[*due, *tasks(), *(task for task, _ in ends)],
                holders=holders(),
                snapshots=snapshots(),
                members=members(),
                subgroups=subgroups(),
                carts=carts(),
                agents=agents(),
                cancellations=[*cancellations(), *(own for _, own in ends if own is not None)],
                early_cancels=early_cancels(),
                request_ids=request_ids(),
                keys=keys(),
                positions=[(number, seq) for number, seq, *_ in numbers],
                stored_bytes=[(number, stored) for number, _, stored, _ in numbers],
                outboxes=[(number, Outbox(*outbox)) for number, *_, outbox in numbers if outbox],
                webhooks=None if webhooks is None else webhooks(),
                overdue=overdue,
                found=None if found is None else found(),
            )

        return take

    def _start_holders(self, wanted: set[Target]) -> Callable[[], list[Holder]]:
        started: list[Callable[[], list[Holder]]] = []
        for kind, targets in by_kind(wanted).items():
            scope, read, _ = rows.HOLDER_ROWS[kind]
            ids = [(target.namespace, rows.id_value(target)) for target in targets]
            started.append(self._start(f"load_{scope}", ids, read))

        def take() -> list[Holder]:
            found = [holder for each in started for holder in each()]
            for holder in found:
                if isinstance(holder, Order):
                    self.listed[holder.target] = holder.checkout_ids
            return found

        return take

    def _start_snapshots(self, wanted: set[Target]) -> Callable[[], list[tuple[Target, bytes]]]:
        started = [
            (
                target,
                self._session.execute(
                    f"load_{rows.HOLDER_ROWS[target.kind].scope}_snapshot",
                    (target.namespace, target.id),
                ),
            )
            for target in wanted
        ]

        def take() -> list[tuple[Target, bytes]]:
            found = [
                (target, snapshot) for target, answer in started for (snapshot,) in answer.all()
            ]
            self.snapshots.update(found)
            return found

        return take

    def _start_members(
        self, wanted: set[Target]
    ) -> Callable[[], Iterable[tuple[Target, list[Task]]]]:
        started = [
            (
                targets,
                self._start(
                    f"load_members_{rows.HOLDER_ROWS[kind].scope}",
                    _places(targets),
                    _placed(rows.read_task),
                ),
            )
            for kind, targets in by_kind(wanted).items()
        ]

        def take() -> Iterable[tuple[Target, list[Task]]]:
            members: dict[Target, list[Task]] = {target: [] for target in wanted}
            for targets, found in started:
                for place, task in found():
                    members[targets[place]].append(task)
            for tasks in members.values():
                tasks.sort(key=lambda task: task.number)
            return members.items()

        return take

    def _start_subgroups(
        self, orders: list[Target]
    ) -> Callable[[], Iterable[tuple[Target, list[Group]]]]:
        found = self._start("load_subgroups", _places(orders), _placed(rows.read_group))

        def take() -> Iterable[tuple[Target, list[Group]]]:
            groups: dict[Target, list[Group]] = {target: [] for target in orders}
            for place, group in found():
                groups[orders[place]].append(group)
            for subgroups in groups.values():
                subgroups.sort(key=lambda group: (group.create_time, group.group_id))
            return groups.items()

        return take

    def _start_search(self, search: Search) -> Callable[[], Found]:
        names = {
            "namespace_no": search.namespace,
            "before": search.before,
            "limit": search.limit,
            **search.after._asdict(),
        }
        answer = self._session.execute(f"load_old_{search.kind.lower()}", names)
        return lambda: _found(search, value_of(answer))

    def _start(
        self, name: str, wanted: Sequence[Parameters], read: Callable[[list[Any]], Record]
    ) -> Callable[[], list[Record]]:
        if not wanted:
            return list
        answers = self._session.execute_rows(name, wanted)
        return lambda: list(map(read, values_of(answers)))


def _found(search: Search, values: list[list[Any]]) -> Found:
    """Returns what a search for the old found, as much as fits."""
    found = sorted(values, key=lambda row: (row[2], row[3]))
    taken = _as_fit(found, search.max_bytes)
    cut = len(taken) < len(found) or len(found) == search.limit
    after = Spot(*taken[-1][2:4]) if cut else None
    if search.kind is Leftover.EVENT:
        events = [Event(seq, namespace, None, time=time) for namespace, _, time, seq, _ in taken]
        return Found([], events, after)
    return Found(with_text(taken) if search.kind in BY_UUID else ids_of(taken), [], after)


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
