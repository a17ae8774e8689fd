"""What a store is asked to list, and the pages in which it answers."""

from typing import NamedTuple

from countermand.core.cancellations import Cancellation
from countermand.core.log import TaskFilter
from countermand.core.records import Task
from countermand.core.states import CancellationState, RefundState, TaskState


class TaskQuery(NamedTuple):
    """Chooses tasks for a list; what is set is ANDed."""

    chosen: TaskFilter = TaskFilter()
    states: tuple[TaskState, ...] = ()
    """Those in one of these states; none means any."""
    refund_state: RefundState | None = None


class TaskPage(NamedTuple):
    """Tasks, and the number from which the next page goes on; None if there is none."""

    tasks: list[Task]
    next_number: int | None


class CancellationQuery(NamedTuple):
    """Chooses cancellations; what is set is ANDed."""

    ids: tuple[str, ...] | None = None
    reason: str | None = None
    state: CancellationState | None = None
    start_time: int | None = None
    end_time: int | None = None

    def matches(self, cancellation: Cancellation) -> bool:
        """Whether the cancellation is chosen."""
        return (
            (self.ids is None or cancellation.cancellation_id in self.ids)
            and self.reason in (None, cancellation.reason)
            and self.state in (None, cancellation.state)
            and (self.start_time is None or cancellation.create_time >= self.start_time)
            and (self.end_time is None or cancellation.create_time < self.end_time)
        )


class CancellationPage(NamedTuple):
    """Cancellations, and the id after which the next page goes on; None if there is none."""

    cancellations: list[Cancellation]
    next_id: str | None
