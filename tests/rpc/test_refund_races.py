"""Settlements race with late words and with each other: one order explains every answer.

The short round has 100 races of each kind; the full one, with COUNTERMAND_CHAOS=full, has 1,000.
"""

import asyncio
import os
import random
from collections import Counter
from typing import Any

import grpc
import pytest

from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import Caller, Held, everything, new_id
from tests.support.refusals import refusal_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
IN_FULL = [pytest.mark.chaos, pytest.mark.skipif(not FULL, reason="is of the full round")]
raced = pytest.mark.parametrize("races", [100, pytest.param(1000, marks=IN_FULL)])
AT_ONCE = 50
"""How many tasks race at one time; one connection takes 200 calls."""


async def answer_of(call: Any) -> str:
    """Returns why a call was refused; empty for OK."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason
    return ""


async def owing(caller: Caller, count: int) -> list[Held]:
    """Makes so many tasks that failed with their charge BEGUN."""
    group = await caller.create_group(count)

    async def fail(task: task_pb2.Task) -> Held:
        held = await caller.start(task.task_id, lease=600)
        await caller.begin_charge(held)
        return held._replace(task=await caller.finish(held, "FAILED"))

    return await asyncio.gather(*map(fail, group.tasks))


def money(task: task_pb2.Task) -> tuple[str, str]:
    """Returns the charge and the refund of a task in words."""
    return (
        task_pb2.ChargeState.Name(task.charge_state).removeprefix("CHARGE_STATE_"),
        task_pb2.RefundState.Name(task.refund_state).removeprefix("REFUND_STATE_"),
    )


async def versions(caller: Caller, held: Held) -> list[tuple[str, str]]:
    """Returns what each version after the end says of the money, as a watch tells them."""
    after = held.task.version
    messages = await everything(caller.watch(held.task_id, after_version=after - 1))
    assert [m.task.version for m in messages] == list(range(after, after + len(messages)))
    assert [m.last for m in messages] == [False] * (len(messages) - 1) + [True]
    return [money(message.task) for message in messages]


# What can have happened: the versions after the end, and the answers of the racers in their order.
VOID_FIRST = ([("VOIDED", "NOT_OWED")], ("", "REFUND_ALREADY_SETTLED"))
SETTLED_FIRST = ([("BEGUN", "REFUNDED"), ("VOIDED", "REFUNDED")], ("", ""))
TAKEN_FIRST = ([("CAPTURED", "REQUIRED"), ("CAPTURED", "REFUNDED")], ("", ""))
SETTLED_TOO_EARLY = ([("BEGUN", "REFUNDED"), ("CAPTURED", "REQUIRED")], ("", ""))
ORDERS = {"VOIDED": (VOID_FIRST, SETTLED_FIRST), "CAPTURED": (TAKEN_FIRST, SETTLED_TOO_EARLY)}


@raced
@pytest.mark.parametrize("word", ["VOIDED", "CAPTURED"])
async def test_a_settlement_and_a_late_word_have_one_order_that_explains_every_answer(
    caller: Caller, word: str, races: int
) -> None:
    chosen, seen = random.Random(7), Counter()
    for _ in range(races // AT_ONCE):

        async def race(held: Held) -> None:
            racers = {
                0: lambda: caller.report_charge(held, word),
                1: lambda: caller.settle(held.task_id),
            }
            order = chosen.sample((0, 1), 2)
            sent = {one: asyncio.ensure_future(answer_of(racers[one]())) for one in order}
            answers = (await sent[0], await sent[1])
            begun, *later = await versions(caller, held)
            assert begun == ("BEGUN", "REQUIRED")
            assert (later, answers) in ORDERS[word]
            seen[ORDERS[word].index((later, answers))] += 1

        await asyncio.gather(*map(race, await owing(caller, AT_ONCE)))
    assert sum(seen.values()) == races
    assert set(seen) == {0, 1}  # each came first now and then


@raced
async def test_of_two_settlements_one_counts_and_the_other_hears_of_it(
    caller: Caller, races: int
) -> None:
    for _ in range(races // AT_ONCE):

        async def race(held: Held) -> None:
            said = [("REFUNDED", 5), ("NOT_OWED", None)]
            answers = await asyncio.gather(
                *(
                    answer_of(
                        caller.settle(held.task_id, outcome, amount=amount, request_id=new_id())
                    )
                    for outcome, amount in said
                )
            )
            assert sorted(answers) == ["", "REFUND_ALREADY_SETTLED"]
            outcome, amount = said[answers.index("")]
            _, *later = await versions(caller, held)
            assert later == [("BEGUN", outcome)]
            settlement = (await caller.get(held.task_id)).settlement
            assert settlement.amount == (amount or 0)

        await asyncio.gather(*map(race, await owing(caller, AT_ONCE)))


async def test_one_settlement_that_is_sent_many_times_is_one(caller: Caller) -> None:
    for held in await owing(caller, 10):
        request = t.SettleRefundRequest(
            task_id=held.task_id,
            outcome=task_pb2.REFUND_STATE_REFUNDED,
            amount=5,
            request_id=new_id(),
        )
        calls = (caller.tasks.SettleRefund(request, timeout=20) for _ in range(20))
        answers = await asyncio.gather(*calls)
        assert [answer.replayed for answer in answers].count(False) == 1
        assert {answer.task.version for answer in answers} == {held.task.version + 1}


async def test_a_settlement_races_with_the_end_that_requires_it(caller: Caller) -> None:
    """It is refused before the end, and taken after it; never lost between."""
    for _ in range(50):
        held = await caller.running(lease=600)
        await caller.begin_charge(held)
        await caller.cancel(held.task_id, 600)
        finish = asyncio.ensure_future(caller.finish(held, "CANCELLED"))
        answer = await answer_of(caller.settle(held.task_id, request_id=new_id()))
        await finish
        task = await caller.get(held.task_id)
        wanted = {"": "REFUNDED", "REFUND_NOT_REQUIRED": "REQUIRED"}[answer]
        assert money(task) == ("BEGUN", wanted)
