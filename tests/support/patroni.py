"""Patroni with etcd: three nodes of PostgreSQL on the loopback, of which one is the leader.

Both are optional: `make patroni` installs Patroni, and the system's packages have etcd. Debian's
own Patroni, 3.0.2, is not taken: it rewinds what was acknowledged.
"""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.pages import PROJECT
from tests.support.ports import free_port
from tests.support.postgres import (
    PASSWORD,
    USER,
    Cluster,
    as_other_user,
    cluster_folder,
    need_postgres,
)

NODES = 3
SECONDS = 90.0
"""In which three nodes are there, or a lost one is back."""
PROGRAM = PROJECT / ".venv/patroni/bin/patroni"
OF_ALL = {
    # The least that Patroni takes: for so long nobody promotes.
    "ttl": 20,
    "loop_wait": 1,
    "retry_timeout": 3,
    "synchronous_mode": True,
    "maximum_lag_on_failover": 1 << 20,
}
PARAMETERS = {
    "fsync": "off",  # a process may be killed, but the power stays on
    "shared_buffers": "32MB",
    "max_connections": 60,
    "wal_log_hints": "on",
    "wal_receiver_timeout": "2s",
    "unix_socket_directories": "",
}


def need_patroni() -> str:
    """Returns the program of etcd, or skips the test."""
    need_postgres()
    if not PROGRAM.exists():
        pytest.skip("Patroni is not installed: make patroni")
    found = shutil.which("etcd")
    if found is None:
        pytest.skip("etcd is not installed (Debian: apt-get install etcd-server)")
    return found


def _start(command: list[Any], log: Path) -> "subprocess.Popen[bytes]":
    """Starts what ends with this process, however that ends."""
    words = [*as_other_user()][:-1] or ["setpriv"]
    if len(words) > 1:
        # Patroni starts itself once more, and the interpreter may be in a folder of root's.
        words += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*words, "--pdeathsig=KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )


class Node(Cluster):
    """One Patroni and its PostgreSQL."""

    def __init__(self, folder: Path, name: str, etcd: int) -> None:
        super().__init__(folder, name)
        self.rest = free_port()
        self._file = folder / f"{name}.yaml"
        self._patroni: subprocess.Popen[bytes] | None = None
        place = f"127.0.0.1:{self.rest}"
        of_node = {"username": USER, "password": PASSWORD}
        configuration = {
            "scope": "countermand",
            "name": name,
            "restapi": {"listen": place, "connect_address": place},
            "etcd3": {"host": f"127.0.0.1:{etcd}"},
            "bootstrap": {
                "dcs": {**OF_ALL, "postgresql": {"use_pg_rewind": True, "parameters": PARAMETERS}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "no-sync"],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self.data),
                "bin_dir": str(need_postgres()),
                "pgpass": str(folder / f"{name}.pgpass"),
                "remove_data_directory_on_diverged_timelines": True,
                "remove_data_directory_on_rewind_failure": True,
                "authentication": {"superuser": of_node, "replication": of_node},
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
            },
        }
        self._file.write_text(yaml.safe_dump(configuration))

    def start(self) -> "Node":
        """Starts Patroni, which starts PostgreSQL, and waits for neither."""
        self._patroni = _start([PROGRAM, self._file], self.log)
        return self

    def answers(self, path: str) -> bool:
        """Whether Patroni says yes to what it is asked."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/{path}", timeout=2) as said:
                return bool(said.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def resign(self) -> None:
        """Has Patroni hand over to the synchronous standby."""
        asked = json.dumps({"leader": self.name}).encode()
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.rest}/switchover", data=asked, timeout=SECONDS
        ) as said:
            assert said.status == 200, said.read()

    def _signal(self, number: signal.Signals) -> None:
        """Sends a signal to Patroni, to PostgreSQL and to all of their children."""
        pids = [self._patroni.pid] if self._patroni is not None else []
        with suppress(OSError, ValueError, IndexError):
            pids.append(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
        for parent in pids:
            family = [parent]
            for pid in family:
                with suppress(OSError):
                    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                    family += map(int, children)
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _end(self) -> None:
        if self._patroni is not None:
            self._patroni.wait(SECONDS)
            self._patroni = None


class Patroni:
    """Three nodes."""

    def __init__(self, folder: Path, etcd: int) -> None:
        self.nodes = [Node(folder, f"node{number}", etcd) for number in range(NODES)]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.url = f"postgresql://{USER}:{PASSWORD}@{hosts}/postgres"

    @property
    def leader(self) -> Node | None:
        """The node that is the leader by its own word, and by no frozen one's."""
        return next((node for node in self.nodes if node.answers("primary")), None)

    @property
    def primary(self) -> Node:
        """The node that takes writes."""
        found = self.leader
        assert found is not None, "no node is the leader"
        return found

    def is_whole(self) -> bool:
        """Whether all nodes run, and the leader has a synchronous standby."""
        leader = self.leader
        others = [node for node in self.nodes if node is not leader]
        follow = all(node.answers("replica") for node in others)
        synchronous = any(node.answers("synchronous") for node in others)
        return leader is not None and follow and synchronous

    def wait_until_whole(self) -> None:
        end = time.monotonic() + SECONDS
        while not self.is_whole():
            if time.monotonic() > end:
                logs = "\n".join("".join(node.log.read_text()[-1500:]) for node in self.nodes)
                raise TimeoutError(f"the nodes are not whole:\n{logs}")
            time.sleep(0.2)  # nothing signals it

    def deadlocks(self) -> int:
        """Returns how often PostgreSQL had to end one."""
        return sum(node.log.read_text().count("deadlock detected") for node in self.nodes)


@contextmanager
def patroni() -> Iterator[Patroni]:
    """Gives three nodes, one of them a synchronous standby."""
    program = need_patroni()
    with cluster_folder() as folder:
        client, peer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        etcd = _start(
            [
                program,
                f"--data-dir={folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
            folder / "etcd.log",
        )
        found = Patroni(folder, int(client.rpartition(":")[2]))
        try:
            for node in found.nodes:
                node.start()
            found.wait_until_whole()
            yield found
        finally:
            for node in found.nodes:
                node.thaw()
                node.kill()
            etcd.kill()
            etcd.wait()
