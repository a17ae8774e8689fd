"""Whether the log and the rows are right in themselves."""

from collections.abc import Iterator

from tests.chaos.robustness.checks import money
from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import PULSE, History
from tests.chaos.robustness.truth import Cancellation, Task, Truth, Version

SECOND = 1_000_000
NEXT = {
    "PENDING": {"RUNNING", "CANCELLED"},
    "RUNNING": {"RUNNING", "CANCELLING", "COMPLETED", "FAILED"},
    "CANCELLING": {"CANCELLING", "CANCELLED", "COMPLETED", "FAILED"},
}


def check(history: History, truth: Truth) -> Iterator[Violation]:
    """Finds what no history of clients is needed for, but for the time of forced ends."""
    for problem in truth.problems:
        yield Violation(Promise.WHOLE, problem)
    yield from _places(truth)
    for task in truth.tasks.values():
        for what in _chain(task):
            yield Violation(Promise.ORDERED, f"task {task.task_id}: {what}")
        for earlier, later in zip(task.versions, task.versions[1:], strict=False):
            yield from _step(task, earlier, later)
        for what in money.broken(task, truth):
            yield Violation(Promise.MONEY, f"task {task.task_id}: {what}")
        yield from _end(task, history)
    for cancellation in truth.cancellations.values():
        yield from _is_atomic(cancellation, truth)


def _places(truth: Truth) -> Iterator[Violation]:
    """Every place of a tenant's log is taken once, up to the last."""
    for tenant, last in truth.last.items():
        taken = sorted(
            [v.seq for t in truth.tasks.values() if t.tenant == tenant for v in t.versions]
            + truth.silent[tenant]
        )
        if taken != list(range(1, last + 1)):
            missing = sorted(set(range(1, last + 1)) ^ set(taken))[:5]
            yield Violation(Promise.ORDERED, f"the log of {tenant} is not whole around {missing}")


def _chain(task: Task) -> Iterator[str]:
    versions = task.versions
    if [one.version for one in versions] != list(range(1, len(versions) + 1)):
        yield f"its versions in the log are {[one.version for one in versions]}"
    if [one.previous_seq for one in versions] != [0, *(one.seq for one in versions[:-1])]:
        yield "its versions are not chained"
    last, row = versions[-1] if versions else None, task.row
    if last is None or (last.version, last.state, last.seq, last.charge_state, last.refund) != (
        row["version"],
        row["state"],
        row["last_seq"],
        row["charge_state"],
        row["refund_state"],
    ):
        yield f"its row is not its last version {last}"


def _step(task: Task, earlier: Version, later: Version) -> Iterator[Violation]:
    where = f"task {task.task_id}, version {later.version}"
    if earlier.ended:
        fixed = (earlier.state, earlier.deadline_time)
        if (later.state, later.deadline_time) != fixed:
            yield Violation(Promise.ONE_END, f"{where}: {later.state} after {earlier.state}")
    elif later.state not in NEXT[earlier.state]:
        yield Violation(Promise.ONE_END, f"{where}: {earlier.state} became {later.state}")
    begun = later.charge_state == "BEGUN" != earlier.charge_state
    if begun and later.state != "RUNNING":
        yield Violation(Promise.MONEY, f"{where}: a charge began while {later.state}")
    if later.state == "CANCELLING":
        if later.deadline_time is None:
            yield Violation(Promise.DEADLINE, f"{where}: CANCELLING without a deadline")
        elif earlier.deadline_time is not None and later.deadline_time > earlier.deadline_time:
            yield Violation(Promise.DEADLINE, f"{where}: the deadline moved away")


def _end(task: Task, history: History) -> Iterator[Violation]:
    row, last = task.row, task.end or (task.versions[-1] if task.versions else None)
    if last is None:
        return
    where, deadline = f"task {task.task_id}", last.deadline_time
    if deadline is None:
        return
    slack = history.clock_slack * SECOND
    if row["cancel_proof"] == "FORCED" and last.time < deadline - slack:
        yield Violation(Promise.DEADLINE, f"{where} was ended by force before its deadline")
    gone = max((gone for _, gone in history.lives), default=0.0)
    end = last.time if last.ended else history.wall(gone)
    if end > _latest_end(deadline, end, history) + slack:
        late = (end - deadline) / SECOND
        yield Violation(
            Promise.DEADLINE, f"{where} was {last.state} {late:.3f} s after its deadline"
        )


def _latest_end(deadline: int, end: int, history: History) -> int:
    """Returns when a CANCELLING task must have ended: a second after its deadline.

    It counts from readiness if no server was ready, and stops while the writer took no small write
    either, which the pulse shows: a frozen process, or a machine that is busy elsewhere.
    """
    lives = [(history.wall(ready), history.wall(gone)) for ready, gone in history.lives]
    life = next((ready for ready, gone in lives if ready <= end <= gone), None)
    if life is None:
        return end  # while a server started, or drained
    begin = max(deadline, life)
    stalls = [
        history.wall(stop) - max(history.wall(start), life)
        for start, stop in _stalls(history)
        if history.wall(stop) > begin and history.wall(start) < end
    ]
    return begin + SECOND + max(stalls, default=0)


def _stalls(history: History) -> Iterator[tuple[float, float]]:
    """Returns from when to when each small write of the pulse waited: from the first that was
    refused, to the next that was done."""
    since, last = None, 0.0
    for call in history.calls:
        if call.client == PULSE:
            since, last = call.start if since is None else since, call.end
            if call.done:
                yield since, call.end
                since = None
    if since is not None:
        yield since, last


def _is_atomic(cancellation: Cancellation, truth: Truth) -> Iterator[Violation]:
    """All changes of one cancel stand together in the log, at one instant; no task is left out."""
    before, last = cancellation.row["accept_seq"], truth.block_end(cancellation)
    for task in truth.under(cancellation.tenant, cancellation.kind, cancellation.target):
        then, now = task.at(before), task.at(last)
        if then is None:
            continue
        undone = cancellation.kind in ("CHECKOUT", "ORDER") and then.refund == "NONE"
        if then.state in ("PENDING", "RUNNING"):
            left_out = now is None or now.state not in ("CANCELLING", "CANCELLED")
        else:
            left_out = undone and money.is_owed(then, undone=True) and now == then
        if left_out:
            yield Violation(
                Promise.ATOMIC,
                f"cancellation {cancellation.cancellation_id} of {cancellation.kind} "
                f"{cancellation.target} left out task {task.task_id}",
            )
