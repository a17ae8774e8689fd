"""The topics of the hub: what an event belongs to, and what a watch is about."""

from typing import Any

from countermand.core.log import Event, TaskFilter
from countermand.core.records import Target
from countermand.core.states import TargetKind

Topic = tuple[Any, ...]
"""What it is a topic of, its namespace, and its id if it has one."""


EVERY: Topic = ("every", 0)
"""The topic of all events of all namespaces. Its places count what was published, since a place in
a log says nothing of another log."""


def task_topic(namespace: int, task_id: str) -> Topic:
    """Returns the topic of one task."""
    return ("task", namespace, task_id)


def record_topic(target: Target) -> Topic:
    """Returns the topic of a checkout or order itself, whatever its tasks do."""
    return ("record", target.namespace, target)


def filter_topic(namespace: int, chosen: TaskFilter) -> Topic:
    """Returns the narrowest topic that holds all that a filter chooses."""
    targets = chosen.targets(namespace)
    if targets:
        return targets[0]
    if chosen.agent_id is not None:
        return ("agent", namespace, chosen.agent_id)
    return ("all", namespace)


def topics_of(event: Event) -> set[Topic]:
    """Returns all topics that an event belongs to."""
    namespace, task = event.namespace, event.task
    topics: set[Topic] = {*event.over}
    if event.joined is None:
        topics.add(("all", namespace))
    if task is None:
        return topics
    topics.update(TaskFilter(task.group_id, task.checkout_id, event.joined).targets(namespace))
    if event.joined is not None:  # It is no version of the task.
        return topics
    topics.add(("task", namespace, task.task_id))
    if task.agent_id is not None:
        topics.add(("agent", namespace, task.agent_id))
    for order_id in event.orders:
        topics.add(Target(TargetKind.ORDER, namespace, order_id))
    return topics
