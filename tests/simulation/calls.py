"""The calls in the simulation, each from both its ends.

What the guard is given, and what a client is given, is what gRPC gives: a handler that is cancelled
when its client is gone or its time is over, a stream that takes no more while its client reads
none, and UNAVAILABLE when the process dies.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from tests.simulation.network import Address

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
EOF = grpc.aio.EOF
_NOWHERE = Context()
"""Of the network itself, which no process takes with it."""


class ServerContext:
    """What a handler is given of its call."""

    def __init__(self, call: "Call", data: bytes) -> None:
        self._call = call
        self._data: bytes | None = data

    def invocation_metadata(self) -> Any:
        return self._call.metadata

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float | None:
        return self._call.time_remaining()

    async def read(self) -> Any:
        await asyncio.sleep(self._call.address.delay())
        data, self._data = self._data, None
        return EOF if data is None else data

    async def write(self, message: bytes) -> None:
        await self._call.take(message)

    async def abort(self, code: grpc.StatusCode, details: str, trailers: Any = ()) -> None:
        self._call.aborted = (code, details, trailers)
        raise grpc.aio.AbortError


class Call:
    """One call, from both its ends."""

    def __init__(
        self,
        address: "Address",
        path: str,
        data: bytes,
        metadata: Any,
        timeout: float | None,
        deserializer: Callable[[bytes], Any],
    ) -> None:
        address.numbers += 1
        self.number = address.numbers
        self.address = address
        self.metadata = metadata
        self.aborted: tuple[grpc.StatusCode, str, Any] | None = None
        self._deserializer = deserializer
        self._loop = loop = asyncio.get_running_loop()
        self._until = None if timeout is None else loop.time() + timeout
        self._status: tuple[grpc.StatusCode, str, Any] | None = None
        """How it ended."""
        self._waiters: list[asyncio.Future[None]] = []
        """Who waits for that."""
        self._left = False
        self._task: asyncio.Task[Any] | None = None
        address.calls.add(self)
        self._timer = None
        if timeout is not None:
            self._timer = loop.call_later(timeout, self._time_out)
        loop.call_later(address.delay(), self._arrive, path, data)

    def time_remaining(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - self._loop.time())

    def _arrive(self, path: str, data: bytes) -> None:
        realm = self.address.realm
        if realm is None or realm.is_dead:
            self.lose()
            return
        if self._status is not None:
            return
        self._realm = realm
        handler = self.address.handlers[path]
        context = ServerContext(self, data)
        self._task = self._loop.create_task(
            self._serve(handler, context), context=realm.context.copy()
        )

    async def _serve(self, handler: Any, context: ServerContext) -> None:
        raise NotImplementedError

    def _answer(self, code: grpc.StatusCode, details: str, trailers: Any, answer: Any) -> None:
        """Sends the end of the call to its client, of which the process need not know any more."""
        self._loop.call_later(
            self.address.delay(), self.end, code, details, trailers, answer, context=_NOWHERE
        )

    def _failed(self, error: BaseException) -> None:
        """Ends as gRPC does when a handler raises."""
        if self.aborted is not None:
            self._answer(*self.aborted, None)
        elif isinstance(error, asyncio.CancelledError):
            pass  # gRPC sends no status: the client waits for its own deadline.
        else:
            self._answer(grpc.StatusCode.UNKNOWN, f"Unexpected {error!r}", (), None)

    def end(self, code: grpc.StatusCode, details: str, trailers: Any, answer: Any) -> None:
        """Ends the call at its client."""
        if self._status is not None:
            return
        self._status, self.answer = (code, details, trailers), answer
        self.address.calls.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for waiter in self._waiters:
            _settle(waiter)

    async def _end(self) -> None:
        """Returns when it has ended."""
        if self._status is None:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def lose(self) -> None:
        """The process or the connection is gone."""
        self.end(UNAVAILABLE, "connection lost", (), None)

    def _time_out(self) -> None:
        if self._status is None:
            self.end(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", (), None)
            self._reset()

    def cancel(self) -> bool:
        if self._status is not None:
            return False
        self._left = True
        self.end(grpc.StatusCode.CANCELLED, "Locally cancelled", (), None)
        self._reset()
        return True

    def _reset(self) -> None:
        """Lets the server know, some time later, that nobody waits any more."""
        self._loop.call_later(self.address.delay(), self._be_reset, context=_NOWHERE)

    def _be_reset(self) -> None:
        task = self._task
        if task is not None and not task.done() and not self._realm.is_dead:
            self._realm.context.copy().run(task.cancel)

    def cancelled(self) -> bool:
        return self._left

    async def code(self) -> grpc.StatusCode:
        await self._end()
        assert self._status is not None
        return self._status[0]

    def _raise(self) -> None:
        assert self._status is not None
        code, details, trailers = self._status
        if self._left:
            raise asyncio.CancelledError
        if code is not grpc.StatusCode.OK:
            none = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(code, none, grpc.aio.Metadata(*trailers), details=details)


class UnaryCall(Call):
    """A call that is answered once."""

    def __await__(self) -> Any:
        return self._result().__await__()

    async def _result(self) -> Any:
        await self._end()
        self._raise()
        return self._deserializer(self.answer)

    async def _serve(self, handler: Any, context: ServerContext) -> None:
        try:
            answer = await handler.stream_unary(None, context)
        except BaseException as error:
            self._failed(error)
        else:
            self._answer(grpc.StatusCode.OK, "", (), answer)


class StreamCall(Call):
    """A call that is answered with a stream."""

    WINDOW = 3
    """How many messages are on their way before the server must wait for its client."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._messages: deque[bytes] = deque()
        self._on_their_way = 0
        self._arrived = asyncio.Event()
        self._room: asyncio.Future[None] | None = None
        self._last_arrival = 0.0
        self._server_end: tuple[Any, ...] | None = None

    async def take(self, message: bytes) -> None:
        while self._on_their_way + len(self._messages) >= self.WINDOW:
            self._room = self._loop.create_future()
            await self._room
        self._on_their_way += 1
        # In order: none overtakes another.
        moment = max(self._last_arrival, self._loop.time() + self.address.delay())
        self._last_arrival = moment + 1e-9
        self._loop.call_at(moment, self._come, message, context=_NOWHERE)

    def _come(self, message: bytes) -> None:
        self._on_their_way -= 1
        if self._status is None:
            self._messages.append(message)
            self._arrived.set()

    def end(self, code: grpc.StatusCode, details: str, trailers: Any, answer: Any) -> None:
        super().end(code, details, trailers, answer)
        self._arrived.set()

    async def read(self) -> Any:
        while not self._messages:
            if self._status is not None:
                self._raise()
                return EOF
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        if self._room is not None and not self._room.done():
            self._room.get_loop().call_soon(_settle, self._room, context=_NOWHERE)
        return self._deserializer(message)

    async def _serve(self, handler: Any, context: ServerContext) -> None:
        try:
            await handler.stream_stream(None, context)
        except BaseException as error:
            self._failed(error)
        else:
            self._answer(grpc.StatusCode.OK, "", (), None)

    def _answer(self, code: grpc.StatusCode, details: str, trailers: Any, answer: Any) -> None:
        moment = max(self._last_arrival, self._loop.time() + self.address.delay())
        self._loop.call_at(
            moment + 1e-9, self.end, code, details, trailers, answer, context=_NOWHERE
        )


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
