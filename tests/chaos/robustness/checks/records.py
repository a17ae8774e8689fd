"""Whether the versions of checkouts and orders are right in the log, and were shown as they are."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.checks.watch_one import state_of
from tests.chaos.robustness.history import History, Stream
from tests.chaos.robustness.truth import RecordVersion, Truth

CANCELLED = ("CANCELLED", "PARTIALLY_CANCELLED")
NEXT = {
    "OPEN": {"OPEN", "CANCELLING", *CANCELLED, "COMPLETED", "CLOSED"},
    "CANCELLING": {"CANCELLING", *CANCELLED},
}
"""What may follow; after an end its platform may still say something of a record."""


def check(history: History, truth: Truth) -> Iterator[Violation]:
    """Finds versions that do not follow each other, and messages that show what is not there."""
    for (kind, id), versions in truth.records.items():
        for promise, what in _chain(versions, truth.holders.get((kind, id))):
            yield Violation(promise, f"{kind} {id}: {what}")
    for stream in history.streams:
        if stream.kind != "task":
            for what in _shown_wrongly(stream, truth):
                yield Violation(Promise.UNSEEN, f"{stream.client} {stream.method}: {what}")


def _chain(
    versions: list[RecordVersion], row: dict[str, Any] | None
) -> Iterator[tuple[Promise, str]]:
    if [one.version for one in versions] != list(range(1, len(versions) + 1)):
        yield Promise.ORDERED, f"its versions in the log are {[one.version for one in versions]}"
    if [one.previous_seq for one in versions] != [0, *(one.seq for one in versions[:-1])]:
        yield Promise.ORDERED, "its versions are not chained"
    last = versions[-1]
    if row is None or (row["version"], row["state"], row["last_seq"]) != (
        last.version,
        last.state,
        last.seq,
    ):
        yield Promise.ORDERED, f"its row is not its last version {last}"
    for earlier, later in pairwise(versions):
        if later.state not in NEXT.get(earlier.state, {earlier.state}):
            yield Promise.ONE_END, f"{later.state} came after {earlier.state}"


def _shown_wrongly(stream: Stream, truth: Truth) -> Iterator[str]:
    for _, record in stream.shown():
        id = getattr(record, f"{stream.kind}_id")
        row, versions = truth.holders.get((stream.kind, id)), truth.versions_of(stream.kind, id)
        what = f"it was shown {stream.kind} {id} at version {record.version}"
        if row is None or not 0 < record.version <= len(versions):
            yield f"{what}, which is not in the log"
            continue
        expected = _expected(stream.kind, row, versions[record.version - 1])
        shown = {
            "state": state_of(record),
            "update_time": _microseconds(record, "update_time"),
            "cancel_time": _microseconds(record, "cancel_time"),
            "cancellation_id": record.cancellation_id,
        }
        if shown != expected:
            yield f"{what} as {shown}, where the log has {expected}"


def _expected(kind: str, row: dict[str, Any], then: Any) -> dict[str, Any]:
    """Returns what a version must say of itself: the cancel since its accept, its time of an order
    with it, and of a checkout with its end."""
    cancelled = then.state in ("CANCELLING", *CANCELLED)
    timed = then.state in CANCELLED or (cancelled and kind == "order")
    return {
        "state": then.state,
        "update_time": then.time,
        "cancel_time": row["cancel_time"] if timed else None,
        "cancellation_id": (row["cancellation_id"] or "") if cancelled else "",
    }


def _microseconds(record: Any, name: str) -> int | None:
    moment: Timestamp = getattr(record, name)
    return moment.ToMicroseconds() if record.HasField(name) else None
