"""What is counted of each commit."""

from collections import Counter

from countermand.core.answers import Cancelled
from countermand.core.records import SECOND
from countermand.core.states import CancelProof, TaskState
from countermand.engine.listeners import Committed
from countermand.telemetry.metrics import Metrics

_Stopped = tuple[int, str | None, CancelProof, int | None]
"""The namespace, the cancellation, the proof and the end of a task that was stopped."""


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
        # Ten thousand that one cancel stops were stopped by the same, at the same time.
        stopped: Counter[_Stopped] = Counter()
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
                    key = (task.namespace, task.cancellation_id, task.cancel_proof, task.end_time)
                    stopped[key] += 1
        changes[TaskState.CANCELLING] = len(stopping)
        for state, tasks in changes.items():
            if tasks:
                self._metrics.tasks_changed(state, tasks)
        self._count_stopped(stopped, committed)

    def _count_stopped(self, stopped: Counter[_Stopped], committed: Committed) -> None:
        cancellations = committed.batch.rows.cancellations
        for (namespace, cancellation_id, proof, end_time), tasks in stopped.items():
            cancellation = cancellations.get((namespace, cancellation_id or ""))
            if cancellation is not None:
                took = max(0, (end_time or 0) - cancellation.create_time)
                self._metrics.tasks_cancelled(proof, took / SECOND, tasks)

    def _count_repeat(self, answer: Cancelled) -> None:
        if answer.replayed:
            self._metrics.cancel_repeated("replayed")
        elif answer.joined and answer.cancellation.cancellation_id:
            self._metrics.cancel_repeated("joined")
