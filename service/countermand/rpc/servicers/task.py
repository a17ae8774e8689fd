"""TaskService."""

from collections.abc import Sequence
from functools import partial

from countermand.app.reading import read, read_holder
from countermand.core.answers import GroupCreated
from countermand.core.errors import not_found
from countermand.core.ids import UuidMaker
from countermand.core.knobs import PagingKnobs
from countermand.core.records import Group, Target, Task
from countermand.core.refunds import Settled
from countermand.core.states import TargetKind
from countermand.engine.clock import Clock
from countermand.engine.writer import Writer
from countermand.rpc.method import LARGE, Call, needs
from countermand.rpc.servicers.large import read_creation
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.rpc.wire.parse import tasks as parse
from countermand.rpc.wire.render.pages import fit_page
from countermand.rpc.wire.render.tasks import (
    count_states,
    render_group,
    render_task,
    set_first_tasks,
    set_task,
)
from countermand.rpc.wire.tokens import decode_numbers, encode_numbers
from countermand.store.contract import Store
from countermand.store.lists import DeadlinePlace, TaskQuery, place_of
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as pb


class TaskService:
    """Announces tasks and groups, and reads them."""

    SERVICE = pb.DESCRIPTOR.services_by_name["TaskService"]

    def __init__(
        self, store: Store, writer: Writer, clock: Clock, ids: UuidMaker, knobs: PagingKnobs
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._ids = ids
        self._knobs = knobs

    @needs("tasks:write")
    async def create_task(self, call: Call, request: pb.CreateTaskRequest) -> pb.CreateTaskResponse:
        fresh = Fresh(self._clock.now(), self._ids)
        command = parse.parse_create_task(request, call.namespace, fresh)
        task: Task = await self._writer.submit(command, call.trace)
        return pb.CreateTaskResponse(task=render_task(task))

    @needs("tasks:write", max_bytes=LARGE)
    async def create_group(
        self, call: Call, request: pb.CreateGroupRequest
    ) -> pb.CreateGroupResponse:
        fresh = Fresh(self._clock.now(), self._ids)
        parsing = partial(parse.parse_create_group, request, call.namespace)
        command = await read_creation(request, parsing, fresh)
        created: GroupCreated = await self._writer.submit(command, call.trace)
        answer = pb.CreateGroupResponse(
            group=render_group(created.group, count_states(created.tasks))
        )
        set_first_tasks(answer, created.tasks)
        return answer

    @needs("tasks:read", "tasks:run")
    async def get_task(self, call: Call, request: pb.GetTaskRequest) -> pb.GetTaskResponse:
        form = Form()
        task_id = form.uuid("task_id", request.task_id)
        form.check()
        task = await self._store.task(call.namespace, task_id)
        if task is None:
            raise not_found("task", task_id)
        return pb.GetTaskResponse(task=render_task(task))

    @needs("tasks:read", "tasks:run")
    async def get_group(self, call: Call, request: pb.GetGroupRequest) -> pb.GetGroupResponse:
        form = Form()
        group_id = form.uuid("group_id", request.group_id)
        form.check()
        target = Target(TargetKind.GROUP, call.namespace, group_id)
        group, counts = await read_holder(self._store, target, Group)
        return pb.GetGroupResponse(group=render_group(group, counts))

    @needs("tasks:read", "tasks:run")
    async def list_tasks(self, call: Call, request: pb.ListTasksRequest) -> pb.ListTasksResponse:
        form = Form()
        query = parse.parse_task_query(form, request)
        limit = form.page_size(request.page_size)
        form.check()
        # A list that asks for nothing new has the tokens that it had before this could be asked.
        more = query[3:] if any(query[3:]) else ()
        bound_to = ("tasks", call.namespace, *query[:3], *more)
        count = len(DeadlinePlace._fields) if query.nearest_first else 1
        numbers = decode_numbers(request.page_token, count, *bound_to)
        for target in query.chosen.targets(call.namespace):
            await read(self._store, target)
        tasks, following = await self._page(call.namespace, query, numbers, limit)
        return pb.ListTasksResponse(
            tasks=tasks, next_page_token=encode_numbers(following, *bound_to)
        )

    async def _page(
        self, namespace: int, query: TaskQuery, numbers: Sequence[int], limit: int
    ) -> tuple[list[task_pb2.Task], Sequence[int]]:
        """Returns the next tasks, and the numbers after which a further page begins, if any."""
        following: Sequence[int] = ()
        if query.nearest_first:
            place = DeadlinePlace(*numbers)
            found = await self._store.tasks_by_deadline(namespace, query, place, limit)
            tasks, following = found.tasks, found.next_place or ()
        else:
            before = numbers[0] if numbers else None
            page = await self._store.tasks(namespace, query, before, limit)
            tasks = page.tasks
            if page.next_number is not None:
                following = (page.next_number,)
        shown = fit_page(map(render_task, tasks), self._knobs.max_bytes)
        if len(shown) < len(tasks):
            last = tasks[len(shown) - 1]
            following = place_of(last) if query.nearest_first else (last.number,)
        return shown, following

    @needs("refunds:write")
    async def settle_refund(
        self, call: Call, request: pb.SettleRefundRequest
    ) -> pb.SettleRefundResponse:
        command = parse.parse_settle_refund(request, call.namespace, call.principal.key_id)
        done: Settled = await self._writer.submit(command, call.trace)
        answer = pb.SettleRefundResponse(replayed=done.replayed)
        set_task(answer.task, done.task)
        return answer
