"""The dialect of PostgreSQL.

Its files name parameters as those of SQLite do, with the same names in the same places. Here each
becomes `$1`, `$2` and so on, with its type: a parameter that is named is cast to the type of its
name, so that the server knows it wherever it stands, and what is sent needs no type of its own. So
one text of a statement is one statement to the server, whichever of its parameters are null.
"""

import re
from functools import cache
from typing import NamedTuple

from countermand.core.states import CancelProof
from countermand.store.sql.columns import BLOBS, read_fragments
from countermand.store.sql.statements import Dialect, Statements

NUMBER = "bigint"
"""The type of a parameter that none of the others names."""
TYPES = {
    "uuid": "answer_id cancellation_id group_id request_id task_id webhook_id",
    "bytea": "fingerprint line_items record_id secret_hash snapshot span_id target_id trace_id",
    "json": "numbers seqs states",
    "text": (
        "agent_id attempts body cancel_proof cart_id certificate_name charge_state checkout_id "
        "created_by disable_reason environment event_types failure_message key_id label_key "
        "label_value labels merchant message name on_behalf_of order_id reason record_kind "
        "refund_state requested_by revoked_by scopes secrets settlement state subject "
        "successor_key_id target_kind tenant trace tracestate type url"
    ),
}
"""The types of parameters and of columns, by their names."""
TYPE_OF = {name: kind for kind, names in TYPES.items() for name in names.split()}

PLANNER = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Settings that every connection of a store needs, by their names.

A statement is planned once, for whatever values, and mostly before its tables have grown; each was
written for an index by which it finds row after row. A plan that suits the present size instead,
such as a walk through a table of a hundred rows, would go on until the table is analyzed anew. With
most ways ruled out no plan looks cheap, and would be compiled: that costs more than it ever saves.
"""

PLAN_AHEAD = "SELECT " + ", ".join(
    f"set_config('{name}', '{value}', false)" for name, value in PLANNER.items()
)
"""Sets them for a connection."""

_NAMES_OF_ROWS = re.compile(r"\(([^()]*)\)\s+AS\s+\(VALUES \{rows\}")
_COLUMN = re.compile(r"(\w+)(?:\s*/\*\s*(\w+)\s*\*/)?")
_PARAMETER = re.compile(r"(?<!:):([a-z]\w*)(::\w+)?|\?")


def _read(alias: str, column: str) -> str:
    if column not in BLOBS:
        return f"{alias}.{column}"
    value = f"{alias}.{column}"
    return f"encode({f'uuid_send({value})' if TYPE_OF[column] == 'uuid' else value}, 'hex')"


def _rows(text: str, rows: int, width: int) -> str:
    """Gives the first row its types: those of the others follow them."""
    types = [kind for _, kind in columns_of_rows(text)]
    numbers = iter(range(1, rows * width + 1))
    first = ", ".join(f"${next(numbers)}::{kind}" for kind in types)
    others = [", ".join(f"${next(numbers)}" for _ in types) for _ in range(rows - 1)]
    return ", ".join(f"({row})" for row in (first, *others))


def columns_of_rows(text: str) -> list[tuple[str, str]]:
    """Returns the names and types of what a row of a statement's parameters has."""
    found = _NAMES_OF_ROWS.search(text)
    assert found is not None, text
    return [(name, kind or TYPE_OF.get(name, NUMBER)) for name, kind in _COLUMN.findall(found[1])]


READ = read_fragments(_read)
FRAGMENTS = {
    "task": READ["read_task"]
    + ", c.reason, c.message, CASE WHEN t.end_time IS NOT NULL THEN json_build_array("
    + READ["read_ended_task"]
    + ") END",
    "group": READ["read_group"],
    "checkout": READ["read_checkout"] + ", c.reason, c.message",
    "order": READ["read_order"] + ", c.reason",
    "cart": READ["read_cart"],
    "listed_cancellation": READ["read_cancellation"] + ", NULL",
    "cancellation": READ["read_cancellation"]
    + ", CASE WHEN c.join_count > 0 THEN (SELECT json_agg(json_build_array(j.place, "
    + READ["read_join"]
    + ")) FROM joins AS j WHERE j.namespace_no = c.namespace_no"
    + " AND j.cancellation_id = c.cancellation_id) END",
    # The id of a cancellation is no text.
    "event": READ["read_event"]
    + ", CASE WHEN e.record_kind = 'ORDER' THEN convert_from(e.record_id, 'UTF8') END",
    "key": "n.namespace_no, n.tenant, n.environment, " + READ["read_key"],
    "webhook": READ["read_webhook"]
    + ", (SELECT o.environment FROM namespaces AS o WHERE o.namespace_no = k.namespace_no)"
    + ", coalesce((SELECT b.claim FROM webhook_claims AS b WHERE b.namespace_no = k.namespace_no"
    + " AND b.webhook_id = k.webhook_id), 0)",
    "notice": READ["read_notice"],
    "delivery": READ["read_delivery"],
    # The place after which what happens to a task concerns who watches an order, if one is named.
    "since": (
        "CASE WHEN :order_id IS NULL OR t.order_id = :order_id THEN 0 ELSE coalesce(("
        "SELECT o.attach_seq FROM order_checkouts AS o WHERE o.namespace_no = :namespace_no "
        "AND o.order_id = :order_id AND o.checkout_id = t.checkout_id), 0) END"
    ),
    # What a list may ask of a task beside the filter that watches have too.
    "listed": (
        "(:states IS NULL OR t.state = ANY (ARRAY(SELECT json_array_elements_text(:states))))"
        " AND (:refund_state IS NULL OR t.refund_state = :refund_state)"
        " AND (:merchant IS NULL OR t.merchant = :merchant)"
        " AND (:label_key IS NULL OR t.labels::json ->> :label_key = :label_value)"
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

_COUNTED = ", ".join(
    (
        *("count(*)", "count(*) FILTER (WHERE t.end_time IS NULL)"),
        "count(*) FILTER (WHERE t.state = 'COMPLETED')",
        "count(*) FILTER (WHERE t.refund_state = 'REQUIRED')",
    )
)
CHECKED = {
    "counts": _COUNTED,
    "tasks_of_order": (
        "(SELECT own.task_no FROM tasks AS own"
        " WHERE own.namespace_no = h.namespace_no AND own.order_id = h.order_id"
        " UNION SELECT its.task_no FROM order_checkouts AS l JOIN tasks AS its"
        " ON its.namespace_no = l.namespace_no AND its.checkout_id = l.checkout_id"
        " WHERE l.namespace_no = h.namespace_no AND l.order_id = h.order_id) AS found"
        " JOIN tasks AS t ON t.namespace_no = h.namespace_no AND t.task_no = found.task_no"
    ),
    "no_cancellation": (
        "x.cancellation_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cancellations AS c"
        " WHERE c.namespace_no = x.namespace_no AND c.cancellation_id = x.cancellation_id)"
    ),
    "no_namespace": "namespace_no NOT IN (SELECT namespace_no FROM namespaces)",
    # Of a target that is none of these there is nothing to read.
    "uuid_of_target": (
        "CASE WHEN target_kind IN ('TASK', 'GROUP') THEN encode(target_id, 'hex')::uuid END"
    ),
    # Ids are ASCII. What is damaged is to be found, and not to fail.
    "text_of_target": "encode(target_id, 'escape')",
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


class Statement(NamedTuple):
    """A statement as the server takes it."""

    text: str
    names: tuple[str, ...]
    """The names of its parameters `$1`, `$2` and so on; none if they are given by their places."""


@cache
def statement(name: str) -> Statement:
    """Returns a statement by its name; it takes no rows of parameters."""
    names: dict[str, int] = {}
    places = 0

    def numbered(found: re.Match[str]) -> str:
        nonlocal places
        asked, kind = found[1], found[2]
        if asked is None:
            places += 1
            return f"${places}"
        number = names.setdefault(asked, len(names) + 1)
        return f"${number}{kind or '::' + TYPE_OF.get(asked, NUMBER)}"

    text = _PARAMETER.sub(numbered, STATEMENTS.texts[name])
    assert not (names and places), name
    return Statement(text, tuple(names))


with_rows = STATEMENTS.with_rows
"""Returns a statement, by its name, for so many rows of parameters of a width."""


@cache
def rules() -> dict[str, str]:
    """Returns what must hold of a store's rows: for each rule a statement that counts what breaks
    it."""
    return STATEMENTS.rules(CHECKED)


def migrations() -> list[tuple[int, str]]:
    """Returns the schema's steps, numbered from 1 and in order."""
    return STATEMENTS.migrations()
