"""The system calls of a server and of its backup are those that their units let through."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.caller import first_caller, new_id
from tests.support.server import Server

pytestmark = pytest.mark.chaos

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"
FOR_ROOT = {"chown", "fchown", "lchown", "fchownat"}
"""By these root gives files to the owner of their folder; the unit's user never calls them."""


@pytest.fixture(scope="module")
def sets() -> dict[str, list[str]]:
    """The sets of calls that systemd knows, each with its calls and the sets in it."""
    analyze, strace = shutil.which("systemd-analyze"), shutil.which("strace")
    if analyze is None or strace is None:
        pytest.skip("systemd-analyze or strace is not installed")
    words = [analyze, "syscall-filter", "--no-pager"]
    found: dict[str, list[str]] = {}
    for line in subprocess.run(
        words, capture_output=True, text=True, check=True
    ).stdout.splitlines():
        if line.startswith("@"):
            found[line.strip()] = calls = []
        elif line.strip() and not line.strip().startswith("#") and found:
            calls.append(line.strip())
    return found


def expanded(name: str, sets: dict[str, list[str]]) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return set().union(*(expanded(inner, sets) for inner in sets[name]))


def allowed(unit: str, sets: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    for value in re.findall(r"(?m)^SystemCallFilter=(.*)$", (SYSTEMD / unit).read_text()):
        calls = set().union(*(expanded(n, sets) for n in value.removeprefix("~").split()))
        found = found - calls if value.startswith("~") else found | calls
    return found


def called(trace: Path) -> set[str]:
    lines = trace.read_text().splitlines()
    found = (
        re.match(r"(?:\d+ +)?(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)", line) for line in lines
    )
    return {match[1] for match in found if match}


async def test_the_units_let_through_what_is_called(
    tmp_path: Path, sets: dict[str, list[str]]
) -> None:
    server = Server(tmp_path, knobs={})
    trace = tmp_path / "trace"
    # The tracer as a grandchild, so that what is stopped and killed is the server.
    server.launcher = ["strace", "-D", "-f", "-qq", "-o", str(trace)]
    try:
        await server.start()
        async with first_caller(server) as caller:
            await caller.cancel(new_id(), allow_missing=True)
        assert await server.stop() == 0
    finally:
        await server.kill()
    found = called(trace)
    assert {"fdatasync", "accept4", "execve"} <= found
    assert found - FOR_ROOT - allowed("countermand.service", sets) == set()


async def test_the_unit_of_the_backup_lets_through_what_is_called(
    server: Server, tmp_path: Path, sets: dict[str, list[str]]
) -> None:
    backup = tmp_path / "backup.db"
    store = f"--store=sqlite:///{server.store}"
    for name, words in {"backup": [str(backup), store], "check": [str(backup)]}.items():
        trace = tmp_path / f"{name}.trace"
        traced = ["strace", "-f", "-qq", "-o", str(trace), sys.executable, "-m", "countermand"]
        process = await asyncio.create_subprocess_exec(*traced, "store", name, *words)
        assert await process.wait() == 0
        assert called(trace) - FOR_ROOT - allowed("countermand-backup.service", sets) == set()
