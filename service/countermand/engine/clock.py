"""The clock of a running server."""

import time
from collections.abc import Callable, Sequence

from countermand.core.cancellations import EARLY_CANCEL_LIFETIME
from countermand.core.chronicle import Chronicle, Stretch
from countermand.core.instant import Instant
from countermand.core.knobs import ClockKnobs

NANOSECONDS = 1000
"""In one microsecond, which is the unit of all times and spans of ours."""


class Clock:
    """Tells the time in microseconds since the Unix epoch, in three ways.

    `now` is the wall clock: what is shown, and what is compared with the times of callers. It is
    read anew each time, so it is right again as soon as the wall clock is, after that was mended or
    the machine slept.

    `steady` is the monotonic clock, begun at the wall clock's time when this server started: what
    leases and deadlines are judged by. It never leaps, so nobody's lease ends by a clock that was
    set. At the start both say the same, so across a restart the wall clock decides.

    Servers of one store have one such clock together: it goes on from what that said, and not from
    the wall clock of any of them. See `go_on_from`.

    `older_than` tells how old something is at least, whatever the wall clock went through: for what
    cannot be undone.
    """

    def __init__(
        self,
        knobs: ClockKnobs,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`wall` and `monotonic` return nanoseconds."""
        self._knobs = knobs
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._chronicle = Chronicle((), self.now(), knobs)
        self._began = monotonic() // NANOSECONDS
        """The monotonic time since which the chronicle goes on."""
        self._leap = 0

    def now(self) -> int:
        """Returns what the wall clock says. It may be less than before."""
        return self._wall() // NANOSECONDS

    def steady(self) -> int:
        """Returns the time by the clock that never leaps."""
        return (self._monotonic() + self._offset) // NANOSECONDS

    def go_on_from(self, steady: int) -> None:
        """Lets the clock that never leaps say this now, for it is that of several servers."""
        self._offset = steady * NANOSECONDS - self._monotonic()

    def instant(self) -> Instant:
        """Returns the present moment."""
        return Instant(self.now(), self.steady(), self.older_than(EARLY_CANCEL_LIFETIME))

    def remember(self, kept: Sequence[Stretch]) -> None:
        """Goes on with what the store kept of the running time of earlier servers."""
        self._chronicle = Chronicle(kept, self.now(), self._knobs)
        self._began = self._monotonic() // NANOSECONDS - self._chronicle.ran
        self.look()

    def look(self) -> None:
        """Looks whether the wall clock went on evenly."""
        # In this order: whoever is held up in between finds it ahead, and keeps things for longer.
        ran = self._monotonic() // NANOSECONDS - self._began
        self._leap += self._chronicle.follow(ran, self.now())

    def take_leap(self) -> int:
        """Returns by how much the wall clock leapt since this was last asked, in microseconds; 0 if
        it went on evenly. After a start that includes the time in which no server ran."""
        leap, self._leap = self._leap, 0
        return leap

    def older_than(self, span: int) -> int:
        """Returns a time: what has it, or an earlier one, is at least so old."""
        self.look()
        return self._chronicle.older_than(span)

    @property
    def ran(self) -> int:
        """How long servers have run."""
        return self._chronicle.ran

    def forget(self, span: int) -> None:
        """Forgets what tells nothing any more about spans up to this one."""
        self._chronicle.forget(span)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """What the store should keep of the running time."""
        return self._chronicle.stretches
