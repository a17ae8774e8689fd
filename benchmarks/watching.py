"""Watchers: keeps streams open by the client `watch`, and hears when all were told."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clients import command
from benchmarks.machine import RunFailedError, choose_cores, pinned
from benchmarks.servers import Server

SECONDS = 120
MAX_STREAMS = 100
"""On one connection; our server takes twice as many."""


@dataclass(frozen=True)
class Told:
    """When the first and the last watcher had a message, in nanoseconds since the Unix epoch."""

    first_ns: int
    last_ns: int


class Watchers:
    """Streams that are open, each of which has had its first message."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        assert process.stdout is not None
        threading.Thread(target=self._collect, args=(process.stdout,), daemon=True).start()
        self._next("opened")

    def told(self) -> Told:
        """Waits until every stream has had its next message."""
        line = self._next("told")
        return Told(line["first_ns"], line["last_ns"])

    def _collect(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._lines.put(line)
        self._lines.put("{}")

    def _next(self, kind: str) -> dict[str, Any]:
        try:
            line: dict[str, Any] = json.loads(self._lines.get(timeout=SECONDS))
        except queue.Empty:
            raise RunFailedError(f"after {SECONDS} s not every watcher was {kind}") from None
        if kind not in line:
            raise RunFailedError(f"a watch ended: {line.get('message') or line or 'no reason'}")
        return line


@contextmanager
def watching(
    server: Server,
    method: str,
    bodies: Iterable[bytes],
    count: int,
    folder: Path,
    *,
    stalls_after: int = 0,
) -> Iterator[Watchers]:
    """Opens so many streams, which send the bodies in turn, and closes them on the way out.

    With `stalls_after` each takes so many bytes and then nothing more.
    """
    connections = -(-count // MAX_STREAMS)
    assert count % connections == 0
    arguments = [
        *command("watch", server, method, bodies, folder),
        *("--connections", str(connections), "--streams", str(count // connections)),
        *("--stalls-after", str(stalls_after)),
    ]
    with pinned(choose_cores()[1]):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        yield Watchers(process)
    finally:
        process.kill()
        process.wait()
