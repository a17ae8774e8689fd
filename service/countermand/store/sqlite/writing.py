"""One transaction: load what a batch wants, save what it changed. Runs on the writer's thread."""

import json
import sqlite3
from collections.abc import Iterable, ValuesView

from countermand.core.cancellations import RequestId
from countermand.core.changes import Saves
from countermand.core.chronicle import Stretch
from countermand.core.decide import Batch
from countermand.core.ids import time_of
from countermand.core.keys import Key
from countermand.core.knobs import StoreKnobs
from countermand.core.leases import Renewal
from countermand.core.log import Event
from countermand.core.records import Cart, Checkout, Holder, Order, Target
from countermand.core.states import RefundState, TaskState
from countermand.store.contract import CommitTooLong
from countermand.store.sql import rows
from countermand.store.sql.chunks import by_kind
from countermand.store.sql.session import Parameters
from countermand.store.sqlite.chunks import run_in_chunks
from countermand.store.sqlite.failures import is_full
from countermand.store.sqlite.file.pairing import Pairing
from countermand.store.sqlite.loading import Loader
from countermand.store.sqlite.reading_cancellations import AHEAD
from countermand.store.sqlite.reading_holders import under
from countermand.store.sqlite.reading_watches import parameters
from countermand.store.sqlite.statements import statements
from countermand.store.sqlite.webhooks import WebhookTables


class Writer:
    """Turns batches into transactions on the one connection that writes."""

    def __init__(
        self, connection: sqlite3.Connection, knobs: StoreKnobs, pairing: Pairing | None = None
    ) -> None:
        """A database without a log, as in memory, needs no pairing."""
        self._connection = connection
        self._max_rows = knobs.max_statement_rows
        self._pairing = pairing
        (number,) = connection.execute("SELECT coalesce(max(task_no), 0) FROM tasks").fetchone()
        self._last_number: int = number
        self._loader = Loader(connection, knobs)
        self._webhooks = WebhookTables(connection, knobs.max_statement_rows)
        self._steps = knobs.steps_between_looks
        self.is_broken_off = False
        """Whether the commit under way is to end without being done. Others than its thread say so,
        and it looks every now and then."""
        self._owes_beginning = False
        """Whether there was no room for that when the store was opened."""

    def commit(self, batch: Batch) -> None:
        """Runs the batch's plan in one transaction, and returns when it is synced."""
        last_number = self._last_number
        self._loader.forget()
        self.is_broken_off = False
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.set_progress_handler(lambda: self.is_broken_off, self._steps)
        try:
            if self._pairing is not None:
                self._pairing.tie()
            if self._owes_beginning:
                self._begin(batch.rows.instant.steady)
            self._renew(batch.renewal, batch.rows.instant.steady)
            self._save(self._decide(batch))
            self._expect_to_go_on()
            self._connection.set_progress_handler(None, 0)
            self._connection.execute("COMMIT")
            self._owes_beginning = False
        except BaseException as error:
            self._last_number = last_number
            self._connection.set_progress_handler(None, 0)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if self.is_broken_off and isinstance(error, sqlite3.OperationalError):
                raise CommitTooLong("a statement was broken off") from error
            raise

    def _expect_to_go_on(self) -> None:
        if self.is_broken_off:
            raise CommitTooLong("a commit was broken off")

    def begin(self, now: int) -> None:
        """Renews every live lease to its full duration, and lets the steady clock judge deadlines
        from now on; without room, with the next commit."""
        self._owes_beginning = self._pairing is not None and not self._pairing.is_settled
        if self._owes_beginning:
            return
        try:
            self._begin(now)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            self._owes_beginning = True

    def _begin(self, now: int) -> None:
        self._renew_leases(now)
        self._connection.execute(statements()["reset_due_times"])

    def _renew_leases(self, now: int) -> None:
        self._connection.execute(statements()["renew_leases"], (now,))

    def _renew(self, renewal: Renewal, now: int) -> None:
        if renewal.all:
            self._renew_leases(now)
        elif renewal.agents:
            self._write(
                "renew_some_leases", [(namespace, id, now) for namespace, id in renewal.agents]
            )

    def _decide(self, batch: Batch) -> Saves:
        plan = batch.plan()
        try:
            wanted = next(plan)
            while True:
                self._expect_to_go_on()
                wanted = plan.send(self._loader.load(wanted, batch.rows.instant))
        except StopIteration as end:
            saves: Saves = end.value
            return saves

    def _save(self, saves: Saves) -> None:
        if saves.keys:
            self._save_keys(saves.keys)
        if saves.clock_stretches:
            self._save_clock(saves.clock_stretches)
        if saves.holders:
            self._save_holders(saves)
        self._save_carts(saves.carts.values())
        self._write("save_agents", map(rows.write_agent, saves.agents.values()))
        self._save_cancellations(saves)
        self._write("insert_joins", map(rows.write_join, saves.joins))
        self._save_request_ids(saves.request_ids.values())
        self._save_tasks(saves)
        self._insert_events(saves)
        self._write("save_positions", saves.positions.items())
        if saves.outboxes or saves.webhooks is not None:
            self._webhooks.save(saves)
        for target, counts in saves.counts.items():
            counts.update(self._count(target))
        if saves.gone:
            for name, gone in rows.write_gone(saves.gone):
                self._write(name, gone)

    def _count(self, target: Target) -> dict[TaskState, int]:
        scope = rows.HOLDER_ROWS[target.kind].scope
        (found,) = self._connection.execute(
            statements()[f"count_{scope}"], parameters(target.namespace, under(target))
        ).fetchone()
        return {TaskState(state): tally for state, tally in json.loads(found)}

    def _save_clock(self, stretches: Iterable[Stretch]) -> None:
        self._connection.execute(statements()["delete_clock_stretches"])
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
        self._connection.execute(statements()["insert_namespace"], (tenant, environment))
        (number,) = self._connection.execute(
            statements()["load_namespace"], (tenant, environment)
        ).fetchone()
        return int(number)

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
                self._connection.execute(statements()[name], values)

    def _save_carts(self, saved: ValuesView[Cart]) -> None:
        self._write("save_carts", map(rows.write_cart, saved))
        for cart in saved:
            if cart.line_items is not None:
                values = (cart.line_items, cart.namespace, cart.cart_id)
                self._connection.execute(statements()["save_cart_lines"], values)

    def _save_cancellations(self, saves: Saves) -> None:
        created, changed, ahead = [], [], []
        for key, cancellation in saves.cancellations.items():
            if key in saves.accepted:
                created.append(rows.write_new_cancellation(cancellation))
                id_time = time_of(cancellation.cancellation_id)
                if id_time > cancellation.create_time + AHEAD:
                    ahead.append((id_time, cancellation.create_time))
            else:
                changed.append(rows.write_changed_cancellation(cancellation))
        # In this order: one may end its wait for the task for which another begins to wait.
        self._write("update_cancellations", changed)
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

    def _insert_events(self, saves: Saves) -> None:
        plain, of_refunds = [], []
        for event in saves.events:
            row = rows.write_event(event, _number(event, saves))
            if event.task is None or event.task.refund_state is RefundState.NONE:
                plain.append(row)
            else:
                of_refunds.append((*row, *rows.write_refund(event.task)))
        self._write("insert_events", plain)
        self._write("insert_refund_events", of_refunds)
        self._write(
            "insert_attached_events",
            [
                rows.write_attached_event(event, _number(event, saves) or 0)
                for event in saves.attached
            ],
        )
        self._write("insert_record_events", map(rows.write_record_event, saves.records))

    def _save_tasks(self, saves: Saves) -> None:
        created, changed, going_on = [], [], []
        labels: list[Parameters] = []
        for key, task in saves.tasks.items():
            if key in saves.created:
                self._last_number += 1
                saves.tasks[key] = task = task.evolve(number=self._last_number)
                created.append(rows.write_new_task(task))
                labels += rows.write_labels(task)
            elif task.ended or key in saves.given:
                changed.append(rows.write_changed_task(task))
            else:
                going_on.append(rows.write_live_task(task))
        self._write("insert_tasks", created)
        self._write("insert_task_labels", labels)
        self._write("update_tasks", changed)
        self._write("update_live_tasks", going_on)

    def _write(self, name: str, changed: Iterable[Parameters]) -> None:
        if parameters := list(changed):
            for _ in run_in_chunks(self._connection, name, parameters, self._max_rows):
                pass


def _number(event: Event, saves: Saves) -> int | None:
    """Returns the number of an event's task, which has it once it is saved."""
    task = event.task
    return None if task is None else saves.tasks[task.namespace, task.task_id].number
