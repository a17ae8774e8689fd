"""Who asks much waits, so that all others do not."""

import asyncio
import time
from collections.abc import Callable

from countermand.rpc.guard.buckets import SECOND


class Turns:
    """Gives each name so many turns a second, one after the other; a second's worth at once."""

    def __init__(
        self, per_second: int, max_waiting: int, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """At most `max_waiting` wait at once: those above it do not, since waiting takes memory.
        `clock` returns nanoseconds that only grow."""
        self._interval = SECOND // per_second
        self._max_waiting = max_waiting
        self._waiting = 0
        self._clock = clock
        self._next: dict[str, int] = {}
        """When each name has its next turn at the earliest; none of those that long had none."""
        self._forget_at = 0

    def __len__(self) -> int:
        return len(self._next)

    async def wait(self, name: str) -> None:
        """Returns when it is the name's next turn."""
        seconds = self.take(name)
        if not seconds or self._waiting >= self._max_waiting:
            return
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

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
