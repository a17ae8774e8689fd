"""How long to wait before the next try."""

import random

FIRST = 0.1
LONGEST = 2.0


class Backoff:
    """Pauses that double from 0.1 s to 2 s, each drawn from zero up, so that clients that were cut
    off together do not come back together."""

    def __init__(self) -> None:
        self._limit = FIRST

    def next(self, asked: float | None = None) -> float:
        """Returns the seconds to wait: at least what the server `asked` for, if it did."""
        pause = random.uniform(0, self._limit)
        self._limit = min(2 * self._limit, LONGEST)
        return (asked or 0.0) + pause

    def reset(self) -> None:
        """Begins anew with short pauses."""
        self._limit = FIRST
