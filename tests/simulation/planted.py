"""Plants bugs into the service, to see that the simulation finds each:
`python -m tests.simulation.planted [NAME …]` prints how many seeds each needs.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from countermand.core.decide import RULES
from tests.chaos import planted as chaos
from tests.simulation.bugs import BUGS, Bug
from tests.simulation.judge import judge
from tests.simulation.play import play
from tests.simulation.run import processes
from tests.simulation.script import draw_script
from tests.simulation.stepping import pause

MOST = 2000
"""After how many seeds a bug counts as not found."""


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Plants a bug, and takes it out again."""
    kept: list[tuple[Any, str, Any]] = []

    def replacing(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        before = getattr(owner, name)
        kept.append((owner, name, before))
        setattr(owner, name, make(before))

    rules, swap, clock = dict(RULES), chaos.replace, chaos.time
    chaos.replace = replacing
    # A bug that widens its gap leaves its transaction in its middle for so long.
    chaos.time = SimpleNamespace(sleep=pause, time_ns=clock.time_ns)  # type: ignore[assignment]
    try:
        bug.plant()
        yield
    finally:
        chaos.replace, chaos.time = swap, clock
        for owner, name, before in reversed(kept):
            setattr(owner, name, before)
        RULES.update(rules)


def seeds_needed(bug: Bug, most: int = MOST) -> tuple[int, str] | None:
    """Returns after how many seeds a bug is found, and by which promises; None if it is not."""
    for seed in range(most):
        # A bug may need a gap in the middle of a transaction.
        script = replace(draw_script(seed), steps_commits=True)
        with planted(bug):
            found = judge(play(script)).promises
        if found and not judge(play(script)).promises:
            return seed + 1, ", ".join(sorted(found))
    return None


def _row(name: str) -> tuple[str, bool]:
    """Returns a bug's row of the table, and whether it was found."""
    (bug,) = (bug for bug in BUGS if bug.name == name)
    found = seeds_needed(bug, int(os.environ.get("COUNT", MOST)))
    count, by = found or (0, "not found")
    return f"| `{bug.name}` | {bug.rule} | {count} |  {by}", found is not None


def main(names: list[str]) -> int:
    """Prints a line for each bug. Returns 1 if one was not found."""
    missed = 0
    with processes() as pool:
        for row, is_found in pool.imap(_row, names or [bug.name for bug in BUGS]):
            print(row, flush=True)
            missed += not is_found
    return 1 if missed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation.planted", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
