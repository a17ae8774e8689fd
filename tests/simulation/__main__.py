"""Plays histories: `python -m tests.simulation [COUNT] [SEED]`, or one of them, written down in
full: `python -m tests.simulation --story SEED [FILE]`, or cut to the shortest that still fails:
`python -m tests.simulation --shrink SEED [FILE]`."""

import os
import random
import sys
from pathlib import Path

from tests.simulation.judge import judge
from tests.simulation.play import play
from tests.simulation.run import kept_seeds, quiet, simulate_seeds
from tests.simulation.script import Script, draw_script
from tests.simulation.shrink import Shrinker, breaking, told


def main(arguments: list[str]) -> int:
    """Returns the exit status: 1 if a history failed."""
    if arguments[:1] in (["--story"], ["--shrink"]):
        script = draw_script(int(arguments[1]))
        if arguments[0] == "--shrink":
            script = _shrunk(script)
        name = arguments[2] if arguments[2:] else f"history-{script.seed}.txt"
        return _tell(script, Path(name))
    count = int(arguments[0]) if arguments else 100
    seed = int(arguments[1]) if len(arguments) > 1 else random.SystemRandom().randrange(10**8)
    print(f"{count} histories from seed {seed} on, and {len(kept_seeds())} that failed once")
    summary = simulate_seeds([*kept_seeds(), *range(seed, seed + count)])
    print(summary)
    return 1 if summary.failed else 0


def _shrunk(script: Script) -> Script:
    with quiet():
        promises = judge(play(script)).promises
        if not promises:
            return script
        short = Shrinker(script, breaking(promises)).shrink()
    print("\n".join(told(short)))
    return short


def _tell(script: Script, path: Path) -> int:
    with quiet():
        played = play(script)
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
