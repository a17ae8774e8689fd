"""Whether every cancel that joined another was answered so, and is kept with it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.chaos.robustness.checks.shown import CANCELS, cancellations_of
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import Call, History
from tests.chaos.robustness.truth import Cancellation, Join, Truth

KEPT = 16
"""How many of those who joined a cancel are kept; the others are only counted."""
BY_THEMSELVES = ("cart_changed", "superseded")
"""The reasons of cancels that another call makes: none of their answers says that it joined."""


class Asked(NamedTuple):
    """What tells one request for a cancel from all others."""

    reason: str
    message: str
    on_behalf_of: str
    request_id: str

    @classmethod
    def of(cls, said: Any) -> "Asked":
        return cls(*(getattr(said, name) for name in cls._fields))


def check(history: History, truth: Truth) -> Iterator[Violation]:
    """Finds joins that were lost, that nobody asked for, and that were answered otherwise."""
    calls: dict[Asked, list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.method in CANCELS and not call.is_trial and (call.done or call.unknown):
            calls[Asked.of(call.request)].append(call)
    joined: dict[str, list[Call]] = defaultdict(list)
    for call in (one for found in calls.values() for one in found if one.done):
        one = truth.cancellations.get(call.answer.cancellation.cancellation_id)
        if one is not None:
            if call.answer.joined and not call.answer.replayed:
                joined[one.cancellation_id].append(call)
            for what in _answered(call, one, truth, calls):
                yield Violation(Promise.JOINS, f"{call.client} {call.method}: {what}")
    for one in truth.cancellations.values():
        for what in _kept(one, joined[one.cancellation_id], calls):
            yield Violation(Promise.JOINS, f"cancellation {one.cancellation_id}: {what}")
    yield from _shown(history, truth, joined)


def _answered(
    call: Call, one: Cancellation, truth: Truth, calls: dict[Asked, list[Call]]
) -> Iterator[str]:
    """Who began a cancellation did not join it, all others did, whenever they are asked again."""
    asked = Asked.of(call.request)
    began = asked == Asked(*(one.row[name] or "" for name in Asked._fields))
    again = not asked.request_id and len(calls[asked]) > 1  # without an id it may join its own
    if call.answer.joined == began and not (began and again):
        did = "began" if began else "did not begin"
        yield f"it was answered joined {call.answer.joined}, and {did} {one.cancellation_id}"
    key = (call.tenant, asked.request_id)
    if asked.request_id and call.answer.joined != (key in truth.joined):
        yield f"request {asked.request_id} is kept otherwise than it was answered"


def _kept(one: Cancellation, joined: list[Call], calls: dict[Asked, list[Call]]) -> Iterator[str]:
    count, kept = one.row["join_count"], [Asked.of(join) for join in one.joins]
    if len(kept) != min(count, KEPT):
        yield f"it has {len(kept)} of {count} joins"
    if count < len(joined):
        yield f"it counts {count} joins, and {len(joined)} were answered"
    answered = Counter(Asked.of(call.request) for call in joined)
    for asked, times in Counter(kept).items():
        if asked.reason in BY_THEMSELVES:
            continue
        possible = answered[asked] + sum(call.unknown for call in calls[asked])
        if times > possible:
            yield f"{asked} joined {times} times, where at most {possible} calls can have"
    if count <= KEPT:
        lost = answered - Counter(kept)
        if lost:
            yield f"{next(iter(lost))} was answered joined, and is not kept"
    yield from _in_order(kept, calls)


def _in_order(kept: list[Asked], calls: dict[Asked, list[Call]]) -> Iterator[str]:
    """Who was answered before another began joined before it."""
    latest_start = 0.0
    for asked in kept:
        found = calls.get(asked)
        if not found:
            continue
        if max(call.until for call in found) < latest_start:
            yield f"{asked} stands behind one that began after it was answered"
        latest_start = max(latest_start, min(call.start for call in found))


def _shown(history: History, truth: Truth, joined: dict[str, list[Call]]) -> Iterator[Violation]:
    """Every answer shows the first joins as they are kept, none less than was answered before it,
    and a list only counts them."""
    for call in history.calls:
        for shown in cancellations_of(call):
            one = truth.cancellations.get(shown.cancellation_id)
            if one is None:
                continue
            before = sum(other.end < call.start for other in joined[one.cancellation_id])
            expected = [] if call.method == "ListCancellations" else one.joins[: shown.join_count]
            if not before <= shown.join_count <= one.row["join_count"]:
                what = f"{shown.join_count} joins, where {before} had been answered before"
            elif [_join(join) for join in shown.joins] != expected:
                what = "other joins than are kept"
            else:
                continue
            who = f"{call.client} {call.method} was shown cancellation {one.cancellation_id}"
            yield Violation(Promise.JOINS, f"{who} with {what}")


def _join(shown: Any) -> Join:
    said = (getattr(shown, name) for name in Join._fields[:-1])
    return Join(*said, join_time=shown.join_time.ToMicroseconds())
