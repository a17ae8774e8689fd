"""How long to wait before the next try."""

import random

from countermand.client.knobs import ClientKnobs


class Backoff:
    """Pauses whose limit doubles, each drawn from zero up, so that clients that were cut off
    together do not come back together."""

    def __init__(self, knobs: ClientKnobs) -> None:
        self._knobs = knobs
        self._limit = knobs.min_backoff

    def next(self, asked: float | None = None) -> float:
        """Returns the seconds to wait: at least what the server `asked` for, if it did."""
        pause = random.uniform(0, self._limit)
        self._limit = min(2 * self._limit, self._knobs.max_backoff)
        return (asked or 0.0) + pause

    def reset(self) -> None:
        """Begins anew with short pauses."""
        self._limit = self._knobs.min_backoff
