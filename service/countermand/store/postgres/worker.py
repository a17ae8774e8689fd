"""A thread for one connection: whole transactions and readings are handed to it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
Job = tuple[Callable[[], Any], "Future[Any]"]


class Worker:
    """Runs one function after the other. One that hangs does not keep the process alive."""

    def __init__(self, name: str) -> None:
        """The thread starts with the first function."""
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._closed = False

    async def run(self, work: Callable[[], Result]) -> Result:
        """Returns what the function does, behind all that was handed over before it.

        What has begun is done to its end, whoever still waits for it. Raises ValueError once
        closed.
        """
        if self._closed:
            raise ValueError("the thread has ended")
        if not self._thread.is_alive():
            self._thread.start()
        answer: Future[Result] = Future()
        self._jobs.put((work, answer))
        return await asyncio.wrap_future(answer)

    async def close(self, seconds: float) -> None:
        """Ends the thread once all is done that was handed over, and waits so long for that. It may
        be called twice."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, seconds)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, answer = job
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:
                answer.set_exception(error)
            else:
                answer.set_result(result)
            del job, work, answer  # A batch is not kept until the next.
