"""Whether every watch was told all of what it was promised, once, in order and in time."""

from collections.abc import Iterator

from tests.chaos.robustness.checks import watch_many, watch_one
from tests.chaos.robustness.checks.shown import Seen
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import DROPPED, History, Stream
from tests.chaos.robustness.truth import Truth

BROKEN = ("UNAVAILABLE", "CANCELLED", DROPPED)
"""What a client resumes after. gRPC itself cancels what comes while a server closes its port."""
ABSENT = ("TASK_NOT_FOUND", "GROUP_NOT_FOUND", "CHECKOUT_NOT_FOUND", "ORDER_NOT_FOUND")


def check(history: History, truth: Truth, seen: Seen) -> Iterator[Violation]:
    """Finds what watches were told wrongly, or not at all."""
    logs: dict[tuple[str, bytes], watch_many.Log] = {}
    for stream in history.streams:
        past = seen.before(stream.tenant, stream.start)
        found = [*_end(stream, truth, past)]
        if stream.method != "WatchTasks":
            found += watch_one.check(stream, truth, past)
        else:
            chosen = stream.request.filter
            key = (stream.tenant, chosen.SerializeToString(deterministic=True))
            if key not in logs:
                logs[key] = watch_many.Log(stream.tenant, chosen, truth)
            found += watch_many.check(stream, logs[key], truth, seen, history)
        who = f"{stream.client} {stream.method} opened at {stream.start:.4f}"
        for promise, what in found:
            yield Violation(promise, f"{who}: {what}")


def _end(stream: Stream, truth: Truth, past: int) -> Iterator[Violation]:
    """A stream ends with OK after its last message, and only then."""
    told = [message for _, message in stream.messages]
    lasts = [place for place, message in enumerate(told) if message.last]
    if lasts and lasts[0] != len(told) - 1:
        yield Violation(Promise.ENDS, "something came after the last message")
    if stream.code == "OK" and not lasts:
        yield Violation(Promise.ENDS, "it ended with OK without a last message")
    elif lasts and stream.code not in ("OK", *BROKEN):
        yield Violation(Promise.ENDS, f"it ended with {stream.code} after its last message")
    elif stream.reason == "VERSION_AHEAD":
        yield from _ahead(stream, truth, past)
    elif stream.reason in ABSENT:
        yield from _absent(stream, truth, past)
    elif stream.code not in ("OK", *BROKEN, ""):
        yield Violation(Promise.RESUMABLE, f"it ended with {stream.code} {stream.reason}")


def _ahead(stream: Stream, truth: Truth, past: int) -> Iterator[Violation]:
    version = stream.request.after_version
    if _was_seen(stream, truth, version, past):
        yield Violation(Promise.UNSEEN, f"version {version} was refused, and had been seen")


def _absent(stream: Stream, truth: Truth, past: int) -> Iterator[Violation]:
    of_one = stream.method != "WatchTasks" and _was_seen(stream, truth, 1, past)
    if stream.messages or stream.parent is not None or of_one:
        yield Violation(Promise.UNSEEN, f"{stream.reason} of what had been seen")


def _was_seen(stream: Stream, truth: Truth, version: int, past: int) -> bool:
    known = truth.versions_of(stream.kind, getattr(stream.request, f"{stream.kind}_id"))
    return 0 < version <= len(known) and known[version - 1].seq <= past
