"""An event loop in a thread of its own, and how other threads have things done in it."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

Result = TypeVar("Result")


class Cut(Exception):
    """What was under way ended because the client was closed."""


class Portal:
    """Runs coroutines in its thread. It is started and stopped once."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event
        self._lock = threading.Lock()
        # A daemon: a program that forgets to close it can end all the same.
        self._thread = threading.Thread(target=self._work, name="countermand", daemon=True)

    def start(self) -> None:
        """Returns when the loop runs."""
        ready = threading.Event()
        self._ready = ready.set
        self._thread.start()
        ready.wait()

    def _work(self) -> None:
        asyncio.run(self._until_the_end())

    async def _until_the_end(self) -> None:
        self._end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ready()
        await self._end.wait()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs it in the thread, and returns or raises what it does.

        If the caller is interrupted while it waits, it is cancelled, and has ended when this
        raises. Raises Cut if the loop ended first, or it was cancelled there, and RuntimeError in
        the thread itself, which would wait forever.
        """
        if self.is_here():
            work.close()
            raise RuntimeError("a sync client cannot be called in its own event loop")
        outcome: Future[Result] = Future()
        begun: list[asyncio.Task[Result]] = []

        def begin() -> None:
            assert self._loop is not None
            task = self._loop.create_task(work)
            begun.append(task)
            task.add_done_callback(lambda done: _hand_over(done, outcome))

        def cancel() -> None:
            for task in begun:
                task.cancel()

        with self._lock:
            loop = self._loop
            if loop is None:
                work.close()
                raise Cut
            # The handle keeps the context of this thread, and so its trace.
            loop.call_soon_threadsafe(begin)
        try:
            return outcome.result()
        finally:
            if not outcome.done():
                loop.call_soon_threadsafe(cancel)
                wait([outcome])

    def stop(self) -> None:
        """Ends the loop, and what still runs in it; returns when the thread has ended."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is not None:
                # What was handed in before comes first, so none of it is forgotten.
                loop.call_soon_threadsafe(self._end.set)
        if not self.is_here():
            self._thread.join()

    def is_here(self) -> bool:
        """Whether this is its thread."""
        return threading.current_thread() is self._thread


def _hand_over(task: asyncio.Task[Result], outcome: Future[Result]) -> None:
    if task.cancelled():
        outcome.set_exception(Cut())
        return
    error = task.exception()
    if error is None:
        outcome.set_result(task.result())
    else:
        outcome.set_exception(error)
