"""New tasks and groups, and the choosing of tasks."""

from collections.abc import Sequence
from typing import NamedTuple

from countermand.core import commands as c
from countermand.core.errors import Reason, invalid
from countermand.core.log import TaskFilter
from countermand.core.records import MAX_TASKS_PER_TARGET
from countermand.core.refunds import SettleRefund
from countermand.core.states import RefundState, TaskState
from countermand.rpc.wire.bounds import MAX_STATES
from countermand.rpc.wire.enums import REFUND_STATES, TASK_STATES, by_number
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.store.lists import TaskQuery
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as pb
from countermand.v1.operator_service_pb2 import OperatorServiceListTasksRequest

STATES = by_number(TASK_STATES)
REFUNDS = by_number(REFUND_STATES)
BY_DEADLINE = "deadline_time"


class Parents(NamedTuple):
    """What a task or group is under."""

    group_id: str | None = None
    checkout_id: str | None = None
    order_id: str | None = None


def parse_create_task(request: pb.CreateTaskRequest, namespace: int, fresh: Fresh) -> c.CreateTask:
    """Reads a new task."""
    form = Form()
    task = _new_task(form, "", request, _parents(form, "", request), fresh)
    form.check()
    return c.CreateTask(namespace, task)


def parse_create_group(
    request: pb.CreateGroupRequest, namespace: int, fresh: Fresh
) -> c.CreateGroup:
    """Reads a new group with its tasks."""
    form = Form()
    named = _parents(form, "", request)
    group_id = named.group_id or fresh.uuid()
    parents = named._replace(group_id=group_id)
    command = c.CreateGroup(
        namespace,
        group_id=group_id,
        closed=request.closed,
        tasks=parse_new_tasks(form, request.tasks, parents, fresh),
        checkout_id=parents.checkout_id,
        order_id=parents.order_id,
    )
    form.check()
    return command


def parse_new_tasks(
    form: Form, requests: Sequence[pb.CreateTaskRequest], parents: Parents, fresh: Fresh
) -> tuple[c.NewTask, ...]:
    """Reads tasks that are created together, under the same parents."""
    if len(requests) > MAX_TASKS_PER_TARGET:
        raise invalid("tasks", f"must be at most {MAX_TASKS_PER_TARGET}", Reason.TOO_MANY_TASKS)
    new = []
    for place, request in enumerate(requests):
        path = f"tasks[{place}]."
        named = _parents(form, path, request)
        for field, id, parent in zip(Parents._fields, named, parents, strict=True):
            if id not in (None, parent):
                form.reject(f"{path}{field}", "must be absent, or that of this request")
        new.append(_new_task(form, path, request, parents, fresh))
    form.unique("tasks[{}].task_id", [task.task_id for task in new])
    return tuple(new)


def _parents(
    form: Form, path: str, request: pb.CreateTaskRequest | pb.CreateGroupRequest
) -> Parents:
    return Parents(
        form.uuid(f"{path}group_id", request.group_id) if request.HasField("group_id") else None,
        (
            form.name(f"{path}checkout_id", request.checkout_id)
            if request.HasField("checkout_id")
            else None
        ),
        form.name(f"{path}order_id", request.order_id) if request.HasField("order_id") else None,
    )


def _new_task(
    form: Form, path: str, request: pb.CreateTaskRequest, parents: Parents, fresh: Fresh
) -> c.NewTask:
    return c.NewTask(
        task_id=(
            form.uuid(f"{path}task_id", request.task_id)
            if request.HasField("task_id")
            else fresh.uuid()
        ),
        merchant=form.text(f"{path}merchant", request.merchant, 128),
        labels=form.labels(f"{path}labels", request.labels),
        expire_time=form.future(f"{path}expire_time", request, fresh.now),
        **parents._asdict(),
    )


def parse_filter(form: Form, chosen: task_pb2.TaskFilter) -> TaskFilter:
    """Reads which tasks are chosen."""
    return TaskFilter(
        group_id=form.optional_uuid("filter.group_id", chosen.group_id),
        checkout_id=form.optional_name("filter.checkout_id", chosen.checkout_id),
        order_id=form.optional_name("filter.order_id", chosen.order_id),
        agent_id=form.optional_name("filter.agent_id", chosen.agent_id),
    )


def parse_refund_state(form: Form, number: int) -> RefundState | None:
    """Reads which refund state is chosen; unspecified means any."""
    state = REFUNDS.get(number)
    if number and state is None:
        form.reject("refund_state", "is not a state of a refund")
    return state


def parse_task_query(
    form: Form, request: pb.ListTasksRequest | OperatorServiceListTasksRequest
) -> TaskQuery:
    """Reads which tasks are listed, and in which order."""
    label = None
    if request.HasField("label"):
        label = (
            form.text("label.key", request.label.key, 128),
            form.text("label.value", request.label.value, 2048),
        )
        if not label[0]:
            form.reject("label.key", "must not be empty")
    if request.order_by not in ("", BY_DEADLINE):
        form.reject("order_by", f"must be empty, or {BY_DEADLINE}")
    return TaskQuery(
        parse_filter(form, request.filter),
        parse_states(form, request.states),
        parse_refund_state(form, request.refund_state),
        merchant=form.text("merchant", request.merchant, 128) or None,
        label=label,
        deadline_before=form.time("deadline_before", request),
        by_deadline=request.order_by == BY_DEADLINE,
    )


def parse_settle_refund(
    request: pb.SettleRefundRequest, namespace: int, key_id: str
) -> SettleRefund:
    """Reads what became of a refund."""
    form = Form()
    outcome = REFUNDS.get(request.outcome)
    if outcome is None or not outcome.settled:
        form.reject("outcome", "must be REFUNDED or NOT_OWED")
    amount = request.amount if request.HasField("amount") else None
    if amount is not None and amount < 0:
        form.reject("amount", "must not be negative")
    command = SettleRefund(
        namespace,
        task_id=form.uuid("task_id", request.task_id),
        outcome=outcome or RefundState.NOT_OWED,
        amount=amount,
        currency=form.text("currency", request.currency, 128),
        note=form.text("note", request.note, 500),
        request_id=form.optional_uuid("request_id", request.request_id),
        settled_by=key_id,
    )
    form.check()
    return command


def parse_states(form: Form, numbers: Sequence[int]) -> tuple[TaskState, ...]:
    """Reads which states are chosen; the order and repeats do not matter."""
    chosen: set[TaskState] = set()
    if len(numbers) > MAX_STATES:
        form.reject("states", f"must be at most {MAX_STATES}")
        return ()
    for place, number in enumerate(numbers):
        state = STATES.get(number)
        if state is None:
            form.reject(f"states[{place}]", "is not a state of a task")
        else:
            chosen.add(state)
    return tuple(state for state in TaskState if state in chosen)
