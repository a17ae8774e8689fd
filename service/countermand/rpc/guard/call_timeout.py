"""The time that a call may take at most, whatever its client is ready to wait."""

import asyncio
from typing import Any


class CallTimeout:
    """Ends calls that take too long. All have the same time, so one timer serves them all: the
    oldest is always the next."""

    def __init__(self, seconds: float) -> None:
        """Is made in the event loop in which the calls run."""
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._ends: dict[asyncio.Task[Any], float | None] = {}
        """By when each call must have ended, the oldest first; None once it was ended."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """Counts the running task as a call. Returns it, for `end`."""
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._ends[task] = self._loop.time() + self.seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self.seconds, self._look)
        return task

    def end(self, task: asyncio.Task[Any]) -> bool:
        """Counts the call as done. Returns whether it took too long, and was ended for that."""
        return self._ends.pop(task) is None

    def _look(self) -> None:
        """Ends what is due, and comes again for the next."""
        self._timer = None
        for task, end in self._ends.items():
            if end is None:
                continue
            left = end - self._loop.time()
            if left > 0:
                self._timer = self._loop.call_later(left, self._look)
                return
            self._ends[task] = None
            task.cancel()
