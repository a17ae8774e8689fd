"""How long to wait after each failure."""

from collections.abc import Callable

from countermand.core.webhooks import SCHEDULE


class Schedule:
    """The promised schedule, with jitter so that what failed together does not come back so."""

    def __init__(self, jitter: float, random: Callable[[], float]) -> None:
        """`jitter` is by how much of itself a wait may be shorter."""
        self._jitter = jitter
        self._random = random

    def step(self, failures: int) -> int:
        """Returns how long to wait after so many failures. It is never longer than the schedule, so
        that all tries are within the time that is promised."""
        step = SCHEDULE[min(failures, len(SCHEDULE)) - 1]
        return round(step * (1 - self._jitter * self._random()))
