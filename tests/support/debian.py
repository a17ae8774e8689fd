"""A small Debian in a folder, to install things in that know nothing of this machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SUITE, ITS_PYTHON = "bookworm", (3, 11)


def run(*words: object, **options: object) -> str:
    """Runs a command to its end, which must be well. Returns what it printed."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def make_root(root: Path, *packages: str) -> None:
    """Makes one of the least that Debian is, and these packages. It takes minutes.

    Where that cannot be, the test is skipped.
    """
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("needs debootstrap, and to be root")
    try:
        run("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", SUITE, root)
    except AssertionError as error:
        pytest.skip(f"debootstrap makes no system here: {str(error)[-200:]}")
