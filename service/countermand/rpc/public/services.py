"""What is answered without a key: health, and the manual by reflection.

Strangers call this, so it keeps the same promises as the guard: no text of an exception gets out,
and no number of open streams, read or not, holds up anything else. The stock servicers do not: one
watcher of health that takes nothing would hold the lock that a change of health waits for.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from countermand.core.errors import Reason, Refused, invalid
from countermand.core.knobs import PublicKnobs
from countermand.rpc.guard.handlers import Handler, answering_once, answering_with_stream
from countermand.rpc.guard.open_calls import Context, OpenCalls, draining
from countermand.rpc.public.manual import REFLECTION_V1, REFLECTION_V1ALPHA, ManualPool
from countermand.rpc.status import render

log = logging.getLogger(__name__)

# Their stubs are older than the library.
_HealthListRequest: Any = health_pb2.HealthListRequest  # type: ignore[attr-defined]
_HealthListResponse: Any = health_pb2.HealthListResponse  # type: ignore[attr-defined]


class Public:
    """Health of the server and of each service, and reflection in both of its versions."""

    def __init__(self, services: Iterable[str], calls: OpenCalls, knobs: PublicKnobs) -> None:
        """Says NOT_SERVING of the services until told otherwise."""
        names = [*services, health.SERVICE_NAME, REFLECTION_V1, REFLECTION_V1ALPHA]
        self._known = {"", *services}
        self._serving = False
        self._draining = False
        self._changed = asyncio.Event()
        self._streams = 0
        self._max_streams = knobs.max_streams
        self._calls = calls
        self._reflecting: set[asyncio.Task[Any]] = set()
        self._manual = reflection.aio.ReflectionServicer(names, ManualPool())
        reflect: Any = grpc.stream_stream_rpc_method_handler(self._reflect)
        self.handlers: dict[str, Handler] = {
            f"/{health.SERVICE_NAME}/Check": answering_once(self._check, calls),
            f"/{health.SERVICE_NAME}/List": answering_once(self._list, calls),
            f"/{health.SERVICE_NAME}/Watch": answering_with_stream(self._watch, calls),
            f"/{REFLECTION_V1}/ServerReflectionInfo": reflect,
            f"/{REFLECTION_V1ALPHA}/ServerReflectionInfo": reflect,
        }

    def set_health(self, *, serving: bool) -> None:
        """Tells all who ask, and all who watch."""
        self._serving = serving
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def drain(self) -> None:
        """Says NOT_SERVING to all who ask and all who watch, and ends the open streams."""
        self._draining = True
        self.set_health(serving=False)
        for task in list(self._reflecting):
            task.cancel()

    def _health_of(self, service: str) -> HealthCheckResponse:
        unknown = HealthCheckResponse.SERVICE_UNKNOWN
        known = HealthCheckResponse.SERVING if self._serving else HealthCheckResponse.NOT_SERVING
        status = known if service in self._known else unknown
        return HealthCheckResponse(status=status)

    async def _check(self, data: bytes, context: Context) -> bytes:
        async with _refusing(context):
            service = HealthCheckRequest.FromString(data).service
        if service not in self._known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return self._health_of(service).SerializeToString()

    async def _list(self, data: bytes, context: Context) -> bytes:
        async with _refusing(context):
            _HealthListRequest.FromString(data)
        statuses = {service: self._health_of(service) for service in self._known}
        answer: Message = _HealthListResponse(statuses=statuses)
        return answer.SerializeToString()

    async def _watch(self, data: bytes, context: Context) -> None:
        async with _refusing(context):
            with self._open_stream():
                service = HealthCheckRequest.FromString(data).service
                while True:
                    # It may begin to drain while the client takes what was true before.
                    changed, last = self._changed, self._draining
                    await context.write(self._health_of(service).SerializeToString())
                    if last:
                        raise draining()
                    await changed.wait()

    async def _reflect(self, requests: AsyncIterable[bytes], context: Context) -> None:
        self._calls.stream(context)
        async with _refusing(context):
            with self._open_stream(), self._ended_by_drain():
                answers: Any = self._manual.ServerReflectionInfo(_parsed(requests), context)
                async for answer in answers:
                    await context.write(answer.SerializeToString())

    @contextmanager
    def _ended_by_drain(self) -> Iterator[None]:
        """Raises Refused once the server drains, for the next request may never come."""
        if self._draining:
            raise draining()
        task = asyncio.current_task()
        assert task is not None
        self._reflecting.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if self._draining:
                raise draining() from None
            raise
        finally:
            self._reflecting.discard(task)

    @contextmanager
    def _open_stream(self) -> Iterator[None]:
        if self._streams >= self._max_streams:
            raise Refused(Reason.TOO_MANY_WATCHERS, "too many of these streams are open")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1


async def _parsed(requests: AsyncIterable[bytes]) -> AsyncIterator[ServerReflectionRequest]:
    async for data in requests:
        yield ServerReflectionRequest.FromString(data)


@asynccontextmanager
async def _refusing(context: Context) -> AsyncIterator[None]:
    """Ends the call with a status for whatever is raised in it."""
    try:
        yield
    except Exception as error:
        rendered = render(_refusal_of(error))
        await context.abort(rendered.code, rendered.message, rendered.trailers)


def _refusal_of(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, DecodeError):
        return invalid("request", "is not in protobuf encoding")
    log.error("a call failed unexpectedly", exc_info=error)
    return Refused(Reason.INTERNAL, "internal error")
