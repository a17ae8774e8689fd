"""Whether a watch of one task, checkout or order was told every version once, from its place on."""

from collections.abc import Iterator
from typing import Any

from countermand.v1 import cancellation_service_pb2 as c
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import Stream
from tests.chaos.robustness.truth import Truth

SNAPSHOT, CHANGE = c.WATCH_TYPE_SNAPSHOT, c.WATCH_TYPE_CHANGE
HEARTBEAT = c.WATCH_TYPE_HEARTBEAT
LIVE = ("PENDING", "RUNNING", "CANCELLING", "OPEN")


def check(stream: Stream, truth: Truth, past: int) -> Iterator[Violation]:
    """Finds what a watch was told wrongly. `past` is the place of the log that was seen before."""
    name = f"{stream.kind}_id"
    id = getattr(stream.request, name)
    versions = truth.versions_of(stream.kind, id)
    if not versions or not stream.messages:
        return
    after = stream.request.after_version if stream.request.HasField("after_version") else None
    # Where the watch stands: what was seen by anyone before it began, it may not begin before.
    present = sum(version.seq <= past for version in versions)
    at, first = after, True
    for _, message in stream.messages:
        shown = getattr(message, stream.kind)
        version, kind = shown.version, message.type
        if getattr(shown, name) != id:
            other = f"{stream.kind} {getattr(shown, name)}"
            yield Violation(Promise.FILTERED, f"it was told of {other}")
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
        ended = state_of(shown) not in LIVE
        # A version that came later, of its money or its snapshot, may have been there already.
        may_be_last = ended and version >= present
        must_be_last = ended and version == len(versions) and kind != HEARTBEAT
        if not must_be_last <= message.last <= may_be_last:
            yield Violation(Promise.ENDS, f"last is {message.last} at version {version}")
        first = False


def state_of(record: Any) -> str:
    """Returns the state of a task, checkout or order, in its word."""
    states = record.DESCRIPTOR.fields_by_name["state"].enum_type
    name: str = states.values_by_number[record.state].name
    return name.partition("_STATE_")[2]


def _follows(version: int, at: int, *, first: bool) -> Iterator[Violation]:
    if version == at + 1:
        return
    promise, what = Promise.RELIABLE, f"after {at} came {version}"
    if version <= at:
        promise = Promise.UNIQUE if version == at else Promise.ORDERED
    yield Violation(Promise.RESUMABLE if first else promise, what)
