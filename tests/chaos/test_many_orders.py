"""A store of a million orders lists those of a state at once.

The short round has 20,000 of them; the full one, with COUNTERMAND_CHAOS=full, has all.
"""

import os
import sqlite3
import time
from contextlib import closing
from math import inf
from pathlib import Path

import pytest

from countermand.core.states import OrderState, TargetKind
from countermand.store.lists import HolderQuery, PageQuery
from countermand.store.sql.reading import Reader
from countermand.store.sqlite.connection import connect_writer
from countermand.store.sqlite.session import SqliteSession
from tests.support.ask import NS
from tests.support.knobs import PRODUCTION

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
COUNT = 1_000_000 if FULL else 20_000
# The short round shares its cores with other tests, so there the bound only catches a scan.
PAGE_SECONDS = 0.1 if FULL else 0.5
RARE = 7
"""How many orders are CANCELLING: the first ones, so that the newest others lie before them."""


def fill(db: sqlite3.Connection) -> None:
    """Puts in the orders, each with a snapshot, and a task for the rare ones."""
    db.execute("INSERT INTO namespaces (tenant, environment) VALUES ('acme', 'sandbox')")
    db.execute(
        f"""
        INSERT INTO orders (namespace_no, order_id, state, version, task_count, live_count,
            completed_count, owed_count, cancellation_id, create_time, update_time, cancel_time)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT})
        SELECT 1, 'order_' || i, iif(i <= {RARE}, 'CANCELLING', iif(i % 3, 'OPEN', 'CLOSED')), 1,
            i <= {RARE}, i <= {RARE}, 0, 0, iif(i <= {RARE}, zeroblob(16), NULL), i, i,
            iif(i <= {RARE}, i, NULL)
        FROM n"""
    )
    db.execute("INSERT INTO order_snapshots SELECT order_no, zeroblob(0) FROM orders")


def test_a_page_of_a_state_takes_a_moment_however_many_orders_there_are(tmp_path: Path) -> None:
    with closing(connect_writer(tmp_path / "store.db", PRODUCTION.store)) as db:
        fill(db)
        reader = Reader(SqliteSession(db, PRODUCTION.store), PRODUCTION.store)
        for state, count in ((None, 1000), (OrderState.OPEN, 1000), (OrderState.CANCELLING, RARE)):
            for before in (None, COUNT // 2):
                query = HolderQuery(TargetKind.ORDER, state)
                took = inf
                for _ in range(3):  # what else the machine does meanwhile is no cost of the page
                    begin = time.perf_counter()
                    page = reader.holders(NS, query, PageQuery(before, 1000, 1 << 22))
                    took = min(took, time.perf_counter() - begin)
                    assert len(page.readings) == count
                assert took < PAGE_SECONDS, f"{state} before {before}: {took * 1000:.0f} ms"
                print(
                    f"{count} of {COUNT:,} orders, {state}, before {before}: {took * 1000:.1f} ms"
                )
