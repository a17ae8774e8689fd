"""The history: lists by what is covered, and counts that agree with a recount."""

from collections import Counter

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import cancellation_pb2, task_pb2
from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import Caller, new_id
from tests.support.refusals import refused
from tests.support.sales import end_all

pytestmark = pytest.mark.asyncio(loop_scope="session")

REASONS = ("fraud", "customer_requested", "", "Ünï©ødé ☂", "fraud", "fraud")


async def summary(caller: Caller, key: str, **fields) -> dict[str, int]:
    """Summarizes, and checks the order of the rows."""
    request = c.SummarizeCancellationsRequest(
        group_by=c.SummaryKey.Value(f"SUMMARY_KEY_{key}"), **fields
    )
    rows = (await caller.cancellations.SummarizeCancellations(request)).rows
    tallies = [row.count for row in rows]
    assert tallies == sorted(tallies, reverse=True)
    assert all(tallies)
    found = {row.key: row.count for row in rows}
    assert len(found) == len(rows)
    return found


async def recount(caller: Caller, **fields) -> dict[str, Counter]:
    """Counts by reading every cancellation with its results."""
    found = {"REASON": Counter(), "STATE": Counter(), "PROOF": Counter()}
    for listed in await caller.listed(page_size=7, **fields):
        cancellation = await caller.cancellation(listed.cancellation_id)
        state = cancellation_pb2.CancellationState.Name(cancellation.state)
        found["REASON"][cancellation.reason] += 1
        found["STATE"][state.removeprefix("CANCELLATION_STATE_")] += 1
        for result in cancellation.results:
            if result.disposition == cancellation_pb2.DISPOSITION_STOPPED:
                proof = task_pb2.CancelProof.Name(result.cancel_proof)
                found["PROOF"][proof.removeprefix("CANCEL_PROOF_")] += 1
    return found


async def fill(caller: Caller) -> None:
    """Cancels many things that end in every way."""
    for number, reason in enumerate(REASONS):
        await caller.cancel((await caller.create()).task_id, reason=reason)
        held = await caller.running(lease=600)
        await caller.cancel(held.task_id, (600, 0)[number % 2], reason=reason)
        if number % 2:
            await caller.ended(held.task_id)
        elif number:
            await caller.finish(held, ("CANCELLED", "COMPLETED")[number // 2 % 2])
        sale = await caller.new_checkout(3, running=2)
        order = await caller.new_order(1, running=1, checkout_ids=[sale.made.checkout_id])
        if number % 3 == 0:
            await caller.cancel_checkout(sale.made.checkout_id, reason=reason)
        await caller.cancel_order(order.made.order_id, reason=reason)
        if number % 2:
            await caller.finish(sale.held[0])
            await end_all(caller, [*sale.held[1:], *order.held])
        made = await caller.create_group(number)
        await caller.cancel_group(made.group.group_id, reason=reason)
    lost = await caller.running("lost", lease=1)
    await caller.cancel(lost.task_id, 600, reason="fraud")
    await caller.ended(lost.task_id)


async def test_summaries_by_reason_state_and_proof_agree_with_a_recount(caller, stranger):
    await fill(caller)
    await stranger.cancel((await stranger.create()).task_id, reason="foreign")
    total = await recount(caller)
    assert set(total["STATE"]) == {"IN_PROGRESS", "SUCCEEDED", "PARTIAL", "TOO_LATE"}
    assert set(total["PROOF"]) == {"NEVER_STARTED", "ACKNOWLEDGED", "FORCED", "AGENT_LOST"}
    for key, expected in total.items():
        assert await summary(caller, key) == expected
    # The times of the accepts bound a range: the first is in it, the last is not.
    times = sorted(found.create_time.ToNanoseconds() for found in await caller.listed())
    for first, last in ((0, len(times) - 1), (3, 9), (5, 5), (9, 3)):
        start, end = Timestamp(), Timestamp()
        start.FromNanoseconds(times[first])
        end.FromNanoseconds(times[last])
        for fields in (
            {"start_time": start, "end_time": end},
            {"start_time": start},
            {"end_time": end},
        ):
            expected = await recount(caller, **fields)
            for key, counted in expected.items():
                assert await summary(caller, key, **fields) == counted
    assert sum((await summary(caller, "REASON", start_time=start, end_time=end)).values()) == 0


async def test_a_tenant_without_cancellations_has_no_rows(caller):
    for key in ("REASON", "STATE", "PROOF"):
        assert await summary(caller, key) == {}


async def test_lists_by_task_name_every_cancellation_that_covers_it(caller):
    sale = await caller.new_checkout(2, running=1)
    checkout_id, task_id = sale.made.checkout_id, sale.held[0].task_id
    orders = [(await caller.new_order(checkout_ids=[checkout_id])).made.order_id for _ in range(2)]
    await caller.cancel((await caller.create()).task_id)  # another one
    accepted = [
        await caller.cancel(task_id, 600, reason="a"),
        await caller.cancel_group(sale.made.group_id, 600, reason="b"),
        await caller.cancel_checkout(checkout_id, reason="c"),
        await caller.cancel_order(orders[0], reason="d"),
        await caller.cancel_order(orders[1], reason="e"),
    ]
    by_task, by_group, by_checkout, *by_orders = (
        answer.cancellation.cancellation_id for answer in accepted
    )

    async def ids(**fields):
        found = await caller.listed(**fields)
        assert not any(cancellation.results for cancellation in found)
        return [cancellation.cancellation_id for cancellation in found]

    everything = [*reversed(by_orders), by_checkout, by_group, by_task]
    assert await ids(task_id=task_id) == everything
    assert await ids(task_id=task_id, page_size=2) == everything
    assert await ids(task_id=sale.tasks[1].task_id) == everything[:-1]
    assert await ids(group_id=sale.made.group_id) == [by_group]
    assert await ids(checkout_id=checkout_id) == [by_checkout]
    assert [await ids(order_id=id) for id in orders] == [[id] for id in by_orders]
    assert await ids(task_id=task_id, reason="d") == [by_orders[0]]
    assert await ids(checkout_id=checkout_id, reason="d") == []


async def test_a_checkout_that_was_cancelled_by_its_order_lists_that_cancellation(caller):
    sale = await caller.new_checkout(1)
    order = await caller.new_order(checkout_ids=[sale.made.checkout_id])
    answer = await caller.cancel_order(order.made.order_id)
    (found,) = await caller.listed(checkout_id=sale.made.checkout_id)
    assert found.order_id == order.made.order_id
    assert found.cancellation_id == answer.cancellation.cancellation_id


async def test_at_most_one_holder_may_be_named(caller):
    fields = {"task_id": new_id(), "group_id": new_id(), "checkout_id": "c", "order_id": "o"}
    names = list(fields)
    for first in range(4):
        for second in range(first + 1, 4):
            two = {name: fields[name] for name in (names[first], names[second])}
            refusal = await refused(caller.listed(**two), "INVALID_REQUEST")
            assert list(refusal.fields) == [names[second]]


async def test_a_page_token_of_another_holder_is_refused(caller):
    sale = await caller.new_checkout(1, running=1)
    await caller.cancel(sale.held[0].task_id, 600)
    await caller.cancel_checkout(sale.made.checkout_id)
    request = c.ListCancellationsRequest(task_id=sale.held[0].task_id, page_size=1)
    token = (await caller.cancellations.ListCancellations(request)).next_page_token
    assert token
    other = c.ListCancellationsRequest(checkout_id=sale.made.checkout_id, page_token=token)
    await refused(caller.cancellations.ListCancellations(other), "PAGE_TOKEN_INVALID")
