"""Whether watches that nothing happens on say that they are alive."""

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import History

SILENCES = ("stand_still", "stall_watchers")
"""The faults by which a client is told nothing."""
SLACK = 0.7
"""Seconds that a heartbeat may be late, on its way and behind other readings."""


def check(history: History) -> Iterator[Violation]:
    """Finds watches that were silent for longer than their interval, while nothing was wrong."""
    held_up = [(begin, end) for begin, end, fault in history.faults if fault in SILENCES]
    for stream in history.streams:
        if not stream.request.HasField("heartbeat_interval"):
            continue
        interval = stream.request.heartbeat_interval.seconds
        moments = [moment for moment, _ in stream.messages]
        for before, after in pairwise(moments):
            late = after - before > interval + SLACK
            if late and not any(begin < after and before < end + SLACK for begin, end in held_up):
                yield Violation(
                    Promise.GOES_ON,
                    f"{stream.client} {stream.method} was told nothing for {after - before:.3f} s, "
                    f"at {before:.3f}, with an interval of {interval} s",
                )
                break
