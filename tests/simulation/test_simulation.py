"""Histories of fresh seeds, and of those that failed once, keep every promise."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from countermand.core.decide import RULES
from tests.simulation.bugs import BUGS
from tests.simulation.planted import seeds_needed
from tests.simulation.run import quiet
from tests.simulation.script import draw_script
from tests.simulation.shrink import Shrinker, told

ROOT = Path(__file__).parents[2]
GIVEN = os.environ.get("COUNTERMAND_SEED")
SEED = random.Random(f"simulation {GIVEN}" if GIVEN else None).randrange(10**8)
COUNT = 2
"""How many fresh histories are played; `make simulate` plays as many as are asked for."""


@pytest.mark.timeout(300)
def test_fresh_seeds_and_all_that_failed_once_keep_every_promise():
    _simulate(str(COUNT), str(SEED))


def test_a_seed_gives_the_same_history_in_every_process(tmp_path):
    stories = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        _simulate("--story", str(SEED), cwd=folder)
        stories.append((folder / f"history-{SEED}.txt").read_bytes())
    assert stories[0] == stories[1]


def test_a_failing_script_is_cut_to_the_steps_that_make_it_fail():
    script = draw_script(SEED)
    first, last = script.steps[3], script.steps[-3]
    short = Shrinker(script, lambda one: {first, last} <= set(one.steps)).shrink()
    assert short.steps == (first, last)
    assert short.knobs == {}
    assert told(short)[-2:] == [str(first), str(last)]


def test_the_page_for_contributors_lists_every_planted_bug_with_its_rule():
    page = (ROOT / "docs" / "testing.md").read_text()
    listed = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+?) \| \d+ \|$", page)
    assert listed == [(bug.name, bug.rule) for bug in BUGS]


def test_a_planted_bug_is_found_and_leaves_nothing_of_itself():
    (bug,) = [bug for bug in BUGS if bug.name == "lost_request_id"]
    rules = dict(RULES)
    with quiet():
        assert seeds_needed(bug, most=20) is not None
    assert rules == RULES


def _simulate(*arguments: str, cwd: Path = ROOT) -> None:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    paths = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
