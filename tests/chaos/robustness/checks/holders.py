"""Whether groups, checkouts, orders, carts, cancellations and request ids keep what was said."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from math import inf
from typing import Any, NamedTuple

from countermand.v1 import cancellation_pb2, cancellation_service_pb2, task_pb2
from tests.chaos.robustness.checks.shown import CANCELS, Seen, cancellations_of, holders_of
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import Call, History
from tests.chaos.robustness.truth import Truth

CHANGE = cancellation_service_pb2.WATCH_TYPE_CHANGE
FIXED = ("reason", "message", "requested_by", "on_behalf_of", "request_id")
"""What a cancellation says of its first request, whoever joins it."""
ANSWERED_BY: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(CANCELS, lambda answer: answer.cancellation.cancellation_id),
    "SettleRefund": lambda answer: answer.task.task_id,
}
"""What a request id is kept with, by the method that it came with."""


class Shown(NamedTuple):
    """One holder or cart in an answer."""

    call: Call
    kind: str
    id: str
    record: Any

    @property
    def content(self) -> Any:
        """What belongs to its version: all but the counts of its tasks."""
        content = type(self.record)()
        content.CopyFrom(self.record)
        if self.kind != "cart":
            content.ClearField("task_counts")
        return content


def check(history: History, truth: Truth, seen: Seen) -> Iterator[Violation]:
    """Finds what holders and cancellations were said to be, and are not."""
    shown: dict[tuple[str, str], list[Shown]] = defaultdict(list)
    for call, kind, record in _present_records(history):
        id = getattr(record, f"{kind}_id")
        shown[kind, id].append(Shown(call, kind, id, record))
    for found in shown.values():
        yield from _is_kept(found, truth)
        yield from _never_goes_back(found)
        for one in found:
            if one.kind != "cart":
                yield from _adds_up(one, truth, seen)
    yield from _cancellations(history, truth)
    yield from _request_ids(history, truth)


def _present_records(history: History) -> Iterator[tuple[Call, str, Any]]:
    """What was shown as it was at present, by answers and by watches; these count as a reading
    that was answered with each such message."""
    for call in history.calls:
        yield from ((call, kind, record) for kind, record in holders_of(call))
    for stream in history.streams:
        if stream.kind == "task":
            continue
        for moment, message in stream.messages:
            if message.type != CHANGE:
                of = (stream.client, stream.tenant, stream.method, stream.request, stream.start)
                yield Call(*of, moment, code="OK"), stream.kind, getattr(message, stream.kind)


def _is_kept(found: list[Shown], truth: Truth) -> Iterator[Violation]:
    for call, kind, id, record in found:
        promise = Promise.UNSEEN if call.is_read else Promise.DURABLE
        row = truth.holders.get((kind, id))
        if row is None or row["version"] < record.version:
            yield Violation(
                promise,
                f"{call.client} {call.method} was shown {kind} {id} at version "
                f"{record.version}, the store has {row and row['version']}",
            )
        elif row["version"] == record.version and "state" in row:
            field = record.DESCRIPTOR.fields_by_name["state"]
            state = field.enum_type.values_by_number[record.state].name
            if not state.endswith(f"_STATE_{row['state']}"):
                yield Violation(promise, f"{kind} {id} was shown {state}, and is {row['state']}")


def _never_goes_back(found: list[Shown]) -> Iterator[Violation]:
    """A version is the same to everyone, and who asks later sees no earlier one."""
    contents: dict[int, Any] = {}
    highest, ends = 0, sorted((one.call.end, one.record.version) for one in found)
    for one in sorted(found, key=lambda one: one.call.start):
        call, version = one.call, one.record.version
        if contents.setdefault(version, one.content) != one.content:
            yield Violation(
                Promise.UNSEEN, f"{one.kind} {one.id} has two forms of version {version}"
            )
        while ends and ends[0][0] < call.start:
            highest = max(highest, ends.pop(0)[1])
        if version < highest:
            yield Violation(
                Promise.LINEARIZABLE,
                f"{call.client} {call.method} was shown {one.kind} {one.id} at version "
                f"{version}, after version {highest} had been shown",
            )


def _adds_up(one: Shown, truth: Truth, seen: Seen) -> Iterator[Violation]:
    """The counts of a holder are those of its tasks at one place of the log."""
    told = {count.state: count.count for count in one.record.task_counts}
    members = truth.under(one.call.tenant, one.kind.upper(), one.id)
    past = seen.before(one.call.tenant, one.call.start)
    places = {version.seq for task in members for version in task.versions if version.seq > past}
    for place in [past, *sorted(places)]:
        now = [version for task in members if (version := task.at(place)) is not None]
        counts = Counter(task_pb2.TaskState.Value(f"TASK_STATE_{one.state}") for one in now)
        if counts == told:
            return
    yield Violation(
        Promise.COUNTS, f"{one.kind} {one.id} was shown {told}, which never was: {one.call}"
    )


def _cancellations(history: History, truth: Truth) -> Iterator[Violation]:
    ended_at: dict[str, float] = defaultdict(lambda: inf)
    found = [
        (call, cancellation) for call in history.calls for cancellation in cancellations_of(call)
    ]
    for call, cancellation in found:
        if cancellation.state != cancellation_pb2.CANCELLATION_STATE_IN_PROGRESS:
            id = cancellation.cancellation_id
            ended_at[id] = min(ended_at[id], call.end)
    for call, cancellation in found:
        id = cancellation.cancellation_id
        state = cancellation_pb2.CancellationState.Name(cancellation.state)
        word = state.removeprefix("CANCELLATION_STATE_")
        row = truth.cancellations[id].row if id in truth.cancellations else None
        who = f"{call.client} {call.method} was shown cancellation {id} {word}"
        if row is None:
            promise = Promise.UNSEEN if call.is_read else Promise.DURABLE
            yield Violation(promise, f"{who}, which is not there")
        elif word not in ("IN_PROGRESS", row["state"]):
            yield Violation(Promise.UNSEEN, f"{who}, which is {row['state']}")
        elif any(getattr(cancellation, name) != (row[name] or "") for name in FIXED):
            yield Violation(Promise.UNSEEN, f"{who}, which says otherwise who asked, and why")
        elif word == "IN_PROGRESS" and ended_at[id] < call.start:
            yield Violation(Promise.LINEARIZABLE, f"{who} after it had ended")


def _request_ids(history: History, truth: Truth) -> Iterator[Violation]:
    """An accepted request id is kept with its cancellation, a refused one stays free."""
    asked: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.method in ANSWERED_BY and call.request.request_id and not call.is_trial:
            asked[call.tenant, call.request.request_id].append(call)
    for key, calls in asked.items():
        answers = {ANSWERED_BY[call.method](call.answer) for call in calls if call.done}
        kept = truth.requests.get(key)
        if len(answers) > 1:
            yield Violation(
                Promise.DURABLE, f"request {key[1]} was answered with {sorted(answers)}"
            )
        elif answers and kept not in answers:
            yield Violation(
                Promise.DURABLE, f"request {key[1]} was answered {answers}, kept is {kept}"
            )
        if not answers and kept and not any(call.unknown for call in calls):
            yield Violation(Promise.DURABLE, f"request {key[1]} was only refused, and is kept")
