"""One moment, as everything that is decided in it knows it."""

from typing import NamedTuple, Self

from countermand.core.cancellations import EARLY_CANCEL_LIFETIME


class Instant(NamedTuple):
    """The same moment by different clocks, in microseconds."""

    now: int
    """By the clock by which times are shown."""
    steady: int
    """By the clock by which leases and deadlines are judged, which never leaps."""
    early_before: int
    """What was accepted at this time or earlier, by the first, has waited long enough for its task,
    whatever that clock went through meanwhile."""

    def not_before(self, time: int, passed: int) -> Self:
        """Returns this moment, shown as that time if it is later by the first clock. What is judged
        by the other one follows, as far as so many microseconds that have really passed."""
        ahead = time - self.now
        if ahead <= 0:
            return self
        return self._replace(now=time, steady=self.steady + min(ahead, passed))

    @classmethod
    def at(cls, time: int) -> Self:
        """Returns a moment at which all clocks are right."""
        return cls(time, time, time - EARLY_CANCEL_LIFETIME)
