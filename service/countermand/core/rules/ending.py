"""How tasks end, and what ends with them."""

from collections.abc import Iterable, Mapping
from operator import add
from typing import Any, NamedTuple

from countermand.core.cancellations import PROOF_PLACES, Cancellation
from countermand.core.changes import Id
from countermand.core.draft import NOTHING, Draft
from countermand.core.records import Checkout, Holder, Order, Target, Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.holders import direct_targets, holders_of, wants_holders
from countermand.core.rules.outcomes import end_holder, settle
from countermand.core.rules.owing import is_owed, is_undone, would_be_owed
from countermand.core.states import CancelProof, RefundState, TargetKind, TaskState

NO_CANCEL: Mapping[str, Any] = {}
"""What a task says of a cancel that its end does not change."""


def wants_task(key: Id, rows: Rows, wanted: Wanted) -> Task | None:
    """Wants a task that changes, and the checkout whose orders hear of it. Returns it if known."""
    wanted.namespaces.add(key[0])
    wanted.tasks.add(key)
    task = rows.tasks.get(key)
    if task is not None and task.checkout_id is not None:
        wanted.holders.add(Target(TargetKind.CHECKOUT, task.namespace, task.checkout_id))
    return task


def wants_to_end(key: Id, rows: Rows, wanted: Wanted) -> None:
    """Ending a task needs what holds it, and every cancellation that covers it.

    One that has ended needs what holds it if its money may be asked back.
    """
    if key not in rows.tasks:
        wanted.namespaces.add(key[0])
        wanted.ending.add(key)
        return
    task = wants_task(key, rows, wanted)
    if task is None:
        return
    if task.ended:
        if would_be_owed(task):
            wants_holders(direct_targets(task), rows, wanted)
        return
    if task.cancellation_id is not None:
        wanted.cancellations.add((task.namespace, task.cancellation_id))
    wants_holders(direct_targets(task), rows, wanted)


def wants_to_end_all(task_ids: Iterable[str], namespace: int, rows: Rows, wanted: Wanted) -> None:
    """Wants what `wants_to_end` does, of many tasks: most have the same parents and cancels."""
    wanted.namespaces.add(namespace)
    seen: set[tuple[str | None, ...]] = set()
    for task_id in task_ids:
        task = rows.tasks[namespace, task_id]
        if task is None or (task.ended and not would_be_owed(task)):
            continue
        known = (task.group_id, task.checkout_id, task.order_id, task.cancellation_id)
        if known not in seen:
            seen.add(known)
            wants_to_end((namespace, task_id), rows, wanted)


def end_task(
    task: Task,
    state: TaskState,
    draft: Draft,
    *,
    proof: CancelProof | None = None,
    failure_message: str = "",
    by_agent: bool = False,
) -> Task:
    """Ends one live task; see `Ends.end`."""
    if task.group_id is None and task.checkout_id is None and task.order_id is None:
        owed = is_owed(state, task.charge_state, undone=False)
        ended = _log_end(draft, task, NOTHING, state, proof, failure_message, owed, by_agent)
        own = task.cancellation_id
        cancellation = None if own is None else draft.cancellation(task.namespace, own)
        if cancellation is not None and cancellation.target == task.target:
            cover = _Cover()
            cover.ends(state, proof)
            cover.save(cancellation, draft)
        return ended
    ends = Ends(draft)
    ended = ends.end(task, state, proof=proof, failure_message=failure_message, by_agent=by_agent)
    ends.count()
    return ended


def _log_end(
    draft: Draft,
    task: Task,
    over: frozenset[Target],
    state: TaskState,
    proof: CancelProof | None,
    failure_message: str,
    owed: bool,
    by_agent: bool,
    naming: Mapping[str, Any] = NO_CANCEL,
) -> Task:
    """Keeps the version with which a task ends. An end that the agent did not make raises the
    fence, so that the agent's late word is refused."""
    changes = {
        "state": state,
        "cancel_proof": proof,
        "failure_message": failure_message,
        "refund_state": RefundState.REQUIRED if owed else RefundState.NONE,
        "fence": task.fence if by_agent else task.fence + 1,
        "fence_raised": not by_agent,
        **naming,
    }
    return draft.log_end(task, over, changes)


class Ends:
    """The ends of tasks by one command, counted in what holds them and in the cancels that cover
    them.

    Ten thousand may have the same holders and cancels. So each of these is found once, and has its
    new counts once, with `count`. Until then nothing else may end a task of the draft.
    """

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self._holdings: dict[_Parents, _Holding] = {}
        self._tallies: dict[Target, _Tally] = {}
        self._covers: dict[Id, _Cover] = {}

    def end(
        self,
        task: Task,
        state: TaskState,
        *,
        proof: CancelProof | None = None,
        failure_message: str = "",
        by_agent: bool = False,
        naming: Mapping[str, Any] = NO_CANCEL,
    ) -> Task:
        """Ends a live task, which says this of its cancel from now on. Returns it."""
        parents = (task.namespace, task.group_id, task.checkout_id, task.order_id)
        holding = self._holdings.get(parents) or self._hold(parents, task)
        owed = is_owed(state, task.charge_state, undone=holding.undone)
        over = NOTHING
        for tally in holding.tallies:
            if tally.ends(completed=state is TaskState.COMPLETED, owed=owed):
                over |= {tally.target}
        ended = _log_end(
            self.draft, task, over, state, proof, failure_message, owed, by_agent, naming
        )
        covers = holding.covers.get(ended.cancellation_id)
        for cover in self._covering(ended, holding) if covers is None else covers:
            cover.ends(state, proof)
        return ended

    def never_started(self, task: Task, naming: Mapping[str, Any]) -> Task:
        """Ends a PENDING task by the cancel that it names from now on. Returns it."""
        proof = CancelProof.NEVER_STARTED
        return self.end(task, TaskState.CANCELLED, proof=proof, naming=naming)

    def _hold(self, parents: "_Parents", task: Task) -> "_Holding":
        """Finds what holds a task, and all others with the same parents."""
        holders = holders_of(task, self.draft)
        tallies: list[_Tally] = []
        for holder in holders:
            tally = self._tallies.get(holder.target)
            if tally is None:
                tally = self._tallies[holder.target] = _Tally(holder)
            tallies.append(tally)
        holding = self._holdings[parents] = _Holding(tallies, is_undone(holders), {})
        return holding

    def _covering(self, task: Task, holding: "_Holding") -> "list[_Cover]":
        """Finds the cancels that cover a task: its own, and those of what holds it."""
        found: list[_Cover] = []
        targets, ids = [task.target], {task.cancellation_id: None}
        for tally in holding.tallies:
            targets.append(tally.target)
            ids[tally.cancellation_id] = None
        for id in ids:
            cancellation = None if id is None else self.draft.cancellation(task.namespace, id)
            if id is None or cancellation is None or cancellation.target not in targets:
                continue
            cover = self._covers.get((task.namespace, id))
            if cover is None:
                cover = self._covers[task.namespace, id] = _Cover()
            found.append(cover)
        holding.covers[task.cancellation_id] = found
        return found

    def count(self) -> None:
        """Gives what holds the ended tasks, and the cancels that cover them, their new counts; and
        ends those of which all tasks have."""
        draft = self.draft
        for target, tally in self._tallies.items():
            tally.save(draft.holder(target), draft)
        for key, cover in self._covers.items():
            cover.save(draft.cancellation(*key), draft)
        for target in self._tallies:
            holder = draft.holder(target)
            if isinstance(holder, Checkout | Order):
                end_holder(holder, draft)


_Parents = tuple[int, str | None, str | None, str | None]
"""The namespace, group, checkout and order of a task: tasks with the same have the same holders."""


class _Holding(NamedTuple):
    """What tasks of the same parents have in common."""

    tallies: "list[_Tally]"
    undone: bool
    covers: "dict[str | None, list[_Cover]]"
    """By the cancellation that a task names: all that cover it."""


class _Tally:
    """How many tasks of one holder ended."""

    __slots__ = ("cancellation_id", "completed", "ended", "live", "open", "owed", "target")

    def __init__(self, holder: Holder) -> None:
        self.target = holder.target
        self.cancellation_id = holder.cancellation_id
        self.open = holder.open
        self.live = holder.live_count
        self.ended = self.completed = self.owed = 0

    def ends(self, *, completed: bool, owed: bool) -> bool:
        """Counts an end. Returns whether nothing more can happen to the holder's tasks."""
        self.ended += 1
        self.completed += completed
        self.owed += owed
        return self.ended == self.live and not self.open

    def save(self, holder: Holder | None, draft: Draft) -> None:
        if holder is not None:
            draft.save_holder(
                holder.evolve(
                    live_count=holder.live_count - self.ended,
                    completed_count=holder.completed_count + self.completed,
                    owed_count=holder.owed_count + self.owed,
                )
            )


class _Cover:
    """How many tasks ended that one cancellation covers."""

    __slots__ = ("completed", "ended", "proofs")

    def __init__(self) -> None:
        self.ended = self.completed = 0
        self.proofs = [0] * len(PROOF_PLACES)

    def ends(self, state: TaskState, proof: CancelProof | None) -> None:
        """Counts an end."""
        self.ended += 1
        if state is TaskState.COMPLETED:
            self.completed += 1
        elif proof is not None:
            self.proofs[PROOF_PLACES[proof]] += 1

    def save(self, cancellation: Cancellation | None, draft: Draft) -> None:
        if cancellation is not None:
            counts = {
                "live_count": cancellation.live_count - self.ended,
                "completed_count": cancellation.completed_count + self.completed,
                "proofs": tuple(map(add, cancellation.proofs, self.proofs)),
            }
            draft.save_cancellation(settle(cancellation, draft.now, **counts))
