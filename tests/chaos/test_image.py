"""The image: built and run by a builder without privileges, and its steps in a folder.

Its base image is not fetched: debootstrap makes one that serves as well, a small Debian with
python3, python3-venv and `python`.
"""

import asyncio
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.debian import make_root, run
from tests.support.rootless import OWNER
from tests.support.waiting import until

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not FULL, reason="installs a server for minutes: in the full round alone"),
]

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "container" / "Dockerfile"
BASE = "python:3.11-slim"
OURS, NAME = f"localhost/{BASE}", "localhost/countermand:tested"
PASSED_ON = ("PIP_CERT", "PIP_FIND_LINKS", "PIP_INDEX_URL")
"""What tells pip of an index here; the image itself names none."""


def _logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", "", text)
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _process_of(address: str) -> int:
    """The server that listens there: the builder's own process does not pass signals on."""
    words = ["pgrep", "-f", f"python.*serve --listen {address}"]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return int(found[-1])


class Builder:
    """buildah, without any privilege: as root among users of its own, with a storage of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        home, kept = folder / "home", folder / "storage"
        for made in (folder, home, kept, folder / "running"):
            made.mkdir()
            os.chown(made, OWNER, OWNER)
        self.context = folder / "context"
        """What the image is made of, for those to read who may not read where it is."""
        self.context.mkdir()
        for name in (ROOT / ".dockerignore").read_text().splitlines():
            if name.startswith("!"):
                run("cp", "-r", ROOT / name[1:], self.context)
        run("cp", ROOT / ".dockerignore", DOCKERFILE, self.context)
        run("chmod", "-R", "a+rX", self.context)
        self._words = [sys.executable, "-m", "tests.support.rootless", program]
        self._words += ["--root", str(kept), "--runroot", str(folder / "running")]
        self._environment = os.environ | {
            "BUILDAH_ISOLATION": "chroot",
            "HOME": str(home),
            "STORAGE_DRIVER": "vfs",
            "XDG_RUNTIME_DIR": str(folder / "running"),
            "_CONTAINERS_USERNS_CONFIGURED": "done",
        }

    def __call__(self, *words: str) -> str:
        result = subprocess.run(
            [*self._words, *words],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout.strip()

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._words, *words, env=self._environment, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )


def make_base(builder: Builder, root: Path) -> None:
    """Makes the base image of a system that is made in this folder."""
    make_root(root, "python3", "python3-venv")
    shutil.rmtree(root / "dev")  # nobody may make devices
    (root / "dev").mkdir()
    (root / "usr/bin/python").symlink_to("python3")
    run("chmod", "-R", "a+rX", root)
    container = builder("from", "scratch")
    builder("copy", container, f"{root}/", "/")
    builder("commit", "-q", container, OURS)
    builder("rm", container)


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    program = shutil.which("buildah")
    if program is None:
        pytest.skip("buildah is not installed")
    with TemporaryDirectory(prefix="countermand-image-") as folder:
        os.chmod(folder, 0o711)
        builder = Builder(program, Path(folder) / "builder")
        try:
            builder("images")
        except AssertionError as error:
            pytest.skip(f"buildah does not run here: {str(error)[:200]}")
        make_base(builder, Path(folder) / "root")
        yield builder


async def test_the_image_is_built_and_serves_as_nobody(builder: Builder) -> None:
    options = [f"--env={name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
    for path in ("/etc/pip.conf", os.environ.get("PIP_CERT", "")):
        if path and Path(path).exists():
            options.append(f"--volume={path}:{path}:ro")
    options.append(f"--build-context={BASE}=container-image://{OURS}")
    builder("bud", "--pull-never", *options, "-t", NAME, str(builder.context))
    # Two, since buildah does not end well what runs beside another in one container.
    container, beside = (builder("from", "--pull-never", NAME) for _ in range(2))
    inside = ("run", container, "--")
    assert builder(*inside, "id", "-u") == "10001"
    address = f"127.0.0.1:{_port()}"
    serving = await builder.start(*inside, "countermand", "serve", "--listen", address)
    assert serving.stdout is not None
    said = await asyncio.wait_for(serving.stdout.readline(), 60)
    assert said.decode() == f"listening on {address}\n"
    health = ("run", beside, "--", "countermand", "health", "--server", address)
    assert await asyncio.to_thread(builder, *health) == "SERVING"
    os.kill(_process_of(address), signal.SIGTERM)
    assert await asyncio.wait_for(serving.wait(), 30) == 0
    listed = builder(*inside, "find", "/var/lib/countermand", "-type", "f", "-perm", "600")
    assert "/var/lib/countermand/first-key" in listed.splitlines()
    assert builder(*inside, "sh", "-c", "! touch /opt/x 2>/dev/null && ! command -v pip") == ""


async def test_the_steps_of_the_image_make_a_server_in_a_clean_folder(tmp_path: Path) -> None:
    """Those of the stage that builds, with other paths."""
    lines = _logical_lines(DOCKERFILE.read_text())
    (_, second) = (n for n, line in enumerate(lines) if line.startswith("FROM "))
    source, made = tmp_path / "src", tmp_path / "countermand"
    source.mkdir()
    runs = []
    for line in lines[:second]:
        word, _, rest = line.partition(" ")
        if word == "COPY":
            *names, target = shlex.split(rest)
            for name in names:
                to = source / target if (ROOT / name).is_dir() else source / name
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, to)
        elif word == "RUN":
            runs.append(rest.replace("/opt/countermand", str(made)))
    assert runs
    for step in runs:
        result = await asyncio.to_thread(
            subprocess.run,
            ["sh", "-c", step],
            cwd=source,
            capture_output=True,
            text=True,
            check=False,
        )
        if "from versions: none" in result.stderr:
            pytest.skip("there is no index of packages here")
        assert result.returncode == 0, result.stderr[-2000:]
    assert not (made / "bin" / "pip").exists()
    key = tmp_path / "first-key"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = await asyncio.create_subprocess_exec(
        str(made / "bin" / "countermand"),
        *["serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:///{tmp_path}/countermand.db"],
        *["--first-key-file", str(key)],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=bare,
    )
    assert process.stdout is not None
    said = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    await until(lambda: key.exists() and key.stat().st_size > 0)
    health = await asyncio.create_subprocess_exec(
        str(made / "bin" / "countermand"),
        *["health", "--server", said.removeprefix("listening on ").strip()],
        env=bare,
    )
    assert await health.wait() == 0
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 30) == 0
