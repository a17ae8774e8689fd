"""Random commands leave the same rows in SQLite as in the dictionaries of the rules' tests."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermand.core import commands as c
from countermand.core.answers import Purged
from countermand.core.decide import Batch
from countermand.core.errors import Refused
from countermand.core.instant import Instant
from countermand.core.log import TaskFilter
from countermand.core.records import SECOND, Checkout, Group, Order
from countermand.core.states import SummaryKey
from countermand.store.sql.reading import Reader
from countermand.store.sqlite.connection import migrate
from countermand.store.sqlite.session import SqliteSession
from countermand.store.sqlite.upkeep.checking import check
from countermand.store.sqlite.writing import Writer
from tests.support import ask, strategies
from tests.support.ask import C1, NS, O1, O2, OTHER, X1, X2, uid
from tests.support.knobs import PRODUCTION
from tests.support.stores import shown
from tests.support.world import Counter, World

BEGINNINGS: Any = st.permutations(
    [
        ask.create_checkout(uid(1), uid(2), cart_id=C1),
        ask.create_order(uid(3), uid(4), checkout_ids=(X1,)),
        ask.create_order(uid(5), order_id=O2, checkout_ids=(X1, X2)),
        ask.create_group(uid(6), uid(7), order_id=O1),
        ask.create_checkout(uid(8), checkout_id=X2),
    ]
)
starts = st.lists(strategies.task_ids, unique=True).map(lambda ids: [ask.start(id) for id in ids])
later = st.sampled_from([0, 1, 5, 30, 4000, 86_400]).map(lambda seconds: seconds * SECOND)
limits = st.sampled_from([1, 3, 1000])
turns = st.lists(
    st.tuples(later, st.one_of(strategies.commands.map(lambda x: [x]), strategies.batches)),
    max_size=25,
)


def _same(reader: Reader, world: World) -> None:
    for key, task in world.tasks.items():
        found = reader.task(*key)
        assert found is not None
        assert found.evolve(number=0) == task
    for key, holder in world.holders.items():
        reading = reader.holder(key)
        assert reading is not None
        assert reading.holder == holder
        assert sum(reading.counts.values()) == holder.task_count
    for key, cart in world.carts.items():
        assert reader.cart(*key) == cart
    for (ns, id), cancellation in world.cancellations.items():
        found_too = reader.cancellation(ns, id)
        assert found_too is not None
        assert found_too.cancellation == cancellation
        covered = [task.evolve(number=0) for task in found_too.covered]
        assert covered == world.covered(cancellation)
        if cancellation.waiting:
            assert reader.early_cancel(ns, cancellation.target.id) == cancellation
    for ns in (NS, OTHER):
        logged = [e for e in world.events if e.namespace == ns]
        page = reader.log(ns, TaskFilter(), 0, 100_000)
        assert page.mark.seq == world.positions.get(ns, 0)
        assert [(e.seq, e.previous_seq, e.task and shown(e.task)) for e in page.events] == [
            (e.seq, e.previous_seq, shown(e.task)) for e in logged if e.task
        ]
        stopped = sum(x.stopped_count for x in world.cancellations.values() if x.namespace == ns)
        assert sum(reader.summary(ns, 0, None, SummaryKey.PROOF).values()) == stopped


@pytest.mark.timeout(300)
@settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(beginning=BEGINNINGS, started=starts, turns=turns, retention=later, limit=limits)
def test_the_store_keeps_what_the_rules_decide(
    beginning: list[c.Command],
    started: list[c.Command],
    turns: list[tuple[int, list[c.Command]]],
    retention: int,
    limit: int,
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys = ON")  # as the store has it
        migrate(raw)
        raw.execute(
            "INSERT INTO namespaces (tenant, environment) VALUES ('a', 'sandbox'), ('b', 'sandbox')"
        )
        world, writer, ids = World(), Writer(raw, PRODUCTION.store), Counter()
        first = [(0, [command]) for command in beginning]
        for seconds, commands in [*first, (0, started), *turns]:
            world.now += seconds
            batch = Batch([*commands, ask.reap()][-9:], Instant.at(world.now), ids)
            writer.commit(batch)
            answers = world.run(*batch.commands)
            assert [_reason(answer) for answer in batch.answers] == [
                _reason(answer) for answer in answers
            ]
        _same(reader_of(raw), world)
        assert check(raw).faults == []
        assert _purge(writer, world.now, retention, limit) == world.purge(retention, limit)
        _same(reader_of(raw), world)
        assert check(raw).faults == []
        holders = world.holders.values()
        for table, rows in {
            "groups": [holder for holder in holders if isinstance(holder, Group)],
            "checkouts": [holder for holder in holders if isinstance(holder, Checkout)],
            "orders": [holder for holder in holders if isinstance(holder, Order)],
            "tasks": world.tasks,
            "carts": world.carts,
            "agents": world.agents,
            "cancellations": world.cancellations,
            "request_ids": world.request_ids,
            "events": world.log(),
        }.items():
            assert raw.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(rows),)
        listed = sum(len(x.checkout_ids) for x in holders if isinstance(x, Order))
        assert raw.execute("SELECT count(*) FROM order_checkouts").fetchone() == (listed,)
        for namespace, floor in world.floors.items():
            assert (
                Reader(SqliteSession(raw, PRODUCTION.store), PRODUCTION.store)
                .bookmark(namespace, TaskFilter())
                .floor
                == floor
            )


def reader_of(raw: sqlite3.Connection) -> Reader:
    return Reader(SqliteSession(raw, PRODUCTION.store), PRODUCTION.store)


def _purge(writer: Writer, now: int, retention: int, limit: int) -> int:
    asked = ask.purges(now, retention, limit)
    try:
        command = next(asked)
        while True:
            batch = Batch([command], Instant.at(now), Counter())
            writer.commit(batch)
            (answer,) = batch.answers
            assert isinstance(answer, Purged)
            command = asked.send(answer)
    except StopIteration as end:
        return int(end.value)


def _reason(answer: object) -> object:
    return (answer.args, answer.metadata) if isinstance(answer, Refused) else type(answer)
