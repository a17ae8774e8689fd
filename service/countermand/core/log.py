"""The log: what happened in a namespace, in the order of the commits.

Its places are numbered without a gap: first what a command did to tasks, then the new versions of
checkouts and orders, and the accepts and ends of cancellations.
"""

from typing import NamedTuple

from countermand.core.cancellations import Cancellation
from countermand.core.records import Checkout, Order, Settlement, Target, Task
from countermand.core.states import ChargeState, RefundState, TargetKind, TaskState


class TaskFilter(NamedTuple):
    """Chooses tasks of one namespace; what is set is ANDed, nothing set chooses all."""

    group_id: str | None = None
    checkout_id: str | None = None
    order_id: str | None = None
    agent_id: str | None = None

    def targets(self, namespace: int) -> tuple[Target, ...]:
        """Returns the holders that the filter names, the narrowest first."""
        named = (
            (TargetKind.GROUP, self.group_id),
            (TargetKind.CHECKOUT, self.checkout_id),
            (TargetKind.ORDER, self.order_id),
        )
        return tuple(Target(kind, namespace, id) for kind, id in named if id is not None)


class Floor(NamedTuple):
    """The last place of a namespace's log of which an event was removed: above it all are kept."""

    seq: int = 0
    time: int = 0
    """When that event was committed."""


class Event(NamedTuple):
    """One entry of a namespace's log: a version of a task, or a holder that is over without one."""

    seq: int
    """Its place: log order is commit order."""
    namespace: int
    task: Task | None
    """The task as this version was; None when a holder was over without a task's change."""
    orders: frozenset[str] = frozenset()
    """The orders that the task is under, its own and those of its checkout."""
    over: frozenset[Target] = frozenset()
    """The holders to whose tasks nothing more can happen after this."""
    previous_seq: int = 0
    """The place of the task's version before; 0 for its first."""
    time: int = 0
    """When it was committed. A log that was restored and went on has another time at its place."""
    joined: str | None = None
    """The order that the task, which did not change, came under here with its checkout. Who watches
    that order is shown the task then; it is nothing to anybody else."""

    def chosen_by(self, chosen: TaskFilter) -> bool:
        """Whether the task, as it was at this version, is chosen."""
        task = self.task
        if self.joined is not None and chosen.order_id != self.joined:
            return False
        return task is not None and (
            chosen.group_id in (None, task.group_id)
            and chosen.checkout_id in (None, task.checkout_id)
            and (chosen.order_id in (None, self.joined) or chosen.order_id in self.orders)
            and chosen.agent_id in (None, task.agent_id)
        )


LoggedRecord = Checkout | Order | Cancellation


class RecordEvent(NamedTuple):
    """One entry of a namespace's log: a new version of a checkout or order, or that a cancellation
    was accepted, or has ended."""

    seq: int
    """Its place, behind those of all that the same command did to tasks."""
    record: LoggedRecord
    """It as it was then."""
    previous_seq: int
    """The place of the entry before of the same record; 0 for its first."""

    @property
    def namespace(self) -> int:
        """The namespace of which it is an entry of the log."""
        return self.record.namespace

    @property
    def time(self) -> int:
        """When it was committed."""
        return time_of_last_entry(self.record)


def time_of_last_entry(record: LoggedRecord) -> int:
    """Returns when what the log says last of a record happened."""
    if isinstance(record, Cancellation):
        return record.create_time if record.end_time is None else record.end_time
    return record.update_time


def as_of(
    task: Task,
    *,
    version: int,
    state: TaskState,
    charge_state: ChargeState,
    deadline_time: int | None,
    refund_state: RefundState,
    settlement: Settlement | None,
    time: int,
    seq: int,
) -> Task:
    """Returns the task as it was at one of its versions, from what that version's event holds.

    The rest follows from the present row: an agent and a start are set once, with RUNNING; a
    cancellation is set once, with the first cancel, and every later version has it; how it ended
    is set once, with the end, after which only what is said of its money changes.
    """
    if version == task.version:
        return task
    if state.ended:
        return task.evolve(
            version=version,
            charge_state=charge_state,
            refund_state=refund_state,
            settlement=settlement,
            update_time=time,
            seq=seq,
        )
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
        refund_state=RefundState.NONE,
        settlement=None,
        end_time=None,
        end_seq=None,
    )
