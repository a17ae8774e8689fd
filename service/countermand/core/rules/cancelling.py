"""What all cancels have in common."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from countermand.core.answers import Cancelled
from countermand.core.caller import Caller
from countermand.core.cancellations import Cancellation, RequestId
from countermand.core.commands import Cancel
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused
from countermand.core.records import (
    DEFAULT_GRACE,
    Holder,
    Target,
    Task,
)
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.ending import Ends
from countermand.core.rules.holders import holders_of
from countermand.core.rules.joining import join, join_running_cancel
from countermand.core.rules.outcomes import settle
from countermand.core.rules.owing import change_refund, would_be_owed
from countermand.core.states import (
    ENDED_STATES,
    RefundState,
    TargetKind,
    TaskState,
)

OwnCancel = TypeVar("OwnCancel", bound=Cancel)


class Replayed(NamedTuple):
    """What answered a request before."""

    cancellation: Cancellation
    joined: bool
    """Whether the request had joined it."""


def wants_to_cancel(command: Cancel, rows: Rows, wanted: Wanted) -> None:
    """Every cancel needs to know whether its request id was answered before, and by what."""
    namespace = command.namespace
    wanted.namespaces.add(namespace)
    if command.request_id is None or command.validate_only:
        return
    key = (namespace, command.request_id)
    wanted.request_ids.add(key)
    seen = rows.request_ids.get(key)
    if seen is not None and not seen.settles:
        wanted.cancellations.add((namespace, seen.answer_id))


def replay(command: Cancel, draft: Draft) -> Replayed | None:
    """Returns what answered this very request before, or None if it is new."""
    if command.request_id is None or command.validate_only:
        return None
    seen = draft.rows.request_ids[command.namespace, command.request_id]
    if seen is None:
        return None
    if seen.fingerprint != command.fingerprint():
        raise used_otherwise(seen)
    cancellation = draft.cancellation(command.namespace, seen.answer_id)
    if cancellation is None:
        raise LookupError(f"request {command.request_id} names a cancellation that is gone")
    return Replayed(cancellation, seen.joined)


def used_otherwise(seen: RequestId) -> Refused:
    """Returns the refusal of a request id that another request used; it says what answered that."""
    answered_by = "task_id" if seen.settles else "cancellation_id"
    return Refused(
        Reason.REQUEST_ID_CONFLICT,
        f"request_id {seen.request_id} was used for another request",
        metadata={"request_id": seen.request_id, answered_by: seen.answer_id},
    )


def own_cancel(kind: type[OwnCancel], target: Target, reason: str, caller: Caller) -> OwnCancel:
    """Returns a cancel that follows from something else than a call for it, with all defaults."""
    return kind(
        namespace=target.namespace,
        target_id=target.id,
        reason=reason,
        message="",
        request_id=None,
        grace_period=DEFAULT_GRACE,
        expected_version=None,
        validate_only=False,
        on_behalf_of="",
        caller=caller,
    )


def expect_version(command: Cancel, kind: str, version: int) -> None:
    """Refuses if the caller expected another version of the target."""
    if command.expected_version in (None, version):
        return
    raise other_version(kind, command.target_id, version, command.expected_version)


def other_version(kind: str, id: str, version: int, expected: int | None) -> Refused:
    """Returns the refusal of what a caller wanted to do with another version."""
    return Refused(
        Reason.VERSION_MISMATCH,
        f"{kind} {id} is at version {version}, not {expected}",
        metadata={f"{kind}_id": id, "version": str(version)},
    )


def open_cancellation(
    command: Cancel, target: Target, covered: Sequence[Task], draft: Draft
) -> Cancellation:
    """Returns the record of a cancel that is about to be accepted, and keeps it in the draft."""
    cancellation = new_cancellation(command, target, draft)
    cover(cancellation, covered, draft)
    return cancellation


def open_running_cancel(command: Cancel, task: Task, draft: Draft) -> Cancellation:
    """Does the same for a RUNNING task alone, as most cancels are: of that, all is known."""
    deadline = draft.now + command.grace_period
    cancellation = new_cancellation(
        command, task.target, draft, live_count=1, deadline_time=deadline
    )
    draft.save_cancellation(cancellation)
    return cancellation


def new_cancellation(command: Cancel, target: Target, draft: Draft, **covered: int) -> Cancellation:
    """Returns the record of a cancel that covers nothing yet, unless it is said."""
    return Cancellation.make(
        namespace=command.namespace,
        cancellation_id="" if command.validate_only else draft.new_uuid(),
        target=target,
        reason=command.reason,
        message=command.message,
        on_behalf_of=command.on_behalf_of,
        request_id=None if command.validate_only else command.request_id,
        create_time=draft.now,
        caller=command.caller,
        seq=draft.position(command.namespace),
        **covered,
    )


def cover(cancellation: Cancellation, tasks: Iterable[Task], draft: Draft) -> None:
    """Keeps a cancellation with the counts of what it covers, from now on.

    What completed before an order was cancelled does not make the order partial.
    """
    states = [task.state for task in tasks]
    live = sum(state not in ENDED_STATES for state in states)
    of_order = cancellation.target.kind is TargetKind.ORDER
    completed = 0 if of_order else states.count(TaskState.COMPLETED)
    counts = {"live_count": live, "completed_count": completed}
    draft.save_cancellation(settle(cancellation, draft.now, **counts))


def stop(
    tasks: Iterable[Task], cancellation: Cancellation, command: Cancel, draft: Draft
) -> tuple[Task, ...]:
    """Stops covered tasks as far as that can be done now; of an ended one no state changes."""
    ends = Ends(draft)
    never_started, running = _naming(cancellation), _stopping(cancellation, command, draft)
    stopped = []
    for task in tasks:
        if task.state is TaskState.PENDING:
            stopped.append(ends.never_started(task, never_started))
        elif task.state is TaskState.RUNNING:
            stopped.append(draft.log_change(task, **running))
        elif task.state is TaskState.CANCELLING:
            stopped.append(join_running_cancel(task, command, draft))
        else:
            stopped.append(_undo(task, cancellation, draft))
    ends.count()
    return tuple(stopped)


def _undo(task: Task, cancellation: Cancellation, draft: Draft) -> Task:
    """Asks for the money of a COMPLETED task back, if this cancel undoes what it belongs to."""
    undone = cancellation.target.kind in (TargetKind.CHECKOUT, TargetKind.ORDER)
    if undone and would_be_owed(task):
        return change_refund(task, RefundState.REQUIRED, holders_of(task, draft), draft)
    return task


def stop_pending(task: Task, cancellation: Cancellation, draft: Draft) -> Task:
    """Cancels a covered task that nobody has started."""
    ends = Ends(draft)
    ended = ends.never_started(task, _naming(cancellation))
    ends.count()
    return ended


def stop_running(task: Task, cancellation: Cancellation, command: Cancel, draft: Draft) -> Task:
    """Asks the agent of a covered task to stop."""
    return draft.log_change(task, **_stopping(cancellation, command, draft))


def _stopping(cancellation: Cancellation, command: Cancel, draft: Draft) -> dict[str, Any]:
    """Returns what a running task says from now on, until it has stopped."""
    return {
        "cancellation_id": cancellation.cancellation_id,
        "cancel_reason": cancellation.reason,
        "cancel_message": cancellation.message,
        "state": TaskState.CANCELLING,
        "deadline_time": draft.now + command.grace_period,
        "due_time": draft.instant.steady + command.grace_period,
    }


def _naming(cancellation: Cancellation) -> dict[str, Any]:
    """Returns what a task says of its cancellation."""
    return {
        "cancellation_id": cancellation.cancellation_id,
        "cancel_reason": cancellation.reason,
        "cancel_message": cancellation.message,
    }


def accept(
    command: Cancel,
    target: Task | Holder | None,
    cancellation_id: str,
    covered: tuple[Task, ...],
    draft: Draft,
    *,
    joins: bool,
) -> Cancelled:
    """Sets the cancellation's deadline, remembers the request for it, and answers.

    `joins` says whether another request had begun it.
    """
    cancellation = draft.cancellation(command.namespace, cancellation_id)
    if cancellation is None:
        raise LookupError(f"the target names cancellation {cancellation_id}, which is gone")
    if target is not None and cancellation.target == target.target:
        running = [task.deadline_time for task in covered if task.deadline_time and not task.ended]
        latest = max(running, default=cancellation.deadline_time)
        if latest != cancellation.deadline_time:
            cancellation = cancellation.evolve(deadline_time=latest)
            draft.save_cancellation(cancellation)
    if command.validate_only:
        tried = cancellation.evolve(cancellation_id="")
        return Cancelled(target, tried, covered, replayed=False, joined=joins)
    if joins:
        cancellation = join(command, cancellation, draft)
        draft.save_cancellation(cancellation)
    if command.request_id is not None:
        draft.request_ids[command.namespace, command.request_id] = RequestId.make(
            namespace=command.namespace,
            request_id=command.request_id,
            answer_id=cancellation_id,
            fingerprint=command.fingerprint(),
            joined=joins,
        )
    return Cancelled(target, cancellation, covered, replayed=False, joined=joins)
