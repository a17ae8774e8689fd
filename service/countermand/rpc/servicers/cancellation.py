"""CancellationService."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from countermand.core.commands import CancelGroup, Cancelled, CancelTask
from countermand.core.errors import Reason, invalid, not_found
from countermand.core.ids import parse_uuid
from countermand.core.records import Group, Task, TaskState
from countermand.engine.watch import Kind, Message, Watch
from countermand.engine.watchers import Watcher
from countermand.engine.writer import Writer
from countermand.rpc.method import Call, Stream, Unary
from countermand.rpc.tokens import decode, decode_place, encode, encode_place
from countermand.rpc.wire import parse
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.render import (
    fit_page,
    frame_watch,
    render_cancellation,
    render_group,
    render_task,
)
from countermand.store.contract import CancellationQuery, Store
from countermand.v1 import cancellation_service_pb2 as pb

SERVICE = "countermand.v1.CancellationService"
CANCEL = ("tasks:cancel",)
READ = ("tasks:read", "tasks:run")

KINDS = {kind: pb.WatchType.Value(f"WATCH_TYPE_{kind}") for kind in Kind}


class CancellationService:
    """Accepts cancels, and tells what became of them."""

    def __init__(self, store: Store, writer: Writer, watch: Watch) -> None:
        self._store = store
        self._writer = writer
        self._watch = watch

    def methods(self) -> list[Unary | Stream]:
        """Returns what the service offers."""
        return [
            Unary(f"{SERVICE}/CancelTask", pb.CancelTaskRequest, CANCEL, self.cancel_task),
            Unary(f"{SERVICE}/CancelGroup", pb.CancelGroupRequest, CANCEL, self.cancel_group),
            Stream(f"{SERVICE}/WatchTask", pb.WatchTaskRequest, READ, self.watch_task),
            Stream(f"{SERVICE}/WatchTasks", pb.WatchTasksRequest, READ, self.watch_tasks),
            Unary(f"{SERVICE}/GetCancellation", pb.GetCancellationRequest, READ, self.get),
            Unary(f"{SERVICE}/ListCancellations", pb.ListCancellationsRequest, READ, self.list),
        ]

    async def cancel_task(self, call: Call, request: pb.CancelTaskRequest) -> pb.CancelTaskResponse:
        command = parse.parse_cancel(
            CancelTask,
            "task_id",
            request,
            namespace=call.namespace,
            requested_by=call.principal.key_id,
            trace=call.trace,
        )
        done: Cancelled = await self._writer.submit(command, call.trace)
        assert isinstance(done.target, Task)
        return pb.CancelTaskResponse(
            task=render_task(done.target),
            cancellation=render_cancellation(done.cancellation, done.covered),
            replayed=done.replayed,
        )

    async def cancel_group(
        self, call: Call, request: pb.CancelGroupRequest
    ) -> pb.CancelGroupResponse:
        command = parse.parse_cancel(
            CancelGroup,
            "group_id",
            request,
            namespace=call.namespace,
            requested_by=call.principal.key_id,
            trace=call.trace,
        )
        done: Cancelled = await self._writer.submit(command, call.trace)
        assert isinstance(done.target, Group)
        counts: dict[TaskState, int] = {}
        for task in done.covered:
            counts[task.state] = counts.get(task.state, 0) + 1
        return pb.CancelGroupResponse(
            group=render_group(done.target, counts),
            cancellation=render_cancellation(done.cancellation, done.covered),
            replayed=done.replayed,
        )

    async def watch_task(
        self, call: Call, request: pb.WatchTaskRequest, watcher: Watcher
    ) -> AsyncGenerator[bytes, None]:
        form = Form()
        task_id = form.uuid("task_id", request.task_id)
        after_version = parse.parse_after_version(form, request)
        interval = parse.parse_heartbeat_interval(form, request)
        form.check()
        messages = self._watch.task(watcher, call.namespace, task_id, after_version, interval)
        async with aclosing(messages):
            async for message in messages:
                yield frame_watch(KINDS[message.kind], _encoded(message), last=message.last)

    async def watch_tasks(
        self, call: Call, request: pb.WatchTasksRequest, watcher: Watcher
    ) -> AsyncGenerator[bytes, None]:
        form = Form()
        chosen = parse.parse_filter(form, request.filter)
        interval = parse.parse_heartbeat_interval(form, request)
        form.check()
        bound_to = ("watch", call.namespace, chosen)
        place = decode_place(request.resume_token, *bound_to) if request.resume_token else None
        messages = self._watch.tasks(watcher, call.namespace, chosen, place, interval)
        async with aclosing(messages):
            async for message in messages:
                token = encode_place(message.place, *bound_to) if message.place else ""
                yield frame_watch(
                    KINDS[message.kind], _encoded(message), last=message.last, token=token
                )

    async def get(
        self, call: Call, request: pb.GetCancellationRequest
    ) -> pb.GetCancellationResponse:
        form = Form()
        cancellation_id = form.uuid("cancellation_id", request.cancellation_id)
        form.check()
        found = await self._store.cancellation(call.namespace, cancellation_id)
        if found is None:
            raise not_found("cancellation", cancellation_id)
        return pb.GetCancellationResponse(cancellation=render_cancellation(*found))

    async def list(
        self, call: Call, request: pb.ListCancellationsRequest
    ) -> pb.ListCancellationsResponse:
        form = Form()
        query = CancellationQuery(
            reason=form.text("reason", request.reason, 128) or None,
            state=parse.parse_cancellation_state(form, request.state),
            start_time=form.time("start_time", request),
            end_time=form.time("end_time", request),
        )
        task_id = form.uuid("task_id", request.task_id) if request.HasField("task_id") else None
        group_id = form.uuid("group_id", request.group_id) if request.HasField("group_id") else None
        if request.HasField("task_id") and request.HasField("group_id"):
            form.reject("group_id", "must be absent when task_id is set")
        limit = form.page_size(request.page_size)
        form.check()
        bound_to = ("cancellations", call.namespace, query, task_id, group_id)
        before = None
        if request.page_token:
            reason = Reason.PAGE_TOKEN_INVALID
            payload = decode(request.page_token, "page_token", reason, *bound_to)
            before = parse_uuid(payload.decode("ascii", "replace"))
            if before is None:
                raise invalid("page_token", "is not a page token", reason)
        query = query._replace(ids=await self._covering(call.namespace, task_id, group_id))
        page = await self._store.cancellations(call.namespace, query, before, limit)
        cancellations = fit_page(map(render_cancellation, page.cancellations))
        next_id = page.next_id
        if len(cancellations) < len(page.cancellations):
            next_id = cancellations[-1].cancellation_id
        token = encode(next_id.encode(), *bound_to) if next_id else ""
        return pb.ListCancellationsResponse(cancellations=cancellations, next_page_token=token)

    async def _covering(
        self, namespace: int, task_id: str | None, group_id: str | None
    ) -> tuple[str, ...] | None:
        """Returns the ids of the cancellations of a task or group; None if neither is asked for."""
        ids: set[str | None] = set()
        if task_id is not None:
            task = await self._store.task(namespace, task_id)
            if task is None:
                raise not_found("task", task_id)
            ids.add(task.cancellation_id)
            group_id = task.group_id
        if group_id is not None:
            group = await self._store.group(namespace, group_id)
            if group is None:
                raise not_found("group", group_id)
            ids.add(group.group.cancellation_id)
        if task_id is None and group_id is None:
            return None
        return tuple(id for id in ids if id)


def _encoded(message: Message) -> bytes | None:
    """Returns the message's task in its encoding, which is made once for all watchers of it."""
    if message.task is None:
        return None
    entry = message.entry
    if entry is None:
        return render_task(message.task).SerializeToString()
    if entry.wire is None:
        entry.wire = render_task(message.task).SerializeToString()
    return entry.wire
