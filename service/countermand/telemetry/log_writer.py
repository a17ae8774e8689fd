"""Writes the log in a thread of its own, so that nothing waits for who reads it.

Standard error is often a pipe. When its reader stops, a write to it does not return.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO


class LogWriter:
    """Writes lines in the order in which they came, and leaves out those that are too many."""

    def __init__(self, stream: TextIO, max_bytes: int, left_out: Callable[[int], str]) -> None:
        """At most `max_bytes` wait to be written. `left_out` returns the line that says how many
        lines were left out there."""
        self._stream = stream
        self._max_bytes = max_bytes
        self._left_out = left_out
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Lets one line be written, without its end, unless too many wait. Never waits."""
        with self._changed:
            if self._bytes + len(line) > self._max_bytes:
                self._dropped += 1
                return
            if self._dropped:
                self._add(self._left_out(self._dropped))
                self._dropped = 0
            self._add(line)
            if self._thread is None:
                # Nothing waits for it at the end of the process: it may be stuck forever.
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Returns when all is written, or after so many seconds. Returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes, timeout)

    def _add(self, line: str) -> None:
        self._waiting.append(line)
        self._bytes += len(line)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                lines = list(self._waiting)
                self._waiting.clear()
            # Who closed it, or reads no more, has no use for them.
            with suppress(OSError, ValueError):
                _write(self._stream, "".join(f"{line}\n" for line in lines))
            with self._changed:
                self._bytes -= sum(map(len, lines))
                self._changed.notify_all()


def _write(stream: TextIO, text: str) -> None:
    """Writes all of a text. Raises OSError or ValueError.

    Not by the stream's own lock where that can be helped: who is stuck in it would stop whoever
    else writes there, and the end of the process.
    """
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # a stream in memory
        stream.write(text)
        return
    left = memoryview(text.encode())
    while left:
        try:
            left = left[os.write(number, left) :]
        except BlockingIOError:
            select.select([], [number], [])
