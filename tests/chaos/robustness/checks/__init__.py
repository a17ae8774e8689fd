"""The checks that follow a run: the history of the clients, held to the log in the store's file."""

from tests.chaos.robustness.checks import closing, holders, joins, log, records, shown, watches
from tests.chaos.robustness.checks.linear import BUDGET, search
from tests.chaos.robustness.checks.task_calls import actions_by_task
from tests.chaos.robustness.checks.task_model import State
from tests.chaos.robustness.checks.verdict import Promise, Verdict, Violation
from tests.chaos.robustness.history import History
from tests.chaos.robustness.truth import Truth


def check(history: History, truth: Truth, budget: int = BUDGET) -> Verdict:
    """Holds a history to the log and the rows."""
    seen = shown.Seen(history, truth)
    verdict = Verdict(
        [
            *log.check(history, truth),
            *shown.check(history, truth, seen),
            *holders.check(history, truth, seen),
            *closing.check(history, truth),
            *records.check(history, truth),
            *joins.check(history, truth),
            *watches.check(history, truth, seen),
        ]
    )
    for task_id, (model, actions) in actions_by_task(history, truth).items():
        found = search(actions, State(0), model.is_end, budget)
        if not found.finished:
            verdict.unfinished.append(f"the order of {len(actions)} calls of task {task_id}")
        elif not found.ok:
            what = f"no order explains the answers about task {task_id}: {found.stuck_at}"
            verdict.violations.append(Violation(Promise.LINEARIZABLE, what))
    return verdict
