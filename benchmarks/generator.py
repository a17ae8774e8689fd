"""The load generator: sends unary calls by the client `load`, and reads what it measured."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import command
from benchmarks.machine import RunFailedError, choose_cores, pinned
from benchmarks.servers import Server

TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Shape:
    """How many calls are in flight: connections, and streams on each."""

    connections: int
    streams: int


FULL = Shape(connections=4, streams=64)
LIGHT = Shape(connections=1, streams=8)
ALONE = Shape(connections=1, streams=1)
OPEN = Shape(connections=8, streams=100)
"""Room for whatever is due, below the 1,000 waiting calls at which gRPC begins to refuse."""


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
    longest_ms: float
    server_cpu_us: float
    server_busy: float
    generator_cpu_us: float
    generator_busy: float


class Generator:
    """Sends prepared bodies to a server, each as one gRPC call."""

    def __init__(self, folder: Path) -> None:
        """Its input files go to the folder."""
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
        rate: float = 0,
    ) -> Run:
        """Sends each body once, or the first one `repeat` times, and waits for every answer.

        With a rate they are sent evenly, so many a second, however long others take; the time of
        each counts from when it was due.

        Raises RunFailedError unless each call was answered with OK: a refused call is cheaper than
        an accepted one, so a rate with refusals in it means nothing.
        """
        arguments = [
            *command("load", server, method, bodies, self._folder),
            *("--connections", str(shape.connections), "--streams", str(shape.streams)),
            *("--repeat", str(repeat), "--timeout", str(TIMEOUT_SECONDS), "--rate", str(rate)),
        ]
        cpu_before = server.cpu_seconds()
        with pinned(self._core):
            process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS + 10)
        finally:
            process.kill()
        return _read_result(output, server.cpu_seconds() - cpu_before)


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
        longest_ms=result["longest_ms"],
        server_cpu_us=server_cpu / calls * 1e6,
        server_busy=server_cpu / seconds,
        generator_cpu_us=result["generator_cpu_seconds"] / calls * 1e6,
        generator_busy=result["generator_cpu_seconds"] / seconds,
    )
