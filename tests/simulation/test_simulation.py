"""Histories of fresh seeds, and of those that failed once, keep every promise."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

GIVEN = os.environ.get("COUNTERMAND_SEED")
SEED = random.Random(f"simulation {GIVEN}" if GIVEN else None).randrange(10**8)
COUNT = 8
"""How many fresh histories are played; `make simulate` plays as many as are asked for."""


@pytest.mark.timeout(300)
def test_fresh_seeds_and_all_that_failed_once_keep_every_promise():
    _simulate(str(COUNT), str(SEED))


def test_a_seed_gives_the_same_history_in_every_process(tmp_path):
    stories = []
    for name in ("first", "second"):
        path = tmp_path / name
        _simulate("--story", str(SEED), str(path))
        stories.append(path.read_bytes())
    assert stories[0] == stories[1]


def _simulate(*arguments: str) -> None:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
