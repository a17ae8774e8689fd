"""What a release promises to those who have the one before, and what it says of itself."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from countermand import __version__
from tests.support.command import program

ROOT = Path(__file__).parents[2]
BUF_STEP = re.compile(r"step (buf breaking .*)")


def breaking_step() -> list[str]:
    """The words with which `make check` compares the protos with those of the last release."""
    found = BUF_STEP.findall((ROOT / "Makefile").read_text())
    assert len(found) == 1
    return [program("buf"), *found[0].split()[1:]]


def compared(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        breaking_step(), cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the protos with the committed image of the last release."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    return tmp_path


def test_the_protos_break_no_caller_of_the_last_release(tree: Path) -> None:
    result = compared(tree)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("task.proto", r"  string failure_message = \d+;\n", ""),
        ("task.proto", r"string failure_message =", "bytes failure_message ="),
        ("task_service.proto", r"rpc GetTask\(", "rpc FetchTask("),
        ("task.proto", r"TASK_STATE_FAILED = \d+;", "TASK_STATE_FAILED = 77;"),
    ],
    ids=["a field that goes", "another type", "a method that goes", "another number"],
)
def test_what_breaks_callers_makes_the_check_fail(
    tree: Path, file: str, before: str, after: str
) -> None:
    path = tree / "protos" / "countermand" / "v1" / file
    text, count = re.subn(before, after, path.read_text())
    assert count == 1
    path.write_text(text)
    result = compared(tree)
    assert result.returncode != 0
    assert f"{file}:" in result.stdout


def test_the_package_says_where_it_comes_from_and_what_runs_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert project["urls"].keys() == {"Documentation", "Changelog", "Source", "Issues"}
    assert "Programming Language :: Python :: 3.11" in project["classifiers"]
    assert "Typing :: Typed" in project["classifiers"]


def test_the_changelog_has_the_version_or_says_that_it_is_not_released() -> None:
    titles = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text())
    assert titles[0] == "Unreleased"
    assert len(titles) == len(set(titles))
