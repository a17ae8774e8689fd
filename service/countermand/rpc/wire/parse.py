"""From messages to commands and queries. A wrong form raises Refused: INVALID_REQUEST."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from countermand.core import commands as c
from countermand.core.errors import Reason, Refused, Violation, invalid
from countermand.core.ids import ENVIRONMENTS, SCOPES, is_name
from countermand.core.records import (
    DEFAULT_GRACE,
    MAX_TASKS_PER_TARGET,
    SECOND,
    CancellationState,
    ChargeState,
    SummaryKey,
    TaskFilter,
    TaskState,
)
from countermand.core.trace import TraceContext
from countermand.rpc.wire.form import HOUR, Form
from countermand.rpc.wire.render import CANCELLATION_STATES, STATES
from countermand.v1 import agent_service_pb2 as agents
from countermand.v1 import cancellation_service_pb2 as cancellations
from countermand.v1 import key_service_pb2 as keys
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as tasks

Cancelling = TypeVar("Cancelling", bound=c.Cancel)

DEFAULT_LEASE = 30 * SECOND
DEFAULT_HEARTBEAT = 30 * SECOND

OUTCOMES = {
    agents.FINISH_OUTCOME_COMPLETED: TaskState.COMPLETED,
    agents.FINISH_OUTCOME_FAILED: TaskState.FAILED,
    agents.FINISH_OUTCOME_CANCELLED: TaskState.CANCELLED,
}
REPORTS = {
    task_pb2.CHARGE_STATE_CAPTURED: ChargeState.CAPTURED,
    task_pb2.CHARGE_STATE_FAILED: ChargeState.FAILED,
    task_pb2.CHARGE_STATE_VOIDED: ChargeState.VOIDED,
}
SUMMARY_KEYS = {
    cancellations.SUMMARY_KEY_REASON: SummaryKey.REASON,
    cancellations.SUMMARY_KEY_STATE: SummaryKey.STATE,
    cancellations.SUMMARY_KEY_PROOF: SummaryKey.PROOF,
}
TASK_STATES = {int(number): state for state, number in STATES.items()}
STATES_OF_CANCELLATIONS = {int(number): state for state, number in CANCELLATION_STATES.items()}


def parse_cancel(
    kind: type[Cancelling],
    target_field: str,
    request: cancellations.CancelTaskRequest | cancellations.CancelGroupRequest,
    *,
    namespace: int,
    requested_by: str,
    trace: TraceContext,
) -> Cancelling:
    """Reads any cancel: the common fields have the same names in all of them."""
    form = Form()
    command = kind(
        namespace=namespace,
        target_id=form.uuid(target_field, getattr(request, target_field)),
        reason=form.text("reason", request.reason, 128),
        message=form.text("message", request.message, 500),
        request_id=form.optional_uuid("request_id", request.request_id),
        grace_period=form.span("grace_period", request, DEFAULT_GRACE, least=0, most=HOUR),
        expected_version=(
            request.expected_version if request.HasField("expected_version") else None
        ),
        validate_only=request.validate_only,
        on_behalf_of=form.text("on_behalf_of", request.on_behalf_of, 256),
        requested_by=requested_by,
        trace=trace,
    )
    form.check()
    return command


def parse_create_task(
    request: tasks.CreateTaskRequest, namespace: int, new_uuid: Callable[[], str], now: int
) -> c.CreateTask:
    """Reads a new task."""
    form = Form()
    task = _new_task(form, "", request, None, new_uuid, now)
    form.check()
    return c.CreateTask(namespace, task)


def parse_create_group(
    request: tasks.CreateGroupRequest, namespace: int, new_uuid: Callable[[], str], now: int
) -> c.CreateGroup:
    """Reads a new group with its tasks."""
    if len(request.tasks) > MAX_TASKS_PER_TARGET:
        raise invalid("tasks", f"must be at most {MAX_TASKS_PER_TARGET}", Reason.TOO_MANY_TASKS)
    form = Form()
    group_id = new_uuid()
    if request.HasField("group_id"):
        group_id = form.uuid("group_id", request.group_id)
    new = tuple(
        _new_task(form, f"tasks[{place}].", task, group_id, new_uuid, now)
        for place, task in enumerate(request.tasks)
    )
    form.unique("tasks[{}].task_id", [task.task_id for task in new])
    form.check()
    return c.CreateGroup(namespace, group_id, request.closed, new)


def _new_task(
    form: Form,
    path: str,
    request: tasks.CreateTaskRequest,
    group_id: str | None,
    new_uuid: Callable[[], str],
    now: int,
) -> c.NewTask:
    named_group = group_id
    if request.HasField("group_id"):
        named_group = form.uuid(f"{path}group_id", request.group_id)
        if group_id is not None and named_group != group_id:
            form.reject(f"{path}group_id", "must be absent, or the group that is created")
    return c.NewTask(
        task_id=(
            form.uuid(f"{path}task_id", request.task_id)
            if request.HasField("task_id")
            else new_uuid()
        ),
        group_id=named_group,
        merchant=form.text(f"{path}merchant", request.merchant, 128),
        labels=form.labels(f"{path}labels", request.labels),
        expire_time=form.future(f"{path}expire_time", request, now),
    )


def parse_start(request: agents.StartTaskRequest, namespace: int) -> c.StartTask:
    """Reads the start of a task."""
    form = Form()
    command = c.StartTask(
        namespace,
        task_id=form.uuid("task_id", request.task_id),
        agent_id=form.name("agent_id", request.agent_id),
        lease_duration=_lease(form, request),
    )
    form.check()
    return command


def parse_heartbeat(request: agents.HeartbeatRequest, namespace: int) -> c.RenewLease:
    """Reads the renewal of a lease."""
    form = Form()
    command = c.RenewLease(
        namespace,
        agent_id=form.name("agent_id", request.agent_id),
        lease_duration=_lease(form, request),
    )
    form.check()
    return command


def _lease(form: Form, request: Any) -> int:
    return form.span("lease_duration", request, DEFAULT_LEASE, least=SECOND, most=HOUR)


def parse_begin_charge(request: agents.BeginChargeRequest, namespace: int) -> c.BeginCharge:
    """Reads the asking for permission to take money."""
    form = Form()
    command = c.BeginCharge(
        namespace,
        task_id=form.uuid("task_id", request.task_id),
        fence=_fence(form, request.fence),
    )
    form.check()
    return command


def parse_report_charge(request: agents.ReportChargeRequest, namespace: int) -> c.ReportCharge:
    """Reads what came of taking money."""
    form = Form()
    charge_state = REPORTS.get(request.charge_state)
    if charge_state is None:
        form.reject("charge_state", "must be CAPTURED, FAILED or VOIDED")
    command = c.ReportCharge(
        namespace,
        task_id=form.uuid("task_id", request.task_id),
        fence=_fence(form, request.fence),
        charge_state=charge_state or ChargeState.FAILED,
    )
    form.check()
    return command


def _fence(form: Form, fence: int) -> int:
    if fence < 1:
        form.reject("fence", "must be the number that StartTask gave")
    return fence


def parse_finish(request: agents.FinishTaskRequest, namespace: int) -> c.FinishTask:
    """Reads the end of a task."""
    form = Form()
    outcome = OUTCOMES.get(request.outcome)
    if outcome is None:
        form.reject("outcome", "must be COMPLETED, FAILED or CANCELLED")
    if request.failure_message and outcome is not TaskState.FAILED:
        form.reject("failure_message", "goes only with FAILED")
    command = c.FinishTask(
        namespace,
        task_id=form.uuid("task_id", request.task_id),
        fence=_fence(form, request.fence),
        outcome=outcome or TaskState.FAILED,
        failure_message=form.text("failure_message", request.failure_message, 500),
    )
    form.check()
    return command


def parse_filter(form: Form, chosen: task_pb2.TaskFilter) -> TaskFilter:
    """Reads which tasks are chosen."""
    return TaskFilter(
        group_id=form.optional_uuid("filter.group_id", chosen.group_id),
        agent_id=form.name("filter.agent_id", chosen.agent_id) if chosen.agent_id else None,
    )


def parse_states(form: Form, states: Sequence[int]) -> tuple[TaskState, ...]:
    """Reads which states are chosen; the order and repeats do not matter."""
    for place, number in enumerate(states):
        if number not in TASK_STATES:
            form.reject(f"states[{place}]", "is not a state of a task")
    chosen = {TASK_STATES[number] for number in states if number in TASK_STATES}
    return tuple(state for state in TaskState if state in chosen)


def parse_cancellation_state(form: Form, number: int) -> CancellationState | None:
    """Reads which state is chosen; unspecified means any."""
    state = STATES_OF_CANCELLATIONS.get(number)
    if number and state is None:
        form.reject("state", "is not a state of a cancellation")
    return state


def parse_summary_key(form: Form, number: cancellations.SummaryKey) -> SummaryKey:
    """Reads by what to count."""
    key = SUMMARY_KEYS.get(number)
    if key is None:
        form.reject("group_by", "must be REASON, STATE or PROOF")
    return key or SummaryKey.REASON


def parse_heartbeat_interval(form: Form, request: Any) -> int:
    """Reads how long a watch may be idle, in microseconds."""
    return form.span(
        "heartbeat_interval", request, DEFAULT_HEARTBEAT, least=SECOND, most=600 * SECOND
    )


def parse_after_version(form: Form, request: cancellations.WatchTaskRequest) -> int | None:
    """Reads the last version that a watcher has seen; None if it has seen none."""
    if not request.HasField("after_version"):
        return None
    if request.after_version < 0:
        form.reject("after_version", "must not be negative")
    return request.after_version


def parse_create_key(
    request: keys.CreateKeyRequest, now: int
) -> tuple[str, str, tuple[str, ...], int | None]:
    """Reads a new key: tenant, environment, scopes, and when it expires."""
    form = Form()
    expire_time = form.future("expire_time", request, now)
    form.check()
    check_key(request.tenant, request.environment, request.scopes)
    return request.tenant, request.environment, tuple(request.scopes), expire_time


def check_key(tenant: str, environment: str, scopes: Sequence[str]) -> None:
    """Raises Refused if no key can be like this."""
    violations = []
    if not is_name(tenant):
        violations.append(Violation("tenant", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -"))
    if environment not in ENVIRONMENTS:
        violations.append(Violation("environment", f"must be one of {', '.join(ENVIRONMENTS)}"))
    if not scopes:
        violations.append(Violation("scopes", f"must be at least one of {', '.join(SCOPES)}"))
    for scope, times in Counter(scopes).items():
        if scope not in SCOPES or times > 1:
            violations.append(Violation("scopes", f"must be different ones of {', '.join(SCOPES)}"))
            break
    if violations:
        text = "; ".join(f"{field}: {what}" for field, what in violations)
        raise Refused(Reason.INVALID_REQUEST, text, violations=tuple(violations))
