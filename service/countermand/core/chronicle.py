"""How long ago something was, whatever the wall clock went through since.

What is removed once it is old cannot be brought back. The times in the rows are the wall clock's,
and that may be wrong: one start with a clock that is 40 days ahead, and all that has just ended
looks old enough. So only time counts that a server was seen to run, by the monotonic clock, and
what is kept is how the wall clock went beside it. What ended within the last so many hours of
running has a time that the wall clock said within them; so whatever has an earlier time than all of
those is older.

It errs to one side: what is old may be kept for longer, by as long as no server ran.
"""

from collections.abc import Sequence
from typing import NamedTuple

from countermand.core.knobs import ClockKnobs
from countermand.core.records import SECOND


class Stretch(NamedTuple):
    """A stretch of running time in which the wall clock went evenly. All in microseconds."""

    begin: int
    """How long servers had run at its beginning."""
    end: int
    """And at its end, as far as is known."""
    wall: int
    """What the wall clock said at its beginning."""


class Chronicle:
    """Tells how old something is at least, from how the wall clock went while servers ran.

    Before its first stretch the wall clock is taken to have gone evenly: of that, nothing is known.
    """

    def __init__(self, kept: Sequence[Stretch], wall: int, knobs: ClockKnobs) -> None:
        """Goes on with the stretches that a store kept, from now on: the wall clock says `wall`."""
        self._stretches = list(kept) or [Stretch(0, 0, wall)]
        self._max_ahead = round(knobs.max_ahead * SECOND)
        self._max_behind = round(knobs.max_behind * SECOND)
        # A server that was killed ran on after its last note.
        self._unnoted = round(knobs.note_interval * SECOND)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """What a store should keep."""
        return tuple(self._stretches)

    @property
    def ran(self) -> int:
        """How long servers have run, as far as is known."""
        return self._stretches[-1].end

    def follow(self, ran: int, wall: int) -> int:
        """Notes what the wall clock says after servers ran for so long.

        Returns by how much it leapt since the last time; 0 if it went on evenly. A little ahead is
        even, too, since what is taken for too early is kept for longer.
        """
        last = self._stretches[-1]
        leap = wall - (last.wall + ran - last.begin)
        if -self._max_behind <= leap <= self._max_ahead:
            self._stretches[-1] = last._replace(end=ran)
            return 0
        self._stretches.append(Stretch(ran, ran, wall))
        return leap

    def older_than(self, span: int) -> int:
        """Returns a time of the wall clock: what has it, or an earlier one, is at least so old."""
        since = self.ran - span
        found = []
        # The latest first: for a short span few of them are looked at.
        for number in reversed(range(len(self._stretches))):
            stretch = self._stretches[number]
            if self._is_over(stretch, since):
                break
            earliest = stretch.begin if number else since
            at = min(max(since, earliest), stretch.end)
            all_too_young = at > since
            # Even time may have lost a little, so the earliest time in it lies before this one.
            margin = self._max_behind + 1 if all_too_young else 0
            found.append(stretch.wall + at - stretch.begin - margin)
        return min(found)

    def forget(self, span: int) -> None:
        """Forgets what tells nothing any more about spans up to this one."""
        since = self.ran - span
        self._stretches = [one for one in self._stretches if not self._is_over(one, since)]

    def _is_over(self, stretch: Stretch, since: int) -> bool:
        """Whether nothing that happened after so long can have a time of this stretch."""
        return stretch is not self._stretches[-1] and stretch.end + self._unnoted < since
