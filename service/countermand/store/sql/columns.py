"""The columns of the tables, in the order in which rows are read and written."""

from collections.abc import Callable

TASK_COLUMNS = (
    "task_no, namespace_no, task_id, group_id, checkout_id, order_id, merchant, labels, "
    "create_time, update_time, state, version, agent_id, fence, cancellation_id, cancel_proof, "
    "deadline_time, failure_message, charge_state, refund_state, expire_time, start_time, "
    "end_time, last_seq, due_time"
)
ENDED_TASK_COLUMNS = "settlement, late_reports, end_seq, fence_raised"
"""What only a task that has ended has. They are read together, as one value that is null for live
tasks, since a cancel reads little else but live tasks."""
HOLDER_COLUMNS = (
    "namespace_no, create_time, update_time, version, task_count, live_count, completed_count, "
    "owed_count, money_time, cancellation_id"
)
GROUP_COLUMNS = f"{HOLDER_COLUMNS}, group_id, checkout_id, order_id, closed"
CHECKOUT_COLUMNS = (
    f"{HOLDER_COLUMNS}, checkout_id, cart_id, group_id, state, expire_time, cancel_time, last_seq"
)
ORDER_COLUMNS = f"{HOLDER_COLUMNS}, order_id, state, cancel_time, last_seq"
CART_COLUMNS = "namespace_no, cart_id, state, checkout_id, version, update_time"
CANCELLATION_COLUMNS = (
    "namespace_no, cancellation_id, target_kind, target_id, reason, message, requested_by, "
    "certificate_name, on_behalf_of, request_id, create_time, trace_id, span_id, sampled, "
    "accept_seq, state, deadline_time, end_time, join_time, live_count, never_started_count, "
    "acknowledged_count, forced_count, agent_lost_count, completed_count, tracestate, join_count, "
    "last_seq"
)
JOIN_COLUMNS = "requested_by, reason, message, on_behalf_of, request_id, join_time"
KEY_COLUMNS = (
    "key_id, scopes, secret_hash, create_time, expire_time, revoke_time, last_use_time, "
    "successor_key_id, writes_per_second, reads_per_second, watches_per_second, open_watches, "
    "name, created_by, revoked_by"
)
EVENT_COLUMNS = (
    "seq, previous_seq, version, state, charge_state, deadline_time, refund_state, settlement, time"
)
WEBHOOK_COLUMNS = (
    "namespace_no, webhook_id, name, url, event_types, secrets, create_time, update_time, state, "
    "disable_reason, missed_count, cursor, last_success_time, failing_since, probes, next_time, "
    "epoch"
)
NOTICE_COLUMNS = "namespace_no, notice_no, time, type, subject, body, trace"
DELIVERY_COLUMNS = (
    f"webhook_id, {NOTICE_COLUMNS}, state, attempts, attempt_count, failures, begin_time, "
    "next_time, end_time, once"
)

BLOBS = frozenset(
    {
        "task_id",
        "group_id",
        "cancellation_id",
        "target_id",
        "request_id",
        "trace_id",
        "span_id",
        "secret_hash",
        "webhook_id",
    }
)
"""What JSON carries as hexadecimal digits, in lower case and without hyphens: UUIDs, and bytes."""

WRITTEN = {
    "task_columns": f"{TASK_COLUMNS}, {ENDED_TASK_COLUMNS}",
    "group_columns": GROUP_COLUMNS,
    "checkout_columns": CHECKOUT_COLUMNS,
    "order_columns": ORDER_COLUMNS,
    "cart_columns": CART_COLUMNS,
    "cancellation_columns": CANCELLATION_COLUMNS,
    "join_columns": JOIN_COLUMNS,
    "key_columns": KEY_COLUMNS,
    "webhook_columns": WEBHOOK_COLUMNS,
    "notice_columns": NOTICE_COLUMNS,
    "delivery_columns": DELIVERY_COLUMNS,
}
"""The fragments of statements that write: the names of the columns."""

_READ = {
    "read_task": ("t", TASK_COLUMNS),
    "read_ended_task": ("t", ENDED_TASK_COLUMNS),
    "read_group": ("g", GROUP_COLUMNS),
    "read_checkout": ("k", CHECKOUT_COLUMNS),
    "read_order": ("o", ORDER_COLUMNS),
    "read_cart": ("k", CART_COLUMNS),
    "read_cancellation": ("c", CANCELLATION_COLUMNS),
    "read_join": ("j", JOIN_COLUMNS),
    "read_key": ("k", KEY_COLUMNS),
    "read_event": ("e", EVENT_COLUMNS),
    "read_webhook": ("k", WEBHOOK_COLUMNS),
    "read_notice": ("e", NOTICE_COLUMNS),
    "read_delivery": ("d", DELIVERY_COLUMNS),
}
"""The fragments of statements that read, by the alias of their table."""


def read_fragments(read: Callable[[str, str], str]) -> dict[str, str]:
    """Returns the fragments of statements that read: lists of columns as JSON can carry them.

    `read` says that of one column, given the alias of its table and its name.
    """
    return {
        name: ", ".join(read(alias, column) for column in columns.split(", "))
        for name, (alias, columns) in _READ.items()
    }
