"""What all methods of the sync client stand on: the asyncio one, in a thread of its own."""

import os
import weakref
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc

from countermand.client.channels import ClientOptions
from countermand.client.client import Client as AsyncClient
from countermand.client.errors import CountermandError
from countermand.client.forks import check_usable
from countermand.client.sync.portal import Cut, Portal

Result = TypeVar("Result")
Message = TypeVar("Message")


class Blocking:
    """Opened by `with`; once it is closed it may be opened again."""

    def __init__(
        self, target: str, api_key: str | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        """Takes the server's HOST:PORT and the key to show it; nothing is sent yet.

        The options are those of `countermand.client.Client`; interceptors are of `grpc.aio`, and
        run in the client's own thread. Raises ValueError as that one does.
        """
        self._client = AsyncClient(target, api_key, **options)
        self._portal: Portal | None = None
        self._process = 0
        self._last_will: weakref.finalize[[AsyncClient, Portal, int], Self] | None = None

    @classmethod
    def from_environment(cls, **options: Unpack[ClientOptions]) -> Self:
        """Returns a client that calls COUNTERMAND_SERVER (127.0.0.1:50051 if it is not set) with
        COUNTERMAND_API_KEY, and encrypts as COUNTERMAND_CLIENT_TLS, _CLIENT_TLS_CA,
        _CLIENT_TLS_CERT and _CLIENT_TLS_KEY say.

        Options stand above the environment. Raises ValueError for what no client can be made of,
        and OSError for a file that cannot be read.
        """
        made = cls.__new__(cls)
        Blocking.__init__(made, "unused:1")
        made._client = AsyncClient.from_environment(**options)
        return made

    def __enter__(self) -> Self:
        """Opens it. Raises RuntimeError if it is open, or was when this process was forked."""
        check_usable()
        if self._portal is not None and self._process == os.getpid():
            raise RuntimeError("the client is open already")
        portal = Portal()
        portal.start()
        try:
            portal.run(self._client.__aenter__())
        except BaseException:
            portal.stop()
            raise
        self._portal, self._process = portal, os.getpid()
        # For programs that forget to close it: at the latest when the interpreter ends.
        self._last_will = weakref.finalize(self, _shut, self._client, portal, os.getpid())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all calls and watches; those still open in other threads raise CountermandError.

        A repeat does nothing.
        """
        will, self._last_will, self._portal = self._last_will, None, None
        if will is not None:
            will()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Does it in the client's thread, and returns or raises what came of it."""
        portal = self._portal
        if portal is None or self._process != os.getpid():
            work.close()
            if portal is not None:
                check_usable()
            raise RuntimeError("the client is not open: use it in `with`")
        try:
            return portal.run(work)
        except Cut:
            code = grpc.StatusCode.CANCELLED
            raise CountermandError(code, "", "the client was closed") from None

    def _iterate(self, messages: AsyncGenerator[Message]) -> Generator[Message]:
        """Gives the messages one by one."""

        async def step() -> tuple[Message, ...]:
            async for message in messages:
                return (message,)
            return ()

        try:
            while found := self._run(step()):
                yield found[0]
        finally:
            portal = self._portal
            # Without a portal, or in another process, there is nothing any more to leave.
            if portal is not None and self._process == os.getpid() and not portal.is_here():
                with suppress(Cut):
                    portal.run(_leave(messages))


async def _leave(messages: AsyncGenerator[Any]) -> None:
    await messages.aclose()


def _shut(client: AsyncClient, portal: Portal, process: int) -> None:
    """Closes what a sync client left open, in the process that opened it."""
    if process != os.getpid():
        return
    if not portal.is_here():  # there its channels end with their loop
        portal.run(client.close())
    portal.stop()
