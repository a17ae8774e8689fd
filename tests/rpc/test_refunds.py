"""Refunds over the wire: who is owed money, what agents say late, and how it is settled once."""

import asyncio

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import (
    CANCELLED,
    CHANGE,
    HEARTBEAT,
    SNAPSHOT,
    Caller,
    Held,
    everything,
    new_caller,
    new_id,
    take,
)
from tests.support.refusals import refused
from tests.support.sales import FORCED

pytestmark = pytest.mark.asyncio(loop_scope="session")


def refund(message) -> str:
    """Returns the refund state of a task or a result in a word."""
    assert message.refund_required is (message.refund_state == task_pb2.REFUND_STATE_REQUIRED)
    return task_pb2.RefundState.Name(message.refund_state).removeprefix("REFUND_STATE_")


def charge(task: task_pb2.Task) -> str:
    return task_pb2.ChargeState.Name(task.charge_state).removeprefix("CHARGE_STATE_")


async def forced(caller: Caller, *, charged: bool = False) -> Held:
    """A task that was ended by force, perhaps with its charge CAPTURED."""
    held = await caller.running(lease=600)
    if charged:
        await caller.report_charge(held, "CAPTURED")
    await caller.cancel(held.task_id, 0)
    return held._replace(task=await caller.ended(held.task_id))


async def summary(caller: Caller, **span) -> dict[str, int]:
    request = c.SummarizeCancellationsRequest(group_by=c.SUMMARY_KEY_REFUND, **span)
    answer = await caller.cancellations.SummarizeCancellations(request)
    return {row.key: row.count for row in answer.rows}


# What agents say late.


async def test_an_agent_that_was_forced_off_can_say_that_it_gave_the_money_back(caller):
    held = await forced(caller, charged=True)
    assert (held.task.cancel_proof, refund(held.task)) == (FORCED, "REQUIRED")
    voided = await caller.report_charge(held, "VOIDED")
    assert (charge(voided), refund(voided), voided.state) == ("VOIDED", "NOT_OWED", CANCELLED)
    assert voided.version == held.task.version + 1
    assert voided.end_time == held.task.end_time
    assert await caller.get(held.task_id) == voided
    (result,) = (await caller.cancellation(held.task.cancellation_id)).results
    assert refund(result) == "NOT_OWED"
    # Of all else its word is refused, as before.
    await refused(caller.finish(held), "FENCED")
    await refused(caller.begin_charge(held), "FENCED")


async def test_money_that_was_taken_unasked_is_taken_down_after_a_forced_end(caller):
    held = await forced(caller)
    assert refund(held.task) == "NONE"
    late = await caller.report_charge(held, "CAPTURED")
    assert (charge(late), refund(late)) == ("CAPTURED", "REQUIRED")
    assert await caller.report_charge(held, "CAPTURED") == late
    older = held._replace(fence=held.fence + 1)
    await refused(caller.report_charge(older, "VOIDED"), "FENCED")


async def test_more_than_sixteen_words_after_the_end_are_refused(caller):
    held = await forced(caller)
    for number in range(16):
        await caller.report_charge(held, ("CAPTURED", "VOIDED")[number % 2])
    last = await caller.get(held.task_id)
    await refused(caller.report_charge(held, "CAPTURED"), "TOO_MANY_CHANGES")
    assert await caller.report_charge(held, "VOIDED") == last


# Completed work that was undone.


# Settling.


async def test_a_settlement_is_kept_and_shown_everywhere_alike(caller):
    held = await caller.owed()
    assert refund(held.task) == "REQUIRED"
    request_id = new_id()
    said = {"amount": 1999, "currency": "eUR", "note": "paid back", "request_id": request_id}
    answer = await caller.settle(held.task_id, **said)
    assert not answer.replayed
    task = answer.task
    assert (refund(task), task.version) == ("REFUNDED", held.task.version + 1)
    settlement = task.settlement
    assert (settlement.amount, settlement.currency, settlement.note) == (1999, "eUR", "paid back")
    assert (settlement.settled_by, settlement.request_id) == (caller.key_id, request_id)
    assert settlement.outcome == task_pb2.REFUND_STATE_REFUNDED
    assert settlement.settle_time == task.update_time
    assert await caller.get(held.task_id) == task
    messages = await everything(caller.watch(held.task_id, after_version=0))
    assert messages[-1].task == task
    assert [m.task.HasField("settlement") for m in messages] == [False] * 4 + [True]
    assert [m.last for m in messages] == [False] * 4 + [True]


async def test_a_settlement_may_leave_out_all_that_is_optional(caller):
    held = await caller.owed()
    task = (await caller.settle(held.task_id, "NOT_OWED")).task
    assert refund(task) == "NOT_OWED"
    settlement = task.settlement
    assert not settlement.HasField("amount")
    assert (settlement.currency, settlement.note, settlement.request_id) == ("", "", "")
    again = await caller.settle(held.task_id, "NOT_OWED", note="again")
    assert (again.replayed, again.task) == (False, task)
    other = caller.settle(held.task_id, "NOT_OWED", amount=0)
    refusal = await refused(other, "REFUND_ALREADY_SETTLED")
    assert refusal.metadata == {"task_id": held.task_id, "refund_state": "NOT_OWED"}


async def test_a_settlement_is_replayed_also_by_another_key_and_shares_its_ids_with_cancels(
    shared, admin, caller
):
    held, request_id = await caller.owed(), new_id()
    said = {"amount": 5, "currency": "EUR", "request_id": request_id}
    first = await caller.settle(held.task_id, **said)
    async with new_caller(shared, admin, tenant=caller.tenant) as other:
        again = await other.settle(held.task_id, **said | {"request_id": request_id.upper()})
        assert (again.replayed, again.task) == (True, first.task)
    for other_request in (
        caller.settle(held.task_id, **said | {"amount": 6}),
        caller.settle(held.task_id, "NOT_OWED", **said),
        caller.cancel((await caller.create()).task_id, request_id=request_id),
    ):
        refusal = await refused(other_request, "REQUEST_ID_CONFLICT")
        assert refusal.metadata == {"request_id": request_id, "task_id": held.task_id}
    await refused(
        caller.settle(held.task_id, **said | {"request_id": new_id()}), "REFUND_ALREADY_SETTLED"
    )


async def test_what_is_not_required_is_refused_and_leaves_the_request_id_free(caller):
    held, request_id = await caller.running(lease=600), new_id()
    settle = {"task_id": held.task_id, "request_id": request_id}
    refusal = await refused(caller.settle(**settle), "REFUND_NOT_REQUIRED")
    assert refusal.metadata == {
        "task_id": held.task_id,
        "refund_state": "NONE",
        "state": "RUNNING",
    }
    await caller.begin_charge(held)
    await caller.finish(held, "FAILED")
    assert not (await caller.settle(**settle)).replayed
    await refused(caller.settle(new_id()), "TASK_NOT_FOUND")


async def test_the_largest_settlement_is_taken(caller):
    held = await caller.owed()
    said = {"amount": (1 << 63) - 1, "currency": "€" * 128, "note": "🛒" * 500}
    settlement = (await caller.settle(held.task_id, **said)).task.settlement
    assert {name: getattr(settlement, name) for name in said} == said


# Who is owed money.


async def test_lists_and_the_summary_say_who_is_owed_money(caller):
    before = (await caller.create()).create_time
    owed = [await caller.owed() for _ in range(3)]
    await caller.settle(owed[0].task_id)
    await caller.settle(owed[1].task_id, "NOT_OWED")
    done = await caller.running(lease=600)
    after = (await caller.finish(done)).end_time
    assert await caller.refunds("REQUIRED") == [owed[2].task_id]
    assert await caller.refunds("REFUNDED") == [owed[0].task_id]
    assert await caller.refunds("NOT_OWED") == [owed[1].task_id]
    assert set(await caller.refunds("NONE")) >= {done.task_id}
    assert await caller.refunds("REQUIRED", agent_id="nobody") == []
    counts = {"NONE": 1, "REQUIRED": 1, "REFUNDED": 1, "NOT_OWED": 1}
    assert await summary(caller) == counts
    assert await summary(caller, start_time=before) == counts
    assert await summary(caller, end_time=before) == {}
    # The span has its beginning and not its end, as ends are counted, not cancels.
    assert await summary(caller, start_time=after) == {"NONE": 1}
    del counts["NONE"]
    assert await summary(caller, end_time=after) == counts


async def test_a_page_token_is_bound_to_the_refund_state(caller):
    for _ in range(2):
        await caller.owed()
    required = task_pb2.REFUND_STATE_REQUIRED
    page = await caller.tasks.ListTasks(t.ListTasksRequest(refund_state=required, page_size=1))
    for state in (0, task_pb2.REFUND_STATE_NONE):
        other = t.ListTasksRequest(refund_state=state, page_token=page.next_page_token)
        await refused(caller.tasks.ListTasks(other), "PAGE_TOKEN_INVALID")


# What watchers see.


async def test_a_later_word_is_told_from_any_version_and_last_is_on_the_newest(caller):
    held = await forced(caller, charged=True)
    end = held.task.version
    await caller.report_charge(held, "VOIDED")
    await caller.report_charge(held, "CAPTURED")
    newest = (await caller.settle(held.task_id)).task
    for after in range(newest.version):
        messages = await everything(caller.watch(held.task_id, after_version=after))
        assert [m.task.version for m in messages] == list(range(after + 1, newest.version + 1))
        assert {m.type for m in messages} == {CHANGE}
        assert [m.last for m in messages] == [False] * (len(messages) - 1) + [True]
        ended = [(charge(m.task), refund(m.task)) for m in messages if m.task.version >= end]
        assert (
            ended
            == [
                ("CAPTURED", "REQUIRED"),
                ("VOIDED", "NOT_OWED"),
                ("CAPTURED", "REQUIRED"),
                ("CAPTURED", "REFUNDED"),
            ][max(0, after + 1 - end) :]
        )
    (snapshot,) = await everything(caller.watch(held.task_id))
    assert (snapshot.type, snapshot.task, snapshot.last) == (SNAPSHOT, newest, True)
    watch = caller.watch(held.task_id, after_version=newest.version)
    (heartbeat,) = await everything(watch)
    assert (heartbeat.type, heartbeat.task, heartbeat.last) == (HEARTBEAT, newest, True)


async def test_a_stream_that_ended_stays_ended_and_one_that_comes_later_sees_more(caller):
    held = await caller.running(lease=600)
    watch = caller.watch(held.task_id)
    await take(watch, 1)
    await caller.finish(held)
    (end,) = await everything(watch)
    assert end.last
    await caller.report_charge(held, "CAPTURED")
    (later,) = await everything(caller.watch(held.task_id, after_version=end.task.version))
    assert (later.task.version, later.last) == (end.task.version + 1, True)


async def test_a_watch_of_many_tells_a_later_word_also_of_a_task_not_shown_before(caller):
    held = await caller.owed()
    watch = caller.watch_many()
    (synced,) = await take(watch, 1)  # what has ended is not in its beginning
    assert not synced.HasField("task")
    settled = (await caller.settle(held.task_id)).task
    message = await watch.read()
    assert (message.type, message.task, message.last) == (CHANGE, settled, False)
    watch.cancel()
    resumed = caller.watch_many(resume_token=synced.resume_token)
    message = await resumed.read()
    assert (message.type, message.task) == (CHANGE, settled)
    resumed.cancel()


async def test_a_watch_of_an_order_that_is_over_tells_later_words_when_it_is_resumed(caller):
    order = await caller.new_order(1, running=1)
    order_id = order.made.order_id
    await caller.begin_charge(order.held[0])
    await caller.cancel_order(order_id)
    watch = caller.watch_many(order_id=order_id)
    await take(watch, 2)
    await caller.finish(order.held[0], "CANCELLED")
    end = (await everything(watch))[-1]
    assert end.last
    settled = (await caller.settle(order.held[0].task_id)).task
    resumed = await everything(caller.watch_many(resume_token=end.resume_token, order_id=order_id))
    assert [(m.type, m.task, m.last) for m in resumed] == [(CHANGE, settled, True)]


async def test_the_agent_s_own_watch_hears_of_what_is_settled(caller):
    held = await caller.owed(agent_id="agent-7")
    watch = caller.watch_many(agent_id="agent-7")
    await take(watch, 1)
    settled = (await caller.settle(held.task_id)).task
    assert (await watch.read()).task == settled
    watch.cancel()


async def test_versions_are_each_told_once_while_words_race_with_the_watch(caller):
    held = await forced(caller)
    watches = [caller.watch_many() for _ in range(3)]
    for watch in watches:
        await take(watch, 1)
    words = [caller.report_charge(held, ("CAPTURED", "VOIDED")[n % 2]) for n in range(10)]
    await asyncio.gather(*words)
    last = (await caller.get(held.task_id)).version
    for watch in watches:
        sent = await take(watch, last - held.task.version)
        assert [m.task.version for m in sent] == list(range(held.task.version + 1, last + 1))
        watch.cancel()
