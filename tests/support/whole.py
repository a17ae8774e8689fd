"""Whether a store's file is whole: what `countermand store check` holds of every store, and what
holds besides of one that no older version wrote and from which nothing was removed."""

import sqlite3
from contextlib import closing
from pathlib import Path

from countermand.store.sqlite.upkeep.checking import check

# Each counts what cannot be in a store that has all of its log.
OF_FRESH_STORES = {
    "an order has another number of entries than versions": """
        SELECT count(*) FROM orders AS o WHERE version <> (
            SELECT count(*) FROM events AS e WHERE e.namespace_no = o.namespace_no
                AND e.record_kind = 'ORDER' AND e.task_no IS NULL
                AND e.record_id = CAST(o.order_id AS BLOB))""",
    "a checkout, order or cancellation has no entry in the log": """
        SELECT (SELECT count(*) FROM checkouts WHERE last_seq = 0)
            + (SELECT count(*) FROM orders WHERE last_seq = 0)
            + (SELECT count(*) FROM cancellations WHERE last_seq = 0)""",
    "something was removed from the log": """
        SELECT count(*) FROM namespaces WHERE floor_seq <> 0""",
}


def broken_rules(path: Path) -> list[str]:
    """Returns what is wrong with a store's file that no server has open; nothing if it is whole.

    A file without tables is whole: its server died before the first transaction.
    """
    with closing(sqlite3.connect(path)) as db:
        try:
            found = check(db)
            if found.faults or not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                return found.faults
            if not found.rules:
                return [f"it is of the schema {found.schema}"]
            rules = OF_FRESH_STORES.items()
            return [rule for rule, count in rules if db.execute(count).fetchone()[0]]
        except sqlite3.DatabaseError as error:
            return [str(error)]
