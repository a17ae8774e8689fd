"""What time brings about: deadlines that pass, agents that are lost, tasks that expire."""

from typing import TypeVar

from countermand.core.answers import Reaped
from countermand.core.caller import Caller
from countermand.core.commands import Cancel, CancelCheckout, CancelTask, Reap
from countermand.core.draft import Draft
from countermand.core.instant import Instant
from countermand.core.overdue import OverdueSearch
from countermand.core.records import Agent, Target, Task
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.cancelling import own_cancel
from countermand.core.rules.cancelling_holders import cancel_checkout, wants_tree
from countermand.core.rules.cancelling_tasks import cancel_task, end_waiting
from countermand.core.rules.ending import end_task, wants_to_end
from countermand.core.states import CancelProof, TargetKind, TaskState
from countermand.core.trace import TraceContext

Expiry = TypeVar("Expiry", bound=Cancel)

EXPIRY = "system:expiry"
EXPIRY_REASON = "timeout"
LOST_MESSAGE = "the agent was lost: its lease ran out"


def wants_to_reap(command: Reap, rows: Rows, wanted: Wanted) -> None:
    """Reaping needs what is overdue, the agents it belongs to, and what ends with it."""
    lease_time = _lease_time(command, rows.instant)
    wanted.overdue = OverdueSearch(command.limit, lease_time, command.after, command.chosen)
    if rows.overdue is None:
        return
    wanted.agents.update(rows.overdue.agents)
    for key in rows.overdue.tasks:
        wants_to_end(key, rows, wanted)
        task = rows.tasks.get(key)
        if task is not None and task.agent_id is not None:
            wanted.agents.add((task.namespace, task.agent_id))
    for key in rows.overdue.expired:
        wants_to_end(key, rows, wanted)
    for namespace, checkout_id in rows.overdue.expired_checkouts:
        wanted.namespaces.add(namespace)
        wants_tree(Target(TargetKind.CHECKOUT, namespace, checkout_id), rows, wanted)
    for early in rows.overdue.early_cancels:
        wanted.namespaces.add(early[0])
        wanted.cancellations.add(early)


def reap(command: Reap, draft: Draft) -> Reaped:
    """Ends each overdue task, and forgets the leases of agents that have no task left."""
    overdue = draft.rows.overdue
    if overdue is None:
        return Reaped(ended=0, expired=0, too_late=0, more=False)
    ended, lease_time = 0, _lease_time(command, draft.instant)
    for namespace, task_id in overdue.tasks:
        task = draft.task(namespace, task_id)
        if task is None or task.ended or task.agent_id is None:
            continue
        ended += _reap_task(task, draft.agent(namespace, task.agent_id), lease_time, draft)
    for namespace, agent_id in overdue.agents:
        agent = draft.agent(namespace, agent_id)
        if agent is not None and _lost(agent, lease_time):
            draft.agents[namespace, agent_id] = agent.evolve(
                lease_expire_time=None, lost_time=draft.now
            )
    expired = sum(_expire_task(*key, draft) for key in overdue.expired)
    expired += sum(_expire_checkout(*key, draft) for key in overdue.expired_checkouts)
    early = [draft.cancellation(*key) for key in overdue.early_cancels]
    too_late = sum(end_waiting(cancel, draft) for cancel in early if cancel is not None)
    return Reaped(ended, expired, too_late, overdue.more, overdue.last, overdue.others_turn)


def _lease_time(command: Reap, instant: Instant) -> int:
    return instant.steady if command.lease_time is None else command.lease_time


def _reap_task(task: Task, agent: Agent | None, lease_time: int, draft: Draft) -> bool:
    """Ends the task if it is still overdue, whatever came before in the batch."""
    lost = agent is not None and _lost(agent, lease_time)
    if task.state is TaskState.RUNNING:
        if lost:
            end_task(task, TaskState.FAILED, draft, failure_message=LOST_MESSAGE)
        return lost
    due = task.due_time
    late = due is not None and due <= draft.instant.steady
    if not (lost or late):
        return False
    proof = CancelProof.FORCED
    if agent is not None and lost and agent.lease_expire_time is not None:
        lease_first = due is None or agent.lease_expire_time < due
        proof = CancelProof.AGENT_LOST if lease_first else CancelProof.FORCED
    end_task(task, TaskState.CANCELLED, draft, proof=proof)
    return True


def _expire_task(namespace: int, task_id: str, draft: Draft) -> bool:
    """Cancels a task whose time has passed, as any caller would; not one that is ending anyway."""
    task = draft.task(namespace, task_id)
    if task is None or task.state not in (TaskState.PENDING, TaskState.RUNNING):
        return False
    cancel_task(_expiry(CancelTask, task.target, draft), draft)
    return True


def _expire_checkout(namespace: int, checkout_id: str, draft: Draft) -> bool:
    """Cancels a checkout whose time has passed, as any caller would; only an OPEN one."""
    checkout = draft.checkout(namespace, checkout_id)
    if checkout is None or not checkout.open:
        return False
    cancel_checkout(_expiry(CancelCheckout, checkout.target, draft), draft)
    return True


def _expiry(kind: type[Expiry], target: Target, draft: Draft) -> Expiry:
    """Returns the cancel of what has expired, in a trace of its own."""
    trace_id = draft.new_uuid().replace("-", "")
    trace = TraceContext(trace_id, trace_id[16:], sampled=False)
    return own_cancel(kind, target, EXPIRY_REASON, Caller(EXPIRY, trace))


def _lost(agent: Agent, lease_time: int) -> bool:
    lease_end = agent.lease_expire_time
    return lease_end is not None and lease_end <= lease_time
