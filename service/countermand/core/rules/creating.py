"""Creating tasks and groups."""

from countermand.core.commands import CreateGroup, CreateTask, GroupCreated, NewTask
from countermand.core.errors import Reason, Refused, already_exists, invalid, not_found
from countermand.core.records import MAX_TASKS_PER_TARGET, Group, Task
from countermand.core.rows import Draft, Rows, Wanted


def wants_to_create_task(command: CreateTask, rows: Rows, wanted: Wanted) -> None:
    """A new task needs its id to be free, and its group."""
    namespace, task = command.namespace, command.task
    wanted.namespaces.add(namespace)
    wanted.tasks.add((namespace, task.task_id))
    if task.group_id is not None:
        wanted.groups.add((namespace, task.group_id))


def create_task(command: CreateTask, draft: Draft) -> Task:
    """Creates a task, and lets it join its group."""
    namespace, new = command.namespace, command.task
    group = None
    if new.group_id is not None:
        group = draft.group(namespace, new.group_id)
        if group is None:
            raise not_found("group", new.group_id)
    if draft.task(namespace, new.task_id) is not None:
        raise already_exists("task", new.task_id)
    if group is not None:
        draft.save_group(_join(group, draft.now))
    return _log_new_task(new, namespace, draft)


def wants_to_create_group(command: CreateGroup, rows: Rows, wanted: Wanted) -> None:
    """A new group needs its id and those of its tasks to be free."""
    wanted.namespaces.add(command.namespace)
    wanted.groups.add((command.namespace, command.group_id))
    wanted.tasks.update((command.namespace, task.task_id) for task in command.tasks)


def create_group(command: CreateGroup, draft: Draft) -> GroupCreated:
    """Creates a group with its tasks."""
    namespace = command.namespace
    if draft.group(namespace, command.group_id) is not None:
        raise already_exists("group", command.group_id)
    for new in command.tasks:
        if draft.task(namespace, new.task_id) is not None:
            raise already_exists("task", new.task_id)
    group = Group(
        namespace=namespace,
        group_id=command.group_id,
        closed=command.closed,
        create_time=draft.now,
        update_time=draft.now,
        task_count=len(command.tasks),
        live_count=len(command.tasks),
    )
    draft.save_group(group)
    return GroupCreated(group, tuple(_log_new_task(new, namespace, draft) for new in command.tasks))


def _join(group: Group, now: int) -> Group:
    """Returns the group with one more live task."""
    if group.closed:
        raise Refused(
            Reason.GROUP_CLOSED,
            f"group {group.group_id} is closed to new tasks",
            metadata={"group_id": group.group_id, "cancellation_id": group.cancellation_id or ""},
        )
    if group.task_count >= MAX_TASKS_PER_TARGET:
        raise invalid(
            "group_id",
            f"the group holds {MAX_TASKS_PER_TARGET} tasks, and may not hold more",
            Reason.TOO_MANY_TASKS,
        )
    return group.evolve(
        version=group.version + 1,
        task_count=group.task_count + 1,
        live_count=group.live_count + 1,
        update_time=now,
    )


def _log_new_task(new: NewTask, namespace: int, draft: Draft) -> Task:
    return draft.log_task(
        Task(
            namespace=namespace,
            task_id=new.task_id,
            group_id=new.group_id,
            merchant=new.merchant,
            labels=new.labels,
            expire_time=new.expire_time,
            create_time=draft.now,
            update_time=draft.now,
        )
    )
