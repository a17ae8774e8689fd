"""Whether holders that were cancelled, or closed, take nothing new."""

from collections.abc import Iterator

from tests.chaos.robustness.checks.verdict import Promise, Violation
from tests.chaos.robustness.history import Call, History
from tests.chaos.robustness.truth import HOLDERS, Truth


def check(history: History, truth: Truth) -> Iterator[Violation]:
    """Finds tasks that joined a holder after its cancel or into a closed group, and groups that
    were made under a checkout or order after its cancel was answered."""
    for one in truth.cancellations.values():
        if one.kind not in HOLDERS:
            continue
        for task in truth.under(one.tenant, one.kind, one.target):
            if task.versions and task.versions[0].seq > one.row["accept_seq"]:
                what = f"task {task.task_id} joined {one.kind} {one.target} after its cancel"
                yield Violation(Promise.ONE_END, what)
    ended = _cancelled_at(history)
    for call in history.calls:
        if call.method != "CreateGroup" or not call.done:
            continue
        yield from _closed_group(call, truth)
        for kind in ("CHECKOUT", "ORDER"):
            id = getattr(call.request, f"{kind.lower()}_id")
            if id and ended.get((call.tenant, kind, id), call.start) < call.start:
                what = f"group {call.request.group_id} was made under {kind} {id} after its cancel"
                yield Violation(Promise.LINEARIZABLE, what)


def _cancelled_at(history: History) -> dict[tuple[str, str, str], float]:
    """Returns when the first cancel of each checkout and order was answered."""
    first: dict[tuple[str, str, str], float] = {}
    for call in history.calls:
        if call.method not in ("CancelCheckout", "CancelOrder") or not call.done or call.is_trial:
            continue
        kind = call.method.removeprefix("Cancel").upper()
        id = getattr(call.request, f"{kind.lower()}_id")
        if id:
            key = (call.tenant, kind, id)
            first[key] = min(first.get(key, call.end), call.end)
    return first


def _closed_group(call: Call, truth: Truth) -> Iterator[Violation]:
    if not call.request.closed:
        return
    made = {task.task_id for task in call.answer.tasks}
    for task in truth.under(call.tenant, "GROUP", call.request.group_id):
        if task.task_id not in made:
            what = f"task {task.task_id} joined group {call.request.group_id}, which is closed"
            yield Violation(Promise.ONE_END, what)
