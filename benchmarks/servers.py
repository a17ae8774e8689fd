"""The servers under measurement: started on free loopback ports, pinned, stopped at the end."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import RunFailedError, choose_cores, pinned

FLOOR_SERVER = Path(__file__).with_name("floor_server.py")
PROGRAM = (sys.executable, "-m", "countermand")
START_SECONDS = 30
STOP_SECONDS = 20
LISTENING = re.compile(r"^listening on \S+:(\d+)$", re.MULTILINE)
# The key comes as a plain line; a log record is a JSON object and might name a key by its id.
KEY_LINE = re.compile(r"^[^{\n]*?\b(cmd_\S+)", re.MULTILINE)


class Server:
    """A process that serves gRPC on a port of its own."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port
        self.metadata: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def memory_kib(self) -> int:
        """The memory that it occupies."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def cpu_seconds(self) -> float:
        """The CPU time of all its threads so far, user and system."""
        # The number of a process's own clock, as clock_getcpuclockid(3) makes it on Linux.
        return time.clock_gettime(~self.process.pid << 3 | 2)


@contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    core: int | None,
    environment: Mapping[str, str] = os.environ,
    *,
    ready: re.Pattern[str] = LISTENING,
    says_on: str = "stdout",
) -> Iterator[Server]:
    """Runs a server in the folder, answers it when it is ready, and stops it on the way out.

    It is ready when it says so by the pattern, whose group is the port.
    """
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
        yield Server(process, folder, int(wait_for(process, folder / says_on, ready)))
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
    with running(command, folder, choose_cores()[0]) as server:
        yield server


@contextmanager
def collector(folder: Path) -> Iterator[Server]:
    """Takes our server's spans, away from its core, as a collector in production would."""
    command = (sys.executable, str(FLOOR_SERVER))
    with running(command, folder, choose_cores()[1]) as server:
        yield server


@contextmanager
def countermand(
    folder: Path,
    collector_address: str,
    *,
    store: Path | str | None = None,
    key: str | None = None,
    source: Path | None = None,
    program: Sequence[str] = PROGRAM,
    spans_every_ms: int | None = None,
) -> Iterator[Server]:
    """Our server with its defaults, on an empty SQLite store in the folder.

    `store` is another file, or the URL of a store. With one that is there already, `key` is one
    that it knows. `source` is a folder with
    another version of the package, `program` what to run in place of `countermand`, and
    `spans_every_ms` when spans are sent if it cannot wait for the default. Settings of the caller's
    environment are left out, but for gRPC's experiments, which the empty RPC has, too. Only the
    collector's address is set, because without one no span is exported and the sampled calls would
    look cheaper than they are.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name == "GRPC_EXPERIMENTS" or not name.startswith(("COUNTERMAND_", "OTEL_", "GRPC_"))
    }
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{collector_address}"
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    if spans_every_ms is not None:
        environment["OTEL_BSP_SCHEDULE_DELAY"] = str(spans_every_ms)
    url = store if isinstance(store, str) else f"sqlite:///{store or 'bench.db'}"
    command = (*program, "serve", "--listen", "127.0.0.1:0", "--store", url)
    with running(command, folder, choose_cores()[0], environment) as server:
        key = key or wait_for(server.process, server.folder / "stderr", KEY_LINE)
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
