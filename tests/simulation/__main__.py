"""Plays histories: `python -m tests.simulation [COUNT] [SEED]`, or one of them, written down in
full: `python -m tests.simulation --story SEED [FILE]`."""

import os
import random
import sys
from pathlib import Path

from tests.simulation.judge import judge
from tests.simulation.play import play
from tests.simulation.run import kept_seeds, quiet, simulate_seeds
from tests.simulation.script import draw_script


def main(arguments: list[str]) -> int:
    """Returns the exit status: 1 if a history failed."""
    if arguments[:1] == ["--story"]:
        seed = int(arguments[1])
        return _tell(seed, Path(arguments[2] if arguments[2:] else f"history-{seed}.txt"))
    count = int(arguments[0]) if arguments else 100
    seed = int(arguments[1]) if len(arguments) > 1 else random.SystemRandom().randrange(10**8)
    print(f"{count} histories from seed {seed} on, and {len(kept_seeds())} that failed once")
    summary = simulate_seeds([*kept_seeds(), *range(seed, seed + count)])
    print(summary)
    return 1 if summary.failed else 0


def _tell(seed: int, path: Path) -> int:
    with quiet():
        played = play(draw_script(seed))
        verdict = judge(played)
    path.write_text("\n".join(played.story()) + "\n")
    print(verdict)
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # In which order a set of texts is gone through is a chance, too.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
