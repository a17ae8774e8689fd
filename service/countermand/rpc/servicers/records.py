"""The watches of CancellationService that follow one checkout or order."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from countermand.core.records import Target
from countermand.core.states import TargetKind, TaskState
from countermand.engine.watching.messages import Kind
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.watch_record import WatchRecord
from countermand.rpc.method import Call, needs
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.parse.watches import parse_after_version, parse_heartbeat_interval
from countermand.rpc.wire.render.checkouts import render_checkout
from countermand.rpc.wire.render.frames import frame_watch
from countermand.rpc.wire.render.orders import render_order
from countermand.v1 import cancellation_service_pb2 as pb

KINDS = {kind: pb.WatchType.Value(f"WATCH_TYPE_{kind}") for kind in Kind}


class RecordWatches:
    """Follows checkouts and orders themselves."""

    def __init__(self, records: WatchRecord) -> None:
        self._records = records

    @needs("checkouts:read")
    def watch_checkout(
        self, call: Call, request: pb.WatchCheckoutRequest, watcher: Watcher
    ) -> AsyncGenerator[bytes, None]:
        return self._follow(TargetKind.CHECKOUT, call, request, watcher, render_checkout)

    @needs("orders:read")
    def watch_order(
        self, call: Call, request: pb.WatchOrderRequest, watcher: Watcher
    ) -> AsyncGenerator[bytes, None]:
        return self._follow(TargetKind.ORDER, call, request, watcher, render_order)

    async def _follow(
        self,
        kind: TargetKind,
        call: Call,
        request: Any,
        watcher: Watcher,
        render: Callable[[Any, Mapping[TaskState, int]], Message],
    ) -> AsyncGenerator[bytes, None]:
        form = Form()
        field = f"{kind.lower()}_id"
        target = Target(kind, call.namespace, form.name(field, getattr(request, field)))
        after_version = parse_after_version(form, request)
        interval = parse_heartbeat_interval(form, request)
        form.check()
        messages = self._records.follow(watcher, target, after_version, interval)
        async with aclosing(messages):
            async for message in messages:
                shown = render(*message.reading).SerializeToString()
                yield frame_watch(KINDS[message.kind], shown, last=message.last)
