"""What Linux tells of a running server."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.server import Server


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
    status = (folder / "status").read_text()
    files = []
    for file in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            files.append(os.readlink(file))
    return Usage(
        memory=int(status.partition("VmRSS:")[2].split()[0]),
        files=len(files),
        sockets=sum(name.startswith("socket:") for name in files),
        threads=len(list((folder / "task").iterdir())),
    )
