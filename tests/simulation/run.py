"""Many histories, on as many processes as the machine has cores."""

import gc
import logging
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from tests.chaos.robustness.checks.verdict import Verdict
from tests.simulation import coverage
from tests.simulation.judge import judge
from tests.simulation.play import play
from tests.simulation.script import draw_script
from tests.simulation.template import migrated_file

REGRESSIONS = Path(__file__).with_name("regressions.txt")
BETWEEN_COLLECTIONS = 20
"""How many histories are played before what they left is collected."""


class Outcome(NamedTuple):
    """What came of one history."""

    seed: int
    verdict: Verdict
    commands: int
    done: frozenset[str]
    """What was done in it, of what coverage lists."""
    seconds: float
    """Of the processor."""


class Summary(NamedTuple):
    """What came of many histories."""

    outcomes: list[Outcome]
    seconds: float

    @property
    def failed(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.verdict.violations]

    @property
    def missing(self) -> list[str]:
        """What was done in none of them, if they were enough to do all."""
        done = frozenset[str]().union(*(one.done for one in self.outcomes))
        return coverage.missing(done) if len(self.outcomes) >= coverage.ENOUGH else []

    def __str__(self) -> str:
        count = len(self.outcomes)
        used = sum(one.seconds for one in self.outcomes)
        unfinished = sum(bool(one.verdict.unfinished) for one in self.outcomes)
        return (
            f"{count} histories in {self.seconds:.1f} s ({count / self.seconds:.1f} a second, "
            f"{1000 * used / count:.0f} ms of a core each), "
            f"{median(one.commands for one in self.outcomes):g} commands in the median one, "
            f"{len(self.failed)} failed, of {unfinished} an order of calls was not found in time"
        )


def kept_seeds() -> list[int]:
    """Returns the seeds that failed once."""
    lines = REGRESSIONS.read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


def simulate_seeds(seeds: Iterable[int], seconds: float = float("inf")) -> Summary:
    """Plays the histories of seeds, of which none begins after so long. Prints each that fails."""
    begin, outcomes = perf_counter(), []
    with processes() as pool:
        for one in pool.imap_unordered(partial(_simulate, begin + seconds), seeds):
            if one is None:
                continue
            outcomes.append(one)
            if not one.verdict.passed:
                print(f"seed {one.seed}: {one.verdict}", flush=True)
    return Summary(outcomes, perf_counter() - begin)


@contextmanager
def processes() -> Iterator[Pool]:
    """Opens one process for each core, in which all that they need is imported already."""
    migrated_file()
    with quiet(), multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        yield pool


def _simulate(until: float, seed: int) -> Outcome | None:
    """Plays one history, if there is time, in one of the processes."""
    if perf_counter() >= until:
        return None
    begin = process_time()
    played = play(draw_script(seed))
    outcome = Outcome(
        seed, judge(played), played.commands, frozenset(played.done), process_time() - begin
    )
    _counted[0] += 1
    if _counted[0] % BETWEEN_COLLECTIONS == 0:
        gc.collect()
    return outcome


_counted = [0]
"""How many histories this process has played."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without the log, which nobody reads, and a collector that has its turn between histories."""
    disabled, hook = logging.root.manager.disable, sys.unraisablehook
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # What dead processes left ends in any way.
    gc.disable()
    gc.freeze()  # What was imported is not looked through each time.
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()
        gc.enable()
        sys.unraisablehook = hook
        logging.disable(disabled)
