"""Starts the server with a bug planted in it: `python -m tests.chaos.planted NAME serve …`.

The checker must find each of them. A bug replaces one function of the product, here and nowhere
else: the product has no switch for it. Several names, with commas between, are planted together.
"""

import asyncio
import copy
import sqlite3
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from countermand.cli.main import app_entry
from countermand.core import commands as c
from countermand.core.changes import Saves
from countermand.core.decide import RULES
from countermand.core.refunds import Settled, SettleRefund
from countermand.core.rules import cancelling, owing, reaping
from countermand.core.rules.holders import holders_of
from countermand.core.states import (
    CancelProof,
    ChargeState,
    RefundState,
    TargetKind,
    TaskState,
)
from countermand.engine.watching import watch_record
from countermand.engine.watching.hub import Hub
from countermand.rpc.servicers import cancellation
from countermand.store.sql.rows import saved_tasks, tasks
from countermand.store.sqlite import lanes
from countermand.store.sqlite.file import store_file as file
from countermand.store.sqlite.writing import Writer
from tests.chaos.robustness.unsynced import note_writes

GAP = 0.02
"""Seconds by which some bugs widen their gap, so that few runs are enough to fall into it."""
OFTEN = 10
"""One in so many goes wrong, where all would be too easy."""

_numbers = count(1)


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Puts another function in the place of one that must be there."""
    setattr(owner, name, make(getattr(owner, name)))


def now_and_then(often: int = OFTEN) -> bool:
    """Whether it is the turn of something to go wrong."""
    return next(_numbers) % often == 0


def publish_before_commit() -> None:
    """Watchers are told when a batch is written, while its commit may still fail to come."""
    publish = Hub.publish
    told: list[tuple[Hub, asyncio.AbstractEventLoop]] = []

    def noted(make: Any) -> Any:
        def made(hub: Hub, *args: Any) -> None:
            make(hub, *args)
            told.append((hub, asyncio.get_running_loop()))

        return made

    def early(save: Any) -> Any:
        def saved(writer: Writer, saves: Saves, *rest: Any) -> None:
            save(writer, saves, *rest)
            hub, loop = told[-1]
            loop.call_soon_threadsafe(publish, hub, saves.events)
            time.sleep(GAP)

        return saved

    replace(Hub, "__init__", noted)
    replace(Hub, "publish", lambda _: lambda hub, events, *rest: None)
    replace(Writer, "_save", early)


def skipped_version() -> None:
    """The hub forgets an event now and then."""

    def forgetful(publish: Any) -> Any:
        return lambda hub, events, *rest: publish(
            hub, [e for e in events if not now_and_then()], *rest
        )

    replace(Hub, "publish", forgetful)


def duplicate_delivery() -> None:
    """The hub tells an event twice now and then."""

    def stuttering(publish: Any) -> Any:
        def published(hub: Hub, events: Any, *rest: Any) -> None:
            twice = [e for event in events for e in [event] * (1 + now_and_then())]
            publish(hub, twice, *rest)

        return published

    replace(Hub, "publish", stuttering)


def acknowledged_before_commit() -> None:
    """A transaction is answered as soon as it is written, and committed when the next one comes."""

    def later(commit: Any) -> Any:
        def committed(writer: Writer, batch: Any) -> None:
            connection = writer._connection
            if connection.in_transaction:
                connection.execute("COMMIT")
            if any(isinstance(command, c.CreateKey) for command in batch.commands):
                commit(writer, batch)  # who has no key finds no bug
                return
            writer._connection = _WithoutCommit(connection)  # type: ignore[assignment]
            try:
                commit(writer, batch)
            finally:
                writer._connection = connection

        return committed

    replace(Writer, "commit", later)


class _WithoutCommit:
    """A connection that leaves its transactions open."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql == "COMMIT":
            return None
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def acknowledged_before_sync() -> None:
    """Commits are not synced. Only a power cut can show it."""

    def hasty(connect: Any) -> Any:
        def connected(*args: Any) -> Any:
            connection = connect(*args)
            connection.execute("PRAGMA synchronous = OFF")
            return connection

        return connected

    replace(file, "connect_writer", hasty)


def lost_request_id() -> None:
    """A request id is not kept now and then."""

    def forgetful(save: Any) -> Any:
        def saved(writer: Writer, saves: Saves, *rest: Any) -> None:
            if saves.request_ids and now_and_then():
                saves.request_ids.clear()
            save(writer, saves, *rest)

        return saved

    replace(Writer, "_save", forgetful)


def torn_group_cancel() -> None:
    """The cancel of a group commits in two halves."""

    def torn(save: Any) -> Any:
        def saved(writer: Writer, saves: Saves, *rest: Any) -> None:
            groups = [x for x in saves.cancellations.values() if x.target.kind is TargetKind.GROUP]
            if not groups or len(saves.tasks) < 2 or saves.created:
                save(writer, saves, *rest)
                return
            first, second = copy.copy(saves), Saves()
            late = list(saves.tasks)[len(saves.tasks) // 2 :]
            first.tasks = {key: saves.tasks[key] for key in saves.tasks if key not in late}
            second.tasks = {key: saves.tasks[key] for key in late}
            ids = {task_id for _, task_id in late}
            first.events = [e for e in saves.events if not (e.task and e.task.task_id in ids)]
            second.events = [e for e in saves.events if e.task and e.task.task_id in ids]
            save(writer, first, *rest)
            writer._connection.execute("COMMIT")
            time.sleep(3 * GAP)
            writer._connection.execute("BEGIN IMMEDIATE")
            save(writer, second, *rest)

        return saved

    replace(Writer, "_save", torn)


def dirty_read() -> None:
    """Readers see what a transaction has written and not committed; some transactions fail."""
    sqlite3.enable_shared_cache(True)

    def dirty(path: Any, *_: Any) -> Any:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA read_uncommitted = ON")
        return connection

    def failing(save: Any) -> Any:
        def saved(writer: Writer, saves: Saves, *rest: Any) -> None:
            save(writer, saves, *rest)
            time.sleep(GAP)
            if not saves.keys and now_and_then(3):
                raise sqlite3.OperationalError("planted")

        return saved

    replace(lanes, "connect_reader", lambda _: dirty)
    replace(Writer, "_save", failing)


def late_word() -> None:
    """What an agent says after its task was ended by force overwrites that end."""
    rule = RULES[c.FinishTask]

    def finish(command: c.FinishTask, draft: Any) -> Any:
        task = draft.task(command.namespace, command.task_id)
        forced = task is not None and task.cancel_proof is CancelProof.FORCED
        if not forced or command.outcome is TaskState.CANCELLED:
            return rule.decide(command, draft)
        fields = {
            "cancel_proof": None,
            "refund_state": RefundState.NONE,
            "settlement": None,
            "charge_state": ChargeState.NONE,
        }
        return draft.log_task(
            task.evolve(
                state=command.outcome,
                version=task.version + 1,
                update_time=draft.now,
                end_time=draft.now,
                seq=draft.next_seq(task.namespace),
                **fields,
            ),
            task.seq,
        )

    RULES[c.FinishTask] = rule._replace(decide=finish)


def undone_work_stands() -> None:
    """The cancel of a checkout or order does not ask for the money of what was COMPLETED."""
    replace(cancelling, "_undo", lambda _: lambda task, *rest: task)


def settled_twice() -> None:
    """A settlement overwrites the one before it."""
    rule = RULES[SettleRefund]

    def settle(command: SettleRefund, draft: Any) -> Any:
        task = draft.task(command.namespace, command.task_id)
        if task is None or task.refund_state in (RefundState.NONE, command.outcome):
            return rule.decide(command, draft)
        holders = holders_of(task, draft)
        return Settled(owing.change_refund(task, command.outcome, holders, draft), replayed=False)

    RULES[SettleRefund] = rule._replace(decide=settle)


def lost_settlement() -> None:
    """What a settlement says is not kept now and then."""

    def forgetful(write: Any) -> Any:
        return lambda settlement: None if now_and_then(3) else write(settlement)

    replace(tasks, "write_settlement", forgetful)
    replace(saved_tasks, "write_settlement", forgetful)


def resume_skips() -> None:
    """A resumed watch begins one place too late."""

    def skipping(decode: Any) -> Any:
        def decoded(*args: Any) -> Any:
            place = decode(*args)
            return place._replace(seq=place.seq + 1) if place.snapshot_after is None else place

        return decoded

    replace(cancellation, "decode_place", skipping)


def record_skips() -> None:
    """A watch of a checkout or order forgets a version now and then."""

    def forgetful(tell: Any) -> Any:
        return lambda *args: (one for one in tell(*args) if one.last or not now_and_then(3))

    replace(watch_record, "_changes", forgetful)


def record_stutters() -> None:
    """A watch of a checkout or order tells a version twice now and then."""

    def stuttering(tell: Any) -> Any:
        return lambda *args: (
            one for each in tell(*args) for one in [each] * (1 + (not each.last and now_and_then()))
        )

    replace(watch_record, "_changes", stuttering)


def record_as_it_is() -> None:
    """A watch of a checkout or order shows every version with what the present one has."""
    now = watch_record.as_it_was
    replace(
        watch_record,
        "as_it_was",
        lambda _: (
            lambda record, then: now(record, then).evolve(
                cancellation_id=record.cancellation_id, state=record.state
            )
        ),
    )


def record_resumes_late() -> None:
    """A watch of a checkout or order that is resumed begins one version too late."""
    follow = watch_record.WatchRecord.follow

    def late(self: Any, watcher: Any, target: Any, after: int | None, interval: int) -> Any:
        return follow(self, watcher, target, after and after + 1, interval)

    replace(watch_record.WatchRecord, "follow", lambda _: late)


def lost_join() -> None:
    """Who joined a cancel is not kept now and then."""

    def forgetful(join: Any) -> Any:
        def joined(command: Any, cancellation: Any, draft: Any) -> Any:
            return cancellation if now_and_then(3) else join(command, cancellation, draft)

        return joined

    replace(cancelling, "join", forgetful)


def join_takes_over() -> None:
    """A cancellation has the reason of who joined it last."""

    def taking(join: Any) -> Any:
        def joined(command: Any, cancellation: Any, draft: Any) -> Any:
            said = {"reason": command.reason, "message": command.message}
            return join(command, cancellation, draft).evolve(**said)

        return joined

    replace(cancelling, "join", taking)


def charge_after_cancel() -> None:
    """An agent that is to stop may still take money."""
    rule = RULES[c.BeginCharge]

    def begin(command: c.BeginCharge, draft: Any) -> Any:
        task = draft.task(command.namespace, command.task_id)
        cancelling = task is not None and task.state is TaskState.CANCELLING
        if cancelling and task.fence == command.fence and not task.charge_state.may_hold_money:
            return draft.log_change(task, charge_state=ChargeState.BEGUN)
        return rule.decide(command, draft)

    RULES[c.BeginCharge] = rule._replace(decide=begin)


def forgotten_deadlines() -> None:
    """After a restart, the deadlines from before it are forgotten."""
    started = time.time_ns() // 1000

    def forgetful(reap: Any) -> Any:
        def reaped(task: Any, *rest: Any) -> bool:
            return task.update_time > started and reap(task, *rest)

        return reaped

    replace(reaping, "_reap_task", forgetful)


def note_unsynced() -> None:
    """No bug: lets the harness take back what was not synced, as a power cut does."""
    note_writes()


if __name__ == "__main__":
    names = sys.argv.pop(1)
    for name in names.split(","):
        globals()[name]()
    app_entry()
