"""Callers that hang up: a coroutine is cancelled at one of its awaits, as gRPC does it."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any


class _HangsUp:
    """Runs a coroutine, and cancels its task where it waits for the nth time."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], nth: int) -> None:
        self._waits = coroutine.__await__()
        self._nth = nth
        self.waited = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        outcome: BaseException | None = None
        while True:
            try:
                waits_for = self._waits.throw(outcome) if outcome else self._waits.send(None)
            except StopIteration as end:
                return end.value
            self.waited += 1
            if self.waited == self._nth:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            outcome = None
            try:
                yield waits_for
            except BaseException as error:
                outcome = error


class Caller:
    """One call whose caller hangs up while it waits for the nth time."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], nth: int) -> None:
        self._call = _HangsUp(coroutine, nth)
        self._task = asyncio.create_task(self._run())
        self._nth = nth

    async def _run(self) -> Any:
        return await self._call

    async def ended(self) -> bool:
        """Returns, at the end of the call, whether it waited that often, so that it was cancelled.

        Raises what ended it, if it was something else.
        """
        with suppress(asyncio.CancelledError):
            await self._task
        return self._call.waited >= self._nth
