"""From the name that an operator gave to the one file that it means."""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from countermand.store.contract import StoreRefused
from countermand.store.names import shown

SCHEME = "sqlite:///"
CONTROLS = r"[\x00-\x1f\x7f]"
NO_PATHS = {
    r"^$|/$|(^|/)\.\.?$": "that is no file",
    r"(?i)^:memory:$": "a store in memory would keep nothing",
    r"(?i)^file:": "a path, and no address, must come behind it",
    r"[?#]": "it takes no options, and no path with ? or #",
    r"(?i)%[0-9a-f]{2}": "a path is taken as it is, and must not be percent-encoded",
    CONTROLS: "no path with control characters is taken",
}
"""What is meant otherwise, or would be taken otherwise by whoever else reads it."""
MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists what is mounted; elsewhere a file cannot be mounted alone."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def path_of(url: str, *, or_else: str = "") -> Path:
    """Returns the path in the address of a store. Raises StoreRefused if it has none, and says what
    else it might have been."""
    if not url.startswith(SCHEME):
        raise StoreRefused(f"the store must be {SCHEME} and a path{or_else}, not {shown(url)}")
    path = url.removeprefix(SCHEME)
    for pattern, why in NO_PATHS.items():
        if re.search(pattern, path):
            raise StoreRefused(f"the store must be {SCHEME} and a path, not {shown(url)} ({why})")
    return Path(path)


def resolve(path: Path) -> Path:
    """Returns the name of the file itself, whichever links lead to it.

    SQLite keeps its log beside that name, so only by it all of a store is found. The file need not
    exist, but its folder must. Raises StoreRefused if the name cannot be that of a store, and
    leaves nothing behind.
    """
    try:
        found = _status(path)
        real = Path(os.path.realpath(path))
        if re.search(CONTROLS, str(real)):
            raise StoreRefused(f"cannot open the store {path}: it leads to {str(real)!a}")
        if found is None:
            # Two dots behind a folder that does not exist would be crossed out.
            _status_of_folder(path.parent)
            _status_of_folder(real.parent)
            if os.path.lexists(real):
                raise StoreRefused(f"cannot open the store {path}: it is a link to itself")
            return real
        check_kind(path, found)
        if not os.path.samestat(found, os.stat(real)):
            raise StoreRefused(f"cannot open the store {path}: its own name cannot be found")
    except OSError as error:
        raise StoreRefused(f"cannot open the store {path}: {error.strerror}") from error
    return real


def check_kind(path: Path, found: os.stat_result) -> None:
    """Raises StoreRefused unless this is a file with one name.

    With two, the log of a server that was killed lies beside one of them, and whoever comes by the
    other would do without it.
    """
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        what = KINDS.get(kind, "no file")
        raise StoreRefused(f"cannot open the store {path}: it is {what}")
    if found.st_nlink > 1:
        raise StoreRefused(
            f"the store {path} has {found.st_nlink} names (hard links), and its log lies beside "
            "one of them alone: keep the one that it is served by, and remove the others"
        )


def check_mount(name: Path, path: Path) -> None:
    """Raises StoreRefused if the file alone was mounted at its path, as into a container.

    Its log would lie beside it, outside of what was mounted, and be lost with the container.
    """
    mounts = b""
    with suppress(OSError):
        mounts = MOUNTS.read_bytes()
    for line in mounts.splitlines():
        if _unescaped(line.split()[4]) == os.fsencode(path):
            raise StoreRefused(
                f"the store {name} is mounted without the folder that it lies in, where its log "
                "has to be: mount the folder"
            )


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _status_of_folder(path: Path) -> None:
    if not stat.S_ISDIR(os.stat(path).st_mode):
        raise NotADirectoryError(0, f"{path} is no folder")


def _unescaped(field: bytes) -> bytes:
    """Returns a path of the list of mounts: blanks and the like are octal in it."""
    head, *rest = field.split(b"\\")
    return head + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)
