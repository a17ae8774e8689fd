"""The SQL of the store, read from its files once."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from countermand.core.states import CancelProof

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
BLOBS = {
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


def _read(alias: str, columns: str) -> str:
    """Returns the columns as JSON can carry them: bytes in hexadecimal digits."""
    return ", ".join(
        f"lower(hex({alias}.{column}))" if column in BLOBS else f"{alias}.{column}"
        for column in columns.split(", ")
    )


FRAGMENTS = {
    "task": _read("t", TASK_COLUMNS)
    + ", c.reason, c.message, json(iif(t.end_time IS NULL, NULL, json_array("
    + _read("t", ENDED_TASK_COLUMNS)
    + ")))",
    "group": _read("g", GROUP_COLUMNS),
    "checkout": _read("k", CHECKOUT_COLUMNS) + ", c.reason, c.message",
    "order": _read("o", ORDER_COLUMNS) + ", c.reason",
    "cart": _read("k", CART_COLUMNS),
    "listed_cancellation": _read("c", CANCELLATION_COLUMNS) + ", NULL",
    "cancellation": _read("c", CANCELLATION_COLUMNS)
    + ", json(iif(c.join_count = 0, NULL, (SELECT json_group_array(json_array(j.place, "
    + _read("j", JOIN_COLUMNS)
    + ")) FROM joins AS j WHERE j.namespace_no = c.namespace_no"
    + " AND j.cancellation_id = c.cancellation_id)))",
    "event": _read("e", EVENT_COLUMNS) + ", CAST(e.record_id AS TEXT)",
    "key": "n.namespace_no, n.tenant, n.environment, " + _read("k", KEY_COLUMNS),
    "task_columns": f"{TASK_COLUMNS}, {ENDED_TASK_COLUMNS}",
    "group_columns": GROUP_COLUMNS,
    "checkout_columns": CHECKOUT_COLUMNS,
    "order_columns": ORDER_COLUMNS,
    "cart_columns": CART_COLUMNS,
    "cancellation_columns": CANCELLATION_COLUMNS,
    "join_columns": JOIN_COLUMNS,
    "key_columns": KEY_COLUMNS,
    "webhook": _read("k", WEBHOOK_COLUMNS)
    + ", (SELECT o.environment FROM namespaces AS o WHERE o.namespace_no = k.namespace_no)",
    "notice": _read("e", NOTICE_COLUMNS),
    "delivery": _read("d", DELIVERY_COLUMNS),
    "webhook_columns": WEBHOOK_COLUMNS,
    "notice_columns": NOTICE_COLUMNS,
    "delivery_columns": DELIVERY_COLUMNS,
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
SINCE = (
    "iif(:order_id IS NULL OR t.order_id IS :order_id, 0, coalesce(("
    "SELECT o.attach_seq FROM order_checkouts AS o WHERE o.namespace_no = :namespace_no "
    "AND o.order_id = :order_id AND o.checkout_id = t.checkout_id), 0))"
)
"""The place after which what happens to a task concerns who watches an order, if one is named."""
LISTED = (
    "(:states IS NULL OR t.state IN (SELECT value FROM json_each(:states)))"
    " AND (:refund_state IS NULL OR t.refund_state = :refund_state)"
    " AND (:merchant IS NULL OR t.merchant = :merchant)"
    " AND (:label_key IS NULL OR EXISTS (SELECT 1 FROM json_each(t.labels)"
    " WHERE key = :label_key AND value = :label_value))"
)
"""What a list may ask of a task beside the filter that watches have too."""
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
WIDER = {"group": ("checkout", "order", "agent"), "checkout": ("order", "agent")}
"""What else a filter may say of a task when a scope drives the reading; mostly the agent alone."""


@cache
def statements() -> dict[str, str]:
    """Returns every statement by its name; `{rows}` is left for `with_rows`.

    A statement named `list_{scope} for group order` is two: list_group and list_order.
    """
    scopes = dict(_blocks("scopes.sql"))
    shared = FRAGMENTS | dict(_blocks("namespaces.sql"))
    found = {}
    for file in ("commit.sql", "purge.sql", "read.sql", "webhooks.sql"):
        for name, body in _blocks(file):
            title, _, listed = name.partition(" for ")
            for scope in listed.split() or [""]:
                fragments = shared | _scope(scope, scopes.get(scope, ""))
                found[title.replace("{scope}", scope)] = _filled(body, fragments)
    return found


@cache
def rules() -> dict[str, str]:
    """Returns what must hold of a store's rows: for each rule a statement that counts what breaks
    it."""
    return {name: _filled(body, CHECKED) for name, body in _blocks("check.sql")}


def _scope(scope: str, text: str) -> dict[str, str]:
    """Returns the fragments of a scope: for a reading of one, and for a commit's wanted ones."""
    one = {
        "of_target": "",
        "wanted": "",
        "namespace_no": ":namespace_no",
        "holder_id": f":{scope}_id",
    }
    many = {
        "of_target": "w.target, ",
        "wanted": "wanted AS w CROSS JOIN ",
        "namespace_no": "w.namespace_no",
        "holder_id": "w.id",
    }
    return {
        "scope": scope,
        "tasks_of_scope": _filled(text, one),
        "tasks_of_wanted": _filled(text, many),
        "chosen": " AND ".join(FILTERS[wider] for wider in WIDER.get(scope, ("agent",))),
        "filter": " AND ".join(FILTERS.values()),
        "since": SINCE,
        "listed": LISTED,
    }


def _filled(text: str, fragments: dict[str, str]) -> str:
    for fragment, sql in fragments.items():
        text = text.replace(f"{{{fragment}}}", sql)
    return text


def _blocks(file: str) -> Iterator[tuple[str, str]]:
    """Yields the name and the text of everything in a file of SQL."""
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    for block in text.split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        yield name.strip(), body.strip()


@cache
def with_rows(name: str, rows: int, width: int) -> str:
    """Returns a statement for so many rows of parameters."""
    row = f"({', '.join('?' * width)})"
    return statements()[name].replace("{rows}", ", ".join([row] * rows))


def migrations() -> list[tuple[int, str]]:
    """Returns the schema's steps, numbered from 1 and in order."""
    folder = files(__package__).joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), folder.joinpath(name).read_text(encoding="utf-8")) for name in names]
