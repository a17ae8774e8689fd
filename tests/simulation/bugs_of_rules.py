"""Bugs that are planted into the rules, and into the reaper that brings them about in time."""

from typing import Any

from countermand.core import commands as c
from countermand.core import decide
from countermand.core.decide import RULES
from countermand.core.records import Group
from countermand.core.rules import cancelling_tasks, creating, ending, holders, reaping
from countermand.core.states import TaskState
from countermand.engine.reaper import Reaper
from tests.chaos import planted as chaos


def deaf_reaper() -> None:
    """The reaper hears of no new deadline, and sleeps on."""
    chaos.replace(Reaper, "_hear", lambda _: lambda reaper, committed: None)


def forgotten_deadlines() -> None:
    """What was CANCELLING when the server started is never ended."""
    started = [0]

    def noting(make: Any) -> Any:
        def made(reaper: Reaper, store: Any, writer: Any, clock: Any, knobs: Any) -> None:
            started[0] = clock.now()
            make(reaper, store, writer, clock, knobs)

        return made

    def forgetful(reap: Any) -> Any:
        return lambda task, *rest: task.update_time > started[0] and reap(task, *rest)

    chaos.replace(Reaper, "__init__", noting)
    chaos.replace(reaping, "_reap_task", forgetful)


def forced_end_keeps_the_fence() -> None:
    """An end that the agent did not make leaves its fence as it was."""

    def kept(end: Any) -> Any:
        def ended(task: Any, state: Any, draft: Any, **how: Any) -> Any:
            return end(task, state, draft, **{**how, "by_agent": True})

        return ended

    chaos.replace(reaping, "end_task", kept)


def same_fence_again() -> None:
    """A second start of a task gives the fence of the first."""
    rule = RULES[c.StartTask]

    def start(command: Any, draft: Any) -> Any:
        before = draft.task(command.namespace, command.task_id)
        started = rule.decide(command, draft)
        if before is not None and before.state is not TaskState.PENDING:
            kept = started.evolve(fence=before.fence)
            draft.tasks[kept.namespace, kept.task_id] = kept
            return kept
        return started

    RULES[c.StartTask] = rule._replace(decide=start)


def version_not_expected() -> None:
    """A cancel with another version than the present one is done all the same."""
    chaos.replace(cancelling_tasks, "expect_version", lambda _: lambda *rest: None)


def trial_is_done() -> None:
    """A cancel that only asks what would be is done."""
    rule = RULES[c.CancelTask]

    def cancel(command: Any, draft: Any) -> Any:
        answer = rule.decide(command, draft)
        if command.validate_only:
            draft.rows.apply(draft)
        return answer

    RULES[c.CancelTask] = rule._replace(decide=cancel)


def early_cancel_ignored() -> None:
    """A task whose cancel came before it is created as if none had."""
    chaos.replace(creating, "stop_new_task", lambda _: lambda task, draft: task)


def join_moves_the_deadline_away() -> None:
    """A join sets the deadline that it asks for, nearer or farther."""
    rule = RULES[c.CancelTask]

    def cancel(command: Any, draft: Any) -> Any:
        before = draft.task(command.namespace, command.target_id)
        answer = rule.decide(command, draft)
        joins = before is not None and before.state is TaskState.CANCELLING and answer.joined
        later = draft.now + command.grace_period
        if joins and not answer.replayed and later > (before.deadline_time or 0):
            steady = draft.instant.steady + command.grace_period
            draft.log_change(before, deadline_time=later, due_time=steady)
        return answer

    RULES[c.CancelTask] = rule._replace(decide=cancel)


def group_stays_open() -> None:
    """A closed or cancelled group takes tasks."""
    chaos.replace(
        holders,
        "expect_open",
        lambda expect: lambda holder: None if isinstance(holder, Group) else expect(holder),
    )


def order_takes_groups() -> None:
    """A group can be made under a checkout or order that was cancelled."""
    chaos.replace(creating, "expect_open", lambda _: lambda holder: None)


def completed_counts_in_no_end() -> None:
    """A cancel counts no COMPLETED task, so it is never PARTIAL."""
    chaos.replace(
        ending, "settle", lambda settle: lambda one, now: settle(one.evolve(completed_count=0), now)
    )


def notice_forgotten() -> None:
    """A change has no notice in the outbox now and then."""

    def forgetful(note: Any) -> Any:
        return lambda *changes: None if chaos.now_and_then() else note(*changes)

    chaos.replace(decide, "note_changes", forgetful)
