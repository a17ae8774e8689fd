"""Whether a store's file is whole: sound to SQLite, and every transaction in it all or nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

# Each counts what cannot be when transactions are whole.
RULES = {
    "a task has another number of events than versions": """
        SELECT count(*) FROM tasks AS t WHERE version <> (
            SELECT count(*) FROM events AS e
            WHERE e.namespace_no = t.namespace_no AND e.task_no = t.task_no
                AND e.record_kind IS NULL)""",
    "a task's last event is not its state": """
        SELECT count(*) FROM tasks AS t LEFT JOIN events AS e
        ON e.namespace_no = t.namespace_no AND e.seq = t.last_seq
        WHERE (e.task_no, e.version, e.state) IS NOT (t.task_no, t.version, t.state)""",
    "an event belongs to no task": """
        SELECT count(*) FROM events WHERE task_no NOT IN (SELECT task_no FROM tasks)""",
    "an order has another number of entries than versions": """
        SELECT count(*) FROM orders AS o WHERE version <> (
            SELECT count(*) FROM events AS e WHERE e.namespace_no = o.namespace_no
                AND e.record_kind = 'ORDER' AND e.task_no IS NULL
                AND e.record_id = CAST(o.order_id AS BLOB))""",
    "a checkout's last entry is not its state": """
        SELECT count(*) FROM checkouts AS k LEFT JOIN events AS e
        ON e.namespace_no = k.namespace_no AND e.seq = k.last_seq
        WHERE (e.record_kind, e.record_id, e.record_version, e.state)
            IS NOT ('CHECKOUT', CAST(k.checkout_id AS BLOB), k.version, k.state)""",
    "a cancellation's last entry is not its state": """
        SELECT count(*) FROM cancellations AS c LEFT JOIN events AS e
        ON e.namespace_no = c.namespace_no AND e.seq = c.last_seq
        WHERE (e.record_kind, e.record_id, e.state)
            IS NOT ('CANCELLATION', c.cancellation_id, c.state)""",
    "the log has a gap": """
        SELECT count(*) FROM namespaces AS n WHERE last_seq <> (
            SELECT count(*) FROM events AS e WHERE e.namespace_no = n.namespace_no)
        OR last_seq < (SELECT max(seq) FROM events AS e WHERE e.namespace_no = n.namespace_no)""",
    "a group counts other tasks than it has": """
        SELECT count(*) FROM groups AS g WHERE (task_count, live_count) IS NOT (
            SELECT count(*), count(*) FILTER (WHERE end_time IS NULL) FROM tasks AS t
            WHERE t.namespace_no = g.namespace_no AND t.group_id = g.group_id)""",
    "a checkout counts other tasks than it has": """
        SELECT count(*) FROM checkouts AS k WHERE (task_count, live_count) IS NOT (
            SELECT count(*), count(*) FILTER (WHERE end_time IS NULL) FROM tasks AS t
            WHERE t.namespace_no = k.namespace_no AND t.checkout_id = k.checkout_id)""",
    "a task is CANCELLING in a group that was cancelled, and another never was": """
        SELECT count(*) FROM groups AS g JOIN tasks AS t USING (namespace_no, group_id)
        WHERE g.cancellation_id IS NOT NULL AND t.state IN ('PENDING', 'RUNNING')""",
    "a cancelled task has no cancellation": """
        SELECT count(*) FROM tasks AS t WHERE t.cancellation_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM cancellations AS c
            WHERE (c.namespace_no, c.cancellation_id) = (t.namespace_no, t.cancellation_id))""",
    "a request id has no cancellation": """
        SELECT count(*) FROM request_ids AS r WHERE NOT settles AND NOT EXISTS (
            SELECT 1 FROM cancellations AS c
            WHERE (c.namespace_no, c.cancellation_id) = (r.namespace_no, r.answer_id))""",
    "a request id settles a task that is not there": """
        SELECT count(*) FROM request_ids AS r WHERE settles AND NOT EXISTS (
            SELECT 1 FROM tasks AS t
            WHERE (t.namespace_no, t.task_id) = (r.namespace_no, r.answer_id))""",
    "a cart is locked by a checkout that does not hold it": """
        SELECT count(*) FROM carts AS c WHERE state = 'LOCKED' AND NOT EXISTS (
            SELECT 1 FROM checkouts AS k
            WHERE (k.namespace_no, k.checkout_id, k.cart_id)
                = (c.namespace_no, c.checkout_id, c.cart_id)
            AND k.state IN ('OPEN', 'CANCELLING'))""",
}


def broken_rules(path: Path) -> list[str]:
    """Returns what is wrong with a store's file that no server has open; nothing if it is whole.

    A file without tables is whole: its server died before the first transaction.
    """
    with closing(sqlite3.connect(path)) as db:
        try:
            return _broken_rules(db)
        except sqlite3.DatabaseError as error:
            return [str(error)]


def _broken_rules(db: sqlite3.Connection) -> list[str]:
    found = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    found += [f"foreign key: {row}" for row in db.execute("PRAGMA foreign_key_check")]
    if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        return found
    return found + [rule for rule, count in RULES.items() if db.execute(count).fetchone()[0]]
