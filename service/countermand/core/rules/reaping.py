"""Ending what nobody ends: tasks past their deadline, and tasks of agents that were lost."""

from countermand.core.commands import Reap, Reaped
from countermand.core.records import Agent, CancelProof, Task, TaskState
from countermand.core.rows import Draft, Rows, Wanted
from countermand.core.rules.ending import end_task, wants_to_end

LOST_MESSAGE = "the agent was lost: its lease ran out"


def wants_to_reap(command: Reap, rows: Rows, wanted: Wanted) -> None:
    """Reaping needs what is overdue, the agents it belongs to, and what ends with it."""
    wanted.overdue = command.limit
    if rows.overdue is None:
        return
    wanted.agents.update(rows.overdue.agents)
    for key in rows.overdue.tasks:
        wants_to_end(key, rows, wanted)
        task = rows.tasks.get(key)
        if task is not None and task.agent_id is not None:
            wanted.agents.add((task.namespace, task.agent_id))


def reap(command: Reap, draft: Draft) -> Reaped:
    """Ends each overdue task, and forgets the leases of agents that have no task left."""
    overdue = draft.rows.overdue
    if overdue is None:
        return Reaped(ended=0, more=False)
    ended = 0
    for namespace, task_id in overdue.tasks:
        task = draft.task(namespace, task_id)
        if task is None or task.ended or task.agent_id is None:
            continue
        ended += _reap_task(task, draft.agent(namespace, task.agent_id), draft)
    for namespace, agent_id in overdue.agents:
        agent = draft.agent(namespace, agent_id)
        if agent is not None and _lost(agent, draft.now):
            draft.agents[namespace, agent_id] = agent.evolve(lease_expire_time=None)
    return Reaped(ended, overdue.more)


def _reap_task(task: Task, agent: Agent | None, draft: Draft) -> bool:
    """Ends the task if it is still overdue, whatever came before in the batch."""
    lost = agent is not None and _lost(agent, draft.now)
    if task.state is TaskState.RUNNING:
        if lost:
            end_task(task, TaskState.FAILED, draft, failure_message=LOST_MESSAGE)
        return lost
    deadline = task.deadline_time
    late = deadline is not None and deadline <= draft.now
    if not (lost or late):
        return False
    proof = CancelProof.FORCED
    if agent is not None and lost and agent.lease_expire_time is not None:
        lease_first = deadline is None or agent.lease_expire_time < deadline
        proof = CancelProof.AGENT_LOST if lease_first else CancelProof.FORCED
    end_task(task, TaskState.CANCELLED, draft, proof=proof)
    return True


def _lost(agent: Agent, now: int) -> bool:
    return agent.lease_expire_time is not None and agent.lease_expire_time <= now
