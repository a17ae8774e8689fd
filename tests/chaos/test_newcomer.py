"""A newcomer's walk: a fresh clone in an empty folder, `make run`, a first cancel by grpcurl up to
CANCELLED, `make demo`, and the beginning of `make test`. Nothing waits for its own sake.

Only in the full round: it installs all that the project needs once more.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.support.ports import free_port

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not FULL, reason="it installs everything anew: COUNTERMAND_CHAOS=full"),
]

ROOT = Path(__file__).parents[2]
MAX_WAIT = 10.0
"""Seconds that a first cancel may take, from the first call on."""
MAX_DEMO = 20.0
"""Seconds that the demo may take, of which its agents work 6, on a machine that is busy."""
TASK = "c0ffee00-0000-4000-8000-000000000100"


class Clone:
    """A fresh clone, and a shell that knows of nothing else."""

    def __init__(self, folder: Path, address: str) -> None:
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True, timeout=120)
        self.folder = folder
        self.address = address
        bare = {
            k: v for k, v in os.environ.items() if not k.startswith(("COUNTERMAND_", "VIRTUAL"))
        }
        self.environment = bare | {"COUNTERMAND_LISTEN": address}
        self.key = ""

    async def start(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *words,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
        )

    async def run(self, *words: str) -> str:
        """Runs a command to its end, which must be well, and returns what it printed."""
        process = await self.start(*words)
        out, err = await process.communicate()
        assert process.returncode == 0, out.decode() + err.decode()
        return out.decode()

    def call(self, method: str, **request: str) -> tuple[str, ...]:
        """Returns the words of a call by grpcurl."""
        header = ("-H", f"x-api-key: {self.key}")
        told = (*header, "-d", json.dumps(request), self.address, f"countermand.v1.{method}")
        return (".venv/bin/grpcurl", "-plaintext", *told)


@pytest.fixture
async def clone(tmp_path: Path) -> Clone:
    return await asyncio.to_thread(Clone, tmp_path / "countermand", f"127.0.0.1:{free_port()}")


async def test_a_newcomer_cancels_a_task_within_seconds_of_the_install(clone: Clone) -> None:
    begin = time.monotonic()
    server = await clone.start("make", "run")
    assert server.stdout is not None
    assert server.stderr is not None
    try:
        while not (line := await server.stdout.readline()).startswith(b"listening on "):
            assert line, (await server.stderr.read()).decode()
        print(f"make run, with its install: {time.monotonic() - begin:.0f} s")
        while not clone.key:
            line = await server.stderr.readline()
            found = re.match(rb"cmd_sandbox_\w+$", line.strip())
            clone.key = found.group().decode() if found else ""

        begin = time.monotonic()
        await clone.run(*clone.call("TaskService/CreateTask", task_id=TASK))
        start = clone.call("AgentService/StartTask", task_id=TASK, agent_id="me")
        fence = json.loads(await clone.run(*start))["fence"]
        watch = await clone.start(*clone.call("CancellationService/WatchTask", task_id=TASK))
        cancel = clone.call("CancellationService/CancelTask", task_id=TASK, reason="fraud")
        assert "TASK_STATE_CANCELLING" in await clone.run(*cancel)
        ended = {"fence": fence, "outcome": "FINISH_OUTCOME_CANCELLED"}
        await clone.run(*clone.call("AgentService/FinishTask", task_id=TASK, **ended))
        shown, _ = await watch.communicate()
        taken = time.monotonic() - begin
        print(f"a first cancel by grpcurl: {taken:.1f} s")
        assert watch.returncode == 0
        assert b"CANCEL_PROOF_ACKNOWLEDGED" in shown
        assert taken < MAX_WAIT

        begin = time.monotonic()
        assert "have ended CANCELLED" in await clone.run("make", "demo")
        taken = time.monotonic() - begin
        print(f"make demo: {taken:.1f} s")
        assert taken < MAX_DEMO
        await clone.run("make", "test", "ARGS=--collect-only -q")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        await server.communicate()
    assert await clone.run("git", "status", "--porcelain") == ""
