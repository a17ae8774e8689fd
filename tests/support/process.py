"""What Linux tells of a running process."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.server import Server


def mebibytes(pid: int) -> float:
    """Returns the resident memory of a process; 0 where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    return int(status.read_text().partition("VmRSS:")[2].split()[0]) / 1024


class Usage(NamedTuple):
    """What a process takes."""

    memory: int
    """KiB that are resident."""
    files: int
    """Open descriptors, sockets among them."""
    sockets: int
    threads: int


def usage(server: Server) -> Usage:
    """Returns what the server takes now."""
    assert server.process is not None
    folder = Path(f"/proc/{server.process.pid}")
    files = []
    for file in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            files.append(os.readlink(file))
    return Usage(
        memory=int(mebibytes(server.process.pid) * 1024),
        files=len(files),
        sockets=sum(name.startswith("socket:") for name in files),
        threads=len(list((folder / "task").iterdir())),
    )
