"""How much of what callers can cause at will the log has."""

import time
from collections.abc import Callable, Hashable
from threading import Lock

from countermand.rpc.guard.buckets import Buckets


class LineLimit:
    """Bounds the lines of the log that go by one name, and counts those left out."""

    def __init__(
        self,
        max_per_second: int,
        max_names: int,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Names above `max_names` in one second share one bound. `clock` returns nanoseconds that
        only grow."""
        self._max_per_second = max_per_second
        self._max_names = max_names
        self._buckets = Buckets(max_names, clock)
        self._left_out: dict[Hashable, int] = {}
        self._lock = Lock()  # gRPC has threads

    def take(self, name: Hashable = None) -> int | None:
        """Returns how many lines were left out before this one; None if it is left out, too."""
        with self._lock:
            if name not in self._left_out and len(self._left_out) >= self._max_names:
                name = None
            if self._buckets.take(name, self._max_per_second):
                self._left_out[name] = self._left_out.get(name, 0) + 1
                return None
            return self._left_out.pop(name, 0)
