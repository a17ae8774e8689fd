"""The methods of TaskService."""

from collections.abc import Iterable, Mapping

from countermand.client.connection import Connection
from countermand.client.errors import CountermandError
from countermand.client.ids import new_id
from countermand.v1.task_pb2 import Task, TaskFilter, TaskState
from countermand.v1.task_service_pb2 import (
    CreateGroupRequest,
    CreateGroupResponse,
    CreateTaskRequest,
    CreateTaskResponse,
    GetGroupRequest,
    GetGroupResponse,
    GetTaskRequest,
    GetTaskResponse,
    ListTasksRequest,
    ListTasksResponse,
)
from countermand.v1.task_service_pb2_grpc import TaskServiceStub


class TaskMethods(Connection):
    """Announces tasks and groups, and reads them."""

    async def create_task(
        self,
        *,
        task_id: str | None = None,
        group_id: str | None = None,
        merchant: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> CreateTaskResponse:
        """Creates a task, PENDING at version 1.

        Without a task_id one is made here, so that the call can be repeated: the answer may then
        show the task as it is by now, which needs `tasks:read` or `tasks:run`. With the caller's
        own task_id a repeat may be refused with `TASK_EXISTS`, since it cannot be told who took
        the id. Raises CountermandError.
        """
        request = CreateTaskRequest(
            task_id=task_id or new_id(), group_id=group_id, merchant=merchant, labels=labels
        )
        try:
            return await self._call(TaskServiceStub, request, CreateTaskResponse)
        except CountermandError as refusal:
            if task_id or not _is_echo(refusal, "TASK_EXISTS"):
                raise
            created = await self.get_task(request.task_id)
            return CreateTaskResponse(task=created.task)

    async def create_group(
        self,
        tasks: Iterable[CreateTaskRequest] = (),
        *,
        group_id: str | None = None,
        closed: bool = False,
    ) -> CreateGroupResponse:
        """Creates a group and its tasks, all or none; the answer has the tasks in this order.

        Ids that are absent are made here. What create_task says about repeats holds here for the
        group_id. Raises CountermandError.
        """
        request = CreateGroupRequest(group_id=group_id or new_id(), closed=closed, tasks=tasks)
        for task in request.tasks:
            if not task.HasField("task_id"):
                task.task_id = new_id()
        try:
            return await self._call(TaskServiceStub, request, CreateGroupResponse)
        except CountermandError as refusal:
            if group_id or not _is_echo(refusal, "GROUP_EXISTS"):
                raise
            return await self._read_created(request)

    async def _read_created(self, request: CreateGroupRequest) -> CreateGroupResponse:
        """The answer that an earlier try would have had, with the tasks as they are by now."""
        found: dict[str, Task] = {}
        token = ""
        chosen = TaskFilter(group_id=request.group_id)
        while True:
            page = await self.list_tasks(chosen, page_size=1000, page_token=token)
            found.update((task.task_id, task) for task in page.tasks)
            token = page.next_page_token
            if not token:
                break
        group = await self.get_group(request.group_id)
        tasks = [found[task.task_id.lower()] for task in request.tasks]
        return CreateGroupResponse(group=group.group, tasks=tasks)

    async def get_task(self, task_id: str) -> GetTaskResponse:
        """Returns the task as it is now. Raises CountermandError, for example NOT_FOUND."""
        return await self._call(TaskServiceStub, GetTaskRequest(task_id=task_id), GetTaskResponse)

    async def get_group(self, group_id: str) -> GetGroupResponse:
        """Returns the group as it is now. Raises CountermandError, for example NOT_FOUND."""
        request = GetGroupRequest(group_id=group_id)
        return await self._call(TaskServiceStub, request, GetGroupResponse)

    async def list_tasks(
        self,
        filter: TaskFilter | None = None,
        *,
        states: Iterable[TaskState] = (),
        page_size: int = 0,
        page_token: str = "",
    ) -> ListTasksResponse:
        """Returns one page of tasks, newest first, of at most 50, or `page_size` up to 1000.

        `next_page_token` is empty on the last page. Raises CountermandError.
        """
        request = ListTasksRequest(
            filter=filter, states=states, page_size=page_size, page_token=page_token
        )
        return await self._call(TaskServiceStub, request, ListTasksResponse)


def _is_echo(refusal: CountermandError, reason: str) -> bool:
    """Whether a fresh id is taken: an earlier try of this call, whose answer was lost, took it."""
    return refusal.attempts > 1 and refusal.reason == reason
