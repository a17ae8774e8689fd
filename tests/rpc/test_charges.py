"""Money: the point of no return, what agents report of it, and what the end says of it."""

import asyncio
import os
import random

import grpc
import pytest

from countermand.v1 import task_pb2
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    FAILED,
    Caller,
    Held,
    everything,
    new_id,
    take,
)
from tests.support.refusals import refusal_of, refused
from tests.support.sales import AGENT_LOST, FORCED

pytestmark = pytest.mark.asyncio(loop_scope="session")

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
PAIRS = 10_000 if FULL else 300
WORDS = ("CAPTURED", "FAILED", "VOIDED")


def charge(task: task_pb2.Task) -> str:
    return task_pb2.ChargeState.Name(task.charge_state).removeprefix("CHARGE_STATE_")


async def refund_of(caller: Caller, task: task_pb2.Task) -> bool:
    """Whether money may have to go back, as the task, its events and its results say alike."""
    said = {task.refund_required, (await caller.get(task.task_id)).refund_required}
    versions = [m.task for m in await everything(caller.watch(task.task_id, after_version=0))]
    assert not any(version.refund_required for version in versions[:-1])
    said.add(versions[-1].refund_required)
    if task.cancellation_id:
        (result,) = (await caller.cancellation(task.cancellation_id)).results
        said.add(result.refund_required)
    (answer,) = said
    return answer


async def test_begin_is_the_permission_and_a_repeat_changes_nothing(caller):
    held = await caller.running()
    assert charge(held.task) == "NONE"
    begun = await caller.begin_charge(held)
    assert (charge(begun), begun.version) == ("BEGUN", 3)
    assert begun.update_time.ToNanoseconds() > held.task.update_time.ToNanoseconds()
    assert await caller.begin_charge(held) == begun
    assert await caller.get(held.task_id) == begun


async def test_begin_is_refused_once_a_cancel_was_accepted_and_no_refund_is_required(caller):
    held = await caller.running()
    accepted = await caller.cancel(held.task_id, 600)
    refusal = await refused(caller.begin_charge(held), "CANCELLATION_REQUESTED")
    assert refusal.metadata == {
        "task_id": held.task_id,
        "state": "CANCELLING",
        "cancellation_id": accepted.cancellation.cancellation_id,
    }
    assert await caller.get(held.task_id) == accepted.task
    ended = await caller.finish(held, "CANCELLED")
    assert not await refund_of(caller, ended)


@pytest.mark.parametrize("grace", [None, 0])
async def test_a_cancel_after_begin_is_accepted_and_its_end_asks_for_a_refund(caller, grace):
    held = await caller.running(lease=600)
    await caller.begin_charge(held)
    accepted = await caller.cancel(held.task_id, grace)
    assert (accepted.task.state, charge(accepted.task)) == (CANCELLING, "BEGUN")
    assert not accepted.task.refund_required  # it is fixed when the task ends
    if grace is None:
        ended = await caller.finish(held, "CANCELLED")
    else:
        ended = await caller.ended(held.task_id)
        assert ended.cancel_proof == FORCED
    assert await refund_of(caller, ended)


async def test_a_lost_agent_that_had_begun_to_charge_asks_for_a_refund(caller):
    cancelled, failing = await caller.running("lost", 1), await caller.running("lost", 1)
    for held in (cancelled, failing):
        await caller.begin_charge(held)
    await caller.cancel(cancelled.task_id, 600)
    ended = await caller.ended(cancelled.task_id)
    assert (ended.state, ended.cancel_proof) == (CANCELLED, AGENT_LOST)
    assert await refund_of(caller, ended)
    ended = await caller.ended(failing.task_id)
    assert ended.state == FAILED
    assert await refund_of(caller, ended)


@pytest.mark.parametrize("word", ["BEGUN", *WORDS, "NONE"])
@pytest.mark.parametrize("outcome", ["CANCELLED", "FAILED", "COMPLETED"])
async def test_the_charge_and_the_end_say_whether_a_refund_is_required(caller, word, outcome):
    held = await caller.running()
    if word == "BEGUN":
        await caller.begin_charge(held)
    elif word != "NONE":
        await caller.report_charge(held, word)
    if outcome != "FAILED":
        await caller.cancel(held.task_id, 600)
    ended = await caller.finish(held, outcome)
    assert charge(ended) == word
    required = outcome != "COMPLETED" and word in ("BEGUN", "CAPTURED")
    assert await refund_of(caller, ended) is required


async def test_a_report_is_taken_while_cancelling_and_the_last_word_counts(caller):
    held = await caller.running()
    await caller.begin_charge(held)
    await caller.cancel(held.task_id, 600)
    version = 4
    for word in ("CAPTURED", "VOIDED", "FAILED", "VOIDED"):
        for _ in range(2):  # the same word again changes nothing
            task = await caller.report_charge(held, word)
            assert (charge(task), task.version, task.state) == (word, version + 1, CANCELLING)
        version += 1
    ended = await caller.finish(held, "CANCELLED")
    assert not await refund_of(caller, ended)


async def test_a_charge_begins_anew_after_it_failed_but_not_after_it_was_captured(caller):
    held = await caller.running()
    for word in ("FAILED", "VOIDED"):
        await caller.report_charge(held, word)
        assert charge(await caller.begin_charge(held)) == "BEGUN"
    captured = await caller.report_charge(held, "CAPTURED")
    assert await caller.begin_charge(held) == captured


async def test_the_wrong_state_fence_or_task_is_refused(caller):
    pending = Held(await caller.create(), 1)
    unknown = Held(task_pb2.Task(task_id=new_id()), 1)
    again = await caller.running("a")
    fresh = await caller.start(again.task_id, "a")
    ended = await caller.running()
    await caller.finish(ended)
    forced = await caller.running(lease=600)
    await caller.cancel(forced.task_id, 0)
    await caller.ended(forced.task_id)
    for held, reason in (
        (pending, "TASK_NOT_RUNNING"),
        (unknown, "TASK_NOT_FOUND"),
        (again, "FENCED"),
        (Held(fresh.task, fresh.fence + 1), "FENCED"),
        (ended, "TASK_NOT_RUNNING"),
        (forced, "FENCED"),
    ):
        await refused(caller.begin_charge(held), reason)
        if held not in (ended, forced):  # of the money of what ended, its agent may speak
            await refused(caller.report_charge(held, "CAPTURED"), reason)
    assert charge(await caller.begin_charge(fresh)) == "BEGUN"


async def test_every_change_of_the_charge_is_a_version_that_watchers_see(caller):
    held = await caller.running()
    one, many = caller.watch(held.task_id), caller.watch_many(agent_id="agent-1")
    await one.read()
    await take(many, 2)
    told = [await caller.begin_charge(held)]
    told += [await caller.report_charge(held, word) for word in WORDS]
    assert [m.task for m in await take(one, 4)] == told
    assert [m.task for m in await take(many, 4)] == told
    many.cancel()
    ended = await caller.finish(held)
    assert (await one.read()).task == ended
    replayed = await everything(caller.watch(held.task_id, after_version=2))
    assert [m.task for m in replayed] == [*told, ended]


async def attempt(call):
    """Returns the answer of a call, or the reason why it was refused."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason


@pytest.mark.timeout(900)
@pytest.mark.chaos
async def test_begin_raced_against_a_cancel_either_comes_first_or_is_refused(caller):
    tally = {True: 0, False: 0}
    limit = asyncio.Semaphore(16)

    async def race(number: int) -> None:
        async with limit:
            held = await caller.running(lease=600)
            calls = [attempt(caller.begin_charge(held)), attempt(caller.cancel(held.task_id, 600))]
            order = random.sample((0, 1), 2)
            outcomes = await asyncio.gather(*(calls[which] for which in order))
            begun, cancelled = (outcomes[order.index(which)] for which in (0, 1))
            assert cancelled.task.state == CANCELLING
            first = not isinstance(begun, str)
            assert first or begun == "CANCELLATION_REQUESTED"
            assert charge(cancelled.task) == ("BEGUN" if first else "NONE")
            ended = await caller.finish(held, ("CANCELLED", "FAILED")[number % 2])
            assert ended.refund_required is first
            if number % 10 == 0:
                assert await refund_of(caller, ended) is first
            tally[first] += 1

    await asyncio.gather(*map(race, range(PAIRS)))
    assert tally[True] + tally[False] == PAIRS
    assert min(tally.values()) > 0, tally
