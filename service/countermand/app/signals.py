"""SIGTERM and Ctrl-C: the first one drains, the second one stops at once."""

import asyncio
import os
import signal
from types import FrameType


class StopSignals:
    """Hears the signals from now on, whatever the process does.

    Handlers of an event loop would wait for the loop: while it starts, while a callback takes long,
    and forever when it has ended and threads are waited for. The second signal waits for nothing.
    """

    def __init__(self) -> None:
        """Is made in the main thread."""
        self.status = 0
        """What the process ends with at the second signal."""
        self._heard = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def event(self) -> asyncio.Event:
        """Returns what is set in the running event loop once the first signal has come."""
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        if self._heard:
            self._event.set()
        return self._event

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self._heard:
            os._exit(self.status)
        self._heard = True
        if self._loop is not None and self._event is not None:
            self._loop.call_soon_threadsafe(self._event.set)
