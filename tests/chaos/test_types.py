"""What type checkers know of an installed client: a right program is clean, a typo is found.

The checkers are of the index that pip knows; without one these tests are skipped.
"""

import subprocess
from pathlib import Path

import pytest

from tests.chaos.test_packaging import pip, sdist, venv, wheel  # noqa: F401

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

PROGRAM = (Path(__file__).parents[1] / "typing" / "program.py").read_text()
TYPOS = [
    ("await client.cancel_group(", "await client.cancel_gruop("),
    ("grace_period=timedelta(0)", "grace_perod=timedelta(0)"),
    ("made.group.group_id, reason", "made.gruop.group_id, reason"),
    ("client.iter_tasks(TaskFilter(", "client.iter_taks(TaskFilter("),
    ("client.create_task(merchant=", "client.create_task(mercant="),
    ("expected_version=1", 'expected_version="1"'),
    ("with closing(client.watch_task(", "with closing(client.watch_tsk("),
    ("taking.captured()", "taking.captred()"),
    ("work.stop.deadline_time", "work.stop.deadlin_time"),
    ('on_stop="offer"', 'on_stop="offr"'),
    ("work.check()", "work.chck()"),
    ("CancelTaskRequest(task_id=", "CancelTaskRequest(taskid="),
    ("stub.CancelTask(", "stub.CancelTsk("),
    ("timeout=1).cancellation.reason", "timeout=1).cancellation.reson"),
    ("Heartbeat(HeartbeatRequest(", "Heartbeat(CancelTaskRequest("),
    ("message.last, FINISH", "message.lst, FINISH"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:  # noqa: F811
    """A Python with the client, what it names for type checkers, and these."""
    folder = tmp_path_factory.mktemp("types")
    return venv(folder / "venv", f"{wheel}[types]", "mypy", "pyright")


def mypy(python: Path, program: Path) -> list[str]:
    words = [python, "-m", "mypy", "--strict", "--no-error-summary", program.name]
    return lines_of(words, program.parent)


def pyright(python: Path, program: Path) -> list[str]:
    words = [python, "-m", "pyright", "--pythonpath", str(python), program.name]
    said = lines_of(words, program.parent)
    if any("npm" in line for line in said):
        pytest.skip("pyright cannot be fetched here")
    return [line for line in said if " error: " in line or " - error" in line]


def lines_of(words: list, folder: Path) -> list[str]:
    result = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    return (result.stdout + result.stderr).splitlines()


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_checker_is_content_with_a_right_program_and_finds_each_typo(
    tmp_path: Path, python: Path, checker
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert checker(python, program) == []
    for typos in (TYPOS[::2], TYPOS[1::2]):  # those of one line are not planted together
        wrong = PROGRAM
        for right, typo in typos:
            assert wrong.count(right) == 1, right
            wrong = wrong.replace(right, typo)
        program.write_text(wrong)
        found = checker(python, program)
        for number, line in enumerate(wrong.splitlines(), 1):
            planted = [typo for _, typo in typos if typo in line]
            # A call over several lines may be blamed at its first one.
            places = [f"program.py:{near}:" for near in (number - 1, number)]
            assert not planted or any(place in each for each in found for place in places), planted
