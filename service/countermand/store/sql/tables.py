"""The tables of a store, for who hands all of it over to another database.

Each has a key in whose order its rows are handed over. A database that keeps something in another
place, or by another name, says so where it reads and writes.
"""

from typing import NamedTuple

from countermand.store.sql.columns import (
    CANCELLATION_COLUMNS,
    CART_COLUMNS,
    CHECKOUT_COLUMNS,
    DELIVERY_COLUMNS,
    ENDED_TASK_COLUMNS,
    EVENT_COLUMNS,
    GROUP_COLUMNS,
    JOIN_COLUMNS,
    KEY_COLUMNS,
    NOTICE_COLUMNS,
    ORDER_COLUMNS,
    TASK_COLUMNS,
    WEBHOOK_COLUMNS,
)


class Table(NamedTuple):
    """A table, with what is handed over of a row."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


def _table(name: str, key: str, columns: str) -> Table:
    return Table(name, tuple(key.split(", ")), tuple(columns.split(", ")))


TABLES = (
    _table("namespaces", "namespace_no", "namespace_no, tenant, environment"),
    _table("keys", "key_no", f"key_no, namespace_no, {KEY_COLUMNS}"),
    _table(
        "agents",
        "namespace_no, agent_id",
        "namespace_no, agent_id, lease_duration, lease_expire_time, lost_time",
    ),
    _table("groups", "group_no", f"group_no, {GROUP_COLUMNS}"),
    _table("checkouts", "checkout_no", f"checkout_no, {CHECKOUT_COLUMNS}"),
    _table("checkout_snapshots", "checkout_no", "checkout_no, namespace_no, snapshot"),
    _table("carts", "cart_no", f"cart_no, {CART_COLUMNS}"),
    _table("cart_lines", "cart_no", "cart_no, namespace_no, line_items"),
    _table("orders", "order_no", f"order_no, {ORDER_COLUMNS}"),
    _table("order_snapshots", "order_no", "order_no, namespace_no, snapshot"),
    _table(
        "order_checkouts",
        "namespace_no, order_id, checkout_id",
        "namespace_no, order_id, checkout_id, position, attach_seq",
    ),
    _table("tasks", "task_no", f"{TASK_COLUMNS}, {ENDED_TASK_COLUMNS}"),
    _table("task_labels", "task_no, digest", "task_no, digest, namespace_no"),
    _table("cancellations", "namespace_no, cancellation_id", CANCELLATION_COLUMNS),
    _table(
        "joins",
        "namespace_no, cancellation_id, place",
        f"namespace_no, cancellation_id, place, {JOIN_COLUMNS}",
    ),
    _table(
        "request_ids",
        "namespace_no, request_id",
        "namespace_no, request_id, answer_id, fingerprint, joined, settles",
    ),
    _table(
        "events",
        "namespace_no, seq",
        f"namespace_no, task_no, {EVENT_COLUMNS}, record_kind, record_id, record_version",
    ),
    _table("clock_stretches", "stretch_no", "stretch_no, since, until, wall"),
    _table("ids_ahead", "id_time", "id_time, since"),
    _table("webhooks", "namespace_no, webhook_id", WEBHOOK_COLUMNS),
    _table("notices", "namespace_no, notice_no", NOTICE_COLUMNS),
    _table("deliveries", "namespace_no, webhook_id, notice_no", DELIVERY_COLUMNS),
    # At last: with its row a namespace is there to be written.
    _table(
        "positions",
        "namespace_no",
        "namespace_no, last_seq, floor_seq, floor_time, stored_bytes, last_notice, webhook_count",
    ),
)
