"""The connection to a server: channels, and calls that are repeated while it is away."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from countermand.client.backoff import Backoff
from countermand.client.channels import (
    ClientOptions,
    Lane,
    Metadata,
    channel_options,
    check_target,
    sent_metadata,
)
from countermand.client.environment import read_environment
from countermand.client.errors import CountermandError
from countermand.client.forks import check_usable, note_closed, note_open
from countermand.client.knobs import ClientKnobs
from countermand.client.trace import with_trace

Answer = TypeVar("Answer", bound=Message)
Stub = Callable[[grpc.aio.Channel], Any]

PUT_OFF = {"RATE_LIMITED", "TOO_MANY_WATCHERS"}
"""Why a server refuses what it does not look at, and may take a moment later."""


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
        metadata: Sequence[tuple[str, str | bytes]] = (),
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        knobs: ClientKnobs | None = None,
    ) -> None:
        """Takes the server's HOST:PORT and the key to show it; nothing is sent yet.

        `credentials`, such as `grpc.ssl_channel_credentials(ca)`, encrypt the connection; without
        them the key and all else can be read on the way.
        `timeout` bounds a call with all its tries, and the opening of a watch; once a watch was
        open, `reconnect_timeout` bounds how long it tries to come back. Both are in seconds.
        `metadata` goes along with each call and watch; `interceptors` of `grpc.aio` stand around
        each of them, every try of its own. If the program uses OpenTelemetry, the caller's trace
        context goes along, too, unless the metadata has one.
        Raises ValueError for a key or metadata that no header can carry, and for a port that is
        none.
        """
        check_target(target)
        self._target = target
        self._credentials = credentials
        self._own_metadata = sent_metadata(api_key, metadata)
        self._interceptors = list(interceptors)
        self._timeout = timeout
        self._reconnect_timeout = reconnect_timeout
        self._channel: grpc.aio.Channel | None = None
        self._stubs: dict[Stub, Any] = {}
        self._lanes: list[Lane] = []
        self._knobs = knobs or ClientKnobs()
        # What belongs to an event loop is made when the client is opened in it.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._turns: asyncio.Semaphore

    @classmethod
    def from_environment(cls, **options: Unpack[ClientOptions]) -> Self:
        """Returns a client that calls COUNTERMAND_SERVER (127.0.0.1:50051 if it is not set) with
        COUNTERMAND_API_KEY, and encrypts as COUNTERMAND_CLIENT_TLS, _CLIENT_TLS_CA,
        _CLIENT_TLS_CERT and _CLIENT_TLS_KEY say.

        Options stand above the environment. Raises ValueError for what no client can be made of,
        and OSError for a file that cannot be read.
        """
        found = read_environment()
        given: ClientOptions = {"credentials": found.credentials, **options}
        return cls(found.server, found.api_key, **given)

    @property
    def _metadata(self) -> Metadata:
        """What goes along with a call that is sent now."""
        return with_trace(self._own_metadata)

    async def __aenter__(self) -> Self:
        """Opens it. Raises RuntimeError if it is open, or was when this process was forked."""
        check_usable()
        if self._channel is not None and self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("the client is open already")
        self._forget()  # an event loop that ended without closing it took its channels along
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        note_open(self)
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
        here = self._process == os.getpid()  # the channels of another process are not ours to close
        self._forget()
        for channel in channels if here else ():
            await channel.close()

    def _forget(self) -> None:
        note_closed(self)
        self._channel = None
        self._stubs.clear()
        self._lanes.clear()

    def _open_channel(self) -> grpc.aio.Channel:
        options = channel_options(self._knobs)
        around = self._interceptors
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._target, options=options, interceptors=around)
        return grpc.aio.secure_channel(
            self._target, self._credentials, options=options, interceptors=around
        )

    def _opened(self) -> grpc.aio.Channel:
        """The channel for calls. Raises RuntimeError if there is none that works here."""
        if self._channel is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        if self._process != os.getpid():
            check_usable()
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("the client is open in another event loop: open one in this one")
        return self._channel

    def _lane(self) -> Lane:
        """A channel with room for one more watch. Calls have a channel of their own, so that no
        number of watches can hold back a cancel."""
        self._opened()
        room = self._knobs.max_watches_per_channel
        lane = next((lane for lane in self._lanes if lane.watches < room), None)
        if lane is None:
            lane = Lane(self._open_channel())
            self._lanes.append(lane)
        return lane

    async def _call(
        self,
        stub: Stub,
        request: Message,
        answer: type[Answer],
        *,
        repeatable: bool = True,
        timeout: float | None = None,
        takes_turn: bool = True,
    ) -> Answer:
        """Calls the method that the request is named after, and returns its answer.

        While the server is UNAVAILABLE, the same request is sent again, if it is `repeatable`:
        if it does no harm when an earlier try was accepted after all. One that was throttled for
        its key's limits is sent again when the server said. The `timeout` is the client's unless
        given. What does not take its turn goes ahead of all that wait. Raises CountermandError.
        """
        channel = self._opened()
        if stub not in self._stubs:
            self._stubs[stub] = stub(channel)
        name = type(request).__name__.removesuffix("Request")
        # One that another service has, too, begins with its own.
        service = getattr(stub, "__name__", "").removesuffix("Stub")
        method = getattr(self._stubs[stub], name.removeprefix(service))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._timeout if timeout is None else timeout)
        backoff = Backoff(self._knobs)
        attempts = 0
        while True:
            if takes_turn:
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
                if takes_turn:
                    self._turns.release()
            await asyncio.sleep(pause)

    async def _each(self, read: Callable[[str], Awaitable[Any]], name: str) -> AsyncGenerator[Any]:
        """Gives all items of a list: those of the field `name` of each page, which is read by the
        token of the page before."""
        token = ""
        while True:
            page = await read(token)
            for item in getattr(page, name):
                yield item
            token = page.next_page_token
            if not token:
                return

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
