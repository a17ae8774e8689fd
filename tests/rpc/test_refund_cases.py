"""Some of the combinations of what can happen to a task and its money, over the wire: task, result,
list, summary and watches all say what the API says. All of them are tried with the rules alone."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest

from countermand.core import commands as c
from countermand.core.refunds import SettleRefund
from countermand.v1 import cancellation_service_pb2, task_pb2
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import CHANGE, Caller, Held, everything
from tests.support.refund_cases import (
    LAST,
    LATE,
    REAPING,
    SETTLING,
    Case,
    cases,
    expected,
    stages,
)
from tests.support.refusals import refusal_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEP = 71
"""One case in so many is tried; it has no factor in common with the number of words."""
CASES = list(cases())[::STEP]


async def _ask(caller: Caller, case: Case, command: c.Command) -> str:
    """Asks what a command of the rules asks. Returns why it was refused; empty for OK."""
    try:
        await _call(caller, case, command)
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason
    return ""


async def _call(caller: Caller, case: Case, command: Any) -> None:
    held = Held(task_pb2.Task(task_id=case.task_id), getattr(command, "fence", 0))
    # What the rules wait for by their own clock comes at once here.
    grace = 0 if case.end == "FORCED" else 600
    match command:
        case c.CreateGroup():
            tasks = [{"task_id": task.task_id} for task in command.tasks]
            await caller.tasks.CreateGroup(
                t.CreateGroupRequest(group_id=command.group_id, tasks=tasks)
            )
        case c.CreateCheckout():
            tasks = [{"task_id": task.task_id} for task in command.tasks]
            made = {"checkout_id": command.checkout_id}
            await caller.checkouts.CreateCheckout(
                s.CreateCheckoutRequest(checkout=made, tasks=tasks)
            )
        case c.CreateOrder():
            tasks = [{"task_id": task.task_id} for task in command.tasks]
            order = {"order_id": command.order_id, "checkout_ids": command.checkout_ids}
            await caller.orders.CreateOrder(o.CreateOrderRequest(order=order, tasks=tasks))
        case c.CompleteCheckout():
            await caller.complete(command.checkout_id)
        case c.StartTask():
            await caller.start(command.task_id, command.agent_id, lease=600)
        case c.BeginCharge():
            await caller.begin_charge(held)
        case c.ReportCharge():
            await caller.report_charge(held, command.charge_state)
        case c.FinishTask():
            await caller.finish(held, command.outcome)
        case c.CancelTask():
            await caller.cancel(command.target_id, grace)
        case c.CancelGroup():
            await caller.cancel_group(command.target_id, grace)
        case c.CancelCheckout():
            await caller.cancel_checkout(command.target_id, grace)
        case c.CancelOrder():
            await caller.cancel_order(command.target_id, grace)
        case SettleRefund():
            await caller.settle(command.task_id, command.outcome, note=command.note)
        case _:
            raise AssertionError(command)


async def _play(caller: Caller, case: Case) -> list[str]:
    """Plays a case. Returns why its last words were refused."""
    refusals = []
    for place, commands in enumerate(stages(case)):
        found = [await _ask(caller, case, command) for command in commands]
        if place in (LATE, SETTLING, LAST):
            refusals.append("".join(found))
        else:
            assert not any(found), (case, found)
        if place == REAPING:
            if case.end in ("LOST", "AGENT_LOST"):
                await caller.heartbeat(f"agent-{case.number}", 1)
            await caller.ended(case.task_id)
    return refusals


async def test_task_result_list_summary_and_watches_agree_with_the_api(caller: Caller) -> None:
    assert len({(case.cover, case.when, case.charge, case.end) for case in CASES}) == len(CASES)
    assert len({(case.late, case.outcome, case.last) for case in CASES}) == 24
    following = caller.watch_many(timeout=120)
    await following.read()
    refusals = await asyncio.gather(*(_play(caller, case) for case in CASES))
    assert list(refusals) == [expected(case).refusals for case in CASES]

    for case in CASES:
        money = expected(case).money
        messages = await everything(caller.watch(case.task_id, after_version=0))
        assert [m.last for m in messages] == [False] * (len(messages) - 1) + [True]
        ended = [_money(m.task) for m in messages if m.task.HasField("end_time")]
        assert ended == money, case
        task = await caller.get(case.task_id)
        assert task == messages[-1].task
        if task.cancellation_id:
            (result,) = (await caller.cancellation(task.cancellation_id)).results
            assert (result.refund_state, result.refund_required) == (
                task.refund_state,
                task.refund_required,
            )
    await _lists_agree(caller)
    await _told_once(caller, following)


async def _lists_agree(caller: Caller) -> None:
    found = Counter()
    for refund in ("NONE", "REQUIRED", "REFUNDED", "NOT_OWED"):
        wanted = {case.task_id for case in CASES if expected(case).money[-1][1] == refund}
        assert set(await caller.refunds(refund)) == wanted
        found[refund] = len(wanted)
    request = cancellation_service_pb2.SummarizeCancellationsRequest(
        group_by=cancellation_service_pb2.SUMMARY_KEY_REFUND
    )
    answer = await caller.cancellations.SummarizeCancellations(request)
    assert {row.key: row.count for row in answer.rows} == found


async def _told_once(caller: Caller, following: Any) -> None:
    """The watch of all tasks, open all the while, sent each version once and in order."""
    marker = (await caller.create()).task_id
    sent: dict[str, list[Any]] = {case.task_id: [] for case in CASES}
    while (message := await following.read()).task.task_id != marker:
        assert message.type == CHANGE
        sent[message.task.task_id].append(message.task)
    following.cancel()
    for case in CASES:
        tasks = sent[case.task_id]
        assert [task.version for task in tasks] == list(range(1, len(tasks) + 1)), case
        assert tasks[-1] == await caller.get(case.task_id)
        ended = [_money(task) for task in tasks if task.HasField("end_time")]
        assert ended == expected(case).money, case


def _money(task: task_pb2.Task) -> tuple[str, str]:
    charge = task_pb2.ChargeState.Name(task.charge_state).removeprefix("CHARGE_STATE_")
    refund = task_pb2.RefundState.Name(task.refund_state).removeprefix("REFUND_STATE_")
    assert task.refund_required is (refund == "REQUIRED")
    return charge, refund
