"""The dialect of SQLite."""

from functools import cache

from countermand.core.states import CancelProof
from countermand.store.sql.columns import BLOBS, read_fragments
from countermand.store.sql.statements import Dialect, Statements


def _read(alias: str, column: str) -> str:
    return f"lower(hex({alias}.{column}))" if column in BLOBS else f"{alias}.{column}"


def _rows(text: str, rows: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return ", ".join([row] * rows)


READ = read_fragments(_read)
FRAGMENTS = {
    "task": READ["read_task"]
    + ", c.reason, c.message, json(iif(t.end_time IS NULL, NULL, json_array("
    + READ["read_ended_task"]
    + ")))",
    "group": READ["read_group"],
    "checkout": READ["read_checkout"] + ", c.reason, c.message",
    "order": READ["read_order"] + ", c.reason",
    "cart": READ["read_cart"],
    "listed_cancellation": READ["read_cancellation"] + ", NULL",
    "cancellation": READ["read_cancellation"]
    + ", json(iif(c.join_count = 0, NULL, (SELECT json_group_array(json_array(j.place, "
    + READ["read_join"]
    + ")) FROM joins AS j WHERE j.namespace_no = c.namespace_no"
    + " AND j.cancellation_id = c.cancellation_id)))",
    "event": READ["read_event"] + ", CAST(e.record_id AS TEXT)",
    "key": "n.namespace_no, n.tenant, n.environment, " + READ["read_key"],
    "webhook": READ["read_webhook"]
    + ", (SELECT o.environment FROM namespaces AS o WHERE o.namespace_no = k.namespace_no), 0",
    "notice": READ["read_notice"],
    "delivery": READ["read_delivery"],
    # The place after which what happens to a task concerns who watches an order, if one is named.
    "since": (
        "iif(:order_id IS NULL OR t.order_id IS :order_id, 0, coalesce(("
        "SELECT o.attach_seq FROM order_checkouts AS o WHERE o.namespace_no = :namespace_no "
        "AND o.order_id = :order_id AND o.checkout_id = t.checkout_id), 0))"
    ),
    # What a list may ask of a task beside the filter that watches have too.
    "listed": (
        "(:states IS NULL OR t.state IN (SELECT value FROM json_each(:states)))"
        " AND (:refund_state IS NULL OR t.refund_state = :refund_state)"
        " AND (:merchant IS NULL OR t.merchant = :merchant)"
        " AND (:label_key IS NULL OR EXISTS (SELECT 1 FROM json_each(t.labels)"
        " WHERE key = :label_key AND value = :label_value))"
    ),
}
FILTERS = {
    "group": "(:group_id IS NULL OR t.group_id = :group_id)",
    "checkout": "(:checkout_id IS NULL OR t.checkout_id = :checkout_id)",
    "order": (
        "(:order_id IS NULL OR t.order_id = :order_id OR EXISTS ("
        "SELECT 1 FROM order_checkouts AS o WHERE o.namespace_no = :namespace_no "
        "AND o.order_id = :order_id AND o.checkout_id = t.checkout_id))"
    ),
    "agent": "(:agent_id IS NULL OR t.agent_id = :agent_id)",
}
CHECKED = {
    "counts": (
        "count(*), count(*) FILTER (WHERE t.end_time IS NULL),"
        " count(*) FILTER (WHERE t.state = 'COMPLETED'),"
        " count(*) FILTER (WHERE t.refund_state = 'REQUIRED')"
    ),
    "tasks_of_order": (
        "SELECT own.task_no FROM tasks AS own"
        " WHERE own.namespace_no = h.namespace_no AND own.order_id = h.order_id"
        " UNION SELECT its.task_no FROM order_checkouts AS l CROSS JOIN tasks AS its"
        " ON its.namespace_no = l.namespace_no AND its.checkout_id = l.checkout_id"
        " WHERE l.namespace_no = h.namespace_no AND l.order_id = h.order_id"
    ),
    "no_cancellation": (
        "x.cancellation_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cancellations AS c"
        " WHERE c.namespace_no = x.namespace_no AND c.cancellation_id = x.cancellation_id)"
    ),
    # What has ended may have been removed since, with the rest of a holder's old tasks.
    "miscounted": "(SELECT"
    " count(*) FILTER (WHERE t.end_time IS NULL) <> h.live_count"
    + "".join(
        f" OR count(*) FILTER (WHERE t.cancel_proof = '{proof.value}'"
        f" AND t.end_seq > h.accept_seq) > h.{proof.value.lower()}_count"
        for proof in CancelProof
    ),
}
"""What rules of the check have in common."""

STATEMENTS = Statements(Dialect(__package__, FRAGMENTS, FILTERS, ":{}".format, _rows))


@cache
def rules() -> dict[str, str]:
    """Returns what must hold of a store's rows: for each rule a statement that counts what breaks
    it."""
    return STATEMENTS.rules(CHECKED)


@cache
def migrations() -> list[tuple[int, str]]:
    """Returns the schema's steps, numbered from 1 and in order."""
    return STATEMENTS.migrations()
