"""What agents ask."""

from typing import Any

from countermand.core import commands as c
from countermand.core.records import SECOND
from countermand.core.states import ChargeState, TaskState
from countermand.rpc.wire.enums import CHARGE_STATES, FINISH_OUTCOMES, by_number
from countermand.rpc.wire.form import HOUR, Form
from countermand.v1 import agent_service_pb2 as pb

DEFAULT_LEASE = 30 * SECOND

OUTCOMES = by_number(FINISH_OUTCOMES)
REPORTS = {
    int(CHARGE_STATES[charge]): charge
    for charge in (ChargeState.CAPTURED, ChargeState.FAILED, ChargeState.VOIDED)
}


def parse_start(request: pb.StartTaskRequest, namespace: int) -> c.StartTask:
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


def parse_heartbeat(request: pb.HeartbeatRequest, namespace: int) -> c.RenewLease:
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


def parse_begin_charge(request: pb.BeginChargeRequest, namespace: int) -> c.BeginCharge:
    """Reads the asking for permission to take money."""
    form = Form()
    command = c.BeginCharge(
        namespace,
        task_id=form.uuid("task_id", request.task_id),
        fence=_fence(form, request.fence),
    )
    form.check()
    return command


def parse_report_charge(request: pb.ReportChargeRequest, namespace: int) -> c.ReportCharge:
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


def parse_finish(request: pb.FinishTaskRequest, namespace: int) -> c.FinishTask:
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
