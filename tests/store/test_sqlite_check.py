"""`check` finds what is wrong in a store: one planted fault for each rule that it holds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from countermand.core.commands import Command
from countermand.core.decide import Batch
from countermand.core.errors import Refused
from countermand.core.instant import Instant
from countermand.core.states import ChargeState, RefundState
from countermand.store.sql.rows.labels import label_digest
from countermand.store.sqlite.connection import migrate
from countermand.store.sqlite.statements import migrations, rules
from countermand.store.sqlite.upkeep.checking import check
from countermand.store.sqlite.writing import Writer
from tests.support import ask
from tests.support.ask import C1, C2, FIRST_TIME, G1, O1, R1, R2, R3, T1, T2, T3, T4, X1, X2, uid
from tests.support.knobs import PRODUCTION
from tests.support.whole import OF_FRESH_STORES
from tests.support.world import Counter

LABELLED, ALONE, EARLY, DONE = uid(9), uid(10), uid(20), uid(11)

LIFE = [
    ask.create_checkout(T1, T2, cart_id=C1),
    ask.create_order(T3, checkout_ids=(X1,)),
    ask.create_group(T4, uid(5), order_id=O1),
    ask.create_checkout(uid(8), checkout_id=X2, cart_id=C2),
    ask.create(LABELLED, labels={"colour": "red"}),
    ask.create(ALONE),
    ask.create(DONE),
    *(ask.start(task_id) for task_id in (T1, T2, T4, ALONE, DONE)),
    *(ask.charge(task_id) for task_id in (T1, DONE)),
    *(ask.charged(task_id, ChargeState.CAPTURED) for task_id in (T1, DONE)),
    *(ask.completed(task_id) for task_id in (T1, DONE)),
    ask.cancel_order(request_id=R1),
    ask.settle(T1, request_id=R2),
    ask.cancel_order(request_id=R3),
    ask.cancel(ALONE),
    ask.acknowledged(ALONE),
    ask.cancel(EARLY, allow_missing=True),
]
"""A little of everything that the store keeps."""


@pytest.fixture(scope="module")
def lived() -> bytes:
    """A sound store in which some of everything happened."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        live(raw, LIFE)
        return raw.serialize()


def live(raw: sqlite3.Connection, commands: list[Command]) -> None:
    """Makes a store with two namespaces, and commits commands, of which none may be refused."""
    raw.execute("PRAGMA foreign_keys = ON")
    migrate(raw)
    raw.execute(
        "INSERT INTO namespaces (tenant, environment) VALUES ('a', 'sandbox'), ('b', 'sandbox')"
    )
    writer, ids = Writer(raw, PRODUCTION.store), Counter()
    for number, command in enumerate(commands):
        batch = Batch([command], Instant.at(FIRST_TIME + number), ids)
        writer.commit(batch)
        assert not isinstance(batch.answers[0], Refused), (command, batch.answers)


@pytest.fixture
def store(lived: bytes) -> Iterator[sqlite3.Connection]:
    """That store, in which the schema lets everything pass."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        raw.deserialize(lived)
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.executescript(
            "".join(
                f"DROP TRIGGER {name};"
                for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            )
        )
        yield raw


def test_a_store_in_which_some_of_everything_happened_is_sound(store: sqlite3.Connection) -> None:
    found = check(store)
    assert found.faults == []
    assert (found.schema, found.rules) == (migrations()[-1][0], len(rules()))
    assert not store.in_transaction


FAULTS = {
    "the last version of a task in the log is not the task's row": """
        UPDATE events SET state = 'RUNNING' WHERE seq = (SELECT max(last_seq) FROM tasks)""",
    "a version of a task does not follow the one before it in the log": """
        UPDATE events SET previous_seq = 1 WHERE version = 3""",
    "the log has more or fewer versions than the tasks": """
        INSERT INTO events (namespace_no, seq, previous_seq, task_no, version, time)
        SELECT 1, last_seq + 1, 0, 99, 1, 0 FROM namespaces WHERE namespace_no = 1""",
    "an event is of a namespace that is not there": """
        INSERT INTO events (namespace_no, seq, previous_seq, time) VALUES (7, 1, 0, 0)""",
    "a namespace's log has a gap, or goes beyond its end": """
        UPDATE namespaces SET last_seq = last_seq + 1""",
    "a task did not end with the version that it says": """
        UPDATE tasks SET end_seq = 1 WHERE end_seq IS NOT NULL""",
    "a task is in a group, checkout or order that is not there": """
        UPDATE tasks SET group_id = randomblob(16) WHERE group_id IS NULL""",
    "a group counts other tasks than it has": "UPDATE groups SET live_count = live_count + 1",
    "a checkout counts other tasks than it has": "UPDATE checkouts SET owed_count = 1",
    "an order counts other tasks than it has": "UPDATE orders SET task_count = task_count - 1",
    "a task of a cancelled group, checkout or order is not being cancelled": """
        UPDATE tasks SET state = 'RUNNING' WHERE state = 'CANCELLING'""",
    "a checkout is CANCELLED and has COMPLETED tasks": """
        UPDATE checkouts SET state = 'CANCELLED' WHERE completed_count > 0""",
    "a live task is being cancelled and is not CANCELLING": """
        UPDATE tasks SET state = 'RUNNING' WHERE state = 'CANCELLING'""",
    "a CANCELLING task has no deadline to be judged by": "UPDATE tasks SET due_time = NULL",
    "a live task has an agent that is not there, or is lost": "DELETE FROM agents",
    "a refund of COMPLETED work is required under no cancelled checkout or order": f"""
        UPDATE tasks SET refund_state = 'REQUIRED' WHERE hex(task_id) LIKE '%{DONE[-4:]}'""",
    "a refund is settled, and nobody settled it": """
        UPDATE tasks SET settlement = NULL WHERE settlement IS NOT NULL""",
    "what was cancelled names a cancellation that is not there": """
        UPDATE orders SET cancellation_id = randomblob(16)""",
    "a cancellation has no target": "UPDATE cancellations SET target_id = randomblob(16)",
    "a cancel waits for a task that is there": """
        UPDATE cancellations SET target_id = (SELECT task_id FROM tasks LIMIT 1)
        WHERE state = 'IN_PROGRESS' AND live_count = 0""",
    "a cancellation of a task counts other tasks than it covers": """
        UPDATE cancellations SET acknowledged_count = 0 WHERE target_kind = 'TASK'""",
    "a cancellation of a group counts other tasks than it covers": f"""
        UPDATE cancellations SET target_kind = 'GROUP', live_count = 77,
            target_id = (SELECT group_id FROM groups WHERE hex(group_id) LIKE '%{G1[-2:]}')""",
    "a cancellation of a checkout counts other tasks than it covers": f"""
        UPDATE cancellations SET target_kind = 'CHECKOUT', target_id = CAST('{X1}' AS BLOB)""",
    "a cancellation of an order counts other tasks than it covers": """
        UPDATE cancellations SET live_count = live_count + 1 WHERE target_kind = 'ORDER'""",
    "a cancellation that ended says of itself what its counts do not": """
        UPDATE cancellations SET state = 'PARTIAL' WHERE state = 'SUCCEEDED'""",
    "a cancellation keeps other joins than it counts": "UPDATE cancellations SET join_count = 0",
    "a join is of a cancellation that is not there": """
        UPDATE joins SET cancellation_id = randomblob(16)""",
    "the request id of a cancellation is not remembered": """
        DELETE FROM request_ids WHERE NOT settles""",
    "a request id has no answer": "UPDATE request_ids SET answer_id = randomblob(16)",
    "a cart is locked or was closed by a checkout that does not say so": f"""
        UPDATE carts SET state = 'CLOSED' WHERE cart_id = '{C2}'""",
    "an open checkout has not locked its cart": f"""
        UPDATE carts SET state = 'ACTIVE', checkout_id = NULL WHERE cart_id = '{C2}'""",
    "a checkout or group names the other, and the other is not there": f"""
        UPDATE groups SET checkout_id = 'gone' WHERE checkout_id = '{X2}'""",
    "an order lists a checkout that is not there, or is itself not there": """
        UPDATE order_checkouts SET checkout_id = 'gone'""",
    "a checkout, order or cart lacks what its caller said of it": "DELETE FROM cart_lines",
    "a task is not found by its labels": "DELETE FROM task_labels",
    "a label is of a task that is not there": "UPDATE task_labels SET task_no = 99",
    "an entry of a checkout, order or cancellation does not follow the one before": """
        UPDATE events SET record_version = 7 WHERE record_kind = 'ORDER' AND record_version = 1""",
    "the last entry of a checkout, order or cancellation is not its row": """
        UPDATE events SET state = 'OPEN' WHERE seq = (SELECT max(last_seq) FROM orders)""",
    "an entry of the log is of a checkout, order or cancellation that is not there": """
        UPDATE events SET record_id = randomblob(16) WHERE record_kind = 'CANCELLATION'""",
    "a key was replaced by one that is not there": """
        INSERT INTO keys (key_id, namespace_no, scopes, secret_hash, create_time, expire_time,
            successor_key_id, writes_per_second, reads_per_second, watches_per_second, open_watches)
        VALUES ('k', 1, '', zeroblob(32), 0, 1, 'gone', 0, 0, 0, 0)""",
    "a tenant stores more or less than is counted": """
        UPDATE namespaces SET stored_bytes = stored_bytes + 1""",
    "a tenant counts other webhooks than it has": "UPDATE namespaces SET webhook_count = 1",
    "a webhook, notice or delivery is beyond the end of its outbox": """
        INSERT INTO notices VALUES (1, 5, 0, 'task.failed', 'task:1', '{}', '')""",
}


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert list(FAULTS) == list(rules())


@pytest.mark.parametrize("rule", FAULTS)
def test_a_planted_fault_is_found(store: sqlite3.Connection, rule: str) -> None:
    """It is planted past the schema's own checks, which hold most of these, too."""
    assert store.execute(FAULTS[rule]).rowcount > 0
    store.create_function("label_digest", 2, label_digest)
    (count,) = store.execute(rules()[rule]).fetchone()
    assert count > 0


FAULTS_OF_FRESH_STORES = {
    "an order has another number of entries than versions": """
        UPDATE events SET record_kind = 'CHECKOUT' WHERE record_kind = 'ORDER'""",
    "a checkout, order or cancellation has no entry in the log": """
        UPDATE cancellations SET last_seq = 0 WHERE state = 'SUCCEEDED'""",
    "something was removed from the log": "UPDATE namespaces SET floor_seq = 1",
}


@pytest.mark.parametrize("rule", OF_FRESH_STORES)
def test_a_fault_planted_in_a_fresh_store_is_found(store: sqlite3.Connection, rule: str) -> None:
    assert store.execute(OF_FRESH_STORES[rule]).fetchone() == (0,)
    assert store.execute(FAULTS_OF_FRESH_STORES[rule]).rowcount > 0
    assert store.execute(OF_FRESH_STORES[rule]).fetchone()[0] > 0


def test_a_broken_rule_is_said_with_how_many_rows_break_it(store: sqlite3.Connection) -> None:
    store.execute("UPDATE namespaces SET stored_bytes = stored_bytes + 1")
    store.execute("PRAGMA ignore_check_constraints = OFF")
    assert check(store).faults == ["a tenant stores more or less than is counted (2 rows)"]


@pytest.mark.parametrize("settled", [None, RefundState.REFUNDED])
def test_a_refund_that_an_agent_took_back_needs_no_settlement(
    settled: RefundState | None,
) -> None:
    """Whether or not somebody had settled an earlier one."""
    life = [
        ask.create(),
        ask.start(),
        ask.charge(),
        ask.charged(),
        ask.cancel(),
        ask.acknowledged(),
        *([] if settled is None else [ask.settle(), ask.charged(state=ChargeState.VOIDED)]),
        *([] if settled is None else [ask.charged()]),
        ask.charged(state=ChargeState.VOIDED),
    ]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        live(raw, life)
        found = raw.execute("SELECT refund_state, settlement IS NULL FROM tasks").fetchall()
        assert found == [("NOT_OWED", settled is None)]
        assert check(raw).faults == []


def test_a_reference_into_nothing_is_found(store: sqlite3.Connection) -> None:
    store.execute("DELETE FROM orders")
    found = check(store)
    assert found.faults == ["row 1 of order_snapshots refers to a row of orders that is not there"]
    assert found.rules == 0


def test_a_store_whose_every_97th_page_is_damaged_is_found_out(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    for number in range(100, 500):
        store.execute(
            "INSERT INTO agents VALUES (1, ?, 1, 1, NULL)", (f"agent-{number}-" + "x" * 900,)
        )
    data = bytearray(store.serialize())
    (size,) = store.execute("PRAGMA page_size").fetchone()
    pages = range(97, len(data) // size, 97)
    assert len(pages) >= 1
    for page in pages:
        middle = page * size + size // 2
        data[middle : middle + size // 2] = bytes(
            b ^ 0x5A for b in data[middle : middle + size // 2]
        )
    path = tmp_path / "damaged.db"
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as damaged:
        found = check(damaged)
    assert found.faults
    assert found.rules == 0


def test_rows_of_an_older_schema_are_held_to_no_rules(store: sqlite3.Connection) -> None:
    store.execute("PRAGMA user_version = 3")
    assert check(store) == ([], 3, 0)
