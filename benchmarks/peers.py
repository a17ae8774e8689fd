"""Other programs to be measured against: found, started on the servers' core, and stopped.

`make bench-peers` installs them; each row whose program is missing is left out.
"""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.machine import CannotMeasureError, choose_cores
from benchmarks.servers import Server, running

ENVIRONMENT = Path(__file__).with_name(".peers")
"""Where `make bench-peers` puts what comes from the Python package index."""
A2A_SERVER = Path(__file__).with_name("a2a_server.py")
ETCD_READY = re.compile(r"serving (?:insecure )?client .*?127\.0\.0\.1:(\d+)")
TEMPORAL_READY = re.compile(r"^Temporal Server: +\S+:(\d+)$", re.MULTILINE)


def find(program: str) -> str:
    """Answers the path of a peer's program. Raises CannotMeasureError if it is not installed."""
    path = os.pathsep.join((str(ENVIRONMENT / "bin"), os.environ.get("PATH", "")))
    found = shutil.which(program, path=path)
    if found is None:
        raise CannotMeasureError(f"{program} is not installed (make bench-peers)")
    return found


def message(*fields: tuple[int, bytes]) -> bytes:
    """Encodes a protobuf message that has only texts and messages, each below 128 bytes."""
    return b"".join(
        bytes((number << 3 | 2, len(value))) + value for number, value in fields if value
    )


@contextmanager
def etcd(folder: Path) -> Iterator[Server]:
    """One etcd on a folder of its own, with its defaults: every Put is synced."""
    client, peer = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
    command = (
        *(find("etcd"), "--data-dir", "data", "--name", "bench"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        *("--initial-cluster", f"bench={peer}"),
    )
    with running(command, folder, _core(), ready=ETCD_READY, says_on="stderr") as server:
        yield server


@contextmanager
def temporal(folder: Path) -> Iterator[Server]:
    """Temporal's development server, with its store in a file."""
    port, ui = map(str, _free_ports(2))
    command = (
        *(find("temporal"), "server", "start-dev", "--headless", "--db-filename", "temporal.db"),
        *("--ip", "127.0.0.1", "--port", port, "--ui-port", ui, "--log-level", "error"),
    )
    with running(command, folder, _core(), ready=TEMPORAL_READY) as server:
        yield server


@contextmanager
def a2a(folder: Path, tasks: int) -> Iterator[Server]:
    """a2a-sdk with so many tasks; see a2a_server.py."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise CannotMeasureError("a2a-sdk is not installed (make bench-peers)")
    command = (str(python), str(A2A_SERVER), str(tasks))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with running(command, folder, _core(), environment) as server:
        yield server


def _core() -> int | None:
    return choose_cores()[0]


def _free_ports(count: int) -> list[int]:
    """Answers ports that are free now: these programs cannot choose one and say which."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
