"""The record of an accepted cancel, and of the request ids that it answered."""

from dataclasses import dataclass, field
from typing import NamedTuple, Self

from countermand.core.caller import Caller
from countermand.core.evolving import Record
from countermand.core.records import SECOND, Target, Task
from countermand.core.states import (
    CancellationState,
    CancelProof,
    Disposition,
    TargetKind,
    TaskState,
)

PROOF_PLACES = {proof: place for place, proof in enumerate(CancelProof)}
"""Where a cancellation counts each proof."""

MAX_JOINS = 16
"""How many of those who joined a cancel are kept; the others are only counted."""

EARLY_CANCEL_LIFETIME = 24 * 3600 * SECOND
"""How long a cancel that came before its task waits for it."""


class Join(NamedTuple):
    """Who else asked for what was being cancelled already."""

    requested_by: str
    """The id of the API key."""
    reason: str
    message: str
    on_behalf_of: str
    request_id: str | None
    join_time: int


class NewJoin(NamedTuple):
    """A join that is kept with its cancellation from now on."""

    namespace: int
    cancellation_id: str
    place: int
    """How many were kept before it."""
    join: Join


@dataclass(frozen=True)
class Cancellation(Record):
    """One accepted cancel."""

    namespace: int
    cancellation_id: str
    target: Target
    reason: str
    message: str
    on_behalf_of: str
    request_id: str | None
    create_time: int
    caller: Caller
    """The call that was accepted."""
    seq: int
    """The last commit position before the accept: what ended later, ended after it."""
    state: CancellationState = CancellationState.IN_PROGRESS
    deadline_time: int | None = None
    end_time: int | None = None
    join_time: int | None = None
    """When a request id was last remembered for it after its end."""
    join_count: int = 0
    """How many cancels joined it."""
    joins: tuple[Join, ...] = ()
    """The first of these; a list leaves them out."""
    live_count: int = 0
    """How many covered tasks have not ended."""
    proofs: tuple[int, ...] = (0,) * len(PROOF_PLACES)
    """How many covered tasks ended CANCELLED after the accept, by their proof."""
    completed_count: int = 0
    """How many covered tasks are COMPLETED; of an order only those after the accept."""
    last_seq: int = field(default=0, compare=False)
    """The place of its last entry in the log; 0 if there is none."""

    @property
    def waiting(self) -> bool:
        """Whether it waits for its task to be created.

        Any other cancellation covers a live task while it is IN_PROGRESS.
        """
        return self.state is CancellationState.IN_PROGRESS and not self.live_count

    @property
    def waited_in_vain(self) -> bool:
        """Whether its task was not created in time: any other that came too late had a deadline."""
        of_task = self.target.kind is TargetKind.TASK
        too_late = self.state is CancellationState.TOO_LATE
        return of_task and too_late and self.deadline_time is None

    def in_order(self) -> Self:
        """Returns it with times that do not run backwards, though the wall clock may have."""
        end, join = self.end_time, self.join_time
        if end is None or (end >= self.create_time and (join is None or join >= end)):
            return self
        end = max(end, self.create_time)
        return self.evolve(end_time=end, join_time=None if join is None else max(join, end))

    @property
    def stopped_count(self) -> int:
        """How many covered tasks ended CANCELLED after the accept."""
        return sum(self.proofs)

    def covers(self, task: Task) -> bool:
        """Whether it covers a task of its target: not one that was created after its end."""
        of_task = self.target.kind is TargetKind.TASK
        return not of_task or task.cancellation_id == self.cancellation_id

    def disposition(self, task: Task) -> Disposition:
        """What this cancel did to a task that it covers."""
        if not task.ended:
            return Disposition.STOPPING
        if task.state is TaskState.CANCELLED and (task.end_seq or 0) > self.seq:
            return Disposition.STOPPED
        return Disposition.SKIPPED


@dataclass(frozen=True)
class RequestId(Record):
    """Remembers what answered a request id: a cancellation, or the settlement of a refund."""

    namespace: int
    request_id: str
    answer_id: str
    """The id of the cancellation, or of the task whose refund was settled."""
    fingerprint: bytes
    """Tells one request from another: equal requests have equal fingerprints."""
    joined: bool = False
    """Whether it joined a cancellation that another request had begun."""
    settles: bool = False
    """Whether it settled a refund."""
