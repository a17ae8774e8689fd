"""Plays histories: `python -m tests.simulation [COUNT] [SEED]`. `--seconds` ends it earlier."""

import argparse
import os
import random
import sys
from pathlib import Path

from tests.simulation import coverage
from tests.simulation.judge import judge
from tests.simulation.play import play
from tests.simulation.run import kept_seeds, quiet, simulate_seeds
from tests.simulation.script import Script, draw_script
from tests.simulation.shrink import Shrinker, breaking, told


def main(arguments: list[str]) -> int:
    """Returns the exit status: 1 if a history failed."""
    asked = _parser().parse_args(arguments)
    if asked.covered:
        print("\n".join(coverage.lines()))
        return 0
    if asked.story is not None:
        return _tell(draw_script(asked.story))
    if asked.shrink is not None:
        return _tell(_shrunk(draw_script(asked.shrink)))
    count, kept = asked.count, kept_seeds()
    seed = random.SystemRandom().randrange(10**8) if asked.seed is None else asked.seed
    print(f"{count} histories from seed {seed} on, and {len(kept)} that failed once", flush=True)
    summary = simulate_seeds([*kept, *range(seed, seed + count)], asked.seconds)
    print(summary)
    for name in summary.missing:
        print(f"no history did {name}")
    return 1 if summary.failed or summary.missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=100, help="how many (100)")
    parser.add_argument("seed", nargs="?", type=int, help="the first seed (any)")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin none after so long"
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--story", metavar="SEED", type=int, help="write one history down in full")
    one.add_argument(
        "--shrink", metavar="SEED", type=int, help="cut one that fails to the shortest that does"
    )
    one.add_argument("--covered", action="store_true", help="list what histories are made of")
    return parser


def _shrunk(script: Script) -> Script:
    with quiet():
        promises = judge(play(script)).promises
        if not promises:
            return script
        short = Shrinker(script, breaking(promises)).shrink()
    print("\n".join(told(short)))
    return short


def _tell(script: Script) -> int:
    path = Path(f"history-{script.seed}.txt")
    with quiet():
        played = play(script)
        verdict = judge(played)
    path.write_text("\n".join(played.story()) + "\n")
    print(f"{path}: {verdict}")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # In which order a set of texts is gone through is a chance, too.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
