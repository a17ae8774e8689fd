"""What operators are shown, which names no buyer."""

from typing import Any

from countermand.core.keys import Namespace
from countermand.core.records import Task
from countermand.engine.watching.open_watches import Watcher
from countermand.rpc.wire.render.tasks import render_counts, set_task
from countermand.rpc.wire.render.times import set_time
from countermand.store.lists import AgentReading
from countermand.v1 import operator_service_pb2 as pb

FREE_TEXTS = ("cancel_message", "failure_message", "labels")
"""The fields of a task that have what its tenant wrote as free text."""


def render_operator_task(task: Task, namespace: Namespace) -> pb.OperatorTask:
    """Returns a task without its tenant's free text."""
    message = pb.OperatorTask(tenant=namespace.tenant, environment=namespace.environment)
    set_task(message.task, task)
    for field in FREE_TEXTS:
        message.task.ClearField(field)
    if message.task.HasField("settlement"):
        message.task.settlement.ClearField("note")
    return message


def render_agent(reading: AgentReading, namespace: Namespace, *, now: int, steady: int) -> pb.Agent:
    """Returns an agent at a time by both clocks: leases are judged by the steady one, and shown by
    the other."""
    agent = reading.agent
    lease = agent.lease_expire_time
    message = pb.Agent(
        tenant=namespace.tenant,
        environment=namespace.environment,
        agent_id=agent.agent_id,
        live=lease is not None and lease > steady,
        task_counts=render_counts(reading.counts),
    )
    set_time(message.lease_end_time, None if lease is None else lease - steady + now)
    set_time(message.lost_time, agent.lost_time)
    return message


def render_watch(
    watcher: Watcher, namespace: Namespace, *, now: int, blocked_after: float
) -> pb.OpenWatch:
    """Returns an open watch."""
    message = pb.OpenWatch(
        tenant=namespace.tenant,
        environment=namespace.environment,
        key_id=watcher.key_id,
        method=watcher.method,
        messages=watcher.messages,
    )
    _set_asked(message, watcher.request)
    set_time(message.open_time, now - round(watcher.open_for * 1e6))
    blocked = watcher.blocked_for
    if blocked >= blocked_after:
        set_time(message.blocked_since, now - round(blocked * 1e6))
    return message


def _set_asked(message: pb.OpenWatch, request: Any) -> None:
    fields = () if request is None else request.DESCRIPTOR.fields_by_name
    if "task_id" in fields:
        message.task_id = request.task_id.lower()
    if "filter" in fields:
        message.filter.CopyFrom(request.filter)
    for name in ("checkout_id", "order_id"):
        if name in fields:
            setattr(message.filter, name, getattr(request, name))
