"""The traces of what happens after the answer: commits, and the later story of each cancel."""

from collections import Counter, defaultdict

from countermand.core.cancellations import Cancellation
from countermand.core.records import Task
from countermand.engine.listeners import Committed
from countermand.telemetry.tracing import Tracing


class CommitTraces:
    """Hears of every commit, and records it as far as its calls and cancels are sampled."""

    def __init__(self, tracing: Tracing, store: str) -> None:
        self._tracing = tracing
        self._store = store

    def __call__(self, committed: Committed) -> None:
        """Records one commit."""
        if not self._tracing.records:
            return
        saves = committed.batch.saves
        if committed.traces:
            self._tracing.record_commit(
                start_ns=committed.start_ns,
                end_ns=committed.end_ns,
                requests=committed.traces,
                commands=len(committed.batch.commands),
                events=len(saves.events),
                store=self._store,
            )
        for cancellation, tasks in _ends(committed):
            self._record_ends(cancellation, tasks, committed)

    def _record_ends(
        self, cancellation: Cancellation, tasks: list[Task], committed: Committed
    ) -> None:
        """Records that tasks of a cancel ended, as a child of the call that began it."""
        attributes: dict[str, str | int] = {
            "countermand.cancellation_id": cancellation.cancellation_id,
            "countermand.cancellation_state": cancellation.state,
            "countermand.tasks": len(tasks),
        }
        how = Counter(str(task.cancel_proof or task.state) for task in tasks)
        attributes |= {f"countermand.ended.{word.lower()}": n for word, n in how.items()}
        if len(tasks) == 1:
            attributes["countermand.task_id"] = tasks[0].task_id
        self._tracing.record_story(
            cancellation.caller.trace,
            "countermand.tasks.ended",
            start_ns=committed.start_ns,
            end_ns=committed.end_ns,
            attributes=attributes,
            links=committed.traces,
        )


def _ends(committed: Committed) -> list[tuple[Cancellation, list[Task]]]:
    """Returns the sampled cancels of which tasks ended in this commit, if they began before it."""
    rows = committed.batch.rows
    ended: dict[tuple[int, str], list[Task]] = defaultdict(list)
    for event in committed.batch.saves.events:
        task = event.task
        if task is not None and task.end_time is not None and task.cancellation_id is not None:
            ended[task.namespace, task.cancellation_id].append(task)
    found = []
    for key, tasks in ended.items():
        cancellation = rows.cancellations.get(key)
        if cancellation is None or not cancellation.caller.trace.sampled:
            continue
        if cancellation.create_time != rows.instant.now:
            found.append((cancellation, tasks))
    return found
