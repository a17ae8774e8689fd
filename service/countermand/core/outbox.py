"""Which notices a command's changes make: one for each change that somebody may wait for.

They are written in the transaction of the change itself, so there is one for each that is
committed, and none for any other. What one says is complete, so that nothing has to be looked up
when it is sent, when all that it is about may be gone.
"""

import json
from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Any

from countermand.core.cancellations import Cancellation
from countermand.core.changes import Changes
from countermand.core.errors import rfc3339
from countermand.core.records import Checkout, Order, Target, Task
from countermand.core.rows import Id, Rows
from countermand.core.states import (
    CancellationState,
    CheckoutState,
    OrderState,
    RefundState,
    TaskState,
)
from countermand.core.trace import TraceContext
from countermand.core.webhook_rows import Outbox
from countermand.core.webhooks import WEBHOOK_DISABLED, WEBHOOK_TEST, Notice, Webhook, WebhookState

TASK_TYPES = {
    TaskState.CANCELLING: "task.cancelling",
    TaskState.CANCELLED: "task.cancelled",
    TaskState.COMPLETED: "task.completed",
    TaskState.FAILED: "task.failed",
}
REFUND_TYPES = {
    RefundState.REQUIRED: "task.refund_required",
    RefundState.REFUNDED: "task.refund_settled",
    RefundState.NOT_OWED: "task.refund_settled",
}
HOLDER_TYPES = frozenset(
    {
        "checkout.cancelled",
        "checkout.partially_cancelled",
        "order.cancelled",
        "order.partially_cancelled",
    }
)
FIELDS = (
    "environment",
    "task_id",
    "group_id",
    "checkout_id",
    "order_id",
    "cancellation_id",
    "state",
    "old_state",
    "version",
    "reason",
    "message",
    "cancel_proof",
    "refund_state",
    "refund_required",
)
"""What the data of every notice has, null where it says nothing."""
_NOTHING = dict.fromkeys(FIELDS)


def note_changes(changes: Changes, rows: Rows) -> None:
    """Adds the notices of one command's changes to what is saved. Call it before these are
    applied."""
    for namespace, notice in _notices(changes, rows):
        outbox = rows.outboxes[namespace]
        outbox.last += 1
        rows.saves.notices.append(notice._replace(number=outbox.last))
        rows.saves.outboxes[namespace] = outbox.last


def _notices(changes: Changes, rows: Rows) -> Iterator[tuple[int, Notice]]:
    """Yields notices without their numbers: of tasks, of what holds them, and of cancels."""
    seen: dict[Id, Task] = {}
    for event in changes.events:
        task = event.task
        if task is None or task.namespace not in rows.outboxes:
            continue
        key = (task.namespace, task.task_id)
        before = seen.get(key) or rows.tasks.get(key)
        seen[key] = task
        for type in _task_types(before, task):
            yield task.namespace, _of_task(type, before, task, changes, rows)
    for target, holder in changes.holders.items():
        if target.namespace not in rows.outboxes or not isinstance(holder, Checkout | Order):
            continue
        known = rows.holders.get(target)
        # One that was created as ended did so elsewhere, long ago.
        if isinstance(known, Checkout | Order) and known.state is not holder.state:
            ended = f"{target.kind.lower()}.{holder.state.lower()}"
            if ended in HOLDER_TYPES:
                yield target.namespace, _of_holder(ended, known.state, holder, changes, rows)
    for key, cancellation in changes.cancellations.items():
        if key[0] not in rows.outboxes or cancellation.end_time is None:
            continue
        earlier = rows.cancellations.get(key)
        if earlier is None or earlier.end_time is None:
            yield key[0], _of_cancellation(cancellation, rows)
    if changes.webhooks is not None:
        for (namespace, webhook_id), webhook in changes.webhooks.webhooks.items():
            found = rows.webhooks.endpoints[namespace].webhooks.get(webhook_id)
            disabled = webhook.state is WebhookState.DISABLED
            if found is not None and disabled and found.state is not webhook.state:
                yield namespace, _of_webhook(webhook, found.state, rows)


def _task_types(before: Task | None, task: Task) -> Iterator[str]:
    """Yields what a version says: a new state, and a new state of the refund, which are two changes
    that may be of one version."""
    if before is None or before.state is not task.state:
        type = TASK_TYPES.get(task.state)
        if type is not None:
            yield type
    refund = RefundState.NONE if before is None else before.refund_state
    if refund is not task.refund_state:
        yield REFUND_TYPES[task.refund_state]


def _of_task(type: str, before: Task | None, task: Task, changes: Changes, rows: Rows) -> Notice:
    outbox = rows.outboxes[task.namespace]
    # A cascade makes ten thousand of these, so they are put together by hand.
    body = (
        f'{{"type":"{type}","timestamp":"{_moment(outbox, task.update_time)}","data":{{'
        f'"environment":"{outbox.environment}","task_id":"{task.task_id}",'
        f'"group_id":{_text(task.group_id)},"checkout_id":{_text(task.checkout_id)},'
        f'"order_id":{_text(task.order_id)},"cancellation_id":{_text(task.cancellation_id)},'
        f'"state":"{task.state}","old_state":{_text(None if before is None else before.state)},'
        f'"version":{task.version},"reason":{_text(task.cancel_reason)},'
        f'"message":{_text(task.cancel_message)},"cancel_proof":{_text(task.cancel_proof)},'
        f'"refund_state":"{task.refund_state}",'
        f'"refund_required":{"true" if task.refund_required else "false"}}}}}'
    )
    cause = _cancellation(task.namespace, task.cancellation_id, changes, rows)
    trace = "" if cause is None else write_trace(cause.caller.trace)
    now = rows.instant.now
    return Notice(task.namespace, 0, type, f"task:{task.task_id}", now, body, trace)


def _text(text: str | None) -> str:
    """Returns a text as JSON has it; null for none, and for an empty one."""
    return encode_basestring(text) if text else "null"


def _moment(outbox: Outbox, time: int) -> str:
    if outbox.moment[0] != time:
        outbox.moment = (time, rfc3339(time))
    return outbox.moment[1]


def _of_holder(
    type: str,
    old_state: CheckoutState | OrderState,
    holder: Checkout | Order,
    changes: Changes,
    rows: Rows,
) -> Notice:
    cause = _cancellation(holder.namespace, holder.cancellation_id, changes, rows)
    data = _target_ids(holder.target) | {
        "group_id": holder.group_id if isinstance(holder, Checkout) else None,
        "cancellation_id": holder.cancellation_id,
        "state": holder.state.value,
        "old_state": old_state.value,
        "version": holder.version,
        "reason": None if cause is None else cause.reason or None,
        "message": None if cause is None else cause.message or None,
        "refund_required": holder.owed_count > 0,
    }
    subject = f"{holder.target.kind.lower()}:{holder.target.id}"
    return _notice(rows, holder.namespace, type, subject, holder.update_time, data, cause)


def _of_cancellation(cancellation: Cancellation, rows: Rows) -> Notice:
    data = _target_ids(cancellation.target) | {
        "cancellation_id": cancellation.cancellation_id,
        "state": cancellation.state.value,
        "old_state": CancellationState.IN_PROGRESS.value,
        "reason": cancellation.reason or None,
        "message": cancellation.message or None,
    }
    subject = f"cancellation:{cancellation.cancellation_id}"
    time = cancellation.end_time or rows.instant.now
    return _notice(
        rows, cancellation.namespace, "cancellation.ended", subject, time, data, cancellation
    )


def _of_webhook(webhook: Webhook, old_state: WebhookState, rows: Rows) -> Notice:
    data = {
        "webhook_id": webhook.webhook_id,
        "state": webhook.state.value,
        "old_state": old_state.value,
        "reason": webhook.disable_reason.value or None,
    }
    subject = f"webhook:{webhook.webhook_id}"
    now = rows.instant.now
    return _notice(rows, webhook.namespace, WEBHOOK_DISABLED, subject, now, data, None)


def make_test(webhook: Webhook, outbox: Outbox, now: int) -> Notice:
    """Returns a notice that says nothing but that it arrived; it takes the next number."""
    outbox.last += 1
    data = _NOTHING | {"environment": outbox.environment, "webhook_id": webhook.webhook_id}
    body = _body(WEBHOOK_TEST, now, data)
    subject = f"test:{outbox.last}"
    return Notice(webhook.namespace, outbox.last, WEBHOOK_TEST, subject, now, body)


def _notice(
    rows: Rows,
    namespace: int,
    type: str,
    subject: str,
    time: int,
    data: dict[str, Any],
    cause: Cancellation | None,
) -> Notice:
    environment = rows.outboxes[namespace].environment
    body = _body(type, time, _NOTHING | {"environment": environment} | data)
    trace = "" if cause is None else write_trace(cause.caller.trace)
    return Notice(namespace, 0, type, subject, rows.instant.now, body, trace)


def _body(type: str, time: int, data: dict[str, Any]) -> str:
    said = {"type": type, "timestamp": rfc3339(time), "data": data}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _target_ids(target: Target) -> dict[str, Any]:
    return {f"{target.kind.lower()}_id": target.id}


def _cancellation(
    namespace: int, cancellation_id: str | None, changes: Changes, rows: Rows
) -> Cancellation | None:
    """Returns the cancel that something is or was under, if this batch knows it."""
    if cancellation_id is None:
        return None
    key = (namespace, cancellation_id)
    return changes.cancellations.get(key) or rows.cancellations.get(key)


def write_trace(trace: TraceContext) -> str:
    """Returns a span as a notice keeps it; nothing if it is not sampled."""
    return f"{trace.trace_id} {trace.span_id} {trace.state}" if trace.sampled else ""


def read_trace(text: str) -> TraceContext | None:
    """Returns the span that a notice keeps; None if it has none."""
    if not text:
        return None
    trace_id, span_id, state = text.split(" ", 2)
    return TraceContext(trace_id, span_id, True, state)
