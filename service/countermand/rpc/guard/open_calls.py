"""The open calls of a server: what it owes them when it drains."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import grpc

from countermand.core.errors import Reason, Refused

Context = grpc.aio.ServicerContext[Any, Any]
Task: TypeAlias = asyncio.Task[Any]


def draining() -> Refused:
    """Returns the refusal of a server that is about to leave."""
    return Refused(Reason.DRAINING, "this server is about to leave; try another, or again")


class OpenCalls:
    """Knows which calls are owed an answer, and which are streams.

    A server that drains waits for the first kind alone. The second ends by itself as fast as its
    clients take the end.
    """

    def __init__(self) -> None:
        self._owed: set[Task] = set()
        self._streams: set[Task] = set()
        self._draining = False
        self._changed = asyncio.Event()
        self._last_end = 0.0
        """When the last stream ended, or the drain began."""
        self._last_answer = 0.0
        """When the last answer that was owed went out, or the drain began."""

    def owe(self) -> None:
        """Counts the call of the running task, whose answer is waited for, until that is on its
        way."""
        if not self._draining:
            self._owed.add(_when_done(self._answered))

    def stream(self) -> None:
        """Counts the call of the running task, which is answered by a stream."""
        if not self._draining:
            self._streams.add(_when_done(self._ended))

    def drain(self) -> None:
        """Says that what comes from now on is not waited for."""
        self._draining = True
        self._last_end = self._last_answer = asyncio.get_running_loop().time()

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

    def _answered(self, call: Task) -> None:
        self._owed.discard(call)
        self._last_answer = asyncio.get_running_loop().time()
        self._changed.set()

    def _ended(self, call: Task) -> None:
        self._streams.discard(call)
        self._last_end = asyncio.get_running_loop().time()
        self._changed.set()


def _when_done(callback: Callable[[Task], None]) -> Task:
    """Returns the running task, which is a call of gRPC's, and hears when it has ended.

    The callbacks that gRPC offers name the call that keeps them, and so keep it.
    """
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(callback)
    return task
