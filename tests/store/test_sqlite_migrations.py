"""A store that an older program left is brought up to date, and all that it holds stays."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from countermand.core.chronicle import Stretch
from countermand.core.errors import Reason, Refused
from countermand.core.records import SECOND, Order
from countermand.core.retention import DAY
from countermand.core.states import ChargeState as M
from countermand.core.states import RefundState, SummaryKey
from countermand.store.lists import TaskQuery
from countermand.store.sql.rows import uuid_bytes
from countermand.store.sqlite.connection import connect_writer
from countermand.store.sqlite.statements import migrations
from tests.support.ask import (
    FIRST_TIME,
    G1,
    NS,
    O1,
    O2,
    R1,
    T1,
    X1,
    cancel,
    cancel_order,
    charged,
    reap,
    settle,
    target,
    uid,
)
from tests.support.knobs import PRODUCTION
from tests.support.old_store import OldStore
from tests.support.stores import Keeper, sqlite_store

CANCELLATION = bytes(range(16))
ORDER = {
    "namespace_no": NS,
    "order_id": O1,
    "state": "OPEN",
    "fulfilled": 0,
    "version": 4,
    "task_count": 0,
    "live_count": 0,
    "completed_count": 0,
    "create_time": 5,
    "update_time": 6,
    "snapshot": b"shipped in a word that was not known then",
}


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Keeper]:
    """The store, brought up to date."""
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(keeper.now)
    yield keeper
    await keeper.store.close()


OLD_TASK = {
    "namespace_no": NS,
    "merchant": "shop",
    "labels": "{}",
    "create_time": 1,
    "version": 2,
    "last_seq": 2,
    "fence": 1,
    "agent_id": "agent-1",
    "failure_message": "",
    "charge_state": "NONE",
    "refund_required": 0,
    "start_time": 1,
    "update_time": 2,
}
CANCELLED = {"state": "CANCELLED", "end_time": 2, "cancellation_id": CANCELLATION}
OLD_TASKS: dict[str, dict[str, Any]] = {
    "live": {"state": "RUNNING", "charge_state": "BEGUN"},
    "completed": {"state": "COMPLETED", "end_time": 2, "charge_state": "CAPTURED"},
    "failed": {"state": "FAILED", "end_time": 2, "charge_state": "CAPTURED", "refund_required": 1},
    "lost": {
        "state": "FAILED",
        "end_time": 2,
        "fence": 2,
        "failure_message": "the agent was lost: its lease ran out",
    },
    "acknowledged": CANCELLED
    | {"cancel_proof": "ACKNOWLEDGED", "charge_state": "BEGUN", "refund_required": 1},
    "forced": CANCELLED
    | {"cancel_proof": "FORCED", "fence": 2, "charge_state": "BEGUN", "refund_required": 1},
    "agent lost": CANCELLED | {"cancel_proof": "AGENT_LOST", "fence": 2},
    "never started": CANCELLED
    | {"cancel_proof": "NEVER_STARTED", "fence": 1, "agent_id": None, "start_time": None},
}
"""Every way in which a task could stand, with the fence of its last start 1."""


def _id(name: str) -> str:
    return uid(1 + list(OLD_TASKS).index(name))


@pytest.fixture
def of_before(tmp_path: Path) -> Path:
    """A store with the first schema: all tasks of one group and checkout, which two orders list."""
    path = tmp_path / "store.db"
    holder = {"namespace_no": NS, "version": 3, "create_time": 1, "update_time": 2}
    counts = {"task_count": len(OLD_TASKS), "live_count": 1, "completed_count": 1}
    with OldStore(path, schema=1) as old:
        old.add("groups", **holder, **counts, group_id=uuid_bytes(G1), closed=0, checkout_id=X1)
        old.add(
            "checkouts",
            **(holder | counts | {"checkout_id": X1, "group_id": uuid_bytes(G1)}),
            state="OPEN",
            snapshot=b"",
        )
        for order_id in (O1, O2):
            order = ORDER | holder | counts | {"order_id": order_id, "snapshot": b""}
            old.add("orders", **order)
            old.add(
                "order_checkouts", namespace_no=NS, order_id=order_id, checkout_id=X1, position=0
            )
        for name, row in OLD_TASKS.items():
            place = {
                "task_id": uuid_bytes(_id(name)),
                "group_id": uuid_bytes(G1),
                "checkout_id": X1,
            }
            number = list(OLD_TASKS).index(name)
            seqs = {"last_seq": 2 * number + 2}
            old.add("tasks", **(OLD_TASK | place | {"order_id": O1} | row | seqs))
            said = {"namespace_no": NS, "task_no": number + 1, "time": 2}
            for version, state in ((1, "RUNNING"), (2, row["state"])):
                seq = 2 * number + version
                charge = row.get("charge_state", "NONE")
                old.add(
                    "events",
                    **said,
                    seq=seq,
                    previous_seq=seq - 1 if version == 2 else 0,
                    version=version,
                    state=state,
                    charge_state=charge,
                )
        old.add(
            "cancellations",
            namespace_no=NS,
            cancellation_id=CANCELLATION,
            target_kind="GROUP",
            target_id=uuid_bytes(G1),
            reason="fraud",
            message="",
            requested_by="k",
            certificate_name="",
            on_behalf_of="",
            create_time=1,
            accept_seq=0,
            trace_id=bytes(16),
            span_id=bytes(8),
            sampled=0,
            state="TOO_LATE",
            end_time=2,
            live_count=0,
            never_started_count=0,
            acknowledged_count=0,
            forced_count=0,
            agent_lost_count=0,
            completed_count=0,
        )
        old.add(
            "request_ids",
            namespace_no=NS,
            request_id=uuid_bytes(R1),
            cancellation_id=CANCELLATION,
            fingerprint=b"x",
            joined=1,
        )
    return path


async def test_a_refund_that_was_required_is_required_without_a_version_or_an_event(
    of_before: Path,
) -> None:
    async with opened(of_before) as keeper:
        for name, row in OLD_TASKS.items():
            history = await keeper.store.history(NS, _id(name), 0, 10)
            assert history is not None
            task = history.task
            wanted = RefundState.REQUIRED if row.get("refund_required") else RefundState.NONE
            assert task.refund_state is wanted, name
            assert (task.version, task.seq, task.update_time) == (2, task.number * 2, 2)
            assert [event.seq for event in history.events] == [task.seq - 1, task.seq]
            assert (task.settlement, task.late_reports) == (None, 0)
            assert task.end_seq == (task.seq if task.ended else None)
        owed = TaskQuery(refund_state=RefundState.REQUIRED)
        found = await keeper.tasks(owed)
        assert {task.task_id for task in found} == set(
            map(_id, ("failed", "acknowledged", "forced"))
        )
        summary = await keeper.store.summary(NS, None, None, SummaryKey.REFUND)
        assert summary == {"NONE": 4, "REQUIRED": 3}
        for kind, id in (("group", G1), ("checkout", X1), ("order", O1), ("order", O2)):
            reading = await keeper.store.holder(target(kind, id))
            assert reading is not None
            assert (reading.holder.owed_count, reading.holder.version) == (3, 3), kind


@pytest.mark.parametrize("name", [name for name in OLD_TASKS if name != "live"])
async def test_the_agent_of_before_may_speak_of_the_money_of_what_it_started_last(
    of_before: Path, name: str
) -> None:
    async with opened(of_before) as keeper:
        before = await keeper.store.task(NS, _id(name))
        assert before is not None
        refused = {} if before.agent_id else {1: Reason.TASK_NOT_RUNNING}
        for fence in (0, 2, 3, 1):
            answer = (await keeper.commit([charged(_id(name), M.VOIDED, fence=fence)])).answers[0]
            if fence != 1 or refused:
                assert isinstance(answer, Refused)
                assert answer.reason is refused.get(1, Reason.FENCED), fence
        if refused:
            return
        history = await keeper.store.history(NS, _id(name), 0, 10)
        assert history is not None
        assert history.task.charge_state is M.VOIDED
        # The version of before is told as it was, though its event says nothing of refunds.
        versions = [event.task for event in history.events if event.task is not None]
        assert versions[1] == before.evolve(
            **{name: getattr(versions[1], name) for name in ("number", "fence", "late_reports")}
        )
        owed = before.refund_required
        assert history.task.refund_state is (RefundState.NOT_OWED if owed else RefundState.NONE)


async def test_request_ids_of_before_are_remembered(of_before: Path) -> None:
    async with opened(of_before) as keeper:
        with pytest.raises(Refused) as refusal:
            await keeper.do(settle(_id("forced"), request_id=R1))
        assert refusal.value.reason is Reason.REQUEST_ID_CONFLICT
        assert refusal.value.metadata["cancellation_id"] == str(UUID(bytes=CANCELLATION))


async def test_the_rows_of_before_are_found_when_they_are_old(of_before: Path) -> None:
    async with opened(of_before) as keeper:
        await keeper.run(cancel(_id("live"), grace=0))
        await keeper.run(reap())
        await keeper.run(cancel_order(), cancel_order(O2))
        for name in ("completed", "failed", "acknowledged", "forced", "live"):
            await keeper.run(settle(_id(name), RefundState.NOT_OWED))
        keeper.now += 30 * DAY
        await keeper.purge(30 * DAY)
        assert await keeper.store.tasks(NS, TaskQuery(), None, 10) == ([], None)


def test_each_migration_has_a_number_of_its_own_and_none_is_missing() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migrated_schema_is_that_of_a_new_store(of_before: Path, tmp_path: Path) -> None:
    schemas = []
    for path in (of_before, tmp_path / "new.db"):
        with closing(connect_writer(path, PRODUCTION.store)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name")
            schemas.append(found.fetchall())
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert schemas[0] == schemas[1]


async def test_an_order_of_before_is_kept_and_judged_by_the_words_of_now(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=1) as old:
        old.add("orders", **ORDER)
    async with opened(path) as keeper:
        reading = await keeper.store.holder(target("order", O1))
        assert reading is not None
        assert isinstance(reading.holder, Order)
        assert (reading.holder.snapshot, reading.holder.version) == (ORDER["snapshot"], 4)
        with pytest.raises(Refused) as refusal:
            await keeper.do(cancel_order())
        assert refusal.value.reason is Reason.ORDER_FULFILLED


def _running_since(old: OldStore, begin: int) -> None:
    """Puts in a running task whose cancel has a deadline, and the event of that."""
    task = {
        "task_no": 1,
        "namespace_no": NS,
        "task_id": uuid_bytes(T1),
        "merchant": "",
        "labels": "{}",
        "create_time": begin,
        "state": "CANCELLING",
        "version": 1,
        "last_seq": 99,
        "fence": 1,
        "agent_id": "agent-1",
        "cancellation_id": bytes(16),
        "deadline_time": begin + 30 * SECOND,
        "failure_message": "",
        "charge_state": "NONE",
        "refund_required": 0,
        "update_time": begin,
    }
    event = {
        "namespace_no": NS,
        "seq": 99,
        "previous_seq": 0,
        "task_no": 1,
        "version": 1,
        "state": "CANCELLING",
        "charge_state": "NONE",
        "time": begin,
    }
    old.add("tasks", **task)
    old.add("events", **event)


async def test_deadlines_of_before_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=2) as old:
        _running_since(old, FIRST_TIME)
    async with opened(path) as keeper:
        assert (await keeper.store.next_due()).deadline == FIRST_TIME + 30 * SECOND
        task = await keeper.store.task(NS, T1)
        assert task is not None
        assert task.due_time == task.deadline_time == FIRST_TIME + 30 * SECOND


async def test_a_store_of_before_is_taken_to_have_run_until_its_last_commit(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=2) as old:
        _running_since(old, FIRST_TIME)
    async with opened(path) as keeper:
        assert await keeper.store.clock_stretches() == [Stretch(0, 0, FIRST_TIME)]


async def test_a_store_of_before_with_times_in_the_future_tells_nothing_by_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    begin = time.time_ns() // 1000
    with OldStore(path, schema=2) as old:
        _running_since(old, begin + 40 * DAY)
    async with opened(path) as keeper:
        (stretch,) = await keeper.store.clock_stretches()
        assert begin - SECOND <= stretch.wall <= time.time_ns() // 1000


async def test_a_store_in_which_nothing_happened_yet_begins_when_a_server_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    with OldStore(path, schema=2):
        pass
    async with opened(path) as keeper:
        assert await keeper.store.clock_stretches() == []


async def test_those_who_joined_before_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    row = {
        "namespace_no": NS,
        "cancellation_id": CANCELLATION,
        "target_kind": "GROUP",
        "target_id": uuid_bytes(G1),
        "reason": "fraud",
        "message": "",
        "requested_by": "key-1",
        "certificate_name": "",
        "on_behalf_of": "",
        "create_time": 1,
        "trace_id": bytes(16),
        "span_id": bytes(8),
        "sampled": 0,
        "accept_seq": 1,
        "state": "SUCCEEDED",
        "end_time": 2,
        "live_count": 0,
        **dict.fromkeys(
            (
                "never_started_count",
                "acknowledged_count",
                "forced_count",
                "agent_lost_count",
                "completed_count",
            ),
            0,
        ),
    }
    with OldStore(path, schema=7) as old:
        old.add("cancellations", **row)
        for number, joined in enumerate((0, 1, 1)):
            old.add(
                "request_ids",
                namespace_no=NS,
                request_id=bytes([number]) * 16,
                answer_id=CANCELLATION,
                fingerprint=b"",
                joined=joined,
            )
    async with opened(path) as keeper:
        reading = await keeper.store.cancellation(NS, str(UUID(bytes=CANCELLATION)))
        assert reading is not None
        assert (reading.cancellation.join_count, reading.cancellation.joins) == (2, ())


async def test_tasks_of_before_are_found_by_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    labels = {"url": "https://shop.example/ü", "quote": '"'}
    with OldStore(path, schema=1) as old:
        row = OLD_TASK | OLD_TASKS["live"] | {"labels": json.dumps(labels)}
        old.add("tasks", **row, task_id=uuid_bytes(T1))
    async with opened(path) as keeper:
        for label in labels.items():
            (task,) = await keeper.tasks(TaskQuery(label=label))
            assert task.labels == labels
