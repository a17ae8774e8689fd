"""What is counted of each commit."""

from collections import Counter

from countermand.core.answers import Cancelled
from countermand.core.records import SECOND, Task
from countermand.core.states import TaskState
from countermand.engine.listeners import Committed
from countermand.telemetry.metrics import Metrics


class CommitCounter:
    """Hears of every commit, and counts what it changed."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, committed: Committed) -> None:
        """Counts one commit."""
        metrics, batch = self._metrics, committed.batch
        saves = batch.saves
        metrics.committed(committed.seconds, len(batch.commands))
        self._count_tasks(committed)
        accepted = Counter([saves.cancellations[key].target.kind for key in saves.accepted])
        for kind, cancels in accepted.items():
            metrics.cancels_accepted(kind, cancels)
        for answer in batch.answers:
            if type(answer) is Cancelled:
                self._count_repeat(answer)
        if batch.renewal.all:
            metrics.leases_renewed()
        if saves.gone:
            metrics.records_removed(len(saves.gone))

    def _count_tasks(self, committed: Committed) -> None:
        """Counts the states that tasks came into. Other versions, as of their money, are none."""
        saves = committed.batch.saves
        changes = Counter({TaskState.PENDING: len(saves.created)})
        changes[TaskState.RUNNING] = len(saves.given)
        stopping: set[str] = set()
        for event in saves.events:
            task = event.task
            if task is None:
                continue
            if task.state is TaskState.CANCELLING:
                # A task names the cancel that was its first; those that join change it later.
                if (task.namespace, task.cancellation_id) in saves.accepted:
                    stopping.add(task.task_id)
            elif task.end_seq == event.seq:
                changes[task.state] += 1
                if task.cancel_proof is not None:
                    self._count_stopped(task, committed)
        changes[TaskState.CANCELLING] = len(stopping)
        for state, tasks in changes.items():
            if tasks:
                self._metrics.tasks_changed(state, tasks)

    def _count_stopped(self, task: Task, committed: Committed) -> None:
        cancellation = committed.batch.rows.cancellations.get(
            (task.namespace, task.cancellation_id or "")
        )
        if cancellation is not None and task.cancel_proof is not None:
            took = max(0, (task.end_time or 0) - cancellation.create_time)
            self._metrics.task_cancelled(task.cancel_proof, took / SECOND)

    def _count_repeat(self, answer: Cancelled) -> None:
        if answer.replayed:
            self._metrics.cancel_repeated("replayed")
        elif answer.joined and answer.cancellation.cancellation_id:
            self._metrics.cancel_repeated("joined")
