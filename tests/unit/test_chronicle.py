"""How old something is at least, through every leap of the wall clock, stop and kill."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from countermand.core.chronicle import Chronicle, Stretch
from countermand.core.knobs import ClockKnobs
from countermand.core.records import SECOND
from countermand.core.retention import DAY

KNOBS = ClockKnobs()
HOUR = DAY // 24
NOON = 1_800_000_000 * SECOND
UNNOTED = round(KNOBS.note_interval * SECOND)


def begun(*kept: Stretch, wall: int = NOON) -> Chronicle:
    return Chronicle(kept, wall, KNOBS)


def test_while_the_clock_goes_evenly_what_is_old_enough_is_what_the_clock_says() -> None:
    chronicle = begun()
    assert chronicle.older_than(DAY) == NOON - DAY  # of what came before, nothing is known
    for ran in range(0, 3 * DAY, HOUR):
        assert chronicle.follow(ran, NOON + ran) == 0
        assert chronicle.older_than(DAY) == NOON + ran - DAY
    assert len(chronicle.stretches) == 1


@pytest.mark.parametrize("leap", [40 * DAY, 8 * HOUR, 61 * SECOND])
def test_a_clock_that_leaps_ahead_makes_nothing_older_until_it_was_right_for_that_long(
    leap: int,
) -> None:
    chronicle = begun()
    chronicle.follow(HOUR, NOON + HOUR)
    assert chronicle.follow(HOUR, NOON + HOUR + leap) == leap
    for ran in range(HOUR, HOUR + DAY, HOUR):
        chronicle.follow(ran, NOON + ran + leap)
        assert chronicle.older_than(DAY) == NOON + ran - DAY
    ran = HOUR + DAY + UNNOTED + 1
    chronicle.follow(ran, NOON + ran + leap)
    assert chronicle.older_than(DAY) == NOON + ran + leap - DAY


@pytest.mark.parametrize("leap", [40 * DAY, 8 * HOUR, 2 * SECOND])
def test_what_ended_while_the_clock_was_behind_is_not_old_once_it_is_mended(leap: int) -> None:
    chronicle = begun()
    chronicle.follow(HOUR, NOON + HOUR)
    assert chronicle.follow(HOUR, NOON + HOUR - leap) == -leap
    ended = NOON + HOUR - leap  # just now
    chronicle.follow(2 * HOUR, NOON + 2 * HOUR)  # it is mended
    assert chronicle.older_than(DAY) < ended
    chronicle.follow(DAY + HOUR - 1, NOON + DAY + HOUR - 1)
    assert chronicle.older_than(DAY) < ended
    chronicle.follow(DAY + HOUR, NOON + DAY + HOUR)
    assert chronicle.older_than(DAY) >= ended


def test_a_leap_that_is_mended_leaves_nothing_behind_but_for_a_while() -> None:
    chronicle = begun()
    chronicle.follow(HOUR, NOON + 40 * DAY)
    chronicle.follow(2 * HOUR, NOON + 2 * HOUR)
    assert chronicle.older_than(DAY) == NOON + 2 * HOUR - DAY
    ran = DAY + 2 * HOUR + UNNOTED + 1
    chronicle.follow(ran, NOON + ran)
    assert len(chronicle.stretches) == 3
    chronicle.forget(DAY)
    assert len(chronicle.stretches) == 1
    assert chronicle.older_than(DAY) == NOON + ran - DAY


def test_no_server_that_runs_makes_nothing_older() -> None:
    first = begun()
    first.follow(HOUR, NOON + HOUR)
    second = begun(*first.stretches, wall=NOON + 40 * DAY)
    assert second.ran == HOUR
    assert second.follow(HOUR, NOON + 40 * DAY) == 40 * DAY - HOUR
    assert second.older_than(DAY) == NOON + HOUR - DAY
    ran = HOUR + DAY
    second.follow(ran, NOON + 41 * DAY)
    assert second.older_than(DAY) == NOON + HOUR  # and not later, for it may have been killed


def test_what_ended_after_the_last_note_of_a_killed_server_is_not_taken_for_older() -> None:
    first = begun()
    first.follow(HOUR, NOON + HOUR)
    ended = NOON + HOUR + UNNOTED  # and then it was killed
    second = begun(*first.stretches, wall=NOON + 40 * DAY)
    second.follow(HOUR, NOON + 40 * DAY)
    ran = HOUR + DAY + UNNOTED
    second.follow(ran, NOON + 40 * DAY + ran - HOUR)
    assert second.older_than(DAY) < ended
    second.follow(ran + 1, NOON + 40 * DAY + ran + 1 - HOUR)
    assert second.older_than(DAY) > ended


def test_restarts_leave_no_trace_while_they_are_short() -> None:
    chronicle, wall = begun(), NOON
    for number in range(1, 100):
        wall += HOUR + 2 * SECOND  # of which it ran an hour
        chronicle.follow(number * HOUR, wall)
        chronicle = begun(*chronicle.stretches, wall=wall)
    assert len(chronicle.stretches) < 5
    assert chronicle.older_than(DAY) > wall - DAY - HOUR


# The same of every history.

Steps = st.lists(
    st.tuples(
        st.sampled_from(["run", "run", "leap", "stop", "kill", "note", "end", "end", "forget"]),
        st.integers(0, 3 * DAY),
        st.booleans(),
    ),
    max_size=30,
)


@dataclass
class History:
    """What really happened, and what the servers know of it."""

    passed: int = 0
    """How long servers ran."""
    wall: int = NOON
    chronicle: Chronicle = field(default_factory=begun)
    kept: tuple[Stretch, ...] = ()
    known: int = 0
    """How long servers ran as far as the present one knows."""
    ends: list[tuple[int, int]] = field(default_factory=list)
    """When something ended, by the servers' running and by the wall clock."""
    unnoted: int = 0

    def run(self, span: int) -> None:
        """A server looks at the clock each second, and notes what it knows every ten minutes."""
        while span > 0:
            step = min(span, UNNOTED - self.unnoted)
            self.passed, self.known = self.passed + step, self.known + step
            self.wall, self.unnoted = self.wall + step, self.unnoted + step
            self.look()
            span -= step
            if self.unnoted >= UNNOTED:
                self.note()

    def look(self) -> None:
        if self.chronicle.follow(self.known, self.wall):
            self.note()

    def note(self) -> None:
        self.kept, self.unnoted = self.chronicle.stretches, 0

    def start(self, down: int) -> None:
        self.wall += down
        self.chronicle = begun(*self.kept, wall=self.wall)
        self.known = self.chronicle.ran
        self.look()
        self.note()

    def take(self, step: str, span: int, *, back: bool) -> None:
        if step == "run":
            self.run(span)
        elif step == "leap":
            self.wall += -span if back else span
            self.look()
        elif step == "note":
            self.note()
        elif step == "stop":
            self.note()
            self.start(span)
        elif step == "kill":
            self.start(-span if back else span)
        elif step == "forget":
            self.chronicle.forget(DAY)
        else:
            self.ends.append((self.passed, self.wall))


@settings(deadline=None)
@given(Steps)
@example([("leap", DAY - SECOND, True), ("leap", SECOND, True), ("end", 0, False)])
def test_nothing_is_taken_for_older_than_servers_ran_since_it_ended(
    steps: list[tuple[str, int, bool]],
) -> None:
    history = History()
    history.note()
    for step, span, back in steps:
        history.take(step, span, back=back)
        before = history.chronicle.older_than(DAY)
        for ended, wall in history.ends:
            if wall <= before:
                assert history.passed - ended >= DAY - KNOBS.max_behind * SECOND


@settings(deadline=None)
@given(Steps)
def test_once_the_clock_went_evenly_for_long_enough_everything_counts_again(
    steps: list[tuple[str, int, bool]],
) -> None:
    history = History()
    for step, span, back in steps:
        history.take(step, span, back=back)
    history.run(DAY + 2 * UNNOTED)
    late = history.wall - DAY - history.chronicle.older_than(DAY)
    assert 0 <= late <= KNOBS.max_ahead * SECOND or late == pytest.approx(0, abs=SECOND)
