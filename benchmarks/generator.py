"""The load generator: builds load.c and runs it against a server."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import CannotMeasureError, RunFailedError, choose_cores, pinned
from benchmarks.servers import Server

SOURCE = Path(__file__).with_name("load.c")
BUILD_FOLDER = Path(__file__).with_name(".build")
FLAGS = ("-O2", "-Wall", "-Wextra")
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Shape:
    """How many calls are in flight: connections, and streams on each."""

    connections: int
    streams: int


FULL = Shape(connections=4, streams=64)
ALONE = Shape(connections=1, streams=1)


@dataclass(frozen=True)
class Run:
    """What one run of the generator measured; refused are streams that had to be sent again."""

    calls: int
    refused: int
    seconds: float
    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    server_cpu_us: float
    server_busy: float
    generator_cpu_us: float
    generator_busy: float


class Generator:
    """Sends prepared bodies to a server, each as one gRPC call."""

    def __init__(self, folder: Path) -> None:
        """Builds the program unless it is built; its input files go to the folder."""
        self._program = build()
        self._folder = folder
        self._core = choose_cores()[1]

    def send(
        self,
        server: Server,
        method: str,
        bodies: Iterable[bytes],
        *,
        repeat: int = 0,
        shape: Shape = FULL,
    ) -> Run:
        """Sends each body once, or the first one `repeat` times, and waits for every answer.

        Raises RunFailedError unless each call was answered with OK: a refused call is cheaper than
        an accepted one, so a rate with refusals in it means nothing.
        """
        command = self._command(server, method, bodies, repeat, shape)
        cpu_before = server.cpu_seconds()
        with pinned(self._core):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS + 10)
        finally:
            process.kill()
        server_cpu = server.cpu_seconds() - cpu_before
        return _read_result(output, server_cpu)

    def _command(
        self, server: Server, method: str, bodies: Iterable[bytes], repeat: int, shape: Shape
    ) -> list[str]:
        bodies_file = self._folder / "bodies"
        bodies_file.write_bytes(b"".join(map(frame, bodies)))
        headers_file = self._folder / "headers"
        headers_file.write_text("".join(f"{name}: {value}\n" for name, value in server.metadata))
        return [
            str(self._program),
            *("--port", str(server.port), "--path", method),
            *("--bodies", str(bodies_file), "--headers", str(headers_file)),
            *("--connections", str(shape.connections), "--streams", str(shape.streams)),
            *("--repeat", str(repeat), "--timeout", str(TIMEOUT_SECONDS)),
        ]


def frame(message: bytes) -> bytes:
    """Puts gRPC's prefix before a message: not compressed, and its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _read_result(output: str, server_cpu: float) -> Run:
    if not output.strip():
        raise RunFailedError("the generator could not reach the server")
    result = json.loads(output)
    calls, seconds = result["calls"], result["seconds"]
    if result["statuses"] != {"0": calls}:
        raise RunFailedError(
            f"of {calls} calls {result['statuses'].get('0', 0)} ended OK and "
            f"{calls - result['answered']} had no answer; first refusal: "
            f"{result['first_failure'] or 'none'}"
        )
    return Run(
        calls=calls,
        refused=result["refused"],
        seconds=seconds,
        rate=result["rate"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        p999_ms=result["p999_ms"],
        server_cpu_us=server_cpu / calls * 1e6,
        server_busy=server_cpu / seconds,
        generator_cpu_us=result["generator_cpu_seconds"] / calls * 1e6,
        generator_busy=result["generator_cpu_seconds"] / seconds,
    )


def build() -> Path:
    """Compiles load.c, once for each version of it, and answers the program.

    Raises CannotMeasureError when there is no C compiler or no libnghttp2 to build with.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise CannotMeasureError("no C compiler found (Debian: apt-get install gcc libc6-dev)")
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    program = BUILD_FOLDER / f"load-{digest}"
    if not program.exists():
        BUILD_FOLDER.mkdir(exist_ok=True)
        _compile(compiler, program)
    return program


def _compile(compiler: str, program: Path) -> None:
    # Built aside and moved into place, so that a build that is broken off leaves nothing to run.
    with tempfile.TemporaryDirectory(dir=BUILD_FOLDER) as folder:
        fresh = Path(folder) / program.name
        command = [compiler, *FLAGS, "-o", str(fresh), str(SOURCE), "-lnghttp2"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode and "nghttp2" in result.stderr:
            raise CannotMeasureError(
                "libnghttp2 and its headers are missing (Debian: apt-get install libnghttp2-dev)"
            )
        if result.returncode:
            reason = next((line for line in result.stderr.splitlines() if "error" in line), "")
            raise CannotMeasureError(f"load.c does not compile: {reason}")
        fresh.replace(program)
