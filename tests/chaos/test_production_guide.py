"""The guide of production, followed command by command in a root of its own: Debian with Python and
OpenSSL and nothing else, into which the package is installed from a folder of wheels."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.debian import ITS_PYTHON, make_root, run
from tests.support.pages import PROJECT, pages
from tests.support.pages.session import Session
from tests.support.ports import free_port

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not FULL, reason="installs a system for minutes: in the full round alone"),
]

PAGE = "docs/operations/production.md"
HOME = Path("srv/countermand")


def install(root: Path, *options: str) -> None:
    """Installs what is tested, from the wheels and from nowhere else."""
    pip = f"/{HOME}/.venv/bin/pip"
    package = "countermand[server,cli]"
    run("chroot", root, pip, "install", "-q", "--no-index", "-f", "/wheels", *options, package)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with nothing in it but what the guide needs, and the package in `.venv`."""
    if sys.version_info[:2] != ITS_PYTHON:
        pytest.skip("wheels for this Python are none for that of the root")
    root = tmp_path / "root"
    make_root(root, "python3", "python3-venv", "openssl", "ca-certificates")
    run(
        *(sys.executable, "-m", "pip", "wheel", "-q", "-w", root / "wheels"),
        *("-c", "constraints.txt", ".[server,cli]"),
        cwd=PROJECT,
    )
    (root / HOME).mkdir(parents=True)
    run("chroot", root, "python3", "-m", "venv", f"/{HOME}/.venv")
    install(root)
    return root


async def test_the_guide_ends_with_a_cancel_over_tls_a_backup_a_restore_and_an_upgrade(
    root: Path,
) -> None:
    before, upgrade, after = pages()[PAGE].partition("## Upgrade")
    async with Session(root / HOME, free_port(), root) as session:
        await session.read({PAGE: before})
        # As the guide says it, but for where the wheels are.
        await asyncio.to_thread(install, root, "--upgrade", "--force-reinstall")
        await session.read({PAGE: upgrade + after})
        printed = session.printed
    assert "listening on" in printed
    assert "key created" in printed
    assert "cmd_" not in printed  # of no key more than its id
    assert not (root / HOME / "srv/first-key").exists()
    assert (root / HOME / "backups/friday.db").stat().st_mode & 0o777 == 0o600
