"""Starts PostgreSQL and three replicas on this machine, as `make cluster` does; all end together.

What is kept stands in the folder: the data, the first key, and a log of each process.
"""

import argparse
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from countermand.app.standard_streams import complain, write_line
from deploy.cluster.postgres import Cluster, ClusterFailed, Place
from deploy.cluster.programs import OLDEST, find_programs, has_programs, major_version

PROJECT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
READY_SECONDS = 30.0
PAUSE = 2.0
"""Seconds until a replica that ended is started again, as a supervisor would."""
INSTALL = (
    f"needs PostgreSQL {OLDEST} or newer: apt-get install postgresql (Debian, Ubuntu), or"
    " brew install postgresql@17 (macOS), or name the folder of initdb:"
    " make cluster ARGS='--postgres FOLDER'"
)


class Stopped(Exception):
    """Ctrl-C, SIGTERM, or the terminal is gone: all is to end."""


class Signals:
    """Whether somebody asked for the end. A signal interrupts nothing: what was started is known
    when all is ended."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self._asked = True

    def wait(self, holds: Callable[[], bool], failure: str, seconds: float = READY_SECONDS) -> None:
        """Waits until something holds. Raises ClusterFailed with the text, or Stopped."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise ClusterFailed(failure)
            self.pause(0.02)

    def pause(self, seconds: float) -> None:
        """Waits. Raises Stopped."""
        if not self._asked:
            time.sleep(seconds)
        if self._asked:
            raise Stopped


class Replica:
    """One `countermand serve` on a port of 127.0.0.1."""

    def __init__(self, port: int, cluster: Cluster, folder: Path) -> None:
        self.address = f"127.0.0.1:{port}"
        self.log = folder / f"replica-{port}.log"
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_at: float | None = None

    @property
    def pid(self) -> int:
        """The process to kill."""
        return self._process.pid if self._process is not None else 0

    def start(self, *flags: str) -> None:
        """Starts it, and waits for nothing."""
        self._ended_at = None
        place = ("--listen", self.address, "--store", self._cluster.url)
        with self.log.open("ab") as log:
            # The size tells what this start wrote from what those before it did.
            self._begin = log.tell()
            self._process = subprocess.Popen(
                [BIN / "countermand", "serve", *place, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PGPASSFILE": str(self._cluster.passwords)},
                start_new_session=True,  # a Ctrl-C is for us alone, who end it once
            )

    def is_ready(self) -> bool:
        """Whether it takes calls. Raises ClusterFailed if it has left."""
        said = self.log.read_bytes()[self._begin :].decode(errors="replace")
        if self._process is None or self._process.poll() is not None:
            last = (said.strip().splitlines() or ["it said nothing"])[-1]
            raise ClusterFailed(f"the replica on {self.address} did not start: {last}")
        return f"listening on {self.address}" in said

    def keep(self, say: Callable[[str], None]) -> None:
        """Starts it again a moment after it ended."""
        if self._process is None or (status := self._process.poll()) is None:
            return
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            say(f"the replica on {self.address} ended with status {status}")
        elif time.monotonic() > self._ended_at + PAUSE:
            self.start()
            say(f"the replica on {self.address} is started again, as process {self.pid}")

    def ask_to_end(self) -> None:
        """Lets it drain."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()

    def end(self) -> None:
        """Waits until it has gone."""
        if self._process is not None:
            self._process.wait()


def say(text: str) -> None:
    """Prints one line, if anybody reads it."""
    try:
        write_line(sys.stdout, text)
    except OSError:
        return


def check_ports(ports: list[int]) -> None:
    """Raises ClusterFailed if something listens on one of them."""
    for port in ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            raise ClusterFailed(
                f"port {port} is taken: end what listens there, or take others:"
                f" make cluster ARGS='--port {ports[0] + 1000}'"
            ) from None


def find(named: Path | None) -> Path:
    """Returns the folder of PostgreSQL's programs. Raises ClusterFailed."""
    found = named if named is not None and has_programs(named) else None
    if named is None:
        found = find_programs()
    if found is None or major_version(found) < OLDEST:
        raise ClusterFailed(INSTALL)
    return found


def lock(folder: Path) -> IO[str]:
    """Keeps others from the folder while the file is open. Raises ClusterFailed."""
    file = (folder / "lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ClusterFailed(
            f"another `make cluster` runs on {folder}: end it, or take another folder:"
            " make cluster ARGS='--folder FOLDER'"
        ) from None
    return file


def short(path: Path) -> str:
    """Returns a path as somebody in this folder would type it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def show(cluster: Cluster, replicas: list[Replica], key: Path) -> None:
    """Prints what there is, and what to try."""
    first, second, third = [one.address for one in (replicas * 3)[:3]]
    bin_folder = short(BIN)
    task = uuid.uuid4()
    standby = cluster.standby
    lines = [
        f"primary of PostgreSQL on 127.0.0.1:{cluster.primary.port}, process {cluster.primary.pid}"
    ]
    if standby is not None:
        psql = f"PGPASSFILE={cluster.passwords} psql -h 127.0.0.1 -p {standby.port}"
        lines.append(f"synchronous standby on 127.0.0.1:{standby.port}, process {standby.pid}")
        lines.append(
            f"  once the primary is killed: {psql} -U countermand -c 'SELECT pg_promote()' postgres"
        )
    lines += [f"replica on {one.address}, process {one.pid}" for one in replicas]
    shown = short(key)
    if key.exists():
        lines += [f"key, kept in {shown}:", key.read_text().strip()]
    else:
        lines += [f"the key that was made at the first start is not in {shown} any more"]
    lines += [
        "",
        "Try it in other shells: watch on one replica, create on the second, cancel on the third.",
        f"  export COUNTERMAND_API_KEY=$(cat {shown})",
        f"  {bin_folder}/countermand watch --all --server {first}",
        f'  {bin_folder}/grpcurl -plaintext -H "x-api-key: $COUNTERMAND_API_KEY"'
        f' -d \'{{"task_id": "{task}"}}\' {second} countermand.v1.TaskService/CreateTask',
        f"  {bin_folder}/countermand cancel task {task} --server {third}",
        f"  kill -9 {replicas[-1].pid}   # the others go on; it is started again",
        "",
        "Ctrl-C ends all. The data stays.",
    ]
    for line in lines:
        say(line)


def serve(options: argparse.Namespace, signals: Signals) -> None:
    """Runs all of it until it is to end. Raises ClusterFailed, or Stopped."""
    programs = find(options.postgres)
    ports = [options.port + at for at in range(options.replicas)]
    check_ports(ports)
    place = Place(options.folder)
    key = options.folder / "first-key"
    with lock(options.folder):
        cluster = Cluster(programs, place)
        replicas = [Replica(port, cluster, options.folder) for port in ports]
        try:
            if cluster.is_new:
                key.unlink(missing_ok=True)  # of data that somebody removed
            cluster.start(signals.wait, with_standby=options.standby)
            has_key = key.exists()
            for at, one in enumerate(replicas):
                one.start(*([] if at or has_key else ["--first-key-file", str(key)]))
                if not at:
                    # It makes the schema and the key: the others are to find them.
                    signals.wait(one.is_ready, f"{one.address} is not ready; see {one.log}")
            for one in replicas:
                signals.wait(one.is_ready, f"{one.address} is not ready; see {one.log}")
            show(cluster, replicas, key)
            while True:
                for one in replicas:
                    one.keep(say)
                signals.pause(0.2)
        finally:
            for one in replicas:
                one.ask_to_end()
            for one in replicas:
                one.end()
            cluster.stop()


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="Run PostgreSQL and replicas on this machine.")
    parser.add_argument("--folder", type=Path, default=PROJECT / ".cluster")
    parser.add_argument("--port", type=int, default=50051, help="of the first replica")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--standby", action="store_true", help="with a synchronous standby")
    parser.add_argument("--postgres", type=Path, metavar="FOLDER", help="that initdb is in")
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    try:
        serve(options, Signals())
    except ClusterFailed as failure:
        complain(str(failure))
        return 1
    except Stopped:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
