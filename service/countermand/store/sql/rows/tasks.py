"""Rows of tasks, and of what happened to them."""

import json
from typing import Any

from countermand.core.labels import StoredLabels
from countermand.core.log import Event, as_of
from countermand.core.records import Settlement, Task
from countermand.core.states import CancelProof, ChargeState, RefundState, TaskState
from countermand.store.sql.rows.ids import uuid_text

_STATES = {str(state): state for state in TaskState}
_REFUNDS = {str(refund): refund for refund in RefundState}
_CHARGES = {str(charge): charge for charge in ChargeState}
_PROOFS = {None: None} | {str(proof): proof for proof in CancelProof}


def read_task(row: list[Any]) -> Task:
    """Returns the task of a `{task}` row."""
    (
        number,
        namespace,
        task_id,
        group_id,
        checkout_id,
        order_id,
        merchant,
        labels,
        create_time,
        update_time,
        state,
        version,
        agent_id,
        fence,
        cancellation_id,
        cancel_proof,
        deadline_time,
        failure_message,
        charge_state,
        refund_state,
        expire_time,
        start_time,
        end_time,
        seq,
        due_time,
        cancel_reason,
        cancel_message,
        ended,
    ) = row
    fields: dict[str, Any] = {
        "number": number,
        "namespace": namespace,
        "task_id": uuid_text(task_id),
        "group_id": uuid_text(group_id) if group_id else None,
        "checkout_id": checkout_id,
        "order_id": order_id,
        "merchant": merchant,
        "labels": StoredLabels(labels) if labels != "{}" else {},
        "create_time": create_time,
        "update_time": update_time,
        "state": _STATES[state],
        "version": version,
        "agent_id": agent_id,
        "fence": fence,
        "cancellation_id": uuid_text(cancellation_id) if cancellation_id else None,
        "cancel_proof": _PROOFS[cancel_proof],
        "deadline_time": deadline_time,
        "failure_message": failure_message,
        "charge_state": _CHARGES[charge_state],
        "refund_state": _REFUNDS[refund_state],
        "expire_time": expire_time,
        "start_time": start_time,
        "end_time": end_time,
        "seq": seq,
        "due_time": due_time,
        "cancel_reason": cancel_reason or "",
        "cancel_message": cancel_message or "",
    }
    if ended is not None:  # A live task has the defaults of its class.
        settlement, late_reports, end_seq, fence_raised = ended
        fields["settlement"] = _read_settlement(settlement)
        fields["late_reports"] = late_reports
        fields["end_seq"] = end_seq
        fields["fence_raised"] = bool(fence_raised)
    task: Task = object.__new__(Task)
    object.__setattr__(task, "__dict__", fields)
    return task


EVENT_WIDTH = 10
"""How many columns an `{event}` has."""


def read_event(row: list[Any], task: Task) -> Event:
    """Returns the event of one of the task's versions, or of its coming under an order, from an
    `{event}` row."""
    seq, previous_seq, version, state, charge, deadline_time, refund, settlement, time, joined = row
    then = as_of(
        task,
        version=version,
        state=_STATES[state],
        charge_state=_CHARGES[charge],
        deadline_time=deadline_time,
        refund_state=_read_refund(refund, _STATES[state], _CHARGES[charge]),
        settlement=_read_settlement(settlement),
        time=time,
        seq=seq,
    )
    return Event(seq, task.namespace, then, previous_seq=previous_seq, time=time, joined=joined)


def _read_refund(word: str | None, state: TaskState, charge_state: ChargeState) -> RefundState:
    """Returns what a version said of the refund: where events of before say nothing, it was
    required of a task that was stopped or failed with the money."""
    if word is not None:
        return _REFUNDS[word]
    held = state in (TaskState.CANCELLED, TaskState.FAILED) and charge_state.may_hold_money
    return RefundState.REQUIRED if held else RefundState.NONE


def _read_settlement(text: str | None) -> Settlement | None:
    if text is None:
        return None
    outcome, *rest = json.loads(text)
    return Settlement(_REFUNDS[outcome], *rest)


def write_settlement(settlement: Settlement | None) -> str | None:
    """Returns a settlement as a JSON array."""
    return None if settlement is None else json.dumps(settlement)


def write_event(event: Event, number: int | None) -> tuple[Any, ...]:
    """Returns the row of an event, but for its refund; `number` is its task's."""
    task = event.task
    if task is None:
        return (event.namespace, event.seq, 0, None, None, None, None, None, event.time)
    return (
        event.namespace,
        event.seq,
        event.previous_seq,
        number,
        task.version,
        task.state._value_,
        task.charge_state._value_,
        task.deadline_time,
        event.time,
    )


def write_refund(task: Task) -> tuple[Any, ...]:
    """Returns what the row of an event has more if it says something of a refund."""
    return (task.refund_state._value_, write_settlement(task.settlement))
