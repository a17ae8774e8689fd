"""What a service gets that installs the client: little, beside the versions that it has already.

Each is installed into a venv of its own, from a wheel that was built from a source distribution of
this tree, with the index that pip knows; without one these tests are skipped.
"""

import asyncio
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from countermand import __version__
from tests.support.server import Server, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
ROOT = Path(__file__).parents[2]
CLIENT = {"countermand", "googleapis-common-protos", "grpcio", "protobuf", "typing-extensions"}
FLOORS = ("grpcio==1.72.1", "protobuf==6.30.0", "googleapis-common-protos==1.70.0")
BESIDE = ("protobuf<7", "protobuf>=7")
"""What pins versions of what we need: with each, there must be some that both can have."""
OTHERS = ("apache-beam", "snowflake-connector-python", "kfp", "ortools")
"""Packages that pin such versions. pip looks for minutes for what all can have."""
MAX_MEBIBYTES = 30
STORY = """
import asyncio, os
from countermand.client import Client, CountermandError
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_CANCELLED

async def main():
    async with Client(os.environ["ADDRESS"], os.environ["KEY"]) as client:
        task_id = (await client.create_task(merchant="Tea")).task.task_id
        fence = (await client.start_task(task_id, "agent-1")).fence
        await client.cancel_task(task_id, reason="fraud")
        await client.finish_task(task_id, fence, FINISH_OUTCOME_CANCELLED)
        print([m.task.version async for m in client.watch_task(task_id, after_version=0)])
        try:
            await client.cancel_task(task_id)
        except CountermandError as refusal:
            print(refusal.reason)

asyncio.run(main())
"""


def pip(python: Path | str, *arguments: str) -> str:
    """Runs pip, and returns what it prints."""
    words = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    result = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if result.returncode and "from versions: none" in result.stderr:
        pytest.skip("there is no index of packages here")
    assert result.returncode == 0, result.stderr
    return result.stdout


def tracked() -> list[str]:
    """The files of this tree that are under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if name]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree as a source distribution, built from a copy, so that nothing is left beside it."""
    folder = tmp_path_factory.mktemp("sdist")
    subprocess.run(["cp", "--parents", *tracked(), folder], cwd=ROOT, check=True, timeout=60)
    build = "from setuptools import build_meta; build_meta.build_sdist('out')"
    subprocess.run(
        [sys.executable, "-c", build], cwd=folder, capture_output=True, check=True, timeout=120
    )
    [found] = (folder / "out").glob("countermand-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """What users of other systems make of it."""
    pip(sys.executable, "wheel", "-q", "--no-deps", "-w", str(sdist.parent), str(sdist))
    [found] = sdist.parent.glob("countermand-*.whl")
    return found


def venv(folder: Path, *wanted: str) -> Path:
    """Makes a venv, and returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    pip(python, "install", "-q", *wanted)
    return python


async def play(python: Path, server: Server) -> list[str]:
    """Plays a cancel with the client that a Python has, with warnings as errors."""
    environment = {"ADDRESS": server.address, "KEY": server.key, "PATH": os.environ["PATH"]}
    result = await asyncio.to_thread(
        subprocess.run,
        [python, "-W", "error", "-c", STORY],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize("versions", [(), FLOORS], ids=["newest", "floors"])
async def test_a_client_has_little_with_it_and_works_with_the_newest_and_the_oldest_versions(
    tmp_path: Path, wheel: Path, versions: tuple[str, ...]
) -> None:
    python = venv(tmp_path / "venv", str(wheel), *versions)
    listed = json.loads(pip(python, "list", "--format", "json"))
    names = {found["name"].lower().replace("_", "-") for found in listed}
    assert {"countermand", "grpcio", "protobuf"} < names - {"pip", "setuptools"} <= CLIENT
    sizes = [
        path.stat().st_size
        for path in (tmp_path / "venv" / "lib").rglob("*")
        if path.is_file() and not {"pip", "setuptools"} & set(path.parts)
    ]
    print(f"{sum(sizes) / 2**20:.1f} MiB beside pip")
    assert sum(sizes) <= MAX_MEBIBYTES * 2**20
    async with started(tmp_path) as server:
        assert await play(python, server) == ["[1, 2, 3, 4]", "TASK_ALREADY_CANCELLED"]
    helped = await asyncio.to_thread(
        subprocess.run,
        [tmp_path / "venv" / "bin" / "countermand", "--help"],
        capture_output=True,
        check=False,
    )
    assert (helped.returncode, helped.stdout) == (1, b"")
    assert b"pip install 'countermand[cli]'" in helped.stderr
    if not versions:
        pip(python, "install", "-q", f"{wheel}[cli]")
        command = tmp_path / "venv/bin/countermand"
        said = await asyncio.to_thread(subprocess.check_output, [command, "--version"], text=True)
        assert said == f"countermand {__version__}\n"


@pytest.mark.parametrize("other", (*BESIDE, *OTHERS) if FULL else BESIDE)
def test_it_can_be_installed_beside_what_pins_versions(wheel: Path, other: str) -> None:
    pip(
        sys.executable, "install", "-q", "--dry-run", "--ignore-installed", "--no-build-isolation",
        str(wheel), other,
    )  # fmt: skip


@pytest.mark.parametrize("platform", ["win_amd64", "macosx_14_0_arm64"])
def test_there_are_wheels_for_other_systems(tmp_path: Path, wheel: Path, platform: str) -> None:
    pip(
        sys.executable, "download", "-q", "--only-binary=:all:", "--python-version", "3.11",
        "--platform", platform, "-d", str(tmp_path), str(wheel),
    )  # fmt: skip
    assert {path.name.split("-")[0] for path in tmp_path.glob("*.whl")} >= {"grpcio", "protobuf"}


def test_a_source_distribution_has_the_whole_package_its_protos_and_its_licence(
    sdist: Path,
) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in tracked() if name.startswith(("service/", "protos/"))}
    wanted -= {"protos/buf.yaml", "protos/released.binpb"}  # of those who change the protos
    assert wanted | {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_the_protos_are_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True, check=True
    ).stdout
    for path in (ROOT / "protos" / "countermand" / "v1").glob("*.proto"):
        assert f"share/countermand/protos/countermand/v1/{path.name}" in listed
