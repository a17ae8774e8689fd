"""Token buckets."""

import time
from collections.abc import Callable, Hashable
from typing import Final

SECOND: Final = 1_000_000_000


class Buckets:
    """A token bucket (GCRA) for each name: full at first, with as much as one second allows.

    All that is kept of a bucket is when it will be full again, and one that is full is forgotten:
    the memory is that of the names of the last second, and of at most `max_names`.
    """

    def __init__(
        self, max_names: float = float("inf"), clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`clock` returns nanoseconds that only grow."""
        self._max_names = max_names
        self._clock = clock
        self._full_at: dict[Hashable, int] = {}
        self._forget_at = 0

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: Hashable, per_second: int) -> int:
        """Takes a token. Returns 0, or after how many nanoseconds there will be one to take."""
        now = self._clock()
        if now >= self._forget_at:
            self._full_at = {name: at for name, at in self._full_at.items() if at > now}
            self._forget_at = now + SECOND
        if name not in self._full_at and len(self._full_at) >= self._max_names:
            name = None
        interval = SECOND // per_second
        full_at = max(self._full_at.get(name, now), now)
        wait = full_at - now - (per_second - 1) * interval
        if wait > 0:
            return wait
        self._full_at[name] = full_at + interval
        return 0

    def owe(self, name: Hashable, per_second: int, tokens: int, max_debt: int) -> None:
        """Takes so many tokens of a name that has taken one, also those that are not there yet; but
        for no more than `max_debt` nanoseconds is there none to take."""
        now = self._clock()
        full_at = max(self._full_at.get(name, now), now) + tokens * (SECOND // per_second)
        self._full_at[name] = min(full_at, now + SECOND + max_debt)
