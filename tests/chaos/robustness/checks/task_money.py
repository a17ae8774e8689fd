"""What the calls about money do to one task: charges, late words, and settlements of refunds."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.robustness.checks.money import MONEY
from tests.chaos.robustness.checks.task_model import Answer, Model, State, held
from tests.chaos.robustness.truth import Version

MAX_LATE_WORDS = 16


class Settlement(NamedTuple):
    """What a settlement says."""

    outcome: str
    amount: int | None
    currency: str
    note: str
    request_id: str
    asked: bytes


def charge(fence: int, word: str, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """BeginCharge, which is the word BEGUN, and ReportCharge, which is any other."""
    present = model.at(state)
    if word != "BEGUN" and present is not None and present.ended:
        yield from _late(fence, word, model, state)
        return
    refusal, now = held(fence, model, state), model.at(state)
    if not refusal and now is not None:
        if now.ended:
            refusal = "TASK_NOT_RUNNING"
        elif word == "BEGUN" and now.state == "CANCELLING":
            refusal = "CANCELLATION_REQUESTED"
    if refusal or now is None:
        yield state, Answer(refusal)
    elif now.charge_state == word or (word == "BEGUN" and now.charge_state in MONEY):
        yield state, model.answer(state)
    elif (then := model.moved(state, now.state, word)) is not None:
        yield then, model.answer(then)


def _late(fence: int, word: str, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """ReportCharge after the end. What it makes of the refund is checked with the log."""
    assert model.task is not None
    now, row = model.at(state), model.task.row
    assert now is not None
    if row["agent_id"] is None:
        yield state, Answer("TASK_NOT_RUNNING")
    elif fence != state.fence - row["fence_raised"]:
        yield state, Answer("FENCED")
    elif now.charge_state == word:
        yield state, model.answer(state)
    elif _late_words(model, state) == MAX_LATE_WORDS:
        yield state, Answer("TOO_MANY_CHANGES")
    elif (then := model.moved(state, now.state, word)) is not None:
        yield then, model.answer(then)


def _late_words(model: Model, state: State) -> int:
    """Returns how often the charge changed after the end."""
    charges = [one.charge_state for one in model.versions[: state.version] if one.ended]
    return sum(a != b for a, b in pairwise(charges))


def settle(said: Settlement, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """SettleRefund."""
    asked = (said.request_id, said.asked)
    known = [one for one in state.requests if one[0] == said.request_id]
    now, then = model.at(state), model.after(state)
    if known and known[0] != asked:
        yield state, Answer("REQUEST_ID_CONFLICT")
    elif now is None:
        yield state, Answer("TASK_NOT_FOUND")
    elif known:
        yield state, model.answer(state, replayed=True)
    elif now.refund == "NONE":
        yield state, Answer("REFUND_NOT_REQUIRED")
    elif now.refund != "REQUIRED":
        if not said.request_id and _decided(now) == said[:3]:
            yield state, model.answer(state, replayed=False)
        else:
            yield state, Answer("REFUND_ALREADY_SETTLED")
    elif then is not None and then.refund == said.outcome and then.settlement is not None:
        outcome, amount, currency, note, _, _, request_id = json.loads(then.settlement)
        settled = model.moved(state, now.state)
        wanted = (said.outcome, said.amount, said.currency, said.note, said.request_id)
        if settled and (outcome, amount, currency, note, request_id or "") == wanted:
            settled = model.accepted(settled, *asked)
            yield settled, model.answer(settled, replayed=False)


def _decided(now: Version) -> tuple[str, int | None, str]:
    """Returns what is decided: by the last settlement, or by the agent, which names no amount."""
    if now.settlement is not None:
        outcome, amount, currency, *_ = json.loads(now.settlement)
        if outcome == now.refund:
            return outcome, amount, currency
    return now.refund, None, ""
