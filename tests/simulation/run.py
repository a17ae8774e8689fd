"""Many histories, one after another."""

import gc
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from tests.chaos.robustness.checks.verdict import Verdict
from tests.simulation.judge import judge
from tests.simulation.play import Played, play
from tests.simulation.script import Script, draw_script

REGRESSIONS = Path(__file__).with_name("regressions.txt")


class Failed(NamedTuple):
    """A history that broke a promise, or that no check could judge."""

    played: Played
    verdict: Verdict


class Summary(NamedTuple):
    """What came of many histories."""

    count: int
    failed: list[Failed]
    commands: float
    """How many commands the median history had answered."""
    seconds: float

    def __str__(self) -> str:
        rate = self.count / self.seconds
        return (
            f"{self.count} histories in {self.seconds:.1f} s ({rate:.1f} a second), "
            f"{self.commands:g} commands in the median one, {len(self.failed)} failed"
        )


def kept_seeds() -> list[int]:
    """Returns the seeds that failed once."""
    lines = REGRESSIONS.read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


def simulate(scripts: Iterable[Script]) -> Iterator[Failed | Played]:
    """Plays scripts and judges them."""
    with quiet():
        for number, script in enumerate(scripts, start=1):
            played = play(script)
            verdict = judge(played)
            yield played if verdict.passed else Failed(played, verdict)
            if number % 20 == 0:
                gc.collect()


def simulate_seeds(seeds: Iterable[int]) -> Summary:
    """Plays the histories of seeds. Prints each that fails."""
    begin, commands, failed = perf_counter(), [], []
    for found in simulate(map(draw_script, seeds)):
        if isinstance(found, Failed):
            print(f"seed {found.played.script.seed}: {found.verdict}", flush=True)
            if found.verdict.violations:
                failed.append(found)
            found = found.played
        commands.append(found.commands)
    return Summary(len(commands), failed, median(commands), perf_counter() - begin)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the log, which nobody reads, and a collector that has its turn between histories."""
    disabled, hook = logging.root.manager.disable, sys.unraisablehook
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # What dead processes left ends in any way.
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.enable()
        sys.unraisablehook = hook
        logging.disable(disabled)
