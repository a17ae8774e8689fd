"""Cuts a failing script to a short one that fails in the same way.

Delta debugging: ever smaller parts of a script are left out, and stay out if the rest still fails.
Each step has a chance of its own, so what is left does what it did before, as far as it does not
depend on what is gone; each cut is tried with some other orders of what is ready.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.chaos.robustness.checks.verdict import Promise
from tests.simulation.judge import judge
from tests.simulation.play import play
from tests.simulation.script import Script, Step

MOST_PLAYS = 400
"""How many histories one shrinking may play."""
LUCKS = 2
"""In how many orders each cut is tried."""


class Shrinker:
    """Shrinks one script."""

    def __init__(
        self, script: Script, fails: Callable[[Script], bool], most: int = MOST_PLAYS
    ) -> None:
        """`fails` says whether a script fails as this one does."""
        self.best = script
        self._fails = fails
        self._left = most

    def shrink(self) -> Script:
        """Returns the shortest script that was found."""
        self._cut_steps()
        for simpler in self._simpler():
            self._try(simpler)
        self._cut_steps()
        return self.best

    def _cut_steps(self) -> None:
        size = max(1, len(self.best.steps) // 2)
        while self._left > 0:
            before = len(self.best.steps)
            self._cut_parts(size)
            if size == 1 and len(self.best.steps) == before:
                return
            size = max(1, min(size // 2, len(self.best.steps) // 2))

    def _cut_parts(self, size: int) -> None:
        at = 0
        while at < len(self.best.steps) and self._left > 0:
            steps = self.best.steps
            rest: tuple[Step, ...] = steps[:at] + steps[at + size :]
            if not self._try(replace(self.best, steps=rest)):
                at += size

    def _simpler(self) -> Iterator[Script]:
        """Yields scripts whose conditions are more like those of production."""
        for changes in (
            {"steps_commits": False},
            {"window": 0},
            {"retention": None},
            {"max_latency": 0.0005},
            {"max_hop": 0.0002},
        ):
            yield replace(self.best, **changes)  # type: ignore[arg-type]
        for path in list(self.best.knobs):
            knobs = {name: value for name, value in self.best.knobs.items() if name != path}
            yield replace(self.best, knobs=knobs)

    def _try(self, script: Script) -> bool:
        for luck in range(LUCKS):
            if self._left <= 0:
                return False
            self._left -= 1
            tried = replace(script, luck=self.best.luck + luck)
            if self._fails(tried):
                self.best = tried
                return True
        return False


def breaking(promises: set[Promise]) -> Callable[[Script], bool]:
    """Returns whether a script breaks one of these promises."""
    return lambda script: bool(judge(play(script)).promises & promises)


def told(script: Script) -> list[str]:
    """Returns a script as lines for people."""
    conditions = (
        f"seed {script.seed}, luck {script.luck}, window {script.window}, hops of at most "
        f"{script.max_hop:g} s, messages of {script.max_latency:g} s, "
        f"retention {script.retention}, "
        f"transactions {'in steps' if script.steps_commits else 'whole'}"
    )
    knobs = [f"{path} = {value:g}" for path, value in script.knobs.items()]
    return [conditions, *knobs, *map(str, script.steps)]
