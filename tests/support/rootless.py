"""A program in a namespace of users of its own: root in there, and nobody out here.

As `podman` and `buildah` run for people without privileges; here for a test that is root, since to
get so many users at once takes an entry in /etc/subuid.
"""

import ctypes
import os
import sys
from pathlib import Path

USERS = "0 100000 65536"
"""In there from 0 on, out here from 100000 on, so many."""
OWNER = 100000
_NEW_USERS, _NEW_MOUNTS = 0x10000000, 0x00020000


def main(*words: str) -> None:
    """Runs the command, and ends with its status."""
    here, ready = os.pipe()
    there, go = os.pipe()
    child = os.fork()
    if child == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USERS | _NEW_MOUNTS):
            os._exit(77)
        os.write(ready, b"x")
        os.read(there, 1)
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        os.execvp(words[0], words)
    os.close(ready)
    if os.read(here, 1):
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(USERS)
        os.write(go, b"x")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
