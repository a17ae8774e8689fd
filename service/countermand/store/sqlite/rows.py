"""Rows as SQLite keeps them, and records as the rules know them."""

import json
from typing import Any

from countermand.core.records import (
    Agent,
    Cancellation,
    CancellationState,
    CancelProof,
    ChargeState,
    Event,
    Group,
    Key,
    RequestId,
    TargetKind,
    Task,
    TaskState,
    as_of,
)
from countermand.core.trace import TraceContext

_STATES = {str(state): state for state in TaskState}
_CHARGES = {str(charge): charge for charge in ChargeState}
_PROOFS = {None: None} | {str(proof): proof for proof in CancelProof}
_TASK_FIELDS = (
    "number",
    "namespace",
    "task_id",
    "group_id",
    "merchant",
    "labels",
    "create_time",
    "update_time",
    "state",
    "version",
    "agent_id",
    "fence",
    "cancellation_id",
    "cancel_proof",
    "deadline_time",
    "failure_message",
    "charge_state",
    "refund_required",
    "expire_time",
    "start_time",
    "end_time",
    "seq",
    "cancel_reason",
    "cancel_message",
)


def uuid_bytes(text: str | None) -> bytes | None:
    """Returns the 16 bytes of a UUID."""
    return None if text is None else bytes.fromhex(text.replace("-", ""))


def uuid_text(digits: str | None) -> str | None:
    """Returns a UUID of 36 characters from its 32 digits; None for none."""
    if not digits:
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def read_task(row: list[Any]) -> Task:
    """Returns the task of a `{task}` row."""
    task: Task = object.__new__(Task)
    fields = task.__dict__
    fields.update(zip(_TASK_FIELDS, row, strict=True))
    fields["task_id"] = uuid_text(row[2])
    fields["group_id"] = uuid_text(row[3])
    fields["labels"] = json.loads(row[5]) if row[5] != "{}" else {}
    fields["state"] = _STATES[row[8]]
    fields["cancellation_id"] = uuid_text(row[12])
    fields["cancel_proof"] = _PROOFS[row[13]]
    fields["charge_state"] = _CHARGES[row[16]]
    fields["refund_required"] = bool(row[17])
    fields["cancel_reason"] = row[22] or ""
    fields["cancel_message"] = row[23] or ""
    return task


def write_new_task(task: Task) -> tuple[Any, ...]:
    """Returns the row of a new task."""
    return (
        task.number,
        task.namespace,
        uuid_bytes(task.task_id),
        uuid_bytes(task.group_id),
        task.merchant,
        json.dumps(task.labels) if task.labels else "{}",
        task.create_time,
        task.update_time,
        task.state.value,
        task.version,
        task.agent_id,
        task.fence,
        uuid_bytes(task.cancellation_id),
        None if task.cancel_proof is None else task.cancel_proof.value,
        task.deadline_time,
        task.failure_message,
        task.charge_state.value,
        int(task.refund_required),
        task.expire_time,
        task.start_time,
        task.end_time,
        task.seq,
    )


def write_changed_task(task: Task) -> tuple[Any, ...]:
    """Returns what of a task can change."""
    return (
        task.number,
        task.state.value,
        task.version,
        task.seq,
        task.fence,
        task.agent_id,
        uuid_bytes(task.cancellation_id),
        None if task.cancel_proof is None else task.cancel_proof.value,
        task.deadline_time,
        task.failure_message,
        task.charge_state.value,
        int(task.refund_required),
        task.start_time,
        task.update_time,
        task.end_time,
    )


def read_group(row: list[Any]) -> Group:
    """Returns the group of a `{group}` row."""
    namespace, group_id, closed, created, updated, version, tasks, live, cancellation_id = row
    return Group(
        namespace=namespace,
        group_id=str(uuid_text(group_id)),
        closed=bool(closed),
        create_time=created,
        update_time=updated,
        version=version,
        task_count=tasks,
        live_count=live,
        cancellation_id=uuid_text(cancellation_id),
    )


def write_group(group: Group) -> tuple[Any, ...]:
    """Returns the row of a group."""
    return (
        group.namespace,
        uuid_bytes(group.group_id),
        int(group.closed),
        group.create_time,
        group.update_time,
        group.version,
        group.task_count,
        group.live_count,
        uuid_bytes(group.cancellation_id),
    )


def read_cancellation(row: list[Any]) -> Cancellation:
    """Returns the cancellation of a `{cancellation}` row."""
    return Cancellation(
        namespace=row[0],
        cancellation_id=str(uuid_text(row[1])),
        target_kind=TargetKind(row[2]),
        target_id=str(uuid_text(row[3])),
        reason=row[4],
        message=row[5],
        requested_by=row[6],
        on_behalf_of=row[7],
        request_id=uuid_text(row[8]),
        create_time=row[9],
        trace=TraceContext(row[10], row[11], bool(row[12])),
        seq=row[13],
        state=CancellationState(row[14]),
        deadline_time=row[15],
        end_time=row[16],
        live_count=row[17],
        proofs=tuple(row[18:22]),
        completed_count=row[22],
    )


def write_cancellation(cancellation: Cancellation) -> tuple[Any, ...]:
    """Returns the row of a cancellation."""
    return (
        cancellation.namespace,
        uuid_bytes(cancellation.cancellation_id),
        cancellation.target_kind.value,
        uuid_bytes(cancellation.target_id),
        cancellation.reason,
        cancellation.message,
        cancellation.requested_by,
        cancellation.on_behalf_of,
        uuid_bytes(cancellation.request_id),
        cancellation.create_time,
        bytes.fromhex(cancellation.trace.trace_id),
        bytes.fromhex(cancellation.trace.span_id),
        int(cancellation.trace.sampled),
        cancellation.seq,
        cancellation.state.value,
        cancellation.deadline_time,
        cancellation.end_time,
        cancellation.live_count,
        *cancellation.proofs,
        cancellation.completed_count,
    )


def read_agent(row: list[Any]) -> Agent:
    """Returns the agent of a row."""
    return Agent(*row)


def write_agent(agent: Agent) -> tuple[Any, ...]:
    """Returns the row of an agent."""
    return (agent.namespace, agent.agent_id, agent.lease_duration, agent.lease_expire_time)


def read_request_id(row: list[Any]) -> RequestId:
    """Returns the remembered request id of a row."""
    namespace, request_id, cancellation_id, fingerprint = row
    return RequestId(
        namespace,
        str(uuid_text(request_id)),
        str(uuid_text(cancellation_id)),
        bytes.fromhex(fingerprint),
    )


def write_request_id(request_id: RequestId) -> tuple[Any, ...]:
    """Returns the row of a remembered request id."""
    return (
        request_id.namespace,
        uuid_bytes(request_id.request_id),
        uuid_bytes(request_id.cancellation_id),
        request_id.fingerprint,
    )


def read_key(row: list[Any]) -> Key:
    """Returns the key of a `{key}` row."""
    key_id, tenant, environment, scopes, secret_hash, created, expires, revoked, namespace = row
    return Key(
        key_id=key_id,
        tenant=tenant,
        environment=environment,
        scopes=tuple(json.loads(scopes)),
        secret_hash=bytes.fromhex(secret_hash),
        create_time=created,
        expire_time=expires,
        revoke_time=revoked,
        namespace=namespace,
    )


def write_key(key: Key) -> tuple[Any, ...]:
    """Returns the parameters that save a key."""
    return (
        key.key_id,
        key.tenant,
        key.environment,
        json.dumps(key.scopes),
        key.secret_hash,
        key.create_time,
        key.expire_time,
        key.revoke_time,
    )


def write_event(event: Event, number: int | None) -> tuple[Any, ...]:
    """Returns the row of an event; `number` is its task's."""
    task = event.task
    if task is None:
        group_id = uuid_bytes(event.group_id)
        return (event.namespace, event.seq, 0, None, group_id, None, None, None, None, 0, 1)
    return (
        event.namespace,
        event.seq,
        event.previous_seq,
        number,
        None,
        task.version,
        task.state.value,
        task.charge_state.value,
        task.deadline_time,
        task.update_time,
        int(event.ends_group),
    )


def read_event(row: list[Any], task: Task) -> Event:
    """Returns the event of one of the task's versions; the row begins with the event's columns."""
    seq, previous_seq, version, state, charge_state, deadline_time, time, ends_group = row
    then = as_of(
        task,
        version=version,
        state=_STATES[state],
        charge_state=_CHARGES[charge_state],
        deadline_time=deadline_time,
        time=time,
        seq=seq,
    )
    return Event(seq, task.namespace, then, task.group_id, bool(ends_group), previous_seq)
