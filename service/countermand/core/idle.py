"""Time in which we had nothing to do, or were not let."""

import os
import time
from contextlib import suppress

NANOSECONDS = 1e-9


class IdleClock:
    """A clock that goes on only while this process neither works nor waits for a processor.

    So it goes on while its thread sleeps, waits for a disk, or is stopped, and does not while a
    request keeps us busy, however slow the machine is at that. Each thread needs one of its own.
    Where the system does not say how long a thread waited for a processor, that counts as idle.
    """

    def __init__(self) -> None:
        self._waits: int | None = None
        with suppress(OSError):
            self._waits = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> float:
        """Returns its seconds, which begin at any number."""
        return time.monotonic() - time.process_time() - self._waited()

    def close(self) -> None:
        """Gives back what it holds of the system."""
        if self._waits is not None:
            os.close(self._waits)
            self._waits = None

    def _waited(self) -> float:
        """Returns the seconds that this thread was ready to work and had no processor."""
        if self._waits is None:
            return 0.0
        try:
            _, nanoseconds, _ = os.pread(self._waits, 64, 0).split()
        except (OSError, ValueError):
            return 0.0
        return int(nanoseconds) * NANOSECONDS
