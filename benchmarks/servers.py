"""The servers under measurement: started on free loopback ports, pinned, stopped at the end."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import CannotMeasureError, RunFailedError, choose_cores, pinned

FLOOR_SERVER = Path(__file__).with_name("floor_server.py")
START_SECONDS = 30
STOP_SECONDS = 20
TICKS = os.sysconf("SC_CLK_TCK")
LISTENING = re.compile(r"^listening on \S+:(\d+)$", re.MULTILINE)
# The key comes as a plain line; a log record is a JSON object and might name a key by its id.
KEY_LINE = re.compile(r"^[^{\n]*?\b(cmd_\S+)", re.MULTILINE)


class Server:
    """A process that serves gRPC on a port of its own."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.port = int(wait_for(process, folder / "stdout", LISTENING))
        self.metadata: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """The CPU time of all its threads so far, user and system, in steps of a clock tick."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        # The name of the program stands in parentheses and may hold spaces: count after it.
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def running(
    command: Sequence[str], folder: Path, core: int | None, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Runs a server in the folder, answers it when it listens, and stops it on the way out."""
    folder.mkdir()
    with (
        (folder / "stdout").open("wb") as stdout,
        (folder / "stderr").open("wb") as stderr,
        pinned(core),
    ):
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stdout, stderr=stderr
        )
    try:
        yield Server(process, folder)
    finally:
        _stop(process)


def wait_for(process: subprocess.Popen[bytes], file: Path, pattern: re.Pattern[str]) -> str:
    """Waits until the pattern shows up in what the process writes, and answers its group."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := pattern.search(file.read_text(errors="replace")):
            return found[1]
        if process.poll() is not None:
            raise RunFailedError(f"a server ended at its start: {_last_line(file.parent)}")
        time.sleep(0.02)
    raise RunFailedError(f"a server was not ready after {START_SECONDS} s")


@contextmanager
def floor(folder: Path) -> Iterator[Server]:
    """The empty RPC, on the core of the servers."""
    command = (sys.executable, str(FLOOR_SERVER))
    with running(command, folder, choose_cores()[0], os.environ) as server:
        yield server


@contextmanager
def collector(folder: Path) -> Iterator[Server]:
    """Takes our server's spans, away from its core, as a collector in production would."""
    command = (sys.executable, str(FLOOR_SERVER))
    with running(command, folder, choose_cores()[1], os.environ) as server:
        yield server


@contextmanager
def countermand(folder: Path, collector_address: str) -> Iterator[Server]:
    """Our server with its defaults, on an empty SQLite store in the folder.

    Settings of the caller's environment are left out. Only the collector's address is set, because
    without one no span is exported and the sampled calls would look cheaper than they are.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    program = shutil.which("countermand", path=path)
    if program is None:
        raise CannotMeasureError("the countermand command is not installed (make install)")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COUNTERMAND_", "OTEL_", "GRPC_"))
    }
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{collector_address}"
    command = (program, "serve", "--listen", "127.0.0.1:0", "--store", "sqlite:///bench.db")
    with running(command, folder, choose_cores()[0], environment) as server:
        key = wait_for(server.process, server.folder / "stderr", KEY_LINE)
        server.metadata = (("x-api-key", key),)
        yield server


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(folder: Path) -> str:
    lines = (folder / "stderr").read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "without a word")
