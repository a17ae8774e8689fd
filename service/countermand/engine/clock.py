"""The clock of a running server."""

import time


class Clock:
    """Tells the time in microseconds since the Unix epoch, and never jumps.

    It reads the wall clock once, and from then on the monotonic one: so while a server runs,
    leases and deadlines are judged by the monotonic clock, and across a restart by the wall clock.
    """

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        """Returns the present time in microseconds."""
        return (time.monotonic_ns() + self._offset) // 1000
