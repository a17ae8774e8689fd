"""The verdict on a history: the checks of the chaos harness, as far as its faults allow."""

from dataclasses import replace

from tests.chaos.robustness.checks import check
from tests.chaos.robustness.checks.verdict import Promise, Verdict
from tests.chaos.robustness.history import DROPPED, History
from tests.simulation import heartbeats
from tests.simulation.played import Played, SimHistory

BUDGET = 100_000
BY_TIME = {Promise.DEADLINE, Promise.ATOMIC, Promise.LINEARIZABLE, Promise.PRESENT}
"""What compares times that rows have, and so says nothing once the wall clock was set."""
BY_ROWS = {
    Promise.DURABLE,
    Promise.UNSEEN,
    Promise.LINEARIZABLE,
    Promise.COUNTS,
    Promise.JOINS,
    Promise.PRESENT,
    Promise.ATOMIC,
    Promise.MONEY,
}
"""What takes all rows to be there for good, and so says nothing where they are removed."""
GONE = ("NOT_FOUND", "EXPIRED")
SLOW_HOP, MANY = 0.05, 30
"""Of so many tasks that are due together, one commit each of so many seconds, the last is late."""
STALLS = ("stall_watchers", "stand_still")
"""The faults by which watchers take nothing for long."""


def judge(played: Played) -> Verdict:
    """Holds a history to all promises."""
    if played.violations and not played.truth.tasks:
        return Verdict(played.violations)
    history = played.history
    removes = played.script.retention is not None
    ends = GONE if removes else ()
    if any(fault in line for line in played.log for fault in STALLS):
        ends += ("TOO_SLOW", "RATE_LIMITED")
    verdict = check(_without_ends(history, ends), played.truth, BUDGET)
    verdict.violations += heartbeats.check(history)
    silent: set[Promise] = set()
    if isinstance(history, SimHistory) and history.leaps:
        silent |= BY_TIME
    if removes:
        silent |= BY_ROWS
    if (
        played.script.max_hop >= SLOW_HOP
        and played.script.knobs.get("reaper.max_batch", MANY) < MANY
    ):
        silent.add(Promise.DEADLINE)
    allowed = tuple(
        refusal
        for fault, refusal in (("commit_full", "STORE_FULL"), ("stand_still", "RATE_LIMITED"))
        if any(fault in line for line in played.log)
    )
    verdict.violations = [
        one
        for one in verdict.violations
        if one.promise not in silent and not one.what.endswith(allowed)
    ]
    verdict.violations += played.violations
    return verdict


def _without_ends(history: History, reasons: tuple[str, ...]) -> History:
    """What a watch is refused whose task, holder or log was removed is no fault, nor that one is
    ended which took nothing."""
    if not reasons:
        return history
    streams = {
        id(stream): replace(stream, code=DROPPED) if stream.reason.endswith(reasons) else stream
        for stream in history.streams
    }
    for stream in streams.values():
        if stream.parent is not None:
            stream.parent = (streams[id(stream.parent[0])], stream.parent[1])
    return replace(history, streams=list(streams.values()))
