"""Where PostgreSQL's programs are on this machine, and as whom they run."""

import glob
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OLDEST = 15
ELSEWHERE = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
"""Where packages keep the programs of the server, which need not be in PATH."""
USERS = ("postgres", "nobody")
"""As whom PostgreSQL runs for root, by the first who is there."""


def find_programs(elsewhere: Sequence[str] = ELSEWHERE) -> Path | None:
    """Returns the folder of initdb and postgres, the one that `pg_config` names first; None if they
    are not here."""
    found = []
    if (asked := shutil.which("pg_config")) is not None:
        shown = subprocess.run([asked, "--bindir"], capture_output=True, text=True, check=False)
        found.append(Path(shown.stdout.strip()))
    if (in_path := shutil.which("initdb")) is not None:
        # Debian's links into PATH lead to the folder that has all of them.
        found += [Path(in_path).parent, Path(in_path).resolve().parent]
    for pattern in elsewhere:
        found += sorted(map(Path, glob.glob(pattern)), key=_version, reverse=True)
    return next((folder for folder in found if has_programs(folder)), None)


def has_programs(folder: Path) -> bool:
    """Whether the programs that a cluster takes are in a folder."""
    return all((folder / name).exists() for name in ("initdb", "postgres", "pg_basebackup"))


def major_version(folder: Path) -> int:
    """Returns the version of the programs in a folder, such as 15."""
    command = [folder / "postgres", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", shown)
    return int(found[0]) if found else 0


def other_user() -> dict[str, Any] | None:
    """Returns as whom PostgreSQL is to run, for subprocess: it refuses root. Nothing for anybody
    else; None if there is nobody whom root could run it as."""
    if os.geteuid() != 0:
        return {}
    for name in USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    return None


def _version(folder: Path) -> float:
    found = re.search(r"\d+(\.\d+)?", str(folder))
    return float(found[0]) if found else 0.0
