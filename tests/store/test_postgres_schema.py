"""PostgreSQL's schema and statements on a live server: each is understood, and goes by an index."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from countermand.store.postgres.statements import (
    PLANNER,
    STATEMENTS,
    columns_of_rows,
    migrations,
    statement,
    with_rows,
)
from tests.support.postgres import Cluster

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

KINDS = {17: "bytea", 20: "bigint", 25: "text", 114: "json", 2950: "uuid"}
"""The only types, by their numbers, that statements take and answer."""
RAW = {
    "load_checkout_snapshot": "bytea",
    "load_order_snapshot": "bytea",
    "load_cart_lines": "bytea",
    "load_namespace": "bigint",
}
"""What these answer. All others that read answer one JSON value."""
BEGINS_WITH_NAMESPACE = re.compile(r"\(\(?namespace_no = [^()]+\)?\)")
"""The condition of an index by which rows are found by their namespace alone."""
MAY_SCAN = {
    "clock_stretches": {"clock_stretches"},
    "delete_clock_stretches": {"clock_stretches"},
    "status": {"schema"},  # one row
    "webhooks": {"webhooks"},  # a hundred of a tenant
    "last_id_ahead": {"ids_ahead"},
    "keys": {"keys"},
    "namespaces_with_notices": {"webhooks"},
}


class Asked:
    """A connection that takes what a store sends: values in binary, without types."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def rows(self, name: str, *rows: tuple[Any, ...]) -> list[Any]:
        """Runs a statement for rows of parameters, as many as one text of it has."""
        values = [value for row in rows for value in row]
        return self._run(with_rows(name, len(rows), len(rows[0])), values)

    def run(self, name: str, *values: Any) -> list[Any]:
        """Runs a statement with parameters by their places."""
        return self._run(statement(name).text, list(values))

    def _run(self, text: str, values: list[Any]) -> list[Any]:
        sent = [
            value.to_bytes(8, "big", signed=True)
            if isinstance(value, int)
            else value.encode()
            if isinstance(value, str)
            else value
            for value in values
        ]
        formats = [1] * len(sent)
        result = self.connection.pgconn.exec_params(text.encode(), sent, None, formats, 0)
        assert not result.error_message, result.error_message.decode()
        return [result.get_value(row, 0) for row in range(result.ntuples)]


@pytest.fixture(scope="module")
def asked(cluster: Cluster) -> Iterator[Asked]:
    """A store's empty database, with the settings of its connections."""
    with (
        cluster.database() as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        for _, step in migrations():
            connection.execute(step.encode())
        for name, value in PLANNER.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        yield Asked(connection)


def _texts() -> Iterator[tuple[str, str]]:
    for name, text in sorted(STATEMENTS.texts.items()):
        if "{rows}" in text:
            yield name, with_rows(name, 4, len(columns_of_rows(text)))
        else:
            yield name, statement(name).text


def test_the_server_understands_every_statement_and_types_every_parameter(asked: Asked) -> None:
    """Each parameter is eight bytes, 16, or text as it is sent: a type that is shorter, such as
    that of an integer beside a literal, would not take it."""
    driver = asked.connection.pgconn
    for name, text in _texts():
        prepared = driver.prepare(name.encode(), text.encode())
        assert not prepared.error_message, f"{name}: {prepared.error_message.decode()}"
        told = driver.describe_prepared(name.encode())
        for at in range(told.nparams):
            assert told.param_type(at) in KINDS, f"${at + 1} of {name}"
        answers = [KINDS.get(told.ftype(at)) for at in range(told.nfields)]
        asks = re.match(r"(--[^\n]*\n)*(SELECT|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))", text, re.S)
        assert answers == ([RAW.get(name, "json")] if asks else []), name


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _plan(asked: Asked, name: str, text: str) -> list[dict[str, Any]]:
    driver = asked.connection.pgconn
    told = driver.describe_prepared(name.encode())
    kinds = ", ".join(KINDS[told.param_type(at)] for at in range(told.nparams))
    nulls = ", ".join(["NULL"] * told.nparams)
    run = asked.connection.execute
    run(f'PREPARE "plan {name}"{f"({kinds})" if kinds else ""} AS {text}'.encode())
    explain = f'EXPLAIN (FORMAT JSON) EXECUTE "plan {name}"{f"({nulls})" if nulls else ""}'
    [(found,)] = run(explain.encode()).fetchall()
    return list(_nodes(found[0]["Plan"]))


HOT = {
    "load_tasks": "tasks_by_id",
    "load_ending_tasks": "tasks_by_id",
    "load_old_task": "tasks_ended",
    "load_old_owed_task": "tasks_owed",
    "load_old_event": "events_without_task",
    "summarize_refund": "tasks_by_end",
    "delete_settling_request_ids": "request_ids_settling",
    "delete_joined_request_ids": "request_ids_joined",
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
    "namespaces_late_task": "tasks_by_due",
    "namespaces_lost_agent": "agents_by_lease",
    "namespaces_expired_task": "tasks_by_expiry",
    "namespaces_expired_checkout": "checkouts_by_expiry",
    "list_group": "tasks_by_group",
    "list_checkout": "tasks_by_checkout",
    "list_order": "tasks_by_order",
    "list_refund": "tasks_by_refund",
    "list_merchant": "tasks_by_merchant",
    "list_label": "task_labels_pkey",
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
    "update_tasks": "tasks_pkey",
    "update_live_tasks": "tasks_pkey",
    "start_tasks": "tasks_pkey",
    "end_tasks": "tasks_pkey",
    "update_cancellations": "cancellations_pkey",
}
"""The index that was made for a statement."""


def test_a_statement_walks_through_no_table_and_uses_the_index_that_was_made_for_it(
    asked: Asked,
) -> None:
    """Planned once, for whatever values, and before there is a row: so a plan stays as good as it
    is when the tables have grown."""
    wrong = []
    for name, text in _texts():
        asked.connection.pgconn.prepare(name.encode(), text.encode())
        nodes = _plan(asked, name, text)
        walked = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
        used = {node["Index Name"] for node in nodes if "Index Name" in node}
        if walked - MAY_SCAN.get(name, set()) or HOT.get(name) not in used | {None}:
            wrong.append((name, walked, used))
        # A row of a namespace that is looked for by more than an index knows.
        wrong += [
            (name, node["Index Name"], node["Filter"])
            for node in nodes
            if BEGINS_WITH_NAMESPACE.fullmatch(node.get("Index Cond", ""))
            and re.search(r"\w+_(id|no) = ", node.get("Filter", "").split(" OR ")[0])
        ]
    assert wrong == []


def _stored(asked: Asked) -> int:
    [(found,)] = asked.connection.execute(
        "SELECT stored_bytes FROM positions ORDER BY namespace_no DESC LIMIT 1"
    ).fetchall()
    return int(found)


def test_what_a_tenant_stores_is_counted_with_each_statement(asked: Asked) -> None:
    asked.run("insert_namespace", "acme", "sandbox")
    asked.run("insert_namespace", "acme", "sandbox")
    [value] = asked.run("load_namespace", "acme", "sandbox")
    namespace = int(value)
    assert _stored(asked) == 0
    asked.rows("save_carts", *[(namespace, id, "ACTIVE", None, 1, 0) for id in ("a", "b")])
    for id, lines in (("a", b"12345"), ("b", b"1"), ("a", b"123")):
        asked.run("save_cart_lines", lines, namespace, id)
    assert _stored(asked) == 2004
    checkout = (namespace, 0, 0, 1, 0, 0, 0, 0, None, None, "x", None, None, "OPEN", None, None, 0)
    asked.rows("save_checkout", checkout)
    asked.run("save_checkout_snapshot", b"12", namespace, "x")
    asked.run("save_checkout_snapshot", b"1234", namespace, "x")
    group = (namespace, 0, 0, 1, 0, 0, 0, 0, None, None, bytes(16), None, None, 0)
    for _ in range(2):
        asked.rows("save_group", group)
    assert _stored(asked) == 2004 + 1004 + 1000
    asked.rows("delete_cart", (namespace, "a"), (namespace, "b"))
    asked.rows("delete_checkout", (namespace, "x"))
    asked.rows("delete_group", (namespace, bytes(16)))
    assert _stored(asked) == 0
    [left] = asked.connection.execute(
        "SELECT (SELECT count(*) FROM cart_lines) + (SELECT count(*) FROM checkout_snapshots)"
    ).fetchone()
    assert left == 0


def test_times_that_ids_are_ahead_of_are_saved_together(asked: Asked) -> None:
    """Two cancels of one millisecond: no statement meets a row twice."""
    asked.rows("save_ids_ahead", (7, 5), (7, 3), (8, 1), (None, None))
    asked.rows("save_ids_ahead", (7, 4))
    found = asked.connection.execute("SELECT id_time, since FROM ids_ahead ORDER BY 1").fetchall()
    assert found == [(7, 3), (8, 1)]
