"""PostgreSQL for tests: clusters of their own, which are gone when the process that made them is.

A cluster runs as a user who is not root, since initdb refuses root, and keeps nothing for the next
run. Without PostgreSQL, or psycopg, whoever wants one is skipped with the reason.
"""

import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy.cluster.programs import find_programs, other_user
from tests.support.ports import free_port

SECONDS = 30
"""To start or to stop in, on a busy machine."""
USER, PASSWORD = "postgres", "correct-horse"
SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "fsync": "off",  # a process may be killed, but the power stays on
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "wal_level": "replica",
    "max_wal_senders": "6",
    "wal_receiver_timeout": "2s",
    "wal_retrieve_retry_interval": "200ms",
    "log_line_prefix": "'%m %p %d '",
    "timezone": "'Asia/Kolkata'",  # nobody may depend on it
}
# It outlives who started it: whatever ends that closes the pipe that it reads.
GUARD = """
cat >/dev/null
for file in "$1"/*/postmaster.pid; do
    [ -e "$file" ] || continue
    pid=$(head -n 1 "$file")
    kill -QUIT "$pid" 2>/dev/null
    kill -CONT "$pid" $(cat /proc/"$pid"/task/"$pid"/children 2>/dev/null) 2>/dev/null
    for wait in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null && sleep 0.2; done
done
rm -rf "$1"
"""


programs = cache(find_programs)


def need_postgres() -> Path:
    """Returns the folder of the programs, or skips the test."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed")
    return folder


def as_user() -> dict[str, Any]:
    """As whom a cluster runs, for subprocess: not as root."""
    found = other_user()
    if found is None:
        pytest.skip("PostgreSQL refuses root, and there is no user named postgres or nobody")
    return found


def as_other_user() -> tuple[str, ...]:
    """The words before a command that is not to run as root. Popen's own `user=` forks, which a
    process in which gRPC works must not do."""
    user = as_user()
    if not user:
        return ()
    ids = (f"--reuid={user['user']}", f"--regid={user['group']}")
    return ("setpriv", *ids, "--clear-groups", "--")


class Cluster:
    """One server of PostgreSQL with its own data, on a free port of 127.0.0.1."""

    def __init__(self, folder: Path, name: str, port: int | None = None) -> None:
        """Beneath a folder that its user may enter; on a free port, if none is given."""
        self.name = name
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.port = port or free_port()
        self._folder = folder
        self._names = itertools.count(1)
        self._standbys = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that all others of the cluster are children of."""
        assert self._process is not None
        return self._process.pid

    def url(
        self,
        database: str = "postgres",
        *,
        user: str = USER,
        password: str = PASSWORD,
        port: int | None = None,
    ) -> str:
        """The address of one of its databases; with another port, through what listens there."""
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{database}"

    def make(self, **settings: str) -> "Cluster":
        """Makes the data of an empty cluster, and starts it."""
        secret = self._folder / f"{self.name}.password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        words = f"--username={USER} --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync"
        self._run("initdb", "-D", str(self.data), f"--pwfile={secret}", *words.split())
        self._configure(SETTINGS | settings)
        return self.start()

    def standby(self, port: int | None = None, **settings: str) -> "Cluster":
        """Makes a standby that follows this one, and starts it."""
        other = Cluster(self._folder, f"standby{next(self._standbys)}", port)
        other._standbys = self._standbys  # Names that none has had.
        asked = f"-D {other.data} -d {self.url('postgres')} -R -X stream -c fast --no-sync"
        self._run("pg_basebackup", *asked.split())
        other._configure(
            {
                "primary_conninfo": f"'{self.url()}?application_name={other.name}'",
                "hot_standby": "on",
                **settings,
            }
        )
        return other.start()

    def _configure(self, settings: Mapping[str, str]) -> None:
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> "Cluster":
        """Starts it, and returns once it takes connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *as_other_user(),
                    need_postgres() / "postgres",
                    *("-D", str(self.data), "-p", str(self.port)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait(lambda: self._status() in ("ready", "standby"), "start")
        return self

    def _status(self) -> str:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text()}")
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return ""
        ours = lines and lines[0] == str(self._process.pid)
        return lines[7].strip() if ours and len(lines) > 7 else ""

    def _wait(self, holds: Any, what: str) -> None:
        end = time.monotonic() + SECONDS
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"PostgreSQL did not {what}:\n{self.log.read_text()}")
            time.sleep(0.02)  # nothing signals it

    def kill(self) -> None:
        """Kills it as `kill -9` does, with all of its processes."""
        self._signal(signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        """Lets it stop cleanly, with the connections that are open."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.wait(SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Stops all of its processes where they are: it takes connections and answers nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Sends a signal to the first of its processes, and then to its children."""
        if self._process is None or self._process.poll() is not None:
            return
        parent = self._process.pid
        os.kill(parent, number)
        children = Path(f"/proc/{parent}/task/{parent}/children")
        for child in children.read_text().split() if children.exists() else ():
            try:
                os.kill(int(child), number)
            except ProcessLookupError:
                continue

    def promote(self) -> None:
        """Makes a standby the primary, and returns once it takes writes."""
        self.execute("SELECT pg_promote(wait => true)")

    def set(self, **settings: str) -> None:
        """Changes settings of the running cluster, such as `synchronous_standby_names`."""
        for name, value in settings.items():
            self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")
        for name, value in settings.items():
            self._wait(lambda n=name, v=value: self.value(f"SHOW {n}") == v, f"take {name}")

    def execute(self, sql: str, database: str = "postgres", **options: Any) -> list[Any]:
        """Runs one statement on a connection of its own. Returns the rows, if it has some."""
        import psycopg

        url = self.url(database)
        with psycopg.connect(url, autocommit=True, connect_timeout=5, **options) as connection:
            found = connection.execute(sql.encode())
            return found.fetchall() if found.description else []

    def value(self, sql: str, database: str = "postgres") -> Any:
        """Returns the one value that a statement answers."""
        [(value,)] = self.execute(sql, database)
        return value

    def create_database(self, template: str = "template0") -> str:
        """Returns the name of a new database, a copy of another that nobody is connected to."""
        name = f"test{next(self._names):04}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop_database(self, name: str) -> None:
        """Removes a database, and who is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Gives the URL of a new database, which is gone at the end."""
        name = self.create_database(template)
        try:
            yield self.url(name)
        finally:
            self.drop_database(name)

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [*as_other_user(), need_postgres() / program, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
            cwd="/",
        )
        assert ended.returncode == 0, ended.stderr


@contextmanager
def cluster_folder() -> Iterator[Path]:
    """Gives a folder for clusters. At the end, or when this process dies, they are ended, and it is
    gone."""
    need_postgres()
    folder = Path(tempfile.mkdtemp(prefix="countermand-postgres-"))
    if other := as_user():
        os.chown(folder, other["user"], other["group"])
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield folder
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(SECONDS)


@contextmanager
def started_cluster(**settings: str) -> Iterator[Cluster]:
    """Gives an empty cluster that runs."""
    with cluster_folder() as folder:
        cluster = Cluster(folder, "primary").make(**settings)
        try:
            yield cluster
        finally:
            cluster.stop()
