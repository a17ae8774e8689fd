"""The methods of TaskService."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime

from countermand.client.creating import Creating, name_tasks
from countermand.client.ids import new_id
from countermand.v1.task_pb2 import RefundState, Task, TaskFilter, TaskState
from countermand.v1.task_service_pb2 import (
    CreateGroupRequest,
    CreateGroupResponse,
    CreateTaskRequest,
    CreateTaskResponse,
    GetGroupRequest,
    GetGroupResponse,
    GetTaskRequest,
    GetTaskResponse,
    Label,
    ListTasksRequest,
    ListTasksResponse,
    SettleRefundRequest,
    SettleRefundResponse,
)
from countermand.v1.task_service_pb2_grpc import TaskServiceStub


class TaskMethods(Creating):
    """Announces tasks and groups, reads them, and settles their refunds."""

    async def create_task(
        self,
        *,
        task_id: str | None = None,
        group_id: str | None = None,
        checkout_id: str | None = None,
        order_id: str | None = None,
        merchant: str = "",
        labels: Mapping[str, str] | None = None,
        expire_time: datetime | None = None,
    ) -> CreateTaskResponse:
        """Creates a task, PENDING at version 1; at `expire_time` it is cancelled by itself.

        If a cancel waited for it, it is CANCELLED at version 2 (see `allow_missing` of
        cancel_task).

        Without a task_id one is made here, so that the call can be repeated: the answer may then
        show the task as it is by now, which needs `tasks:read` or `tasks:run`. With the caller's
        own task_id a repeat may be refused with `TASK_EXISTS`, since it cannot be told who took
        the id. A time without a zone is UTC. Raises CountermandError.
        """
        request = CreateTaskRequest(
            task_id=task_id or new_id(),
            group_id=group_id,
            checkout_id=checkout_id,
            order_id=order_id,
            merchant=merchant,
            labels=labels,
            expire_time=expire_time,
        )

        async def read() -> CreateTaskResponse:
            return CreateTaskResponse(task=(await self.get_task(request.task_id)).task)

        return await self._create(
            TaskServiceStub, request, CreateTaskResponse, "TASK_EXISTS", None if task_id else read
        )

    async def create_group(
        self,
        tasks: Iterable[CreateTaskRequest] = (),
        *,
        group_id: str | None = None,
        checkout_id: str | None = None,
        order_id: str | None = None,
        closed: bool = False,
    ) -> CreateGroupResponse:
        """Creates a group and its tasks, all or none; the answer has the tasks in this order.

        Ids that are absent are made here. What create_task says about repeats holds here for the
        group_id. Raises CountermandError.
        """
        request = CreateGroupRequest(
            group_id=group_id or new_id(),
            checkout_id=checkout_id,
            order_id=order_id,
            closed=closed,
            tasks=tasks,
        )
        name_tasks(request.tasks)

        async def read() -> CreateGroupResponse:
            chosen = TaskFilter(group_id=request.group_id)
            tasks = await self._read_tasks(chosen, request.tasks)
            group = (await self.get_group(request.group_id)).group
            return CreateGroupResponse(group=group, tasks=tasks)

        return await self._create(
            TaskServiceStub,
            request,
            CreateGroupResponse,
            "GROUP_EXISTS",
            None if group_id else read,
        )

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
        refund_state: RefundState | None = None,
        merchant: str = "",
        label: tuple[str, str] | None = None,
        deadline_before: datetime | None = None,
        order_by: str = "",
        page_size: int = 0,
        page_token: str = "",
    ) -> ListTasksResponse:
        """Returns one page of tasks, newest first, of at most 50, or `page_size` up to 1000.

        With a `refund_state` of REQUIRED they are those that money may be owed of. A label is a key
        and its value. With `deadline_before`, or `order_by` `deadline_time`, they are those that
        are CANCELLING, nearest deadline first. `next_page_token` is empty on the last
        page. Raises CountermandError.
        """
        request = ListTasksRequest(
            filter=filter,
            states=states,
            refund_state=refund_state,
            merchant=merchant,
            label=None if label is None else Label(key=label[0], value=label[1]),
            deadline_before=deadline_before,
            order_by=order_by,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(TaskServiceStub, request, ListTasksResponse)

    def iter_tasks(
        self,
        filter: TaskFilter | None = None,
        *,
        states: Iterable[TaskState] = (),
        refund_state: RefundState | None = None,
        merchant: str = "",
        label: tuple[str, str] | None = None,
        deadline_before: datetime | None = None,
        order_by: str = "",
    ) -> AsyncGenerator[Task]:
        """Gives all tasks of list_tasks, page after page. Raises CountermandError."""
        chosen = tuple(states)

        async def read(token: str) -> ListTasksResponse:
            return await self.list_tasks(
                filter,
                states=chosen,
                refund_state=refund_state,
                merchant=merchant,
                label=label,
                deadline_before=deadline_before,
                order_by=order_by,
                page_size=self._knobs.page_size,
                page_token=token,
            )

        return self._each(read, "tasks")

    async def settle_refund(
        self,
        task_id: str,
        outcome: RefundState,
        *,
        amount: int | None = None,
        currency: str = "",
        note: str = "",
        request_id: str | None = None,
    ) -> SettleRefundResponse:
        """Writes down that a refund that is REQUIRED was REFUNDED, or is NOT_OWED.

        The amount is in minor units of the currency. A request id is made unless given, so that
        the call can be repeated; bring your own to repeat it after this process is gone. Raises
        CountermandError: `REFUND_ALREADY_SETTLED` if another call came first,
        `REFUND_NOT_REQUIRED`.
        """
        request = SettleRefundRequest(
            task_id=task_id,
            outcome=outcome,
            amount=amount,
            currency=currency,
            note=note,
            request_id=request_id or new_id(),
        )
        return await self._call(TaskServiceStub, request, SettleRefundResponse)
