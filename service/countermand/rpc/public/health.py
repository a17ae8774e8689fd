"""Health of the server and of each service, for whoever asks.

Strangers call this, so no number of open streams, read or not, holds up anything else. The stock
servicer does not promise that: one watcher that takes nothing would hold the lock that a change
waits for.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from countermand.core.knobs import PublicKnobs
from countermand.rpc.guard.arrivals import Arrivals
from countermand.rpc.guard.handlers import Handler, answering_once, answering_with_stream
from countermand.rpc.guard.open_calls import Context, OpenCalls, draining
from countermand.rpc.guard.peers import network_of
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.public.refusing import refusing
from countermand.rpc.public.streams import OpenStreams
from countermand.rpc.public.turns import Turns

log = logging.getLogger(__name__)

SERVICE_NAME: str = health.SERVICE_NAME

# Their stubs are older than the library.
_HealthListRequest: Any = health_pb2.HealthListRequest  # type: ignore[attr-defined]
_HealthListResponse: Any = health_pb2.HealthListResponse  # type: ignore[attr-defined]


class Health:
    """Tells all who ask, and all who watch. Check and List are always answered."""

    def __init__(
        self, services: Iterable[str], calls: OpenCalls, log: RefusalLog, knobs: PublicKnobs
    ) -> None:
        """Says NOT_SERVING of the services until told otherwise."""
        self._known = {"", *services}
        self._serving = False
        self._draining = False
        self._changed = asyncio.Event()
        self._calls = calls
        self._log = log
        self._arrivals = Arrivals(knobs.asking)
        self._streams = OpenStreams(knobs)
        self._turns = Turns(knobs.max_answers_per_second, knobs.max_waiting)

    def handlers(self) -> dict[str, Handler]:
        """Returns the handlers of its methods, by their paths."""
        return {
            f"/{SERVICE_NAME}/Check": answering_once(self._check),
            f"/{SERVICE_NAME}/List": answering_once(self._list),
            f"/{SERVICE_NAME}/Watch": answering_with_stream(self._watch),
        }

    def set(self, *, serving: bool) -> None:
        """Says so of the server and of all services."""
        self._serving = serving
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def follow(self, is_well: Callable[[], bool], interval: float) -> None:
        """Says it of all services when what they stand on is not well, and when it is again, until
        cancelled. It looks every so many seconds."""
        while True:
            await asyncio.sleep(interval)
            well = is_well()
            if self._serving is well or self._draining:
                continue
            if well:
                log.warning("serving again, since the store is back")
            else:
                log.warning("not serving, since the store is away")
            self.set(serving=well)

    def drain(self) -> None:
        """Says NOT_SERVING to all who ask and all who watch, and ends the open streams."""
        self._draining = True
        self.set(serving=False)
        self._arrivals.drain()

    def _health_of(self, service: str) -> HealthCheckResponse:
        unknown = HealthCheckResponse.SERVICE_UNKNOWN
        known = HealthCheckResponse.SERVING if self._serving else HealthCheckResponse.NOT_SERVING
        status = known if service in self._known else unknown
        return HealthCheckResponse(status=status)

    async def _check(self, context: Context) -> bytes:
        async with refusing(context, self._log):
            data = await self._arrivals.request(context)
            service = HealthCheckRequest.FromString(data).service
            await self._turns.wait(network_of(context))
        self._calls.owe()
        if service not in self._known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return self._health_of(service).SerializeToString()

    async def _list(self, context: Context) -> bytes:
        async with refusing(context, self._log):
            _HealthListRequest.FromString(await self._arrivals.request(context))
            await self._turns.wait(network_of(context))
        self._calls.owe()
        statuses = {service: self._health_of(service) for service in self._known}
        answer: Message = _HealthListResponse(statuses=statuses)
        return answer.SerializeToString()

    async def _watch(self, context: Context) -> None:
        self._calls.stream()
        async with refusing(context, self._log):
            with self._streams.opened(context):
                data = await self._arrivals.request(context)
                service = HealthCheckRequest.FromString(data).service
                del data
                while True:
                    # It may begin to drain while the client takes what was true before.
                    changed, last = self._changed, self._draining
                    await context.write(self._health_of(service).SerializeToString())
                    if last:
                        raise draining()
                    await changed.wait()
