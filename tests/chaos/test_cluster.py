"""`make cluster`: PostgreSQL and three servers in one command, and what it prints to try."""

import asyncio
import os
import re
import shlex
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import PROJECT
from tests.support.postgres import need_postgres

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

SECONDS = 60.0
"""Within which anything comes, on a busy machine."""
COMMAND = (sys.executable, "-m", "deploy.cluster.run")
REPLICAS = 3


class Running:
    """A cluster that was started, with what it printed."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, pattern: str) -> re.Match[str]:
        """Returns the first line that has not been looked at and has the pattern in it."""
        async with asyncio.timeout(SECONDS):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line.rstrip("\n"))
                if found := re.search(pattern, line):
                    return found
        raise AssertionError("\n".join(self.lines))

    def to_try(self, part: str) -> str:
        """Returns the command among those to try that has this in it."""
        return next(line.strip() for line in self.lines if part in line)


@asynccontextmanager
async def running(folder: Path, port: int, *flags: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--folder", folder, "--port", str(port), *flags),
        stdout=PIPE,
        stderr=STDOUT,
        cwd=PROJECT,
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def shell(command: str, **environment: str) -> Any:
    """Starts a command as somebody types it."""
    return await asyncio.create_subprocess_exec(
        *("bash", "-c", f"exec {command}"),
        stdout=PIPE,
        stderr=STDOUT,
        cwd=PROJECT,
        env=os.environ | environment,
    )


def free_ports(count: int) -> int:
    """Returns the first of so many ports in a row that nobody listens on."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as found:
            first: int = found.getsockname()[1]
            try:
                for port in range(first + 1, first + count):
                    socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            return first


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a cluster is kept; its data may be elsewhere."""
    yield tmp_path / "made"
    shutil.rmtree((tmp_path / "made" / "data").resolve(), ignore_errors=True)


async def test_three_servers_are_tried_as_is_printed_and_all_end_together(folder):
    need_postgres()
    port = free_ports(REPLICAS)
    async with running(folder, port) as cluster:
        replicas = [await cluster.until(r"^replica on (\S+), process (\d+)$") for _ in range(3)]
        assert [one[1] for one in replicas] == [f"127.0.0.1:{port + at}" for at in range(3)]
        key = (await cluster.until(r"^(cmd_\S+)$"))[1]
        await cluster.until(r"^Ctrl-C ends all")
        task_id = await try_it(cluster, key)
        os.kill(int(shlex.split(cluster.to_try("kill -9"), comments=True)[2]), signal.SIGKILL)
        await cluster.until(rf"^the replica on {replicas[-1][1]} ended")
        await cluster.until(r"is started again")
        cluster.process.send_signal(signal.SIGINT)
        assert await cluster.process.wait() == 0
    assert not any(Path(f"/proc/{one[2]}").exists() for one in replicas)
    if FULL:
        await expect_to_go_on(folder, port, key, task_id)


async def try_it(cluster: Running, key: str) -> str:
    """Does what is printed: a watch on one server shows what is done on the others. Returns the id
    of the task."""
    given = {"COUNTERMAND_API_KEY": key}
    create = cluster.to_try("CreateTask")
    (task_id,) = re.findall(r'"task_id": "([^"]+)"', create)
    watch = await shell(cluster.to_try("countermand watch"), **given)
    assert await (await shell(f"{create} >/dev/null", **given)).wait() == 0
    await until_shown(watch, task_id, "PENDING")
    assert await (await shell(cluster.to_try("countermand cancel"), **given)).wait() == 0
    await until_shown(watch, task_id, "CANCELLED")
    watch.terminate()
    await watch.communicate()
    return task_id


async def until_shown(watch: Any, task_id: str, state: str) -> None:
    async with asyncio.timeout(SECONDS):
        while line := (await watch.stdout.readline()).decode():
            if task_id in line and state in line:
                return
    raise AssertionError(f"the watch ended without {state}")


async def expect_to_go_on(folder: Path, port: int, key: str, task_id: str) -> None:
    """A second start, with a standby now, has what the first one left."""
    async with running(folder, port, "--standby") as again:
        await again.until(r"^synchronous standby")
        assert (await again.until(r"^(cmd_\S+)$"))[1] == key
        await again.until(r"^Ctrl-C ends all")
        command = shlex.join((str(Path(sys.executable).parent / "countermand"), "get", "task"))
        got = await shell(
            f"{command} {task_id} --server 127.0.0.1:{port + 1}", COUNTERMAND_API_KEY=key
        )
        assert "CANCELLED" in (await got.communicate())[0].decode()
        other = ("--folder", str(folder), "--port", str(free_ports(REPLICAS)))
        second = await asyncio.create_subprocess_exec(
            *(*COMMAND, *other), stdout=PIPE, stderr=STDOUT, cwd=PROJECT
        )
        said = (await second.communicate())[0].decode()
        assert second.returncode == 1
        assert re.fullmatch(r"countermand: another `make cluster` runs on .*\n", said)
