"""The writer: group commit, faults, and turns."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countermand.core.commands import CreateGroup
from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused
from countermand.core.knobs import Knobs
from countermand.core.leases import MAX_DELAY, Renewal
from countermand.core.records import SECOND
from countermand.engine.listeners import Committed
from countermand.store.contract import StoreFailed
from tests.support.ask import (
    NS,
    OTHER,
    R1,
    T1,
    T2,
    T3,
    cancel,
    cancel_group,
    create,
    create_group,
    reap,
    renew,
    start,
    uid,
)
from tests.support.engine import Engine, HandClock, running
from tests.support.knobs import PRODUCTION, changed, drawn_but
from tests.support.stores import Keeper

KNOBS = drawn_but("pulse", "writer")
MAX_BATCH, CROWD = PRODUCTION.writer.max_batch, PRODUCTION.writer.crowd
MAX_GATHERING = PRODUCTION.writer.max_gathering


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine that runs."""
    async with running(tmp_path / "store.db", knobs=KNOBS) as engine:
        yield engine


async def _reasons(*answers: asyncio.Future) -> list[str]:
    found = await asyncio.gather(*answers, return_exceptions=True)
    return [each.reason if isinstance(each, Refused) else type(each).__name__ for each in found]


def _sizes(engine: Engine) -> list[int]:
    return [len(batch) for batch in engine.store.batches]


async def _held(engine: Engine) -> asyncio.Future:
    """Returns the future of a command whose commit is under way until it is released."""
    engine.store.hold()
    first = engine.submit(create(uid(0xFFFF)))
    await engine.store.entered.wait()
    return first


# Batching.


async def test_commands_that_queue_during_a_commit_share_the_next(engine: Engine) -> None:
    first = await _held(engine)
    others = [engine.submit(create(uid(number))) for number in range(1, 6)]
    engine.store.release()
    await asyncio.gather(first, *others)
    assert _sizes(engine) == [1, 5]


async def test_an_idle_writer_commits_at_once_and_alone(engine: Engine) -> None:
    for number in range(1, 4):
        await engine.submit(create(uid(number)))
    assert _sizes(engine) == [1, 1, 1]


async def test_a_batch_takes_at_most_so_many_commands(engine: Engine) -> None:
    first = await _held(engine)
    others = [engine.submit(create(uid(n))) for n in range(1, 2 * MAX_BATCH + 6)]
    engine.store.release()
    await asyncio.gather(first, *others)
    assert _sizes(engine) == [1, MAX_BATCH, MAX_BATCH, 5]


async def test_a_crowd_waits_for_those_that_come_meanwhile(engine: Engine) -> None:
    crowd = [engine.submit(create(uid(number))) for number in range(1, CROWD + 1)]
    await asyncio.sleep(0)
    late = engine.submit(create(uid(0xFF)))
    await asyncio.gather(*crowd, late)
    assert _sizes(engine) == [CROWD + 1]


async def test_less_than_a_crowd_does_not_wait(engine: Engine) -> None:
    few = [engine.submit(create(uid(number))) for number in range(1, CROWD)]
    await engine.store.entered.wait()
    late = engine.submit(create(uid(0xFF)))
    await asyncio.gather(*few, late)
    assert _sizes(engine) == [CROWD - 1, 1]


async def test_nobody_waits_for_a_crowd_that_is_gone(engine: Engine) -> None:
    await asyncio.gather(*[engine.submit(create(uid(number))) for number in range(CROWD)])
    await asyncio.sleep(2 * MAX_GATHERING)
    first = engine.submit(create(uid(0xFE)))
    for _ in range(5):
        await asyncio.sleep(0)
    await asyncio.gather(first, engine.submit(create(uid(0xFF))))
    assert _sizes(engine) == [CROWD, 1, 1]


async def test_a_crowd_without_end_is_committed_all_the_same(engine: Engine) -> None:
    answers = [engine.submit(create(uid(number))) for number in range(1, CROWD + 1)]
    while not answers[0].done():
        answers.append(engine.submit(renew()))
        for _ in range(10):  # so that the bound of a batch's size is far off
            await asyncio.sleep(0)
    await asyncio.gather(*answers)
    assert _sizes(engine)[0] < MAX_BATCH


async def test_a_batch_has_one_instant(engine: Engine) -> None:
    first = await _held(engine)
    both = [engine.submit(create(T1)), engine.submit(create(T2))]
    engine.store.release()
    one, two = await asyncio.gather(*both)
    assert one.create_time == two.create_time
    assert one.create_time >= (await first).create_time


async def test_an_answer_comes_after_the_listeners_heard_and_the_row_is_on_disk(
    engine: Engine,
) -> None:
    heard: list[Committed] = []
    engine.writer.listen(heard.append)
    answer = engine.submit(create(T1))
    answer.add_done_callback(lambda _: heard.append(None))  # type: ignore[arg-type]
    await answer
    assert [isinstance(each, Committed) for each in heard] == [True, False]
    assert await engine.store.task(NS, T1) is not None
    assert heard[0].start_ns <= heard[0].end_ns


async def test_a_cancelled_waiter_takes_nothing_back(engine: Engine) -> None:
    first = await _held(engine)
    queued = engine.submit(create(T1))
    queued.cancel()
    first.cancel()
    engine.store.release()
    await engine.submit(create(T2))
    assert await engine.store.task(NS, uid(0xFFFF)) is not None
    assert await engine.store.task(NS, T1) is not None


async def test_a_refused_command_spoils_no_neighbour(engine: Engine) -> None:
    answers = [engine.submit(command) for command in (create(T1), start(T2), start(T1))]
    assert await _reasons(*answers) == ["Task", "TASK_NOT_FOUND", "Task"]
    assert _sizes(engine) == [3]


# Turns.


async def test_large_commands_go_alone_and_take_turns_by_namespace_and_small_ones_never_starve(
    engine: Engine,
) -> None:
    first = await _held(engine)
    large = [
        engine.submit(create_group(uid(0x100 * ns + n), group_id=uid(n), ns=ns))
        for ns, n in ((NS, 1), (NS, 2), (NS, 3), (OTHER, 1))
    ]
    small = [engine.submit(create(uid(n))) for n in range(1, 4)]
    engine.store.release()
    await asyncio.gather(first, *large, *small)

    def told(batch: list) -> str:
        (command, *more) = batch
        if isinstance(command, CreateGroup):
            assert not more
            return f"{command.namespace}: {int(command.group_id[-2:])}"
        return f"{len(batch)} small"

    told_of = [told(batch) for batch in engine.store.batches]
    assert told_of == ["1 small", "1: 1", "3 small", "2: 1", "1: 2", "1: 3"]


async def test_small_commands_go_between_large_ones_while_both_wait(engine: Engine) -> None:
    first = await _held(engine)
    large = [engine.submit(create_group(group_id=uid(n))) for n in range(1, 4)]
    smalls: list[asyncio.Future] = [engine.submit(create(uid(1)))]

    def more(batch: Batch) -> None:
        if len(smalls) < 4:
            smalls.append(engine.submit(create(uid(len(smalls) + 1))))

    engine.store.after = more
    engine.store.release()
    await asyncio.gather(first, *large)
    await asyncio.gather(*smalls)
    kinds = ["large" if isinstance(b[0], CreateGroup) else "small" for b in engine.store.batches]
    assert kinds == ["small", "large"] * 3


# Faults.


def _broken_for(task_id: str):
    def fail(batch: Batch) -> None:
        for command in batch.commands:
            if getattr(getattr(command, "task", None), "task_id", None) == task_id:
                raise RuntimeError("a fault")

    return fail


async def test_a_batch_that_fails_unexpectedly_is_tried_one_by_one_and_the_bad_one_is_internal(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.store.before = _broken_for(T2)
    answers = [engine.submit(create(task_id)) for task_id in (T1, T2, T3)]
    assert await _reasons(*answers) == ["Task", "INTERNAL", "Task"]
    assert _sizes(engine) == [3, 1, 1, 1]
    with pytest.raises(Refused) as caught:
        await answers[1]
    assert caught.value.message == "internal error"
    assert "a fault" in caplog.text
    await engine.submit(create(uid(9)))


async def test_a_row_that_the_schema_refuses_is_internal_and_its_neighbours_commit(
    engine: Engine,
) -> None:
    bad = create(T2, merchant=None)
    answers = [engine.submit(command) for command in (create(T1), bad, create(T3))]
    assert await _reasons(*answers) == ["Task", "INTERNAL", "Task"]


async def test_a_full_disk_refuses_the_batch_with_store_full_and_the_writer_goes_on(
    engine: Engine,
) -> None:
    def full(batch: Batch) -> None:
        engine.store.before = lambda batch: None
        raise StoreFailed("disk full", full=True)

    engine.store.before = full
    answers = [engine.submit(create(task_id)) for task_id in (T1, T2)]
    assert await _reasons(*answers) == ["STORE_FULL", "STORE_FULL"]
    assert _sizes(engine) == [2]
    await engine.do(create(T1), create(T2))


async def test_after_a_failed_commit_every_live_lease_is_renewed_before_anything_else(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    async with running(tmp_path / "store.db", clock=clock) as engine:
        await engine.do(create(T1), start(T1, lease=10 * SECOND))
        clock.time += 20 * SECOND

        def full(batch: Batch) -> None:
            engine.store.before = lambda batch: None
            raise StoreFailed("disk full", full=True)

        engine.store.before = full
        assert await _reasons(engine.submit(create(T2))) == ["STORE_FULL"]
        (first,) = await engine.do(reap())
        clock.time += 10 * SECOND
        (second,) = await engine.do(reap())
        assert (first.ended, second.ended) == (0, 1)


async def test_a_commit_of_which_nobody_can_say_is_unavailable_and_a_repeat_finds_it_done(
    engine: Engine,
) -> None:
    await engine.do(create(T1), start(T1))

    def lost(batch: Batch) -> None:
        engine.store.after = lambda batch: None
        raise StoreFailed("no answer from the disk")

    engine.store.after = lost
    with pytest.raises(Refused) as caught:
        await engine.submit(cancel(request_id=R1))
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    again = await engine.submit(cancel(request_id=R1))
    assert again.replayed


async def _broken_engine(tmp_path: Path, knobs: Knobs = KNOBS) -> tuple[Engine, asyncio.Task]:
    engine = Engine(tmp_path / "store.db", knobs=knobs)
    keeper = Keeper(engine.store.real)
    await keeper.store.open(engine.clock.now())
    await keeper.settle_in()
    return engine, asyncio.create_task(engine.writer.run())


async def test_a_fatal_failure_refuses_all_that_waits_and_ends_the_writer(tmp_path: Path) -> None:
    engine, writing = await _broken_engine(tmp_path)

    def fail(batch: Batch) -> None:
        raise StoreFailed("disk I/O error", fatal=True)

    engine.store.before = fail
    first = await _held(engine)
    queued = [engine.submit(create(T1)), engine.submit(create_group(T2))]
    engine.store.release()
    assert await _reasons(first, *queued) == ["STORE_UNAVAILABLE"] * 3
    with pytest.raises(StoreFailed):
        await writing
    assert await _reasons(engine.submit(create(T3))) == ["STORE_UNAVAILABLE"]
    await engine.store.close()


async def test_a_fatal_failure_while_trying_one_by_one_answers_the_others_too(
    tmp_path: Path,
) -> None:
    engine, writing = await _broken_engine(tmp_path)

    def fail(batch: Batch) -> None:
        if len(batch.commands) > 1:
            raise RuntimeError("a fault")
        raise StoreFailed("disk I/O error", fatal=True)

    engine.store.before = fail
    answers = [engine.submit(create(task_id)) for task_id in (T1, T2, T3)]
    with pytest.raises(StoreFailed):
        await writing
    assert all(answer.done() for answer in answers)
    assert await _reasons(*answers) == ["STORE_UNAVAILABLE"] * 3
    await engine.store.close()


async def test_a_commit_that_hangs_ends_the_writer(tmp_path: Path) -> None:
    engine, writing = await _broken_engine(
        tmp_path, knobs=changed({"writer.commit_timeout": 0.05}, KNOBS)
    )
    first = await _held(engine)
    with pytest.raises(StoreFailed, match=r"longer than 0\.05 s") as caught:
        await writing
    assert caught.value.fatal
    assert await _reasons(first) == ["STORE_UNAVAILABLE"]
    await engine.store.close()


# Leases.

OUTAGE = MAX_DELAY / SECOND + 0.1


def _renewed_all(engine: Engine) -> list[bool]:
    """Returns of each batch whether it renewed every lease."""
    return [renewal.all for renewal in engine.store.renewals]


def _suspend(seconds: float = OUTAGE) -> None:
    """Stops the whole loop without a thing to do, as SIGSTOP would."""
    time.sleep(seconds)


def _work(seconds: float = OUTAGE) -> None:
    """Keeps the loop busy, as a large request does."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


async def test_after_the_process_was_suspended_every_live_lease_is_renewed_before_anything_else(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await engine.do(create(T1), start(T1, lease=SECOND))
    _suspend(1.1)
    (reaped,) = await engine.do(reap())
    assert reaped.ended == 0
    await engine.do(renew())
    assert _renewed_all(engine) == [False, True, False]
    assert caplog.messages == [
        "the process was suspended",
        "renewed every lease, since no agent could",
    ]


async def test_that_it_was_suspended_during_the_renewal_is_seen_too(engine: Engine) -> None:
    def suspend_once(batch: Batch) -> None:
        engine.store.before = lambda batch: None
        _suspend()

    engine.store.before = suspend_once
    _suspend()
    for _ in range(3):
        await engine.do(reap())
    assert _renewed_all(engine) == [True, True, False]


async def test_a_request_that_keeps_the_loop_busy_renews_no_lease_and_delays_their_ends(
    engine: Engine,
) -> None:
    await engine.do(create(T1), start(T1, lease=SECOND))
    before = engine.writer.lease_delay
    _work()
    assert engine.writer.lease_delay - before > 0.8 * OUTAGE * SECOND - SECOND // 20
    await engine.do(reap())
    assert _renewed_all(engine) == [False, False]


async def test_after_a_commit_that_waited_long_for_its_disk_every_live_lease_is_renewed(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    engine.store.slowness = OUTAGE
    for number in range(1, 4):
        await engine.do(create(uid(number)))
    engine.store.slowness = 0.0
    for number in range(4, 6):
        await engine.do(create(uid(number)))
    assert _renewed_all(engine) == [False, True, True, True, False]
    assert caplog.messages == ["the store is slow", "renewed every lease, since no agent could"]


async def test_what_was_renewed_by_a_batch_whose_answer_was_late_counts_from_that_answer(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    async with running(tmp_path / "store.db", clock=clock) as engine:
        await engine.do(create(T1), start(T1, "a", lease=10 * SECOND))
        await engine.do(create(T2), start(T2, "b", lease=10 * SECOND))

        def take_time(batch: Batch) -> None:
            clock.time += MAX_DELAY
            engine.store.after = lambda batch: None

        engine.store.after = take_time
        await engine.do(renew("a", lease=5 * SECOND))
        answered = clock.time
        await engine.do(create(T3))
        await engine.do(create(uid(9)))
        assert engine.store.renewals[-3:] == [
            Renewal(),
            Renewal(agents=frozenset({(NS, "a")})),
            Renewal(),
        ]
        assert (await engine.store.next_due()).lease == answered + 5 * SECOND
        clock.time = answered + 5 * SECOND - 1
        assert (await engine.do(reap()))[0].ended == 0
        clock.time += 1
        assert (await engine.do(reap()))[0].ended == 1


async def test_a_batch_that_is_tried_one_by_one_renews_the_leases_all_the_same(
    engine: Engine,
) -> None:
    engine.store.before = _broken_for(T2)
    _suspend()
    answers = [engine.submit(create(task_id)) for task_id in (T1, T2, T3)]
    assert await _reasons(*answers) == ["Task", "INTERNAL", "Task"]
    assert _renewed_all(engine) == [True, True, False, False]


async def test_a_suspension_does_not_count_to_the_time_of_a_commit(tmp_path: Path) -> None:
    timeout = 1.0
    async with running(
        tmp_path / "store.db", knobs=changed({"writer.commit_timeout": timeout}, KNOBS)
    ) as engine:
        first = await _held(engine)
        _suspend(timeout + 0.1)
        await asyncio.sleep(0)  # the timer of the commit has run out
        engine.store.release()
        await first
        await engine.do(create(T1))


async def test_closing_commits_what_is_queued_and_takes_no_more(tmp_path: Path) -> None:
    engine, writing = await _broken_engine(tmp_path)
    first = await _held(engine)
    queued = [engine.submit(create(T1)), engine.submit(cancel_group())]
    engine.writer.close()
    late = engine.submit(create(T2))
    engine.store.release()
    await writing
    assert await _reasons(first, *queued, late) == [
        "Task",
        "Task",
        "GROUP_NOT_FOUND",
        "STORE_UNAVAILABLE",
    ]
    await engine.store.close()


async def test_an_idle_writer_ends_when_it_is_closed(tmp_path: Path) -> None:
    engine, writing = await _broken_engine(tmp_path)
    await engine.submit(create(T1))
    engine.writer.close()
    await writing
    await engine.store.close()


# Commits that take long.


async def _slow_down(engine: Engine, task_id: str) -> None:
    """Lets a change of a task take forever, in one statement."""
    digits, connection = task_id.replace("-", ""), engine.store.real._connection
    sql = (
        f"CREATE TEMP TRIGGER slow BEFORE UPDATE ON main.tasks WHEN old.task_id = x'{digits}' BEGIN"
        " SELECT count(*) FROM (WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r)"
        " SELECT n FROM r); END"
    )
    await connection.run(lambda: connection.driver.execute(sql))


async def test_a_commit_that_works_too_long_is_refused_and_the_writer_goes_on(
    tmp_path: Path,
) -> None:
    knobs = changed({"writer.max_commit": 0.2, "writer.commit_timeout": 60.0}, KNOBS)
    async with running(tmp_path / "store.db", knobs=knobs) as engine:
        await engine.do(create(T1), start(T1), create(T2), start(T2))
        await _slow_down(engine, T1)
        for _ in range(2):
            assert await _reasons(engine.submit(cancel(T1))) == ["INTERNAL"]
        task = await engine.store.task(NS, T1)
        assert (task.state, task.version) == ("RUNNING", 2)
        (done,) = await engine.do(cancel(T2))
        assert done.target.state == "CANCELLING"
        assert not any(renewal.all for renewal in engine.store.renewals[1:])


async def test_whoever_shares_a_commit_with_one_that_takes_too_long_is_committed_without_it(
    tmp_path: Path,
) -> None:
    knobs = changed({"writer.max_commit": 0.2, "writer.commit_timeout": 60.0}, KNOBS)
    async with running(tmp_path / "store.db", knobs=knobs) as engine:
        await engine.do(create(T1), start(T1), create(T2), start(T2))
        await _slow_down(engine, T1)
        answers = [engine.submit(command) for command in (cancel(T1), cancel(T2))]
        assert await _reasons(*answers) == ["INTERNAL", "Cancelled"]


async def test_a_plan_that_takes_too_long_is_broken_off_between_its_steps(
    engine: Engine,
) -> None:
    def late(batch: Batch) -> None:
        plan = batch.plan

        def broken_off():
            made = plan()
            wanted = next(made)
            engine.store.break_off()
            yield wanted
            raise AssertionError("it goes on")

        batch.plan = broken_off  # type: ignore[method-assign]

    engine.store.before = late
    assert await _reasons(engine.submit(create(T1))) == ["INTERNAL"]
    engine.store.before = lambda batch: None
    assert await engine.do(create(T1))
