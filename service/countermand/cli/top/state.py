"""What the screen knows: it hears of every task, and asks how the server stands once in a while."""

from collections import deque
from typing import NamedTuple

from countermand.v1.cancellation_service_pb2 import WatchType
from countermand.v1.operator_service_pb2 import (
    OperatorServiceWatchTasksResponse,
    OperatorTask,
    ServerStatus,
)
from countermand.v1.task_pb2 import CancelProof, RefundState, TaskState

WINDOW = 10.0
"""Over how many seconds the rate of cancels is taken."""
MAX_LATELY = 100
"""How many forced ends and lost agents are remembered."""

TaskKey = tuple[str, str, str]


class End(NamedTuple):
    """A task that did not stop by itself."""

    at: float
    found: OperatorTask


class Seen:
    """All that the screen shows, by what was heard until now."""

    def __init__(self) -> None:
        self.cancelling: dict[TaskKey, OperatorTask] = {}
        self.owed: set[TaskKey] = set()
        self.owes_more = False
        """Whether more refunds are owed than are counted."""
        self.forced = self.lost = 0
        self.lately: deque[End] = deque(maxlen=MAX_LATELY)
        self.status: ServerStatus | None = None
        self.away = False
        self._accepted: deque[float] = deque()
        self._synced = False
        self._anew: dict[TaskKey, OperatorTask] = {}

    def hear(self, message: OperatorServiceWatchTasksResponse, now: float) -> None:
        """Takes a message of the watch of all tasks, at a time in seconds."""
        snapshot = message.type == WatchType.WATCH_TYPE_SNAPSHOT
        if snapshot and self._synced:  # The stream broke, and begins anew.
            self._synced, self._anew = False, {}
        if message.type == WatchType.WATCH_TYPE_SYNCED:
            self._synced, self.cancelling = True, self._anew
        if message.HasField("task"):
            known = self.cancelling if self._synced else self._anew
            self._take(message.task, known, now, snapshot=snapshot)

    def _take(
        self,
        found: OperatorTask,
        known: dict[TaskKey, OperatorTask],
        now: float,
        *,
        snapshot: bool,
    ) -> None:
        task, key = found.task, key_of(found)
        if task.state == TaskState.TASK_STATE_CANCELLING:
            if key not in known and not snapshot:
                self._accepted.append(now)
            known[key] = found
        else:
            was_cancelling = known.pop(key, None) is not None
            if not snapshot and task.state == TaskState.TASK_STATE_CANCELLED:
                self._note_end(found, now, was_cancelling=was_cancelling)
        if task.refund_state == RefundState.REFUND_STATE_REQUIRED:
            self.owed.add(key)
        else:
            self.owed.discard(key)

    def _note_end(self, found: OperatorTask, now: float, *, was_cancelling: bool) -> None:
        proof = found.task.cancel_proof
        if proof == CancelProof.CANCEL_PROOF_NEVER_STARTED and not was_cancelling:
            self._accepted.append(now)
        elif proof == CancelProof.CANCEL_PROOF_FORCED and was_cancelling:
            self.forced += 1
            self.lately.append(End(now, found))
        elif proof == CancelProof.CANCEL_PROOF_AGENT_LOST and was_cancelling:
            self.lost += 1
            self.lately.append(End(now, found))

    def rate(self, now: float) -> float:
        """How many tasks were cancelled a second, in the last ten seconds."""
        while self._accepted and self._accepted[0] <= now - WINDOW:
            self._accepted.popleft()
        return len(self._accepted) / WINDOW

    def stopping(self, chosen: str) -> list[OperatorTask]:
        """The CANCELLING tasks that a text is found in, nearest deadline first."""
        found = (one for one in self.cancelling.values() if is_chosen(one, chosen))
        return sorted(found, key=lambda one: one.task.deadline_time.ToNanoseconds())


def key_of(found: OperatorTask) -> TaskKey:
    """Returns which task it is, among those of all tenants."""
    return found.tenant, found.environment, found.task.task_id


def is_chosen(found: OperatorTask, chosen: str) -> bool:
    """Whether a text is found in what the screen shows of a task."""
    task = found.task
    shown = (found.tenant, found.environment, task.task_id, task.agent_id, task.merchant)
    return any(chosen.lower() in text.lower() for text in (*shown, task.cancel_reason))
