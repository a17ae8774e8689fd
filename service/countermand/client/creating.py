"""What all methods share that create something: ids made here, and answers that were lost."""

from collections.abc import Awaitable, Callable, Iterable

from google.protobuf.message import Message

from countermand.client.connection import Answer, Connection, Stub
from countermand.client.errors import CountermandError
from countermand.client.ids import new_id
from countermand.v1.task_pb2 import Task, TaskFilter
from countermand.v1.task_service_pb2 import CreateTaskRequest, ListTasksRequest, ListTasksResponse
from countermand.v1.task_service_pb2_grpc import TaskServiceStub


class Creating(Connection):
    """Creates by an id that stands in the request, so that the call can be repeated."""

    async def _create(
        self,
        stub: Stub,
        request: Message,
        answer: type[Answer],
        taken: str,
        read: Callable[[], Awaitable[Answer]] | None,
    ) -> Answer:
        """Calls the method that the request is named after, and returns its answer.

        If a repeat finds the id `taken`, an earlier try took it whose answer was lost: then `read`
        gives what that one created, as it is by now. It is None for an id of the caller's, since
        it cannot be told who took that one. Raises CountermandError.
        """
        try:
            return await self._call(stub, request, answer)
        except CountermandError as refusal:
            if read is None or refusal.attempts == 1 or refusal.reason != taken:
                raise
            return await read()

    async def _read_tasks(
        self, chosen: TaskFilter, asked: Iterable[CreateTaskRequest]
    ) -> list[Task]:
        """The tasks that were asked for, in this order, among those that the filter chooses."""
        found: dict[str, Task] = {}
        request = ListTasksRequest(filter=chosen, page_size=self._knobs.page_size)
        while True:
            page = await self._call(TaskServiceStub, request, ListTasksResponse)
            found.update((task.task_id, task) for task in page.tasks)
            request.page_token = page.next_page_token
            if not request.page_token:
                return [found[task.task_id.lower()] for task in asked]


def name_tasks(tasks: Iterable[CreateTaskRequest]) -> None:
    """Gives an id to each task that has none."""
    for task in tasks:
        if not task.HasField("task_id"):
            task.task_id = new_id()
