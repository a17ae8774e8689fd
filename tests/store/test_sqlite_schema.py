"""The schema: illegal rows are refused, and every statement goes by an index."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.core.log import TaskFilter
from countermand.store.sql.reading import Reader
from countermand.store.sqlite.connection import connect_writer
from countermand.store.sqlite.session import SqliteSession
from countermand.store.sqlite.statements import STATEMENTS
from countermand.store.sqlite.writing import Writer
from tests.support.ask import FIRST_TIME, G1, NS, cancel_group, create, create_group, start, uid
from tests.support.counting import Counted
from tests.support.knobs import PRODUCTION
from tests.support.stores import put_empty_store

WIDTHS = {
    "load_keys": 1,
    "load_positions": 1,
    "load_members_group": 3,
    "load_members_checkout": 3,
    "load_members_order": 3,
    "load_subgroups": 3,
    "save_group": 14,
    "save_checkout": 17,
    "save_order": 14,
    "delete_order_checkouts": 3,
    "save_order_checkouts": 5,
    "save_carts": 6,
    "save_agents": 5,
    "insert_running_cancellations": 19,
    "insert_cancellations": 28,
    "update_cancellations": 14,
    "insert_joins": 9,
    "save_request_ids": 5,
    "save_settling_request_ids": 4,
    "insert_new_tasks": 11,
    "insert_tasks": 29,
    "update_tasks": 21,
    "update_live_tasks": 11,
    "start_tasks": 9,
    "end_tasks": 14,
    "insert_events": 9,
    "insert_refund_events": 11,
    "insert_attached_events": 13,
    "insert_record_events": 8,
    "save_keys": 17,
    "raise_floors": 3,
    "count_many_checkout": 3,
    "count_many_order": 3,
    "insert_task_labels": 3,
    "delete_task_labels": 3,
    "renew_some_leases": 3,
    "insert_clock_stretches": 3,
    "load_endpoints": 1,
    "load_deliveries": 3,
    "save_webhooks": 17,
    "insert_notices": 7,
    "save_deliveries": 16,
    "delete_deliveries": 3,
}
"""How many parameters a row has, where it is not two."""
SMALL = {"w", "n", "x", "found", "page", "chain", "json_each", "(subquery-1)", "CONSTANT"}
"""What may be walked from end to end: what the statement itself made, or was given."""
MAY_SCAN = {
    "list_cancellations": {"c"},
    "list_cancellations_by_reason": {"c"},
    "keys": {"keys"},
    "clock_stretches": {"clock_stretches"},
    "status": {"pragma_user_version", "agents"},  # those that are alive, in their index
    "delete_clock_stretches": {"clock_stretches"},
    "reset_due_times": {"tasks"},
    "renew_leases": {"agents"},  # all that have a lease
    "last_id_ahead": {"ids_ahead"},
    "webhooks": {"k"},  # a hundred of a tenant
    "namespaces_with_notices": {"webhooks", "(subquery-5)"},
}


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A new file with one namespace."""
    path = put_empty_store(tmp_path / "store.db")
    with closing(connect_writer(path, PRODUCTION.store)) as connection:
        connection.execute(
            "INSERT INTO namespaces (tenant, environment) VALUES ('acme', 'sandbox')"
        )
        yield connection


# Illegal rows.

TASK = {
    "task_no": 1,
    "namespace_no": 1,
    "task_id": bytes(16),
    "merchant": "",
    "labels": "{}",
    "create_time": 0,
    "state": "PENDING",
    "version": 1,
    "last_seq": 1,
    "fence": 0,
    "failure_message": "",
    "update_time": 0,
    "charge_state": "NONE",
    "refund_state": "NONE",
    "late_reports": 0,
    "fence_raised": 0,
}
RUNNING = TASK | {"state": "RUNNING", "agent_id": "a", "start_time": 0}
CANCELLING = RUNNING | {"state": "CANCELLING", "deadline_time": 5, "cancellation_id": bytes(16)}
END = {"end_time": 5, "end_seq": 1}
COMPLETED = RUNNING | END | {"state": "COMPLETED"}
CANCELLED = CANCELLING | END | {"state": "CANCELLED", "cancel_proof": "FORCED"}
NEVER_STARTED = TASK | END | {"state": "CANCELLED", "cancel_proof": "NEVER_STARTED"}
OWED = COMPLETED | {"charge_state": "CAPTURED", "refund_state": "REQUIRED"}
KEY = {
    "key_id": "k",
    "namespace_no": 1,
    "scopes": "[]",
    "secret_hash": bytes(32),
    "create_time": 0,
    "writes_per_second": 0,
    "reads_per_second": 1,
    "watches_per_second": 1_000_000,
    "open_watches": 7,
}
GROUP = {
    "namespace_no": 1,
    "group_id": bytes(16),
    "closed": 0,
    "version": 1,
    "task_count": 2,
    "live_count": 1,
    "completed_count": 1,
    "create_time": 0,
    "update_time": 0,
}
CHECKOUT = {
    "namespace_no": 1,
    "checkout_id": "x",
    "state": "OPEN",
    "version": 1,
    "task_count": 2,
    "live_count": 1,
    "completed_count": 1,
    "create_time": 0,
    "update_time": 0,
}
CANCELLED_CHECKOUT = CHECKOUT | {
    "state": "CANCELLED",
    "cancellation_id": bytes(16),
    "cancel_time": 5,
    "live_count": 0,
}
ORDER = {
    "namespace_no": 1,
    "order_id": "o",
    "state": "OPEN",
    "version": 1,
    "task_count": 2,
    "live_count": 1,
    "completed_count": 1,
    "owed_count": 0,
    "create_time": 0,
    "update_time": 0,
}
CANCELLING_ORDER = ORDER | {
    "state": "CANCELLING",
    "cancellation_id": bytes(16),
    "cancel_time": 5,
}
CART = {
    "namespace_no": 1,
    "cart_id": "c",
    "state": "LOCKED",
    "checkout_id": "x",
    "version": 1,
    "update_time": 0,
}
LISTED = {"namespace_no": 1, "order_id": "o", "checkout_id": "x", "position": 0}
CANCELLATION = {
    "namespace_no": 1,
    "cancellation_id": bytes(16),
    "target_kind": "TASK",
    "target_id": bytes(16),
    "reason": "",
    "message": "",
    "requested_by": "",
    "certificate_name": "",
    "on_behalf_of": "",
    "create_time": 0,
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "sampled": 0,
    "accept_seq": 0,
    "state": "IN_PROGRESS",
    "live_count": 1,
    "never_started_count": 0,
    "acknowledged_count": 0,
    "forced_count": 0,
    "agent_lost_count": 0,
    "completed_count": 0,
}
WAITING = CANCELLATION | {"live_count": 0}
EVENT = {"namespace_no": 1, "seq": 1, "previous_seq": 0, "time": 0}


def _insert(raw: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    marks = ", ".join("?" * len(row))
    raw.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("tasks", TASK),
        ("tasks", RUNNING),
        ("tasks", CANCELLING),
        ("tasks", COMPLETED),
        ("tasks", CANCELLED),
        ("tasks", NEVER_STARTED),
        ("groups", GROUP),
        ("checkouts", CHECKOUT),
        ("checkouts", CHECKOUT | {"state": "COMPLETED"}),
        ("checkouts", CANCELLED_CHECKOUT),
        ("orders", ORDER),
        ("orders", CANCELLING_ORDER),
        ("carts", CART),
        ("carts", CART | {"state": "ACTIVE", "checkout_id": None}),
        ("order_checkouts", LISTED),
        ("cancellations", CANCELLATION),
        ("cancellations", CANCELLATION | {"target_kind": "ORDER", "target_id": b"o"}),
        ("cancellations", CANCELLATION | {"tracestate": "a=1", "sampled": 1}),
        ("cancellations", WAITING),
        ("events", EVENT),
    ],
)
def test_a_legal_row_is_kept(raw: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    _insert(raw, table, row)


@pytest.mark.parametrize(
    ("table", "row", "wrong"),
    [
        ("tasks", TASK, {"state": "STOPPED"}),
        ("tasks", TASK, {"version": 0}),
        ("tasks", TASK, {"task_id": bytes(15)}),
        ("tasks", TASK, {"namespace_no": 7}),
        ("tasks", TASK, {"merchant": None}),
        ("tasks", TASK, {"create_time": "soon"}),
        ("tasks", TASK, {"end_time": 5}),
        ("tasks", TASK, {"agent_id": "a"}),
        ("tasks", RUNNING, {"agent_id": None}),
        ("tasks", RUNNING, {"cancel_proof": "FORCED"}),
        ("tasks", CANCELLING, {"deadline_time": None}),
        ("tasks", CANCELLING, {"cancellation_id": None}),
        ("tasks", CANCELLING, {"end_time": 5}),
        ("tasks", COMPLETED, {"end_time": None}),
        ("tasks", COMPLETED, {"cancel_proof": "FORCED"}),
        ("tasks", CANCELLED, {"cancel_proof": None}),
        ("tasks", CANCELLED, {"cancel_proof": "HOPED"}),
        ("tasks", CANCELLED, {"agent_id": None}),
        ("tasks", NEVER_STARTED, {"agent_id": "a"}),
        ("keys", KEY, {"namespace_no": 7}),
        ("keys", KEY, {"secret_hash": bytes(31)}),
        ("keys", KEY, {"secret_hash": "0" * 32}),
        ("keys", KEY, {"writes_per_second": -1}),
        ("keys", KEY, {"reads_per_second": 1_000_001}),
        ("keys", KEY, {"watches_per_second": None}),
        ("keys", KEY, {"open_watches": 0.5}),
        ("keys", KEY, {"successor_key_id": "x"}),
        ("groups", GROUP, {"live_count": 3}),
        ("groups", GROUP, {"live_count": -1}),
        ("groups", GROUP, {"task_count": 10_001}),
        ("groups", GROUP, {"closed": 2}),
        ("groups", GROUP, {"cancellation_id": bytes(16)}),
        ("groups", GROUP, {"completed_count": 2}),
        ("checkouts", CHECKOUT, {"state": "LOCKED"}),
        ("checkouts", CHECKOUT, {"state": "CANCELLING"}),
        ("checkouts", CHECKOUT, {"cancellation_id": bytes(16)}),
        ("checkouts", CHECKOUT, {"cancel_time": 5}),
        ("checkouts", CHECKOUT, {"live_count": 2}),
        ("checkouts", CHECKOUT, {"task_count": 10_001}),
        ("checkouts", CHECKOUT, {"version": 0}),
        ("checkouts", CHECKOUT, {"state": "COMPLETED", "cancellation_id": bytes(16)}),
        ("checkouts", CANCELLED_CHECKOUT, {"live_count": 1}),
        ("checkouts", CANCELLED_CHECKOUT, {"cancel_time": None}),
        ("checkouts", CANCELLED_CHECKOUT, {"cancellation_id": None}),
        ("checkouts", CANCELLED_CHECKOUT, {"state": "CANCELLING", "cancel_time": None}),
        ("orders", ORDER, {"state": "COMPLETED"}),
        ("orders", ORDER, {"cancel_time": 5}),
        ("orders", ORDER, {"cancellation_id": bytes(16)}),
        ("orders", ORDER, {"completed_count": 2}),
        ("orders", CANCELLING_ORDER, {"live_count": 0}),
        ("orders", CANCELLING_ORDER, {"cancel_time": None}),
        ("orders", CANCELLING_ORDER, {"cancellation_id": None}),
        ("orders", CANCELLING_ORDER, {"state": "CANCELLED"}),
        ("orders", CANCELLING_ORDER, {"state": "CLOSED"}),
        ("carts", CART, {"state": "OPEN"}),
        ("carts", CART, {"state": "ACTIVE"}),
        ("carts", CART, {"checkout_id": None}),
        ("carts", CART, {"state": "CLOSED", "checkout_id": None}),
        ("order_checkouts", LISTED, {"position": -1}),
        ("tasks", TASK, {"charge_state": "GIVEN"}),
        ("tasks", TASK, {"refund_state": "GIVEN"}),
        ("tasks", TASK, {"refund_state": "NOT_OWED"}),
        ("tasks", RUNNING, {"charge_state": "CAPTURED", "refund_state": "REQUIRED"}),
        ("tasks", COMPLETED, {"charge_state": "BEGUN", "refund_state": "REQUIRED"}),
        ("tasks", OWED, {"charge_state": "VOIDED"}),
        ("tasks", COMPLETED, {"settlement": "[]"}),
        ("tasks", CANCELLED, {"charge_state": "BEGUN"}),
        ("tasks", CANCELLED, {"charge_state": "CAPTURED"}),
        ("tasks", OWED, {"late_reports": 17}),
        ("tasks", RUNNING, {"late_reports": 1}),
        ("tasks", RUNNING, {"fence_raised": 1}),
        ("tasks", RUNNING, {"end_seq": 1}),
        ("tasks", COMPLETED, {"end_seq": None}),
        ("cancellations", CANCELLATION, {"target_id": b"short"}),
        ("cancellations", CANCELLATION, {"state": "DONE"}),
        ("cancellations", CANCELLATION, {"tracestate": "a=1", "sampled": 0}),
        ("cancellations", CANCELLATION, {"tracestate": None}),
        ("cancellations", CANCELLATION, {"target_kind": "GROUP", "live_count": 0}),
        ("cancellations", WAITING, {"end_time": 5}),
        ("cancellations", WAITING, {"target_kind": "CHECKOUT"}),
        ("cancellations", CANCELLATION, {"end_time": 5}),
        ("cancellations", CANCELLATION, {"state": "SUCCEEDED", "end_time": 5}),
        ("cancellations", CANCELLATION, {"state": "SUCCEEDED", "live_count": 0}),
        ("cancellations", CANCELLATION, {"target_kind": "CART"}),
        ("events", EVENT, {"task_no": 1}),
        ("events", EVENT, {"version": 1}),
    ],
)
def test_an_illegal_row_is_refused(
    raw: sqlite3.Connection, table: str, row: dict[str, object], wrong: dict[str, object]
) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        _insert(raw, table, row | wrong)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("tasks", TASK),
        ("keys", KEY),
        ("groups", GROUP),
        ("checkouts", CHECKOUT),
        ("orders", ORDER),
        ("carts", CART),
        ("order_checkouts", LISTED),
        ("cancellations", CANCELLATION),
        ("events", EVENT),
    ],
)
def test_an_id_is_taken_once(raw: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    _insert(raw, table, row)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        _insert(raw, table, row | ({"task_no": 2} if table == "tasks" else {}))


def test_one_cancel_at_most_waits_for_a_task(raw: sqlite3.Connection) -> None:
    _insert(raw, "cancellations", WAITING)
    for number, other in enumerate((CANCELLATION, WAITING | {"target_id": b"1" * 16}), start=1):
        _insert(raw, "cancellations", other | {"cancellation_id": bytes([number]) * 16})
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        _insert(raw, "cancellations", WAITING | {"cancellation_id": bytes([9]) * 16})


# Plans.


def _plan(raw: sqlite3.Connection, sql: str) -> list[str]:
    names = dict.fromkeys(re.findall(r":([a-z]\w*)", sql))
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    nothing = names or [None] * (max(numbered, default=0) or sql.count("?"))
    return [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}", nothing)]


@pytest.mark.parametrize("rows", [1, 2, 1024])
@pytest.mark.parametrize("name", sorted(STATEMENTS.texts))
def test_a_statement_walks_through_no_table(raw: sqlite3.Connection, name: str, rows: int) -> None:
    if "{rows}" in STATEMENTS.texts[name]:
        sql = STATEMENTS.with_rows(name, rows, WIDTHS.get(name, 2))
    else:
        sql = STATEMENTS.texts[name]
    plan = _plan(raw, sql)
    made = {line.split()[1] for line in plan if line.startswith(("CO-ROUTINE", "MATERIALIZE"))}
    allowed = made | SMALL | MAY_SCAN.get(name, set())
    for line in plan:
        assert "AUTOMATIC" not in line
        if line.startswith("SCAN"):
            scanned = line.removeprefix("SCAN ").split()[0]
            assert scanned in allowed or "CONSTANT ROW" in line, line


HOT = {
    "load_tasks": "tasks_by_id",
    "load_ending_tasks": "tasks_by_id",
    "load_old_task": "tasks_ended",
    "load_old_owed_task": "tasks_owed",
    "summarize_refund": "tasks_by_end",
    "delete_settling_request_ids": "request_ids_settling",
    "load_members_group": "tasks_by_group",
    "load_members_checkout": "tasks_by_checkout",
    "load_members_order": "tasks_by_order",
    "load_subgroups": "groups_by_order",
    "load_checkout": "order_checkouts_by_checkout",
    "load_expired_task": "tasks_by_expiry",
    "load_expired_checkout": "checkouts_by_expiry",
    "load_early_cancels": "cancellations_early",
    "load_late_early_cancel": "cancellations_early_by_time",
    "load_late_task": "tasks_by_due",
    "load_lost_agent": "agents_by_lease",
    "load_orphan": "tasks_live_by_agent",
    "list_all": "tasks_by_namespace",
    "list_group": "tasks_by_group",
    "list_checkout": "tasks_by_checkout",
    "list_order": "tasks_by_order",
    "list_refund": "tasks_by_refund",
    "list_merchant": "tasks_by_merchant",
    "list_label": "PRIMARY KEY",
    "list_deadline": "tasks_by_deadline",
    "page_orders_all": "orders_by_namespace",
    "page_orders_by_state": "orders_by_state",
    "page_checkouts_all": "checkouts_by_namespace",
    "page_checkouts_by_state": "checkouts_by_state",
    "page_checkouts_by_cart": "checkouts_by_cart",
    "page_carts_all": "carts_by_namespace",
    "page_carts_by_state": "carts_by_state",
    "count_many_order": "tasks_by_order",
    "list_cancellations_by_reason": "cancellations_by_reason",
    "count_checkout": "tasks_by_checkout",
    "stops": "tasks_live_by_agent",
    "snapshot_live": "tasks_live",
    "snapshot_agent": "tasks_live_by_agent",
    "snapshot_group": "tasks_by_group",
    "trail_group": "tasks_by_group",
    "trail_checkout": "tasks_by_checkout",
    "trail_order": "tasks_by_order",
    "update_tasks": "INTEGER PRIMARY KEY",
    "update_live_tasks": "INTEGER PRIMARY KEY",
    "start_tasks": "INTEGER PRIMARY KEY",
    "end_tasks": "INTEGER PRIMARY KEY",
    "update_cancellations": "PRIMARY KEY",
}


@pytest.mark.parametrize("name", HOT)
def test_a_statement_uses_the_index_that_was_made_for_it(
    raw: sqlite3.Connection, name: str
) -> None:
    sql = STATEMENTS.texts[name].replace("{rows}", f"({', '.join('?' * WIDTHS.get(name, 2))})")
    plan = _plan(raw, sql)
    assert any(re.search(rf"INDEX {HOT[name]}\b|{HOT[name]} \(", line) for line in plan), plan


def test_what_a_commit_and_a_watch_cost_does_not_grow_with_the_rows(
    raw: sqlite3.Connection,
) -> None:
    """Counted in steps of SQLite's machine, which no other load on the computer changes."""
    writer = Writer(Counted(raw), PRODUCTION.store)
    reader = Reader(SqliteSession(raw, PRODUCTION.store), PRODUCTION.store)
    ids = UuidMaker()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    raw.set_progress_handler(count, 10)

    def cost(number: int) -> tuple[int, ...]:
        costs = []
        todo = [
            lambda: writer.commit(Batch([create(uid(number))], Instant.at(FIRST_TIME), ids)),
            lambda: writer.commit(Batch([start(uid(number), "me")], Instant.at(FIRST_TIME), ids)),
            lambda: reader.task(NS, uid(number)),
            lambda: reader.history(NS, uid(number), 0, 100),
            lambda: reader.bookmark(NS, TaskFilter()),
            lambda: reader.log(NS, TaskFilter(), reader.bookmark(NS, TaskFilter()).seq - 1, 10),
            lambda: reader.next_due(),
            lambda: reader.stops(NS, "me", 10),
        ]
        for each in todo:
            before = steps
            each()
            costs.append(steps - before)
        return tuple(costs)

    few = cost(1)
    many = [uid(number) for number in range(1000, 5000)]
    writer.commit(Batch([create_group(*many)], Instant.at(FIRST_TIME), ids))
    writer.commit(Batch([start(id) for id in many[:500]], Instant.at(FIRST_TIME), ids))
    writer.commit(Batch([cancel_group(G1)], Instant.at(FIRST_TIME), ids))
    for less, more in zip(few, cost(2), strict=True):
        assert more <= less + 40
