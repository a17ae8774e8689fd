"""Whether a watch of one task was told every version once, from where it began."""

from collections.abc import Iterator

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import Stream
from tests.chaos.robustness.truth import ENDED, Truth

SNAPSHOT, CHANGE = c.WATCH_TYPE_SNAPSHOT, c.WATCH_TYPE_CHANGE
HEARTBEAT = c.WATCH_TYPE_HEARTBEAT
ENDED_STATES = {task_pb2.TaskState.Value(f"TASK_STATE_{state}") for state in ENDED}


def check(stream: Stream, truth: Truth, past: int) -> Iterator[Violation]:
    """Finds what a watch was told wrongly. `past` is the place of the log that was seen before."""
    task = truth.tasks.get(stream.request.task_id)
    if task is None or not stream.messages:
        return
    after = stream.request.after_version if stream.request.HasField("after_version") else None
    # Where the watch stands: what was seen by anyone before it began, it may not begin before.
    present = sum(version.seq <= past for version in task.versions)
    at, first = after, True
    for _, message in stream.messages:
        version, kind = message.task.version, message.type
        if message.task.task_id != task.task_id:
            yield Violation(Promise.FILTERED, f"it was told of task {message.task.task_id}")
        elif first and after is None and kind != SNAPSHOT:
            yield Violation(Promise.PRESENT, "its first message is no SNAPSHOT")
        elif kind == SNAPSHOT:
            if not first or after is not None:
                yield Violation(Promise.RESUMABLE, "a SNAPSHOT came where none belongs")
            elif version < present:
                yield Violation(
                    Promise.PRESENT, f"it began with {version}, where {present} was seen"
                )
            at = version
        elif kind == HEARTBEAT:
            if version < (at or 0) or (first and (version != after or version < present)):
                yield Violation(Promise.PRESENT, f"a HEARTBEAT showed {version} at {at}")
        elif kind != CHANGE:
            yield Violation(Promise.SYNCED_ONCE, f"a message of type {kind} came")
        else:
            yield from _follows(version, at or 0, first=first)
            at = version
        ended = message.task.state in ENDED_STATES
        # A version that came later, of its money, may have been there already or not.
        may_be_last = ended and version >= present
        must_be_last = ended and version == len(task.versions) and kind != HEARTBEAT
        if not must_be_last <= message.last <= may_be_last:
            yield Violation(Promise.ENDS, f"last is {message.last} at version {version}")
        first = False


def _follows(version: int, at: int, *, first: bool) -> Iterator[Violation]:
    if version == at + 1:
        return
    promise, what = Promise.RELIABLE, f"after {at} came {version}"
    if version <= at:
        promise = Promise.UNIQUE if version == at else Promise.ORDERED
    yield Violation(Promise.RESUMABLE if first else promise, what)
