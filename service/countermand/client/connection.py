"""The connection to a server: channels, and calls that are repeated while it is away."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from countermand.client.backoff import Backoff
from countermand.client.errors import CountermandError
from countermand.client.knobs import ClientKnobs

Answer = TypeVar("Answer", bound=Message)
Stub = Callable[[grpc.aio.Channel], Any]

PUT_OFF = {"RATE_LIMITED", "TOO_MANY_WATCHERS"}
"""Why a server refuses what it does not look at, and may take a moment later."""


_MAX_PORT = 65_535


class _Lane:
    """One channel for watches, and how many it carries."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.watches = 0


class Connection:
    """What all services' methods stand on. It is opened by `async with`, in one event loop at a
    time; once it is closed it may be opened again, also in another."""

    def __init__(
        self,
        target: str,
        api_key: str | None = None,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        timeout: float = 20.0,
        reconnect_timeout: float = 300.0,
        knobs: ClientKnobs | None = None,
    ) -> None:
        """Takes the server's HOST:PORT and the key to show it; nothing is sent yet.

        `credentials`, such as `grpc.ssl_channel_credentials(ca)`, encrypt the connection; without
        them the key and all else can be read on the way.
        `timeout` bounds a call with all its tries, and the opening of a watch; once a watch was
        open, `reconnect_timeout` bounds how long it tries to come back. Both are in seconds.
        Raises ValueError for a key that no header can carry, and for a port that is none.
        """
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise ValueError("an API key is printable ASCII")
        if not target:
            raise ValueError("the target is HOST:PORT, and not empty")
        port = target.rpartition(":")[2]
        if port.isdecimal() and not 0 < int(port) <= _MAX_PORT:
            # gRPC would take it modulo 65536.
            raise ValueError(f"the target's port is no number from 1 to {_MAX_PORT}")
        self._target = target
        self._credentials = credentials
        self._metadata = (("x-api-key", api_key),) if api_key else ()
        self._timeout = timeout
        self._reconnect_timeout = reconnect_timeout
        self._channel: grpc.aio.Channel | None = None
        self._stubs: dict[Stub, Any] = {}
        self._lanes: list[_Lane] = []
        self._knobs = knobs or ClientKnobs()
        # What belongs to an event loop is made when the client is opened in it.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: asyncio.Semaphore

    async def __aenter__(self) -> Self:
        """Opens it. Raises RuntimeError if it is open."""
        if self._channel is not None and self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("the client is open already")
        self._forget()  # an event loop that ended without closing it took its channels along
        self._loop = asyncio.get_running_loop()
        self._turns = asyncio.Semaphore(self._knobs.max_calls)
        self._channel = self._open_channel()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all calls and watches; those still open see asyncio.CancelledError, as gRPC has it.

        A repeat does nothing.
        """
        channels = [lane.channel for lane in self._lanes]
        if self._channel is not None:
            channels.append(self._channel)
        self._forget()
        for channel in channels:
            await channel.close()

    def _forget(self) -> None:
        self._channel = None
        self._stubs.clear()
        self._lanes.clear()

    def _open_channel(self) -> grpc.aio.Channel:
        options = _options(self._knobs)
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._target, options=options)
        return grpc.aio.secure_channel(self._target, self._credentials, options=options)

    def _lane(self) -> _Lane:
        """A channel with room for one more watch. Calls have a channel of their own, so that no
        number of watches can hold back a cancel."""
        if self._channel is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        room = self._knobs.max_watches_per_channel
        lane = next((lane for lane in self._lanes if lane.watches < room), None)
        if lane is None:
            lane = _Lane(self._open_channel())
            self._lanes.append(lane)
        return lane

    async def _call(
        self, stub: Stub, request: Message, answer: type[Answer], *, repeatable: bool = True
    ) -> Answer:
        """Calls the method that the request is named after, and returns its answer.

        While the server is UNAVAILABLE, the same request is sent again, if it is `repeatable`:
        if it does no harm when an earlier try was accepted after all. One that was put off for
        its key's limits is sent again when the server said. Raises CountermandError.
        """
        if self._channel is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        if stub not in self._stubs:
            self._stubs[stub] = stub(self._channel)
        method = getattr(self._stubs[stub], type(request).__name__.removesuffix("Request"))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        backoff = Backoff(self._knobs)
        attempts = 0
        while True:
            await self._take_turn(deadline, attempts)
            attempts += 1
            try:
                found = await method(
                    request, timeout=deadline - loop.time(), metadata=self._metadata
                )
                return cast(Answer, found)
            except grpc.aio.AioRpcError as error:
                failure = CountermandError.from_rpc(error, attempts)
                pause = backoff.next(failure.retry_delay)
                away = repeatable and failure.code is grpc.StatusCode.UNAVAILABLE
                late = loop.time() + pause + self._knobs.min_try > deadline
                if late or not (away or failure.reason in PUT_OFF):
                    raise failure from error
            finally:
                self._turns.release()
            await asyncio.sleep(pause)

    async def _take_turn(self, deadline: float, attempts: int) -> None:
        """Returns when the call may be sent; raises CountermandError if that is too late."""
        try:
            async with asyncio.timeout_at(deadline if self._turns.locked() else None):
                await self._turns.acquire()
        except TimeoutError:
            message = (
                f"{self._knobs.max_calls} other calls of this client were under way all the time"
            )
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            raise CountermandError(code, "", message, attempts=attempts) from None


def _options(knobs: ClientKnobs) -> list[tuple[str, int]]:
    """Returns the options of a channel."""
    return [
        ("grpc.keepalive_time_ms", knobs.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", knobs.keepalive_timeout_ms),
        ("grpc.http2.ping_timeout_ms", knobs.ping_timeout_ms),
        ("grpc.initial_reconnect_backoff_ms", knobs.min_reconnect_ms),
        ("grpc.max_reconnect_backoff_ms", knobs.max_reconnect_ms),
        # How long one try may take, in spite of its name.
        ("grpc.min_reconnect_backoff_ms", knobs.connect_timeout_ms),
        ("grpc.max_receive_message_length", knobs.max_answer_bytes),
        # A connection of its own for each channel: equal channels would share one, and its limit.
        ("grpc.use_local_subchannel_pool", 1),
    ]
