"""Clients that write down every call and every message, and never have two calls open at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc

from countermand.client.errors import CountermandError
from tests.chaos.robustness.history import DROPPED, Call, History, Stream
from tests.support.server import Stubs

SECONDS = 3.0
"""After which a client gives up a call: nobody knows then whether it was done."""
OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 200),
    # Of several servers each call goes to the next.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
]


class ServerFailed(Exception):
    """A server that does not start, serve or leave as it should, so that a run cannot go on."""


class Client:
    """One caller of one tenant: a channel and a key."""

    def __init__(self, name: str, tenant: str, channel: Any, key: str, history: History) -> None:
        self.name = name
        self.tenant = tenant
        self._history = history
        self._metadata = [("x-api-key", key)]
        self._methods = self._methods_on(channel)
        self._busy = False

    def _methods_on(self, channel: Any) -> dict[str, Any]:
        """Returns the methods of all services but the operator's, by their names."""
        stubs = Stubs(channel)
        services = (
            stubs.cancellations,
            stubs.tasks,
            stubs.agents,
            stubs.checkouts,
            stubs.orders,
            stubs.keys,
            stubs.webhooks,
        )
        return {name: call for stub in services for name, call in vars(stub).items()}

    def add_methods(self, methods: Mapping[str, Any], *, also_named: str) -> None:
        """Lets it call those of one more service, of which some requests begin with its name."""
        self._methods = {f"{also_named}{name}": call for name, call in methods.items()} | (
            dict(methods) | self._methods
        )

    async def call(
        self, request: Any, *, timeout: float = SECONDS, hang_up_after: float | None = None
    ) -> Call:
        """Makes the call that the request is for, and returns what came of it; it never raises.

        With `hang_up_after` the client leaves when that many seconds brought no answer.
        """
        assert not self._busy, f"{self.name} has two calls open"
        self._busy = True
        method = type(request).__name__.removesuffix("Request")
        note = Call(self.name, self.tenant, method, request, _now())
        self._history.calls.append(note)
        calling = self._methods[method](request, metadata=self._metadata, timeout=timeout)
        try:
            if hang_up_after is not None:
                waiting = asyncio.ensure_future(calling.code())
                await asyncio.wait([waiting], timeout=hang_up_after)
                calling.cancel()
                await waiting
            answer = await calling
            note.end, note.code, note.answer = _now(), "OK", answer
        except grpc.aio.AioRpcError as error:
            note.end = _now()
            note.code, note.reason = _status_of(error)
        except asyncio.CancelledError:
            if not calling.cancelled():
                raise
            note.end, note.code = _now(), "CANCELLED"
        finally:
            self._busy = False
        return note

    def watch(self, request: Any, parent: tuple[Stream, int] | None = None) -> "Watch":
        """Opens the watch that the request is for."""
        method = type(request).__name__.removesuffix("Request")
        note = Stream(self.name, self.tenant, method, request, _now(), parent)
        self._history.streams.append(note)
        return Watch(note, self._methods[method](request, metadata=self._metadata))


class Watch:
    """One open watch. Close it."""

    def __init__(self, note: Stream, stream: Any) -> None:
        self.note = note
        self._stream = stream
        self._reading: asyncio.Future[Any] | None = None

    async def read(self, seconds: float | None = None) -> Any:
        """Returns the next message, or None if none came in that time, or none will."""
        if self.note.code:
            return None
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._stream.read())
        await asyncio.wait([self._reading], timeout=seconds)
        if not self._reading.done():
            return None
        reading, self._reading = self._reading, None
        try:
            message = reading.result()
        except grpc.aio.AioRpcError as error:
            self._ended(*_status_of(error))
            return None
        if message is grpc.aio.EOF:
            self._ended((await self._stream.code()).name, "")
            return None
        self.note.messages.append((_now(), message))
        return message

    @property
    def open(self) -> bool:
        """Whether more may come."""
        return not self.note.code

    def _ended(self, code: str, reason: str) -> None:
        self.note.end, self.note.code, self.note.reason = _now(), code, reason

    async def close(self) -> None:
        """Leaves, if it has not ended."""
        if self.open:
            self._ended(DROPPED, "")
        self._stream.cancel()
        if self._reading is not None:
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()


@asynccontextmanager
async def client(
    name: str, tenant: str, address: str, key: str, history: History
) -> AsyncIterator[Client]:
    """Opens a client, and closes its channel."""
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        yield Client(name, tenant, channel, key, history)


def _now() -> float:
    """Returns the time of the loop, which is the monotonic clock, or that of a simulation."""
    return asyncio.get_running_loop().time()


def _status_of(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    found = CountermandError.from_rpc(error)
    return found.code.name, found.reason
