"""Every combination of charge, end, covering cancel, late statement and settlement of one task.

The API's rules of refunds are stated once more here, in the order in which they happen to one task,
without a batch and without rows.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from countermand.core import commands as c
from countermand.core.records import SECOND
from countermand.core.states import ChargeState, RefundState, TaskState
from tests.support import ask
from tests.support.ask import uid

S, M, R = TaskState, ChargeState, RefundState

UNDOING = ("checkout", "order", "own order", "completed checkout")
"""The covering cancels by which not even COMPLETED work stands."""
COVERS = ("task", "group", *UNDOING)
STOPPED_ENDS = ("ACKNOWLEDGED", "FORCED", "AGENT_LOST")
"""How a cancel that came before the end can have ended a task that runs."""
MONEY = (M.BEGUN, M.CAPTURED)
BEFORE, ENDED, SPOKEN = "before the end", "after the end", "after the late statement"
NEVER = "never"

REAPED = 60 * SECOND
"""How long after the start deadlines and leases of the cases have passed."""


class Case(NamedTuple):
    """What happens to one task; words that are None are not said."""

    number: int
    cover: str
    when: str
    charge: ChargeState
    end: str
    late: ChargeState | None
    outcome: RefundState | None
    last: ChargeState | None

    @property
    def task_id(self) -> str:
        return uid(0x10000 + self.number)

    @property
    def state(self) -> TaskState:
        if self.end in ("COMPLETED", "FAILED"):
            return S(self.end)
        return S.FAILED if self.end == "LOST" else S.CANCELLED

    @property
    def undone(self) -> bool:
        """Whether a cancel of its checkout or order is accepted at some time."""
        return self.cover in UNDOING


class Expected(NamedTuple):
    """What the API says of a case."""

    money: list[tuple[ChargeState, RefundState]]
    """Of the version with which the task ended, and of each one after it."""
    refusals: list[str]
    """Why the late statement, the settlement and the last word are refused; empty for OK."""


def cases() -> Iterator[Case]:
    """All that can happen, each under a number of its own."""
    words = product((None, M.CAPTURED, M.FAILED, M.VOIDED), (None, R.REFUNDED, R.NOT_OWED))
    said = list(product(words, (None, M.CAPTURED)))
    for number, (happened, ((late, outcome), last)) in enumerate(product(list(_ends()), said)):
        yield Case(number, *happened, late, outcome, last)


def _ends() -> Iterator[tuple[str, str, ChargeState, str]]:
    for cover in COVERS:
        yield (cover, BEFORE, M.NONE, "NEVER_STARTED")
        for charge, end in product(M, ("COMPLETED", "FAILED", *STOPPED_ENDS)):
            yield (cover, BEFORE, charge, end)
    later = [(cover, when) for cover in ("group", *UNDOING) for when in (ENDED, SPOKEN)]
    for (cover, when), charge, end in product(
        [("none", NEVER), *later], M, ("COMPLETED", "FAILED", "LOST")
    ):
        yield (cover, when, charge, end)


def expected(case: Case) -> Expected:
    """What the API says of a case."""
    charge, refund = case.charge, R.NONE
    covered = case.when == BEFORE
    money: list[tuple[ChargeState, RefundState]] = []
    refusals = []

    def is_owed() -> bool:
        if case.state is S.COMPLETED:
            return charge is M.CAPTURED and covered and case.undone
        return charge in MONEY

    if is_owed():
        refund = R.REQUIRED
    money.append((charge, refund))
    for moment, word in ((ENDED, case.late), (SPOKEN, case.outcome), (None, case.last)):
        if case.when == moment:
            covered = True
            if refund is R.NONE and is_owed():
                refund = R.REQUIRED
                money.append((charge, refund))
        refusal = ""
        if isinstance(word, ChargeState):
            if case.end == "NEVER_STARTED":
                refusal = "TASK_NOT_RUNNING"
            elif word is not charge:
                charge = word
                if is_owed():
                    refund = R.REQUIRED
                elif refund is R.REQUIRED:
                    refund = R.NOT_OWED
                money.append((charge, refund))
        elif word is not None:
            if refund is R.NONE:
                refusal = "REFUND_NOT_REQUIRED"
            elif refund is R.REQUIRED:
                refund = word
                money.append((charge, refund))
            elif refund is not word:
                refusal = "REFUND_ALREADY_SETTLED"
        refusals.append(refusal)
    return Expected(money, refusals)


def stages(case: Case) -> list[list[c.Command]]:
    """What is asked, one batch after the other; None of them is refused but the three last words.

    After the stage `REAPING` the time goes on by `REAPED`, and what is due is reaped.
    """
    cancel = [_cancel(case)] if case.cover != "none" else []
    return [
        *_creations(case),
        [] if case.end == "NEVER_STARTED" else [_start(case)],
        _charges(case),
        cancel if case.when == BEFORE else [],
        _ended_by_agent(case),
        cancel if case.when == ENDED else [],
        [ask.charged(case.task_id, case.late)] if case.late else [],
        cancel if case.when == SPOKEN else [],
        [ask.settle(case.task_id, case.outcome, note="seen")] if case.outcome else [],
        [ask.charged(case.task_id, case.last)] if case.last else [],
    ]


REAPING, LATE, SETTLING, LAST = 6, 8, 10, 11
"""The places of these stages."""


def _creations(case: Case) -> list[list[c.Command]]:
    named: dict[str, Any] = {"checkout_id": checkout_id(case), "group_id": group_id(case)}
    if case.cover == "own order":
        return [[ask.create_order(case.task_id, order_id=order_id(case))], [], []]
    if case.cover not in UNDOING:
        return [[ask.create_group(case.task_id, group_id=group_id(case))], [], []]
    completes = case.cover == "completed checkout"
    lists = ask.create_order(order_id=order_id(case), checkout_ids=(checkout_id(case),))
    return [
        [ask.create_checkout(case.task_id, **named)],
        [] if case.cover == "checkout" else [lists],
        [ask.complete(checkout_id(case))] if completes else [],
    ]


def _start(case: Case) -> c.Command:
    short = case.end in ("LOST", "AGENT_LOST")
    lease = (10 if short else 3600) * SECOND
    return ask.start(case.task_id, f"agent-{case.number}", lease=lease)


def _charges(case: Case) -> list[c.Command]:
    if case.charge is M.NONE:
        return []
    begun: list[c.Command] = [ask.charge(case.task_id)]
    return begun if case.charge is M.BEGUN else [*begun, ask.charged(case.task_id, case.charge)]


def _cancel(case: Case) -> c.Command:
    grace = (20 if case.end == "FORCED" else 1800) * SECOND
    if case.cover == "task":
        return ask.cancel(case.task_id, grace=grace)
    if case.cover == "group":
        return ask.cancel_group(group_id(case), grace=grace)
    if case.cover == "checkout":
        return ask.cancel_checkout(checkout_id(case), grace=grace)
    return ask.cancel_order(order_id(case), grace=grace)


def _ended_by_agent(case: Case) -> list[c.Command]:
    words = {"COMPLETED": ask.completed, "FAILED": ask.failed, "ACKNOWLEDGED": ask.acknowledged}
    return [words[case.end](case.task_id)] if case.end in words else []


def group_id(case: Case) -> str:
    return uid(0x4000000 + case.number)


def checkout_id(case: Case) -> str:
    return f"checkout_{case.number}"


def order_id(case: Case) -> str:
    return f"order_{case.number}"
