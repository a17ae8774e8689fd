"""The clients written in C: built once for each version of their sources."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.machine import CannotMeasureError
from benchmarks.servers import Server

SOURCES = Path(__file__).with_name("client")
BUILD_FOLDER = Path(__file__).with_name(".build")
FLAGS = ("-O2", "-Wall", "-Wextra")
SHARED = SOURCES / "http2.c"


def client(name: str) -> Path:
    """Compiles a client, unless that is done, and answers the program.

    Raises CannotMeasureError when there is no C compiler or no libnghttp2 to build with.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise CannotMeasureError("no C compiler found (Debian: apt-get install gcc libc6-dev)")
    source = SOURCES / f"{name}.c"
    digest = hashlib.sha256()
    for file in (source, SHARED, SHARED.with_suffix(".h")):
        digest.update(file.read_bytes())
    program = BUILD_FOLDER / f"{name}-{digest.hexdigest()[:12]}"
    if not program.exists():
        BUILD_FOLDER.mkdir(exist_ok=True)
        _compile(compiler, source, program)
    return program


def _compile(compiler: str, source: Path, program: Path) -> None:
    # Built aside and moved into place, so that a build that is broken off leaves nothing to run.
    with tempfile.TemporaryDirectory(dir=BUILD_FOLDER) as folder:
        fresh = Path(folder) / program.name
        command = [compiler, *FLAGS, "-o", str(fresh), str(source), str(SHARED), "-lnghttp2"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode and "nghttp2" in result.stderr:
            raise CannotMeasureError(
                "libnghttp2 and its headers are missing (Debian: apt-get install libnghttp2-dev)"
            )
        if result.returncode:
            reason = next((line for line in result.stderr.splitlines() if "error" in line), "")
            raise CannotMeasureError(f"{source.name} does not compile: {reason}")
        fresh.replace(program)


def command(
    name: str, server: Server, method: str, bodies: Iterable[bytes], folder: Path
) -> Sequence[str]:
    """Writes what the client is to send into the folder, and answers how to call it."""
    folder.mkdir(exist_ok=True)
    bodies_file, headers_file = folder / "bodies", folder / "headers"
    bodies_file.write_bytes(b"".join(map(frame, bodies)))
    headers_file.write_text("".join(f"{name}: {value}\n" for name, value in server.metadata))
    return [
        str(client(name)),
        *("--port", str(server.port), "--path", method),
        *("--bodies", str(bodies_file), "--headers", str(headers_file)),
    ]


def frame(message: bytes) -> bytes:
    """Puts gRPC's prefix before a message: not compressed, and its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message
