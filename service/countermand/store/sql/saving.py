"""What a batch changed, saved in its transaction. Runs on the writer's thread.

All is started and nothing waited for, so that it is one turn to the database with the commit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, ValuesView

from countermand.core.cancellations import RequestId
from countermand.core.changes import Id, Saves
from countermand.core.chronicle import Stretch
from countermand.core.ids import time_of
from countermand.core.keys import Key
from countermand.core.leases import Renewal
from countermand.core.records import Cart, Checkout, Holder, Order, Target, Task
from countermand.core.states import RefundState, TaskState
from countermand.store.sql import rows
from countermand.store.sql.chunks import by_kind
from countermand.store.sql.loading import Loader
from countermand.store.sql.reading_cancellations import AHEAD
from countermand.store.sql.reading_holders import under
from countermand.store.sql.reading_watches import parameters
from countermand.store.sql.session import Answer, Parameters, Session, value_of
from countermand.store.sql.webhooks import WebhookTables


class Saver:
    """Saves rows on the one connection that writes."""

    def __init__(self, session: Session, loader: Loader, next_number: Callable[[int], int]) -> None:
        """`loader` knows what the transaction found; `next_number` gives out the numbers of new
        tasks of a namespace, each above the one before."""
        self._session = session
        self._loader = loader
        self._next_number = next_number
        self._webhooks = WebhookTables(session)

    def renew(self, renewal: Renewal, now: int) -> None:
        """Renews the leases of agents from `now`, on the steady clock."""
        if renewal.all:
            self.renew_leases(now)
        elif renewal.agents:
            self._write(
                "renew_some_leases", [(namespace, id, now) for namespace, id in renewal.agents]
            )

    def renew_leases(self, now: int) -> None:
        """Renews every live lease to its full duration."""
        self._session.execute("renew_leases", (now,))

    def begin(self, now: int) -> None:
        """Renews every live lease to its full duration, and lets the steady clock judge deadlines
        from `now` on."""
        self.renew_leases(now)
        self._session.execute("reset_due_times")

    def save(self, saves: Saves) -> Callable[[], None]:
        """Starts to save what a batch changed.

        Returns what fills in the counts that the batch asked for, which may wait for the commit.
        """
        if saves.keys:
            self._save_keys(saves.keys)
        if saves.clock_stretches:
            self._save_clock(saves.clock_stretches)
        if saves.holders:
            self._save_holders(saves)
        if saves.carts:
            self._save_carts(saves.carts.values())
        if saves.agents:
            self._write("save_agents", map(rows.write_agent, saves.agents.values()))
        if saves.cancellations:
            self._save_cancellations(saves)
        if saves.joins:
            self._write("insert_joins", map(rows.write_join, saves.joins))
        if saves.request_ids:
            self._save_request_ids(saves.request_ids.values())
        self._insert_events(saves, self._save_tasks(saves))
        self._write("save_positions", saves.positions.items())
        if saves.outboxes or saves.webhooks is not None:
            self._webhooks.save(saves)
        counted = [(counts, self._count(target)) for target, counts in saves.counts.items()]
        if saves.gone:
            for name, gone in rows.write_gone(saves.gone):
                self._write(name, gone)

        def fill_in() -> None:
            for counts, answer in counted:
                found = value_of(answer)
                counts.update((TaskState(state), tally) for state, tally in found)

        return fill_in

    def _count(self, target: Target) -> Answer:
        scope = rows.HOLDER_ROWS[target.kind].scope
        chosen = parameters(target.namespace, under(target))
        return self._session.execute(f"count_{scope}", chosen)

    def _save_clock(self, stretches: Iterable[Stretch]) -> None:
        self._session.execute("delete_clock_stretches")
        self._write("insert_clock_stretches", stretches)

    def _save_keys(self, saved: dict[str, Key]) -> None:
        """Saves keys. A new one is in the batch's saves with its namespace then."""
        for key in list(saved.values()):
            if not key.namespace:
                namespace = self._namespace(key.tenant, key.environment)
                saved[key.key_id] = key.evolve(namespace=namespace)
        self._write("save_keys", map(rows.write_key, saved.values()))

    def _namespace(self, tenant: str, environment: str) -> int:
        """Returns the number of a tenant and environment, which it has from now on."""
        self._session.execute("insert_namespace", (tenant, environment))
        found = self._session.execute("load_namespace", (tenant, environment)).one()
        assert found is not None
        return int(found[0])

    def _save_holders(self, saves: Saves) -> None:
        saved = saves.holders
        for kind, targets in by_kind(saved).items():
            scope, _, write = rows.HOLDER_ROWS[kind]
            self._write(f"save_{scope}", [write(saved[target]) for target in targets])
        self._save_snapshots(saved)
        orders = [holder for holder in saved.values() if isinstance(holder, Order)]
        listed = {order.target: self._loader.listed.get(order.target, ()) for order in orders}
        changed = [order for order in orders if order.checkout_ids != listed[order.target]]
        self._write(
            "delete_order_checkouts",
            [
                (order.namespace, order.order_id, checkout_id)
                for order in changed
                for checkout_id in listed[order.target]
                if checkout_id not in order.checkout_ids
            ],
        )
        self._write(
            "save_order_checkouts",
            [
                (*pair, position, saves.attach_seqs.get(pair, 0))
                for order in changed
                for position, checkout_id in enumerate(order.checkout_ids)
                if (pair := (order.namespace, order.order_id, checkout_id))
            ],
        )

    def _save_snapshots(self, saved: dict[Target, Holder]) -> None:
        """Saves those that are new or changed: they are large, and most commands leave them."""
        for target, holder in saved.items():
            if not isinstance(holder, Checkout | Order) or holder.snapshot is None:
                continue
            if holder.snapshot is not self._loader.snapshots.get(target):
                name = f"save_{rows.HOLDER_ROWS[target.kind].scope}_snapshot"
                values = (holder.snapshot, target.namespace, target.id)
                self._session.execute(name, values)

    def _save_carts(self, saved: ValuesView[Cart]) -> None:
        self._write("save_carts", map(rows.write_cart, saved))
        for cart in saved:
            if cart.line_items is not None:
                values = (cart.line_items, cart.namespace, cart.cart_id)
                self._session.execute("save_cart_lines", values)

    def _save_cancellations(self, saves: Saves) -> None:
        running, created, changed, ahead = [], [], [], []
        for key, cancellation in saves.cancellations.items():
            if key in saves.accepted:
                row = rows.write_running_cancellation(cancellation)
                if row is not None:
                    running.append(row)
                else:
                    created.append(rows.write_new_cancellation(cancellation))
                id_time = time_of(cancellation.cancellation_id)
                if id_time > cancellation.create_time + AHEAD:
                    ahead.append((id_time, cancellation.create_time))
            else:
                changed.append(rows.write_changed_cancellation(cancellation))
        # In this order: one may end its wait for the task for which another begins to wait.
        self._write("update_cancellations", changed)
        self._write("insert_running_cancellations", running)
        self._write("insert_cancellations", created)
        self._write("save_ids_ahead", ahead)

    def _save_request_ids(self, saved: ValuesView[RequestId]) -> None:
        of_cancels, settling = [], []
        for one in saved:
            if one.settles:
                settling.append(rows.write_settling_request_id(one))
            else:
                of_cancels.append(rows.write_request_id(one))
        self._write("save_request_ids", of_cancels)
        self._write("save_settling_request_ids", settling)

    def _save_tasks(self, saves: Saves) -> dict[Id, int]:
        """Saves tasks. Returns the numbers that the new ones have from now on."""
        labels: dict[int, rows.Labels] = defaultdict(rows.Labels)
        numbers: dict[Id, int] = {}
        changed = defaultdict[str, list[Parameters]](list)
        for key, task in saves.tasks.items():
            if key in saves.created:
                number = numbers[key] = self._next_number(task.namespace)
                said = labels[task.namespace].add(task, number) if task.labels else "{}"
                name, row = rows.write_created_task(task, number, said)
            else:
                name, row = rows.write_changed_task(saves.found[key], task)
            changed[name].append(row)
        for name, saved in changed.items():
            self._session.execute_rows(name, saved)
        for namespace, theirs in labels.items():
            self._write("insert_task_labels", theirs.rows(namespace))
        return numbers

    def _insert_events(self, saves: Saves, numbers: dict[Id, int]) -> None:
        plain, of_refunds = [], []
        for event in saves.events:
            task = event.task
            if task is None:
                plain.append(rows.write_event(event, None))
                continue
            row = rows.write_event(event, _number(task, numbers))
            if task.refund_state is RefundState.NONE:
                plain.append(row)
            else:
                of_refunds.append((*row, *rows.write_refund(task)))
        self._write("insert_events", plain)
        self._write("insert_refund_events", of_refunds)
        if saves.attached:
            self._write(
                "insert_attached_events",
                [
                    rows.write_attached_event(event, _number(event.task, numbers))
                    for event in saves.attached
                    if event.task is not None
                ],
            )
        self._write("insert_record_events", map(rows.write_record_event, saves.records))

    def _write(self, name: str, changed: Iterable[Parameters]) -> None:
        if parameters := list(changed):
            self._session.execute_rows(name, parameters)


def _number(task: Task, numbers: dict[Id, int]) -> int:
    """Returns the number of a task, which one that is new does not know itself."""
    return task.number or numbers[task.namespace, task.task_id]
