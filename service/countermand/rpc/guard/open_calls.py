"""The open calls of a server: what it owes them when it drains."""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from countermand.core.errors import Reason, Refused, invalid
from countermand.rpc.status import render

Context = grpc.aio.ServicerContext[Any, Any]


def draining() -> Refused:
    """Returns the refusal of a server that is about to leave."""
    return Refused(Reason.DRAINING, "this server is about to leave; try another, or again")


class OpenCalls:
    """Knows which calls wait for their request, which are owed an answer, and which are streams.

    A server that drains waits for the second kind alone. The first is ended, for its request may
    never come; the third ends by itself as fast as its clients take the end.
    """

    def __init__(self) -> None:
        self._reading: set[asyncio.Task[Any]] = set()
        self._owed: set[Context] = set()
        self._streams: set[Context] = set()
        self._draining = False
        self._changed = asyncio.Event()
        self._last_end = 0.0
        """When the last stream ended, or the drain began."""
        self._last_answer = 0.0
        """When the last answer that was owed went out, or the drain began."""

    async def request(self, context: Context) -> bytes:
        """Returns the one request of a call, or ends the call if it has none."""
        task = asyncio.current_task()
        assert task is not None
        self._reading.add(task)
        try:
            data = await asyncio.shield(context.read())
        except asyncio.CancelledError:
            if not self._draining:
                raise
            await refuse(context, draining())
        finally:
            self._reading.discard(task)
        if not isinstance(data, bytes):
            await refuse(context, invalid("request", "is missing"))
        return data

    def owe(self, context: Context) -> None:
        """Counts a call whose answer is waited for, until that is on its way."""
        if not self._draining:
            self._owed.add(context)
            _when_done(context, self._answered)

    def stream(self, context: Context) -> None:
        """Counts a call that is answered by a stream."""
        if not self._draining:
            self._streams.add(context)
            _when_done(context, self._ended)

    def drain(self) -> None:
        """Ends the calls whose request has not come. What comes from now on is not waited for."""
        self._draining = True
        self._last_end = self._last_answer = asyncio.get_running_loop().time()
        for task in list(self._reading):
            task.cancel()

    async def finished(self, timeout: float, stalled_timeout: float, goodbye: float) -> None:
        """Returns when every answer is on its way and every stream has ended, or after `timeout`.

        Streams that do not end are not waited for any more once none has ended for
        `stalled_timeout`: their clients take nothing. A client that has just been answered may call
        again before it sees that the server leaves, so this returns `goodbye` seconds after the
        last answer at the earliest. Call `drain` first.
        """
        loop = asyncio.get_running_loop()
        latest = loop.time() + timeout
        await self._ended_calls(latest, stalled_timeout)
        await asyncio.sleep(min(self._last_answer + goodbye, latest) - loop.time())

    async def _ended_calls(self, latest: float, stalled_timeout: float) -> None:
        while self._owed or self._streams:
            stalled = self._last_end + stalled_timeout
            self._changed.clear()
            try:
                async with asyncio.timeout_at(latest if self._owed else min(latest, stalled)):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _answered(self, context: Context) -> None:
        self._owed.discard(context)
        self._last_answer = asyncio.get_running_loop().time()
        self._changed.set()

    def _ended(self, context: Context) -> None:
        self._streams.discard(context)
        self._last_end = asyncio.get_running_loop().time()
        self._changed.set()


async def refuse(context: Context, refusal: Refused) -> NoReturn:
    """Ends a call with a refusal; raises what ends its handler."""
    rendered = render(refusal)
    await context.abort(rendered.code, rendered.message, rendered.trailers)


def _when_done(context: Context, callback: Callable[[Context], None]) -> None:
    context.add_done_callback(callback)  # type: ignore[arg-type]  # its stub names no callable
