"""The record of an accepted cancel, and of the request ids that it answered."""

from dataclasses import dataclass

from countermand.core.caller import Caller
from countermand.core.records import Record, Target, Task
from countermand.core.states import (
    CancellationState,
    CancelProof,
    Disposition,
    TaskState,
)

PROOF_PLACES = {proof: place for place, proof in enumerate(CancelProof)}
"""Where a cancellation counts each proof."""


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
    live_count: int = 0
    """How many covered tasks have not ended."""
    proofs: tuple[int, ...] = (0,) * len(PROOF_PLACES)
    """How many covered tasks ended CANCELLED after the accept, by their proof."""
    completed_count: int = 0
    """How many covered tasks are COMPLETED; of an order only those after the accept."""

    @property
    def stopped_count(self) -> int:
        """How many covered tasks ended CANCELLED after the accept."""
        return sum(self.proofs)

    def disposition(self, task: Task) -> Disposition:
        """What this cancel did to a task that it covers."""
        if not task.ended:
            return Disposition.STOPPING
        if task.state is TaskState.CANCELLED and task.seq > self.seq:
            return Disposition.STOPPED
        return Disposition.SKIPPED


@dataclass(frozen=True)
class RequestId(Record):
    """Remembers which cancellation answered a request id."""

    namespace: int
    request_id: str
    cancellation_id: str
    fingerprint: bytes
    """Tells one request from another: equal requests have equal fingerprints."""
