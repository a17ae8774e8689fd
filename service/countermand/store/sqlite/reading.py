"""The readings. Each is one function that runs on a reader's thread, in one snapshot."""

import json

from countermand.core.cancellations import Cancellation
from countermand.core.chronicle import Stretch
from countermand.core.instant import Instant
from countermand.core.keys import Key
from countermand.core.log import TaskFilter
from countermand.core.overdue import OverdueKind
from countermand.core.records import Cart, Checkout, Holder, Order, Target, Task
from countermand.core.states import RefundState, TargetKind, TaskState
from countermand.store.contract import CancellationReading, Due, HolderReading
from countermand.store.lists import TaskPage, TaskQuery
from countermand.store.sqlite import rows
from countermand.store.sqlite.queries import NO_NUMBER
from countermand.store.sqlite.reading_cancellations import CancellationReader
from countermand.store.sqlite.reading_watches import WatchReader, holder_scope, parameters


class Reader(CancellationReader, WatchReader):
    """Reads from one connection that cannot write."""

    def holder(self, target: Target) -> HolderReading | None:
        scope, read, _ = rows.HOLDER_ROWS[target.kind]
        row = self._loaded(f"load_{scope}", target.namespace, rows.id_value(target))
        if row is None:
            return None
        counts = self._all(f"count_{scope}", parameters(target.namespace, _under(target)))
        return HolderReading(
            self._whole(read(row)), {TaskState(state): tally for state, tally in counts}
        )

    def _whole(self, holder: Holder) -> Holder:
        """Returns a holder with its snapshot, if it has one."""
        if not isinstance(holder, Checkout | Order):
            return holder
        target = holder.target
        name = f"load_{rows.HOLDER_ROWS[target.kind].scope}_snapshot"
        (snapshot,) = self._row(name, (target.namespace, target.id))
        return holder.evolve(snapshot=snapshot)

    def cart(self, namespace: int, cart_id: str) -> Cart | None:
        row = self._loaded("load_carts", namespace, cart_id)
        if row is None:
            return None
        (line_items,) = self._row("load_cart_lines", (namespace, cart_id))
        return rows.read_cart(row).evolve(line_items=line_items)

    def tasks(self, namespace: int, query: TaskQuery, before: int | None, limit: int) -> TaskPage:
        without_holder = "all" if query.refund_state in (None, RefundState.NONE) else "refund"
        bound, found = self._all(
            f"list_{holder_scope(query.chosen) or without_holder}",
            parameters(namespace, query.chosen)
            | {
                "states": json.dumps(query.states) if query.states else None,
                "refund_state": query.refund_state,
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
            parameters(target.namespace, _under(target))
            | {"after": 0, "last_number": NO_NUMBER, "limit": -1},
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

    def next_due(self) -> Due:
        deadline, lease, *expiries, waiting = self._all("next_due", ())
        return Due(deadline, lease, _first(*expiries), waiting)

    def clock_stretches(self) -> list[Stretch]:
        return [Stretch(*row) for row in self._all("clock_stretches", ())]

    def keys(self) -> list[Key]:
        return [rows.read_key(row) for row in self._all("keys", ())]


def _first(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)


def _under(target: Target) -> TaskFilter:
    """Returns the filter that chooses a holder's tasks."""
    return TaskFilter(**{f"{rows.HOLDER_ROWS[target.kind].scope}_id": target.id})
