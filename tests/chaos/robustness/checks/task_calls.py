"""Which calls and messages act on which task, and what each was answered of it."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from functools import partial
from math import inf
from typing import Any, NamedTuple

from countermand.v1 import (
    agent_service_pb2,
    cancellation_pb2,
    cancellation_service_pb2,
    task_pb2,
    task_service_pb2,
)
from tests.chaos.robustness.checks import task_model as m
from tests.chaos.robustness.checks import task_money as money
from tests.chaos.robustness.checks.linear import Action
from tests.chaos.robustness.history import Call, History
from tests.chaos.robustness.truth import Task, Truth

DEFAULT_GRACE = 30_000_000
OF_ONE_TASK = {
    "CreateTask",
    "StartTask",
    "BeginCharge",
    "ReportCharge",
    "FinishTask",
    "CancelTask",
    "GetTask",
    "SettleRefund",
}
HOLDERS = {"CancelGroup": "GROUP", "CancelCheckout": "CHECKOUT", "CancelOrder": "ORDER"}
UNDOING = (
    cancellation_service_pb2.CancelCheckoutRequest,
    cancellation_service_pb2.CancelOrderRequest,
)
OWN_REASONS = {"ChangeCart": "cart_changed", "CreateCheckout": "superseded"}
"""The calls that cancel a checkout for a reason of their own."""
REFUSALS = {
    "TASK_EXISTS",
    "TASK_NOT_FOUND",
    "TASK_NOT_PENDING",
    "TASK_NOT_RUNNING",
    "FENCED",
    "CANCELLATION_REQUESTED",
    "NOT_CANCELLING",
    "TASK_ALREADY_COMPLETED",
    "TASK_ALREADY_FAILED",
    "TASK_ALREADY_CANCELLED",
    "VERSION_MISMATCH",
    "REQUEST_ID_CONFLICT",
    "REFUND_NOT_REQUIRED",
    "REFUND_ALREADY_SETTLED",
    "TOO_MANY_CHANGES",
}
"""Those that say something of the task itself."""


class Part(NamedTuple):
    """What one call does to one task, and what it was answered of it."""

    task_id: str
    steps: m.Steps
    seen: m.Answer
    reads: bool = False


def actions_by_task(
    history: History, truth: Truth
) -> dict[str, tuple[m.Model, list[Action[m.State]]]]:
    """Returns the model of every task that was spoken of, and all that acted on it."""
    found: dict[str, tuple[m.Model, list[Action[m.State]]]] = {}
    ids = Counter(getattr(call.request, "request_id", "") for call in history.calls)
    repeated = {id for id, count in ids.items() if count > 1}

    def add(part: Part, start: float, until: float, name: str) -> None:
        if part.task_id not in found:
            found[part.task_id] = (m.Model(truth.tasks.get(part.task_id), repeated), [])
        model, actions = found[part.task_id]
        possible = model.answering(part.steps, part.seen)
        kind = _kind(part.steps) if part.seen is m.UNKNOWN else None
        actions.append(Action(start, until, possible, part.reads, name, kind))

    for call in history.calls:
        if call.unknown and call.is_read:
            continue
        for part in _parts(call, truth):
            if call.unknown:
                part = part._replace(seen=m.UNKNOWN, reads=False)
            add(part, call.start, call.until, f"{call.client} {call.method}")
    for (task_id, version), moment in _first_shown(history).items():
        seen = Part(task_id, partial(m.shown, version), m.UNKNOWN, reads=True)
        add(seen, -inf, moment, f"version {version} shown")
    for task_id, task in truth.tasks.items():
        undoing = truth.undoing(task)
        for then in task.versions:
            if m.came_by_itself(task, then, undoing):
                alone = Part(task_id, partial(m.by_itself, then.version), m.UNKNOWN)
                add(alone, -inf, inf, f"version {then.version} by itself")
    return found


def _kind(steps: m.Steps) -> Hashable:
    """Returns what tells steps from others, if anything does."""
    return (steps.func, steps.args) if isinstance(steps, partial) else steps


def _first_shown(history: History) -> dict[tuple[str, int], float]:
    """Returns when each version was first told to a watcher."""
    first: dict[tuple[str, int], float] = defaultdict(lambda: inf)
    for stream in history.streams:
        for moment, task in stream.shown() if stream.kind == "task" else ():
            key = (task.task_id, task.version)
            first[key] = min(first[key], moment)
    return first


def _parts(call: Call, truth: Truth) -> Iterable[Part]:
    if call.method in OF_ONE_TASK:
        return _of_one_task(call)
    if not (call.done or call.unknown) or call.is_trial:
        return ()
    if call.method in HOLDERS:
        said = _said(call.request, of_task=False)
        return [*_cancelled(call, said, _targets(call, truth))]
    if call.method in OWN_REASONS:
        return [*_created(call), *_cancelled_by_itself(call, truth)]
    if call.method in ("CreateGroup", "CreateOrder"):
        return _created(call)
    if call.method == "ListTasks":
        return [Part(task.task_id, m.read, _seen(task), reads=True) for task in call.answer.tasks]
    if call.method == "GetCancellation":
        results = call.answer.cancellation.results
        return [Part(x.task_id, m.read, _result(x), reads=True) for x in results]
    if call.method == "Heartbeat" and call.done:
        return _listed(call, truth)
    return ()


def _of_one_task(call: Call) -> Iterator[Part]:
    request, seen, reads = call.request, m.UNKNOWN, call.is_read or call.is_trial
    if call.reason and not call.unknown:
        if call.reason not in REFUSALS:
            return
        seen, reads = m.Answer(call.reason), True
    elif call.is_trial:
        seen = m.Answer()
    elif call.done:
        seen = m.Answer()
        if call.answer.HasField("task"):
            seen = _seen(call.answer.task)
        if call.method == "StartTask":
            seen = seen._replace(fence=call.answer.fence)
        if call.method in ("CancelTask", "SettleRefund"):
            seen = seen._replace(replayed=call.answer.replayed)
            reads = call.answer.replayed
    yield Part(request.task_id, _steps(call.method, request), seen, reads)


def _steps(method: str, request: Any) -> m.Steps:
    if method == "CreateTask":
        return m.create
    if method == "StartTask":
        return partial(m.start, request.agent_id)
    if method == "BeginCharge":
        return partial(money.charge, request.fence, "BEGUN")
    if method == "ReportCharge":
        word = task_pb2.ChargeState.Name(request.charge_state).removeprefix("CHARGE_STATE_")
        return partial(money.charge, request.fence, word)
    if method == "FinishTask":
        outcome = agent_service_pb2.FinishOutcome.Name(request.outcome)
        return partial(m.finish, request.fence, outcome.removeprefix("FINISH_OUTCOME_"))
    if method == "SettleRefund":
        return partial(money.settle, _settled(request))
    if method == "CancelTask":
        return partial(m.cancel, _said(request, of_task=True))
    return m.read


def _said(request: Any, *, of_task: bool) -> m.Cancel:
    given = request.HasField("grace_period")
    return m.Cancel(
        request.reason,
        request.message,
        request.request_id,
        request.grace_period.ToMicroseconds() if given else DEFAULT_GRACE,
        request.SerializeToString(deterministic=True),
        request.expected_version if request.HasField("expected_version") else None,
        request.validate_only,
        of_task,
        of_task and request.allow_missing,
        isinstance(request, UNDOING),
    )


def _settled(request: task_service_pb2.SettleRefundRequest) -> money.Settlement:
    return money.Settlement(
        task_pb2.RefundState.Name(request.outcome).removeprefix("REFUND_STATE_"),
        request.amount if request.HasField("amount") else None,
        request.currency,
        request.note,
        request.request_id,
        request.SerializeToString(deterministic=True),
    )


def _cancelled(call: Call, said: m.Cancel, targets: Iterable[Task]) -> Iterator[Part]:
    """The tasks that a cancel covers: those that it answered, or all that it may have covered."""
    steps = partial(m.cancel, said)
    if call.unknown:
        yield from (Part(task.task_id, steps, m.UNKNOWN) for task in targets)
        return
    replayed = getattr(call.answer, "replayed", False)
    for result in call.answer.cancellation.results:
        seen = _result(result)._replace(replayed=replayed)
        yield Part(result.task_id, steps, seen, replayed)


def _cancelled_by_itself(call: Call, truth: Truth) -> Iterator[Part]:
    """The tasks of the checkout that a changed or a superseding cart cancels."""
    said = m.Cancel(
        OWN_REASONS[call.method], "", "", DEFAULT_GRACE, b"", of_task=False, undoes=True
    )
    if call.method == "ChangeCart":
        yield from _cancelled(call, said, _on_cart(call.request.cart_id, truth))
        return
    checkout = call.request.checkout
    for task in _on_cart(checkout.cart_id, truth) if checkout.cart_id else ():
        if task.row["checkout_id"] != checkout.checkout_id:
            yield Part(task.task_id, partial(m.cancel, said), m.UNKNOWN)


def _created(call: Call) -> list[Part]:
    ids = [task.task_id for task in getattr(call.request, "tasks", ())]
    if call.unknown:
        return [Part(id, m.create, m.UNKNOWN) for id in ids]
    shown = getattr(call.answer, "tasks", ())
    return [Part(id, m.create, _seen(task)) for id, task in zip(ids, shown, strict=True)]


def _targets(call: Call, truth: Truth) -> Iterable[Task]:
    """Returns what a cancel may have covered of which no answer says what it did."""
    request = call.request
    if call.method == "CancelCheckout" and request.cart_id:
        return _on_cart(request.cart_id, truth)
    kind = HOLDERS[call.method]
    return truth.under(call.tenant, kind, getattr(request, f"{kind.lower()}_id"))


def _on_cart(cart_id: str, truth: Truth) -> list[Task]:
    checkouts = {
        id
        for (kind, id), row in truth.holders.items()
        if kind == "checkout" and row["cart_id"] == cart_id
    }
    return [task for task in truth.tasks.values() if task.row["checkout_id"] in checkouts]


def _listed(call: Call, truth: Truth) -> Iterator[Part]:
    """All tasks of the agent: a heartbeat lists those that are to stop, and no other."""
    stops = {stop.task_id: stop.deadline_time.ToMicroseconds() for stop in call.answer.stops}
    for task in truth.tasks.values():
        if (task.tenant, task.row["agent_id"]) == (call.tenant, call.request.agent_id):
            steps = partial(m.stops, stops.get(task.task_id))
            yield Part(task.task_id, steps, m.UNKNOWN, reads=True)


def _seen(task: task_pb2.Task) -> m.Answer:
    return m.Answer("", task.version, _state(task.state), refund=_refund(task.refund_state))


def _result(result: cancellation_pb2.CancellationResult) -> m.Answer:
    return m.Answer("", state=_state(result.task_state), refund=_refund(result.refund_state))


def _refund(number: int) -> str:
    return task_pb2.RefundState.Name(number).removeprefix("REFUND_STATE_")


def _state(number: int) -> str:
    return task_pb2.TaskState.Name(number).removeprefix("TASK_STATE_")
