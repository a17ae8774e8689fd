"""Who asks much waits, so that all others do not."""

import time
from collections.abc import Callable

from countermand.rpc.guard.limits import SECOND


class Turns:
    """Gives each name so many turns a second, one after the other; a second's worth at once."""

    def __init__(self, per_second: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` returns nanoseconds that only grow."""
        self._interval = SECOND // per_second
        self._clock = clock
        self._next: dict[str, int] = {}
        """When each name has its next turn at the earliest; none of those that long had none."""
        self._forget_at = 0

    def __len__(self) -> int:
        return len(self._next)

    def take(self, name: str) -> float:
        """Takes the next turn. Returns in how many seconds that is, at most a second."""
        now = self._clock()
        if now >= self._forget_at:
            self._next = {name: at for name, at in self._next.items() if at > now - SECOND}
            self._forget_at = now + SECOND
        at = max(self._next.get(name, 0), now - SECOND + self._interval)
        at = min(at, now + SECOND)
        self._next[name] = at + self._interval
        return max(0, at - now) / SECOND
