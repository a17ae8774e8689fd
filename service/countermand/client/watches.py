"""Watches that outlive the server's restarts."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import TypeVar

import grpc
import grpc.aio

from countermand.client.backoff import Backoff
from countermand.client.connection import PUT_OFF, Connection, Stub
from countermand.client.errors import CountermandError
from countermand.v1.cancellation_service_pb2 import (
    WatchCheckoutRequest,
    WatchCheckoutResponse,
    WatchOrderRequest,
    WatchOrderResponse,
    WatchTaskRequest,
    WatchTaskResponse,
    WatchTasksRequest,
    WatchTasksResponse,
    WatchType,
)
from countermand.v1.cancellation_service_pb2_grpc import CancellationServiceStub
from countermand.v1.operator_service_pb2 import OperatorServiceWatchTasksResponse
from countermand.v1.task_pb2 import TaskFilter

Told = TypeVar(
    "Told",
    WatchTaskResponse,
    WatchTasksResponse,
    WatchCheckoutResponse,
    WatchOrderResponse,
    OperatorServiceWatchTasksResponse,
)

# What transports, proxies and servers that go away make of an open stream. No deadline is set on
# a watch, so DEADLINE_EXCEEDED is some proxy's, and the status CANCELLED is never about a task.
_BROKEN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}

_RESUMABLE = {"WATCHER_TOO_SLOW", *PUT_OFF}


class WatchMethods(Connection):
    """Follows tasks to their end.

    A watch goes on by itself after a break, at the message after the last one that it gave: no
    version comes twice, none is left out. Messages that only say that the stream is alive are
    kept back, unless `heartbeats` asks for them, too. Leave a watch early with
    `contextlib.aclosing`, or it stays open until it is collected.
    """

    def watch_task(
        self,
        task_id: str,
        after_version: int | None = None,
        *,
        heartbeat_interval: timedelta | None = None,
        heartbeats: bool = False,
    ) -> AsyncGenerator[WatchTaskResponse]:
        """Gives the task as it is now, or the version after `after_version`, then every version.

        It ends after the message with `last`, when the task has ended. If the caller had seen the
        last version already, that message is a HEARTBEAT. Raises CountermandError, for example
        NOT_FOUND, or UNAVAILABLE when the server did not come back in time.
        """
        request = WatchTaskRequest(
            task_id=task_id, after_version=after_version, heartbeat_interval=heartbeat_interval
        )

        def move_on(message: WatchTaskResponse) -> None:
            # A HEARTBEAT shows the present task, whose CHANGE may still be on its way.
            if message.type != WatchType.WATCH_TYPE_HEARTBEAT:
                request.after_version = message.task.version

        return self._follow(
            lambda stub: stub.WatchTask(request, metadata=self._metadata), move_on, heartbeats
        )

    def watch_tasks(
        self,
        filter: TaskFilter | None = None,
        *,
        resume_token: str = "",
        heartbeat_interval: timedelta | None = None,
        heartbeats: bool = False,
    ) -> AsyncGenerator[WatchTasksResponse]:
        """Gives a SNAPSHOT of each matching task, one SYNCED, then every version of each.

        With a group, checkout or order in the filter it ends after the message with `last`, which
        may be a HEARTBEAT without a task; else it does not end by itself. Raises CountermandError,
        for example NOT_FOUND, or `RESUME_TOKEN_EXPIRED`: then watch anew without the token.
        """
        request = WatchTasksRequest(
            filter=filter, resume_token=resume_token, heartbeat_interval=heartbeat_interval
        )

        def move_on(message: WatchTasksResponse) -> None:
            request.resume_token = message.resume_token

        return self._follow(
            lambda stub: stub.WatchTasks(request, metadata=self._metadata), move_on, heartbeats
        )

    def watch_group(self, group_id: str) -> AsyncGenerator[WatchTasksResponse]:
        """Follows all tasks of a group until they have ended and the group is closed."""
        return self.watch_tasks(TaskFilter(group_id=group_id))

    def watch_checkout(self, checkout_id: str) -> AsyncGenerator[WatchTasksResponse]:
        """Follows all tasks of a checkout until they have ended and none may join any more."""
        return self.watch_tasks(TaskFilter(checkout_id=checkout_id))

    def watch_order(self, order_id: str) -> AsyncGenerator[WatchTasksResponse]:
        """Follows all tasks of an order and of its checkouts until they have ended and none may
        join any more."""
        return self.watch_tasks(TaskFilter(order_id=order_id))

    def watch_checkout_record(
        self,
        checkout_id: str,
        after_version: int | None = None,
        *,
        heartbeat_interval: timedelta | None = None,
        heartbeats: bool = False,
    ) -> AsyncGenerator[WatchCheckoutResponse]:
        """Gives the checkout itself as it is now, or the version after `after_version`, then every
        version to its end, as watch_task does for a task.

        Raises CountermandError, for example NOT_FOUND, or `VERSION_EXPIRED`: then watch anew
        without `after_version`.
        """
        request = WatchCheckoutRequest(
            checkout_id=checkout_id,
            after_version=after_version,
            heartbeat_interval=heartbeat_interval,
        )

        def move_on(message: WatchCheckoutResponse) -> None:
            if message.type != WatchType.WATCH_TYPE_HEARTBEAT:
                request.after_version = message.checkout.version

        return self._follow(
            lambda stub: stub.WatchCheckout(request, metadata=self._metadata), move_on, heartbeats
        )

    def watch_order_record(
        self,
        order_id: str,
        after_version: int | None = None,
        *,
        heartbeat_interval: timedelta | None = None,
        heartbeats: bool = False,
    ) -> AsyncGenerator[WatchOrderResponse]:
        """Gives the order itself as it is now, or the version after `after_version`, then every
        version to its end, as watch_task does for a task.

        Raises CountermandError, for example NOT_FOUND, or `VERSION_EXPIRED`: then watch anew
        without `after_version`.
        """
        request = WatchOrderRequest(
            order_id=order_id, after_version=after_version, heartbeat_interval=heartbeat_interval
        )

        def move_on(message: WatchOrderResponse) -> None:
            if message.type != WatchType.WATCH_TYPE_HEARTBEAT:
                request.after_version = message.order.version

        return self._follow(
            lambda stub: stub.WatchOrder(request, metadata=self._metadata), move_on, heartbeats
        )

    async def _follow(
        self,
        open_stream: Callable[..., grpc.aio.UnaryStreamCall[object, Told]],
        move_on: Callable[[Told], None],
        heartbeats: bool,
        stub: Stub = CancellationServiceStub,
    ) -> AsyncGenerator[Told]:
        """Opens the stream, and opens it again after each break, from where `move_on` has come."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._knobs)
        patience = self._timeout
        away_since: float | None = loop.time()
        while True:
            opened = loop.time()
            lane = self._lane()
            stream = open_stream(stub(lane.channel))
            lane.watches += 1
            try:
                async for message in stream:
                    patience, away_since = self._reconnect_timeout, None
                    move_on(message)
                    is_heartbeat = message.type == WatchType.WATCH_TYPE_HEARTBEAT
                    is_last = getattr(message, "last", False)  # An operator's has none.
                    if heartbeats or is_last or not is_heartbeat:
                        yield message
                    if is_last:
                        return
                # A stream ends with OK only after `last`; something on the way cut this one.
                broken = CountermandError(
                    grpc.StatusCode.UNAVAILABLE, "", "the stream ended without its last message"
                )
            except grpc.aio.AioRpcError as error:
                broken = CountermandError.from_rpc(error)
                if not _may_resume(broken):
                    raise broken from error
            finally:
                stream.cancel()
                lane.watches -= 1
            now = loop.time()
            if away_since is None:
                away_since = now
            # A server that cuts each stream after its first message is still met less and less.
            if now - opened > self._knobs.max_backoff:
                backoff.reset()
            pause = backoff.next(broken.retry_delay)
            if now + pause - away_since > patience:
                raise broken
            await asyncio.sleep(pause)


def _may_resume(broken: CountermandError) -> bool:
    """Whether the stream broke on the way, or its end says that it may be resumed."""
    if broken.reason:
        return broken.code is grpc.StatusCode.UNAVAILABLE or broken.reason in _RESUMABLE
    return broken.code in _BROKEN
