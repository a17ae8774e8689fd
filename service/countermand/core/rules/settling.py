"""Settling refunds: a refund that is required is settled once, by whoever comes first."""

from countermand.core.cancellations import RequestId
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, not_found
from countermand.core.records import Settlement, Task
from countermand.core.refunds import Settled, SettleRefund
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.cancelling import used_otherwise
from countermand.core.rules.ending import wants_task
from countermand.core.rules.holders import direct_targets, holders_of, wants_holders
from countermand.core.rules.owing import change_refund
from countermand.core.states import RefundState


def wants_to_settle(command: SettleRefund, rows: Rows, wanted: Wanted) -> None:
    """A settlement needs the task, what holds it, and what its request id was used for."""
    task = wants_task((command.namespace, command.task_id), rows, wanted)
    if task is not None:
        wants_holders(direct_targets(task), rows, wanted)
    if command.request_id is not None:
        wanted.request_ids.add((command.namespace, command.request_id))


def settle_refund(command: SettleRefund, draft: Draft) -> Settled:
    """Settles a refund that is required, repeats a settlement, or refuses."""
    replayed = _is_repeat(command, draft)
    task = draft.task(command.namespace, command.task_id)
    if task is None:
        raise not_found("task", command.task_id)
    if replayed:
        return Settled(task, replayed=True)
    if task.refund_state is RefundState.NONE:
        raise Refused(
            Reason.REFUND_NOT_REQUIRED,
            f"no refund of task {task.task_id} is required",
            metadata=_refund_of(task) | {"state": task.state},
        )
    if task.refund_state.settled:
        if command.request_id is None and _says_the_same(command, task):
            return Settled(task, replayed=False)
        raise Refused(
            Reason.REFUND_ALREADY_SETTLED,
            f"the refund of task {task.task_id} is settled already: {task.refund_state}",
            metadata=_refund_of(task),
        )
    settlement = Settlement(
        outcome=command.outcome,
        amount=command.amount,
        currency=command.currency,
        note=command.note,
        settled_by=command.settled_by,
        settle_time=max(draft.now, task.update_time),
        request_id=command.request_id,
    )
    holders = holders_of(task, draft)
    settled = change_refund(task, command.outcome, holders, draft, settlement=settlement)
    if command.request_id is not None:
        draft.request_ids[command.namespace, command.request_id] = RequestId(
            namespace=command.namespace,
            request_id=command.request_id,
            answer_id=task.task_id,
            fingerprint=command.fingerprint(),
            settles=True,
        )
    return Settled(settled, replayed=False)


def _is_repeat(command: SettleRefund, draft: Draft) -> bool:
    """Whether this very request was accepted before. Raises Refused if another one was."""
    if command.request_id is None:
        return False
    seen = draft.rows.request_ids[command.namespace, command.request_id]
    if seen is None:
        return False
    if seen.fingerprint != command.fingerprint():
        raise used_otherwise(seen)
    return True


def _says_the_same(command: SettleRefund, task: Task) -> bool:
    """Whether a settlement without a request id asks for what is decided already."""
    if task.refund_state is not command.outcome:
        return False
    last = task.settlement
    # The agent itself may have decided it, which names no amount.
    if last is None or last.outcome is not task.refund_state:
        decided: tuple[int | None, str] = (None, "")
    else:
        decided = (last.amount, last.currency)
    return decided == (command.amount, command.currency)


def _refund_of(task: Task) -> dict[str, str]:
    return {"task_id": task.task_id, "refund_state": task.refund_state}
