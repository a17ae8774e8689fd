"""The records that the store keeps and the rules change."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

from countermand.core.trace import TraceContext

MAX_TASKS_PER_TARGET = 10_000
"""How many tasks one target may hold."""

SECOND = 1_000_000
"""One second, in the unit of all spans and times here."""

DEFAULT_GRACE = 30 * SECOND
"""How long agents may take to wind down if the canceller does not say."""


def rfc3339(time: int) -> str:
    """Returns a time as text, for people and for the metadata of errors."""
    seconds, microseconds = divmod(time, SECOND)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class TaskState(StrEnum):
    """Where a task stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Whether the state is terminal."""
        return self in ENDED_STATES


ENDED_STATES = frozenset({TaskState.CANCELLED, TaskState.COMPLETED, TaskState.FAILED})


class CancelProof(StrEnum):
    """How it is known that a CANCELLED task stopped."""

    NEVER_STARTED = "NEVER_STARTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    FORCED = "FORCED"
    AGENT_LOST = "AGENT_LOST"


class ChargeState(StrEnum):
    """How the taking of money for a task stands."""

    NONE = "NONE"
    BEGUN = "BEGUN"
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    VOIDED = "VOIDED"

    @property
    def may_hold_money(self) -> bool:
        """Whether money may have been taken, and not given back."""
        return self in (ChargeState.BEGUN, ChargeState.CAPTURED)


class CancellationState(StrEnum):
    """How a cancellation stands."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    TOO_LATE = "TOO_LATE"


class Disposition(StrEnum):
    """What a cancel did to one task."""

    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"


class TargetKind(StrEnum):
    """What kind of thing a cancel names."""

    TASK = "TASK"
    GROUP = "GROUP"


class Record:
    """A frozen record that knows how to become its successor.

    dataclasses.replace walks every field in Python and costs ten times as much; a cancel makes
    several successors, so this is on its bottom line.
    """

    def evolve(self, **changes: Any) -> Self:
        """Returns a copy in which the named fields have new values."""
        successor = object.__new__(type(self))
        fields = successor.__dict__
        fields.update(self.__dict__)
        fields.update(changes)
        return successor


@dataclass(frozen=True)
class Task(Record):
    """One piece of work that can be stopped."""

    namespace: int
    task_id: str
    group_id: str | None
    merchant: str
    labels: dict[str, str]
    create_time: int
    update_time: int
    state: TaskState = TaskState.PENDING
    version: int = 1
    agent_id: str | None = None
    fence: int = 0
    cancellation_id: str | None = None
    cancel_reason: str = ""
    cancel_message: str = ""
    cancel_proof: CancelProof | None = None
    deadline_time: int | None = None
    failure_message: str = ""
    charge_state: ChargeState = ChargeState.NONE
    refund_required: bool = False
    expire_time: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    seq: int = 0
    """The commit position of the present version in its namespace's log."""
    number: int = 0
    """The store's own number of the row, growing in the order of creation."""

    @property
    def ended(self) -> bool:
        """Whether the task is in a terminal state."""
        return self.end_time is not None


@dataclass(frozen=True)
class Group(Record):
    """Tasks that belong together."""

    namespace: int
    group_id: str
    closed: bool
    create_time: int
    update_time: int
    version: int = 1
    task_count: int = 0
    live_count: int = 0
    """How many of its tasks have not ended."""
    cancellation_id: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to the group's tasks."""
        return self.closed and self.live_count == 0


@dataclass(frozen=True)
class Agent(Record):
    """A worker, known by the one lease that it has for all its tasks."""

    namespace: int
    agent_id: str
    lease_duration: int
    lease_expire_time: int | None
    """None once the agent was found lost."""


@dataclass(frozen=True)
class Cancellation(Record):
    """One accepted cancel."""

    namespace: int
    cancellation_id: str
    target_kind: TargetKind
    target_id: str
    reason: str
    message: str
    requested_by: str
    on_behalf_of: str
    request_id: str | None
    create_time: int
    trace: TraceContext
    """The span of the call that was accepted."""
    seq: int
    """The last commit position before the accept: what ended later, ended after it."""
    state: CancellationState = CancellationState.IN_PROGRESS
    deadline_time: int | None = None
    end_time: int | None = None
    live_count: int = 0
    """How many covered tasks have not ended."""
    proofs: tuple[int, ...] = (0,) * len(CancelProof)
    """How many covered tasks ended CANCELLED after the accept, by their proof."""
    completed_count: int = 0
    """How many covered tasks are COMPLETED."""

    @property
    def stopped_count(self) -> int:
        """How many covered tasks ended CANCELLED after the accept."""
        return sum(self.proofs)

    def covers(self, task: Task, group: Group | None) -> bool:
        """Whether this cancel has the task among its results."""
        if self.target_kind is TargetKind.TASK:
            return self.target_id == task.task_id
        return group is not None and self.target_id == group.group_id

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


@dataclass(frozen=True)
class Key(Record):
    """One API key. The store keeps the hash of its secret, never the secret."""

    key_id: str
    tenant: str
    environment: str
    scopes: tuple[str, ...]
    secret_hash: bytes
    create_time: int
    expire_time: int | None = None
    revoke_time: int | None = None
    namespace: int = 0
    """The number that stands for tenant and environment in every row."""

    def live(self, now: int) -> bool:
        """Whether the key is accepted at this time."""
        return self.revoke_time is None and (self.expire_time is None or now < self.expire_time)


class TaskFilter(NamedTuple):
    """Chooses tasks of one namespace; what is set is ANDed, nothing set chooses all."""

    group_id: str | None = None
    agent_id: str | None = None

    def matches(self, task: Task) -> bool:
        """Whether the task, as it was at this version, is chosen."""
        return (self.group_id is None or task.group_id == self.group_id) and (
            self.agent_id is None or task.agent_id == self.agent_id
        )


class Event(NamedTuple):
    """One entry of a namespace's log: a version of a task, or the closing of a group."""

    seq: int
    """Its place: log order is commit order."""
    namespace: int
    task: Task | None
    """The task as this version was; None when a group closed without a task's change."""
    group_id: str | None
    ends_group: bool
    """Whether with this entry the group is closed and all its tasks have ended."""
    previous_seq: int = 0
    """The place of the task's version before; 0 for its first."""


def as_of(
    task: Task,
    *,
    version: int,
    state: TaskState,
    charge_state: ChargeState,
    deadline_time: int | None,
    time: int,
    seq: int,
) -> Task:
    """Returns the task as it was at one of its versions, from what that version's event holds.

    The rest follows from the present row: an agent and a start are set once, with RUNNING; a
    cancellation is set once, with the first cancel, and every later version has it.
    """
    if version == task.version:
        return task
    started = state is not TaskState.PENDING
    cancelled = state is TaskState.CANCELLING
    return task.evolve(
        version=version,
        state=state,
        charge_state=charge_state,
        deadline_time=deadline_time,
        update_time=time,
        seq=seq,
        agent_id=task.agent_id if started else None,
        start_time=task.start_time if started else None,
        cancellation_id=task.cancellation_id if cancelled else None,
        cancel_reason=task.cancel_reason if cancelled else "",
        cancel_message=task.cancel_message if cancelled else "",
        cancel_proof=None,
        failure_message="",
        refund_required=False,
        end_time=None,
    )


class SummaryKey(StrEnum):
    """By what cancellations are counted."""

    REASON = "REASON"
    STATE = "STATE"
    PROOF = "PROOF"
