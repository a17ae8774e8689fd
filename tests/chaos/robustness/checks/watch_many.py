"""Whether a watch of many tasks was told one stretch of the log, from one place on."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from tests.chaos.robustness.checks.shown import Seen, together
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import History, Stream
from tests.chaos.robustness.truth import HOLDERS, Task, Truth, Version

SNAPSHOT, CHANGE, SYNCED = c.WATCH_TYPE_SNAPSHOT, c.WATCH_TYPE_CHANGE, c.WATCH_TYPE_SYNCED


class Entry(NamedTuple):
    """One entry of the log that a filter lets through."""

    task: Task
    version: Version


class Log:
    """What a filter lets through of a tenant's log."""

    def __init__(self, tenant: str, chosen: task_pb2.TaskFilter, truth: Truth) -> None:
        named = [
            (kind, getattr(chosen, f"{kind.lower()}_id"))
            for kind in HOLDERS
            if getattr(chosen, f"{kind.lower()}_id")
        ]
        self.of_holder = bool(named)
        every = [task for task in truth.tasks.values() if task.tenant == tenant]
        tasks = truth.under(tenant, *named[0]) if named else every
        entries = [
            Entry(task, version)
            for task in tasks
            if all(truth.is_under(task, kind, id) for kind, id in named)
            for version in task.versions
            if chosen.agent_id in ("", task.agent_at(version))
        ]
        self.entries = sorted(entries, key=lambda entry: entry.version.seq)
        self.final = max(
            (
                place
                for place, (task, version) in enumerate(self.entries, 1)
                if not _is_late(task, version)
            ),
            default=0,
        )
        """How many entries stand up to the last one that is no late word of money."""
        self._places = {
            (task.task_id, version.version): place
            for place, (task, version) in enumerate(self.entries)
        }

    def place(self, told: task_pb2.Task) -> int | None:
        """Returns where a version stands among the entries; None if it is not let through."""
        return self._places.get((told.task_id, told.version))

    def may_begin(self, count: int, shown: dict[str, int], until: int | None) -> bool:
        """Whether a watch that stands after so many entries may begin with this snapshot.

        It has each task that the filter lets through, without a holder those that have not ended;
        one that ends before SYNCED was sent may be left to the changes. Without a time of SYNCED
        it has not come that far.
        """
        there = {entry.task.task_id: entry for entry in self.entries[:count]}
        live = {
            id: version.version
            for id, (_, version) in there.items()
            if self.of_holder or not version.ended
        }
        missing = live.keys() - shown.keys()
        if not shown.items() <= live.items():
            return False
        return until is None or not any(
            self.of_holder or not _ended_by(there[id].task, until) for id in missing
        )

    def count(self, seq: int) -> int:
        """Returns how many entries stand up to a place of the tenant's log."""
        return sum(entry.version.seq <= seq for entry in self.entries)


def check(
    stream: Stream, log: Log, truth: Truth, seen: Seen, history: History
) -> Iterator[Violation]:
    """Finds what a watch was told wrongly, with all that it was told before it was resumed."""
    told = stream.logical()
    if not told:
        return
    yield from _phases([message for _, message in told])
    snapshot = [message.task for _, message in told if message.type == SNAPSHOT]
    changes = [message.task for _, message in told if message.type == CHANGE]
    synced = next((moment for moment, message in told if message.type == SYNCED), None)
    last = told[-1][1].last
    yield from together(snapshot, stream.tenant, truth, "its snapshot")
    # It began at one place of the log: before its first change, and after what was seen already.
    least = log.count(seen.before(stream.tenant, stream.root.start))
    begins = range(max(log.final, least) if last else least, len(log.entries) + 1)
    if changes:
        place = log.place(changes[0])
        if place is None:
            yield from _is_hidden(changes[0], truth)
            return
        begins = range(place, place + 1)
        yield from _is_stretch(changes, log.entries[place:], truth, last=last)
    shown = {task.task_id: task.version for task in snapshot}
    if len(shown) < len(snapshot):
        yield Violation(Promise.UNIQUE, "its snapshot has a task twice")
    until = None if synced is None else history.wall(synced)
    if not any(place >= least and log.may_begin(place, shown, until) for place in begins):
        yield Violation(
            Promise.PRESENT, f"its snapshot of {len(shown)} tasks never was the present"
        )


def _phases(told: list[Any]) -> Iterator[Violation]:
    """Snapshots, one SYNCED, changes: over all the streams that went on one watch."""
    synced, shown = 0, set()
    for message in told:
        synced += message.type == SYNCED
        if message.type == SNAPSHOT:
            shown.add(message.task.task_id)
            if synced:
                yield Violation(Promise.SYNCED_ONCE, "a SNAPSHOT came after SYNCED")
        elif message.type == CHANGE and not synced and message.task.task_id not in shown:
            yield Violation(
                Promise.SYNCED_ONCE, "a CHANGE of what was not shown came before SYNCED"
            )
    if synced > 1:
        yield Violation(Promise.SYNCED_ONCE, f"SYNCED came {synced} times")


def _is_hidden(told: Any, truth: Truth) -> Iterator[Violation]:
    """What the log has at all, and the filter does not let through."""
    task = truth.tasks.get(told.task_id)
    if task is not None and told.version <= len(task.versions):
        yield Violation(Promise.FILTERED, f"it was told {_name(told)}, which its filter hides")


def _is_stretch(
    changes: list[Any], log: list[Entry], truth: Truth, *, last: bool
) -> Iterator[Violation]:
    """The changes are a stretch of the log: nothing twice, nothing left out, nothing moved."""
    places = {(entry.task.task_id, entry.version.version): n for n, entry in enumerate(log)}
    at = -1
    for task in changes:
        place = places.get((task.task_id, task.version))
        if place is None:
            yield from _is_hidden(task, truth)
        elif place == at:
            yield Violation(Promise.UNIQUE, f"{_name(task)} came twice")
        elif place < at:
            yield Violation(Promise.ORDERED, f"{_name(task)} came too late")
        elif place > at + 1:
            missing = log[at + 1]
            yield Violation(
                Promise.RELIABLE,
                f"before {_name(task)}, version {missing.version.version} of task "
                f"{missing.task.task_id} is missing",
            )
        at = at if place is None else max(at, place)
    left = [entry for entry in log[at + 1 :] if not _is_late(*entry)]
    if last and left:
        yield Violation(Promise.RELIABLE, f"after its last message, the log has {len(left)} more")


def _ended_by(task: Task, moment: int) -> bool:
    return task.end is not None and task.end.time <= moment


def _is_late(task: Task, version: Version) -> bool:
    """Whether it came after the end of its task."""
    return task.end is not None and version.seq > task.end.seq


def _name(task: Any) -> str:
    return f"version {task.version} of task {task.task_id}"
