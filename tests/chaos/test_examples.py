"""The programs of examples/, run as they are against a real server that is killed beneath them."""

import asyncio
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from countermand.v1.cancellation_service_pb2 import ListCancellationsRequest
from countermand.v1.task_pb2 import CHARGE_STATE_CAPTURED
from tests.support.caller import COMPLETED, Caller, first_caller
from tests.support.pages import PROJECT
from tests.support.server import Server, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
CANCELS = 1000 if FULL else 100
SECONDS = 90.0
EXAMPLES = PROJECT / "examples"


GO_PACKAGES = Path("/usr/share/gocode/src/google.golang.org")
COMMANDS = {
    "python": (sys.executable, "{}.py"),
    "node": ("node", "{}.js"),
    "go": ("bin/{}",),
}


def need_node() -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (EXAMPLES / "node/build").exists():
        pytest.skip("npm install was not run in examples/node")


def need_go() -> None:
    """Builds the programs, if what that takes is there; once built they are left as they are."""
    for tool in ("make", "go", "protoc", "protoc-gen-go-grpc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed; examples/go/Makefile says what to install")
    if not all((GO_PACKAGES / name).exists() for name in ("grpc", "protobuf")):
        pytest.skip("Debian's packages of gRPC for Go are not installed")
    built = subprocess.run(["make", "-C", EXAMPLES / "go"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr


@pytest.fixture(scope="module", params=list(COMMANDS))
def language(request: pytest.FixtureRequest) -> str:
    if request.param == "node":
        need_node()
    elif request.param == "go":
        need_go()
    return str(request.param)


class Program:
    """One example that runs."""

    def __init__(self, process: Any) -> None:
        self._process = process

    def tell(self, lines: list[str]) -> None:
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    async def line(self) -> str:
        """Returns the next line that it prints."""
        line = await asyncio.wait_for(self._process.stdout.readline(), SECONDS)
        assert line, (await self._process.stderr.read()).decode()
        return str(line.decode().strip())

    async def rest(self) -> list[str]:
        """Closes its stdin. Returns what it prints until it ends well."""
        self._process.stdin.close()
        out, errors = await asyncio.wait_for(self._process.communicate(), SECONDS)
        assert self._process.returncode == 0, errors.decode()
        return str(out.decode()).splitlines()


@asynccontextmanager
async def running(server: Server, language: str, name: str, *words: str) -> AsyncIterator[Program]:
    command = [word.format(name) for word in COMMANDS[language]]
    own = {"COUNTERMAND_SERVER": server.address, "COUNTERMAND_API_KEY": server.key}
    process = await asyncio.create_subprocess_exec(
        *command,
        *words,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=os.environ | own,
        cwd=EXAMPLES / language,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def all_cancellations(caller: Caller) -> list[Any]:
    found: list[Any] = []
    request = ListCancellationsRequest(page_size=1000)
    while True:
        page = await caller.cancellations.ListCancellations(request)
        found += page.cancellations
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def test_cancels_through_restarts_are_neither_lost_nor_doubled(
    tmp_path: Path, language: str
) -> None:
    async with started(tmp_path) as server, first_caller(server) as caller:
        ids = [task.task_id for task in (await caller.create_group(CANCELS)).tasks]
        async with running(server, language, "canceller") as program:
            lines = []
            part = CANCELS // 4
            for begin in range(0, CANCELS, part):
                program.tell(ids[begin : begin + part // 2])
                lines.append(await program.line())
                await server.kill()
                program.tell(ids[begin + part // 2 : begin + part])
                await server.start()
            lines += await program.rest()
        said = dict(line.split() for line in lines)
        assert len(lines) == CANCELS
        assert set(said) == set(ids)
        kept = await all_cancellations(caller)
        assert {(each.task_id, each.cancellation_id) for each in kept} == set(said.items())
        assert len(kept) == CANCELS
        assert {each.join_count for each in kept} == {0}


async def test_a_watch_through_a_restart_shows_every_version_once_to_the_end(
    tmp_path: Path, language: str
) -> None:
    async with started(tmp_path) as server, first_caller(server) as caller:
        held = await caller.running(lease=600)
        async with running(server, language, "watcher", held.task_id) as program:
            lines = [await program.line(), await program.line()]
            await server.kill()
            await server.start()
            await caller.cancel(held.task_id)
            await caller.finish(held, "CANCELLED")
            lines += await program.rest()
        states = ("PENDING", "RUNNING", "CANCELLING", "CANCELLED")
        assert lines == [f"{n} TASK_STATE_{state}" for n, state in enumerate(states, 1)]


async def test_a_worker_pays_once_for_each_task_through_a_restart(
    tmp_path: Path, language: str
) -> None:
    async with started(tmp_path) as server, first_caller(server) as caller:
        made = await caller.create_group(10, closed=True)
        async with running(server, language, "worker", made.group.group_id) as program:
            lines = [await program.line()]
            await server.kill()
            await server.start()
            lines += await program.rest()
        ids = {task.task_id for task in made.tasks}
        assert sorted(lines) == sorted(f"paid {task_id}" for task_id in ids)
        for task_id in ids:
            task = await caller.get(task_id)
            assert (task.state, task.charge_state) == (COMPLETED, CHARGE_STATE_CAPTURED)


def test_the_programs_in_node_hold_the_types_of_the_protos() -> None:
    need_node()
    checked = subprocess.run(
        ["node_modules/.bin/tsc"], cwd=EXAMPLES / "node", capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
