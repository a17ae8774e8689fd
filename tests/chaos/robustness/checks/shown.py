"""Whether all that was answered or told is in the store, and was told in its time."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from countermand.v1 import cancellation_pb2, task_pb2
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import RECORD_WATCHES, Call, History
from tests.chaos.robustness.truth import Truth

GOOD_CODES = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "ABORTED",
}
"""What a call may be refused with, each with a reason."""


CANCELS = ("CancelTask", "CancelGroup", "CancelCheckout", "CancelOrder")
KINDS = ("group", "checkout", "order", "cart")


def tasks_of(call: Call) -> list[task_pb2.Task]:
    """Returns the tasks that an answer shows."""
    if call.answer is None or call.is_trial:
        return []
    found = [*getattr(call.answer, "tasks", ())]
    if "task" in call.answer.DESCRIPTOR.fields_by_name and call.answer.HasField("task"):
        found.append(call.answer.task)
    return found


def holders_of(call: Call) -> Iterator[tuple[str, Any]]:
    """Yields the groups, checkouts, orders and carts that an answer shows, each with its kind."""
    if call.answer is None or call.is_trial:
        return
    fields = call.answer.DESCRIPTOR.fields_by_name
    for kind in KINDS:
        if kind in fields and call.answer.HasField(kind):
            yield kind, getattr(call.answer, kind)
        for record in getattr(call.answer, f"{kind}s", ()):
            yield kind, record


def cancellations_of(call: Call) -> list[cancellation_pb2.Cancellation]:
    """Returns the cancellations that an answer shows."""
    if call.answer is None or call.is_trial:
        return []
    found = [*getattr(call.answer, "cancellations", ())]
    fields = call.answer.DESCRIPTOR.fields_by_name
    if "cancellation" in fields and call.answer.HasField("cancellation"):
        found.append(call.answer.cancellation)
    return found


class Seen:
    """When each place of the log was first seen by anyone: all before it was committed then."""

    def __init__(self, history: History, truth: Truth) -> None:
        marks: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for call in history.calls:
            for task in tasks_of(call):
                marks[call.tenant].append((call.end, truth.place_of("task", task)))
            for kind, record in holders_of(call):
                if kind in RECORD_WATCHES.values():
                    marks[call.tenant].append((call.end, truth.place_of(kind, record)))
        for stream in history.streams:
            for moment, record in stream.shown():
                marks[stream.tenant].append((moment, truth.place_of(stream.kind, record)))
        self._times: dict[str, list[float]] = {}
        self._places: dict[str, list[int]] = {}
        for tenant, found in marks.items():
            found.sort()
            self._times[tenant] = [moment for moment, _ in found]
            places = self._places[tenant] = [0]
            for _, place in found:
                places.append(max(places[-1], place))

    def before(self, tenant: str, moment: float) -> int:
        """Returns the highest place that somebody had seen before a time."""
        place = bisect_left(self._times.get(tenant, ()), moment)
        return self._places[tenant][place] if place else 0


def check(history: History, truth: Truth, seen: Seen) -> Iterator[Violation]:
    """Finds what was shown and is not there, or was shown when it was over."""
    for call in history.calls:
        yield from _code(call)
        promise = Promise.UNSEEN if call.is_read else Promise.DURABLE
        shown = tasks_of(call)
        for task in shown:
            yield from _is_there(task, call.tenant, truth, promise, f"{call.client} {call.method}")
            yield from _is_fresh(task, call, truth, seen)
        if call.method == "ListTasks":
            yield from together(shown, call.tenant, truth, f"a page of {call.client}")
    for stream in history.streams:
        who = f"{stream.client} {stream.method}"
        for _, task in stream.shown() if stream.kind == "task" else ():
            yield from _is_there(task, stream.tenant, truth, Promise.UNSEEN, who)


def _code(call: Call) -> Iterator[Violation]:
    if call.unknown or call.done:
        return
    if call.code not in GOOD_CODES or not call.reason:
        yield Violation(Promise.STATUS, f"{call.client} {call.method}: {call.code} {call.reason}")


def _is_there(
    task: task_pb2.Task, tenant: str, truth: Truth, promise: Promise, who: str
) -> Iterator[Violation]:
    known = truth.tasks.get(task.task_id)
    what = f"{who} was shown task {task.task_id} at version {task.version}"
    if known is not None and known.tenant != tenant:
        yield Violation(Promise.FILTERED, f"{what}, which is {known.tenant}'s")
    elif known is None or task.version not in known.shown:
        yield Violation(promise, f"{what}, which is not in the log")
    elif task != known.shown[task.version]:
        differs = _differences(task, known.shown[task.version])
        yield Violation(promise, f"{what}, where the log differs in {differs}")


def _differences(shown: task_pb2.Task, logged: task_pb2.Task) -> str:
    both = {
        field.name: (getattr(shown, field.name), getattr(logged, field.name))
        for field in shown.DESCRIPTOR.fields
    }
    differing = {name: pair for name, pair in both.items() if pair[0] != pair[1]}
    return " ".join(f"{name}: {a!r}, not {b!r};" for name, (a, b) in differing.items()).replace(
        "\n", " "
    )


def _is_fresh(task: task_pb2.Task, call: Call, truth: Truth, seen: Seen) -> Iterator[Violation]:
    """What anyone saw before the call began, no answer takes back, of whatever task it was."""
    known = truth.tasks.get(task.task_id)
    if known is None or not 0 < task.version < len(known.versions):
        return
    next_seq, past = known.versions[task.version].seq, seen.before(call.tenant, call.start)
    if next_seq <= past:
        yield Violation(
            Promise.LINEARIZABLE,
            f"{call.client} {call.method} was shown task {task.task_id} at version "
            f"{task.version}, though place {past} of the log was seen before, and the next "
            f"version stands at {next_seq}",
        )


def together(
    tasks: Iterable[task_pb2.Task], tenant: str, truth: Truth, who: str
) -> Iterator[Violation]:
    """What is read at once must all have been true at one place, and not inside of one commit."""
    lowest, highest = 0, truth.last[tenant]
    for task in tasks:
        known = truth.tasks.get(task.task_id)
        if known is None or not 0 < task.version <= len(known.versions):
            return
        lowest = max(lowest, known.versions[task.version - 1].seq)
        if task.version < len(known.versions):
            highest = min(highest, known.versions[task.version].seq - 1)
    if lowest > highest:
        yield Violation(Promise.ATOMIC, f"{who} shows tasks that never stood so together")
    for first, last in truth.blocks[tenant]:
        if first <= lowest and highest < last:
            yield Violation(Promise.ATOMIC, f"{who} shows half of the cancel at {first} to {last}")
