"""A primary of PostgreSQL, and a synchronous standby if one is wanted, for replicas on one machine.

The data stays from one start to the next. A standby that was promoted is the primary of the next
start; else it is made anew each time, which takes a second.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.cluster.programs import other_user

USER = "countermand"
STANDBY = "standby"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",  # a replica takes six
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "wal_receiver_timeout": "5s",
}
MAX_SHUTDOWN = 20.0
"""Seconds after which one that does not stop is killed."""


class ClusterFailed(Exception):
    """The cluster cannot start; the text says in one line what to do."""


class Place:
    """Where the data is: beneath a folder of the project, or, where PostgreSQL's user cannot enter
    that, in a folder of its own that the project's has a link to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found = other_user()
        if found is None:
            raise ClusterFailed(
                "PostgreSQL refuses root, and there is no user named postgres or nobody to run it"
                " as: start this as another user"
            )
        self.user: dict[str, Any] = found
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.data = (folder / "data").resolve()
        if not self.data.is_dir():
            self._make()
        self.passwords = self.data / "pgpass"
        """A file for libpq: the password is in no address and on no command line."""
        if not self.passwords.exists():
            self._write_password()

    def _make(self) -> None:
        link = self.folder / "data"
        link.unlink(missing_ok=True)  # one that leads nowhere
        self.data = link.absolute()
        self.data.mkdir(mode=0o700)
        self._give_away()
        if not self._can_enter():
            self.data.rmdir()
            self.data = Path(tempfile.mkdtemp(prefix="countermand-cluster-", dir="/var/tmp"))
            self._give_away()
            link.symlink_to(self.data)

    def _give_away(self) -> None:
        if self.user:
            os.chown(self.data, self.user["user"], self.user["group"])

    def _can_enter(self) -> bool:
        tried = subprocess.run(["test", "-w", str(self.data)], check=False, cwd="/", **self.user)
        return tried.returncode == 0

    def _write_password(self) -> None:
        self.passwords.touch(0o600)
        if self.user:
            os.chown(self.passwords, self.user["user"], self.user["group"])
        self.passwords.write_text(f"127.0.0.1:*:*:{USER}:{secrets.token_urlsafe(24)}\n")


class Postgres:
    """One server of PostgreSQL on a free port of 127.0.0.1."""

    def __init__(self, programs: Path, place: Place, name: str) -> None:
        self.name = name
        self.port = 0
        self.data = place.data / name
        self.log = place.folder / f"{name}.log"
        self._programs = programs
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process to kill; 0 if it does not run."""
        return self._process.pid if self._process is not None else 0

    @property
    def has_ended(self) -> bool:
        """Whether it is not there any more."""
        return self._process is None or self._process.poll() is not None

    def make(self) -> None:
        """Makes the data of an empty one, unless it is there. Raises ClusterFailed."""
        if self.data.exists():
            return
        # Under its name only once it is whole: an initdb that was killed leaves a part.
        unfinished = self.data.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self._place.data / "password"
        password.write_text(self._place.passwords.read_text().rstrip().rpartition(":")[2])
        words = f"--username={USER} --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync"
        self._run("initdb", "-D", str(unfinished), f"--pwfile={password}", *words.split())
        password.unlink()
        unfinished.rename(self.data)

    def copy(self, primary: "Postgres") -> None:
        """Makes its data a copy of a primary's that runs, to follow it. Raises ClusterFailed."""
        shutil.rmtree(self.data, ignore_errors=True)
        asked = f"-D {self.data} -h 127.0.0.1 -p {primary.port} -U {USER} -R -X stream -c fast"
        self._run("pg_basebackup", *asked.split(), "--no-sync")

    def start(self, wait: Callable[[Callable[[], bool], str], None], **settings: str) -> None:
        """Starts it, and lets `wait` wait until it takes connections. Raises ClusterFailed."""
        if (left := _running(self.data)) is not None:
            raise ClusterFailed(
                f"PostgreSQL of an earlier start is still there: end it with `kill -INT {left}`"
            )
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        given = SETTINGS | settings
        options = [word for name in given for word in ("-c", f"{name}={given[name]}")]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self._environment(),
                start_new_session=True,
                **self._place.user,
            )
        wait(self._is_ready, f"PostgreSQL did not start; see {self.log}")

    def _is_ready(self) -> bool:
        if self.has_ended:
            raise ClusterFailed(f"PostgreSQL did not start; see {self.log}")
        lines = _lines(self.data)
        return len(lines) > 7 and lines[7].strip() in ("ready", "standby")

    def stop(self) -> None:
        """Ends it, with the connections that are open."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(MAX_SHUTDOWN)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [self._programs / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=self._environment(),
            start_new_session=True,
            **self._place.user,
        )
        if ended.returncode != 0:
            said = (ended.stderr.strip().splitlines() or [f"status {ended.returncode}"])[-1]
            raise ClusterFailed(f"{program} failed: {said}")

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "PGPASSFILE": str(self._place.passwords)}


class Cluster:
    """A primary, and its standby if it has one."""

    def __init__(self, programs: Path, place: Place) -> None:
        self.primary = Postgres(programs, place, "primary")
        self.standby: Postgres | None = None
        self._after = Postgres(programs, place, STANDBY)
        self.passwords = place.passwords

    def start(self, wait: Callable[[Callable[[], bool], str], None], *, with_standby: bool) -> None:
        """Starts them, the primary first. Raises ClusterFailed."""
        self._take_over()
        self.primary.make()
        if not with_standby:
            shutil.rmtree(self._after.data, ignore_errors=True)
            self.primary.start(wait)
            return
        self.primary.start(wait, synchronous_standby_names=STANDBY)
        self._after.copy(self.primary)
        self.standby = self._after
        follows = f"host=127.0.0.1 port={self.primary.port} user={USER} application_name={STANDBY}"
        self.standby.start(wait, primary_conninfo=follows)

    def _take_over(self) -> None:
        """Goes on with a standby that was promoted: the primary of before has less than it."""
        promoted = self._after.data
        if (promoted / "PG_VERSION").exists() and not (promoted / "standby.signal").exists():
            for data in (self.primary.data, promoted):
                if (left := _running(data)) is not None:
                    raise ClusterFailed(
                        "PostgreSQL of an earlier start is still there: end it with"
                        f" `kill -INT {left}`"
                    )
            shutil.rmtree(self.primary.data, ignore_errors=True)
            promoted.rename(self.primary.data)

    @property
    def is_new(self) -> bool:
        """Whether there is no data yet."""
        return not (self.primary.data.exists() or self._after.data.exists())

    @property
    def url(self) -> str:
        """The store of the replicas."""
        servers = [one for one in (self.primary, self.standby) if one is not None]
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in servers)
        return f"postgresql://{USER}@{hosts}/postgres"

    def stop(self) -> None:
        """Ends them, the primary first: what it committed last goes to its standby before."""
        for one in (self.primary, self.standby):
            if one is not None:
                one.stop()


def _lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _running(data: Path) -> int | None:
    """Returns the process that has the data, if there is one."""
    lines = _lines(data)
    try:
        os.kill(pid := int(lines[0]), 0)
    except (IndexError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        pass
    return pid
