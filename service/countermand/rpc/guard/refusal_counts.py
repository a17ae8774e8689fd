"""How many calls of the last minute were refused, by key and reason."""

import time
from collections import Counter, deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from countermand.rpc.guard.buckets import SECOND

WINDOW = 60
"""For how many seconds a refusal counts."""


class RefusedCalls(NamedTuple):
    """Whose calls were refused, and why; a caller without a right key has no id."""

    key_id: str
    reason: str


class RefusalCounts:
    """Counts refusals in stretches of a second, and forgets those that are older than a minute."""

    def __init__(self, max_names: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Keys above `max_names` in one second are counted by their reasons alone. `clock` returns
        nanoseconds that only grow."""
        self._max_names = max_names
        self._clock = clock
        self._seconds: deque[tuple[int, Counter[RefusedCalls]]] = deque()
        self._lock = Lock()  # gRPC has threads

    def add(self, key_id: str, reason: str) -> None:
        """Counts one."""
        with self._lock:
            second = self._forget()
            if not self._seconds or self._seconds[-1][0] != second:
                self._seconds.append((second, Counter()))
            counts = self._seconds[-1][1]
            refused = RefusedCalls(key_id, reason)
            if refused not in counts and len(counts) >= self._max_names:
                refused = RefusedCalls("", reason)
            counts[refused] += 1

    def last_minute(self, max_rows: int) -> list[tuple[RefusedCalls, int]]:
        """Returns what was refused, most often first: at most so many rows."""
        with self._lock:
            self._forget()
            total: Counter[RefusedCalls] = Counter()
            for _, counts in self._seconds:
                total.update(counts)
        return sorted(total.items(), key=lambda row: (-row[1], row[0]))[:max_rows]

    def _forget(self) -> int:
        """Returns which second it is, and keeps those of the minute before it."""
        second = self._clock() // SECOND
        while self._seconds and self._seconds[0][0] <= second - WINDOW:
            self._seconds.popleft()
        return second
