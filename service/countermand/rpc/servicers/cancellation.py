"""CancellationService."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from countermand.app.reading import covering
from countermand.core.answers import Cancelled
from countermand.core.cancellations import Cancellation
from countermand.core.commands import Cancel, CancelCheckout, CancelGroup, CancelOrder, CancelTask
from countermand.core.errors import not_found
from countermand.core.ids import parse_uuid
from countermand.core.knobs import PagingKnobs
from countermand.core.records import Checkout, Group, Order, Task
from countermand.core.shipping import ShippedWords
from countermand.engine.watching.messages import Kind, Message
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.watch import Watch
from countermand.engine.writer import Writer
from countermand.rpc.method import Call, needs
from countermand.rpc.servicers.records import RecordWatches
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.parse import cancels as parse
from countermand.rpc.wire.parse.tasks import parse_filter
from countermand.rpc.wire.parse.watches import parse_after_version, parse_heartbeat_interval
from countermand.rpc.wire.render.cancellations import (
    render_cancellation,
    set_cancellation,
    set_large_cancellation,
)
from countermand.rpc.wire.render.checkouts import render_checkout
from countermand.rpc.wire.render.frames import frame_watch
from countermand.rpc.wire.render.orders import render_order
from countermand.rpc.wire.render.pages import fit_page
from countermand.rpc.wire.render.tasks import count_states, render_group, render_task, set_task
from countermand.rpc.wire.snapshots import goods_left
from countermand.rpc.wire.tokens import decode_id, decode_place, encode_id, encode_place
from countermand.store.contract import Store
from countermand.store.lists import CancellationQuery
from countermand.v1 import cancellation_pb2
from countermand.v1 import cancellation_service_pb2 as pb

MAX_ROWS = 10_000
"""How many rows a summary has: there may be as many as reasons were given."""

KINDS = {kind: pb.WatchType.Value(f"WATCH_TYPE_{kind}") for kind in Kind}


class CancellationService(RecordWatches):
    """Accepts cancels, and tells what became of them."""

    SERVICE = pb.DESCRIPTOR.services_by_name["CancellationService"]

    def __init__(
        self,
        store: Store,
        writer: Writer,
        watch: Watch,
        shipped_words: ShippedWords,
        knobs: PagingKnobs,
        name_of: Callable[[str], str],
    ) -> None:
        """`name_of` returns what people call a key."""
        super().__init__(watch.records)
        self._store = store
        self._writer = writer
        self._watch = watch
        self._goods_left = goods_left(shipped_words)
        self._knobs = knobs
        self._name_of = name_of

    @needs("tasks:cancel")
    async def cancel_task(self, call: Call, request: pb.CancelTaskRequest) -> pb.CancelTaskResponse:
        done = await self._cancel(CancelTask, "task_id", call, request)
        answer = pb.CancelTaskResponse(replayed=done.replayed, joined=done.joined)
        if isinstance(done.target, Task):  # There is none if the cancel came before it.
            set_task(answer.task, done.target)
        self._set_cancellation(answer.cancellation, done)
        return answer

    @needs("tasks:cancel")
    async def cancel_group(
        self, call: Call, request: pb.CancelGroupRequest
    ) -> pb.CancelGroupResponse:
        done = await self._cancel(CancelGroup, "group_id", call, request)
        assert isinstance(done.target, Group)
        answer = pb.CancelGroupResponse(
            group=render_group(done.target, count_states(done.covered)),
            replayed=done.replayed,
            joined=done.joined,
        )
        await self._set_large_cancellation(answer.cancellation, done)
        return answer

    @needs("checkouts:write")
    async def cancel_checkout(
        self, call: Call, request: pb.CancelCheckoutRequest
    ) -> pb.CancelCheckoutResponse:
        named_by = request.WhichOneof("target") or "checkout_id"
        done = await self._cancel(CancelCheckout, named_by, call, request)
        assert isinstance(done.target, Checkout)
        answer = pb.CancelCheckoutResponse(
            checkout=render_checkout(done.target, count_states(done.covered)),
            replayed=done.replayed,
            joined=done.joined,
        )
        await self._set_large_cancellation(answer.cancellation, done)
        return answer

    @needs("orders:write")
    async def cancel_order(
        self, call: Call, request: pb.CancelOrderRequest
    ) -> pb.CancelOrderResponse:
        own = {"goods_left": self._goods_left}
        done = await self._cancel(CancelOrder, "order_id", call, request, **own)
        assert isinstance(done.target, Order)
        answer = pb.CancelOrderResponse(
            order=render_order(done.target, count_states(done.covered)),
            replayed=done.replayed,
            joined=done.joined,
        )
        await self._set_large_cancellation(answer.cancellation, done)
        return answer

    async def _cancel(
        self,
        kind: type[Cancel],
        target_field: str,
        call: Call,
        request: parse.CancelRequest,
        **own: Any,
    ) -> Cancelled:
        command = parse.parse_cancel(
            kind,
            target_field,
            request,
            namespace=call.namespace,
            caller=call.caller(),
            **own,
        )
        done: Cancelled = await self._writer.submit(command, call.trace)
        return done

    def _set_cancellation(self, message: cancellation_pb2.Cancellation, done: Cancelled) -> None:
        """Fills in what a cancel answers of its cancellation."""
        set_cancellation(message, done.cancellation, done.covered)
        self._set_name(message)

    async def _set_large_cancellation(
        self, message: cancellation_pb2.Cancellation, done: Cancelled
    ) -> None:
        """Does the same of one that may cover many tasks."""
        results = self._knobs.max_results
        await set_large_cancellation(message, done.cancellation, done.covered, results)
        self._set_name(message)

    def _set_name(self, message: cancellation_pb2.Cancellation) -> None:
        name = self._name_of(message.requested_by)
        if name:
            message.requested_by_name = name

    def _rendered(
        self, cancellation: Cancellation, covered: Iterable[Task] = ()
    ) -> cancellation_pb2.Cancellation:
        message = render_cancellation(cancellation, covered)
        message.requested_by_name = self._name_of(message.requested_by)
        return message

    @needs("tasks:read", "tasks:run")
    async def watch_task(
        self, call: Call, request: pb.WatchTaskRequest, watcher: Watcher
    ) -> AsyncGenerator[bytes, None]:
        form = Form()
        task_id = form.uuid("task_id", request.task_id)
        after_version = parse_after_version(form, request)
        interval = parse_heartbeat_interval(form, request)
        form.check()
        messages = self._watch.task(watcher, call.namespace, task_id, after_version, interval)
        async with aclosing(messages):
            async for message in messages:
                yield frame_watch(KINDS[message.kind], _encoded(message), last=message.last)

    @needs("tasks:read", "tasks:run")
    async def watch_tasks(
        self, call: Call, request: pb.WatchTasksRequest, watcher: Watcher
    ) -> AsyncGenerator[bytes, None]:
        form = Form()
        chosen = parse_filter(form, request.filter)
        interval = parse_heartbeat_interval(form, request)
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

    @needs("tasks:read", "tasks:run")
    async def get_cancellation(
        self, call: Call, request: pb.GetCancellationRequest
    ) -> pb.GetCancellationResponse:
        form = Form()
        cancellation_id = form.uuid("cancellation_id", request.cancellation_id)
        form.check()
        found = await self._store.cancellation(call.namespace, cancellation_id)
        if found is None:
            raise not_found("cancellation", cancellation_id)
        return pb.GetCancellationResponse(cancellation=self._rendered(*found))

    @needs("tasks:read", "tasks:run")
    async def list_cancellations(
        self, call: Call, request: pb.ListCancellationsRequest
    ) -> pb.ListCancellationsResponse:
        form = Form()
        query = CancellationQuery(
            reason=form.text("reason", request.reason, 128) or None,
            state=parse.parse_cancellation_state(form, request.state),
            start_time=form.time("start_time", request),
            end_time=form.time("end_time", request),
        )
        covered = parse.parse_covered(form, request, call.namespace)
        limit = form.page_size(request.page_size)
        form.check()
        bound_to = ("cancellations", call.namespace, query, covered)
        before = decode_id(request.page_token, parse_uuid, *bound_to)
        query = query._replace(ids=await covering(self._store, covered))
        page = await self._store.cancellations(call.namespace, query, before, limit)
        cancellations = fit_page(map(self._rendered, page.cancellations), self._knobs.max_bytes)
        next_id = page.next_id
        if len(cancellations) < len(page.cancellations):
            next_id = cancellations[-1].cancellation_id
        return pb.ListCancellationsResponse(
            cancellations=cancellations, next_page_token=encode_id(next_id, *bound_to)
        )

    @needs("tasks:read", "tasks:run")
    async def summarize_cancellations(
        self, call: Call, request: pb.SummarizeCancellationsRequest
    ) -> pb.SummarizeCancellationsResponse:
        form = Form()
        start_time = form.time("start_time", request)
        end_time = form.time("end_time", request)
        group_by = parse.parse_summary_key(form, request.group_by)
        form.check()
        counts = await self._store.summary(call.namespace, start_time, end_time, group_by)
        rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
        counted = (pb.SummaryRow(key=key, count=count) for key, count in rows[:MAX_ROWS])
        return pb.SummarizeCancellationsResponse(
            rows=fit_page(counted, self._knobs.max_summary_bytes)
        )


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
