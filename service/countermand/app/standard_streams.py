"""The standard streams, any of which may be closed, full, or without a reader.

Nothing of that may stop a server that serves, or undo what a command has done.
"""

import os
import select
import stat
import sys
from contextlib import suppress
from typing import TextIO

_STREAMS = ("stdin", "stdout", "stderr")


def open_closed_streams() -> None:
    """Opens the null device for each standard stream that is closed.

    Else the next file or socket would take its number, and what is written to that stream, by
    whichever library, would go there; and libuv ends the process when it closes such a socket.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) < len(_STREAMS):
        os.set_inheritable(opened, True)
    os.close(opened)
    for number, name in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def is_shown(stream: TextIO) -> bool:
    """Whether somebody may see what is written there: it is not the null device, and no pipe whose
    reader is gone."""
    try:
        number = stream.fileno()
        found, null = os.fstat(number), os.stat(os.devnull)
    except (OSError, ValueError):  # such as a stream in memory, which is somebody's
        return True
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == null.st_rdev:
        return False
    waiting = select.poll()
    waiting.register(number, 0)
    return not waiting.poll(0)  # it has nothing to tell but that it is broken


def write_line(stream: TextIO, text: str) -> None:
    """Writes one line at once, whole: in one step, lest another's line comes in before its end
    where both streams go to one place. Raises OSError if it cannot be, or if that would wait for a
    reader; but for the latter, nothing more is written to that stream."""
    if not _has_room(stream):
        raise OSError("nobody reads it")
    try:
        write_whole(stream, text)
    except OSError:
        discard(stream)
        raise
    except ValueError as error:  # it was closed by Python
        raise OSError(str(error)) from None


def write_whole(stream: TextIO, text: str) -> None:
    """Writes a line and its end in one step, which `print` does not if the stream is unbuffered.
    Raises what the stream raises."""
    stream.write(f"{text}\n")
    stream.flush()


def _has_room(stream: TextIO) -> bool:
    """Whether a short line can be written there at once."""
    waiting = select.poll()
    try:
        waiting.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # closed, which the writing says, or a stream in memory
        return True
    return bool(waiting.poll(0))


def note(text: str) -> None:
    """Says something on stderr in one line, if anybody sees that."""
    with suppress(OSError):
        write_line(sys.stderr, f"countermand: {text}")


def complain(text: str) -> None:
    """Says in one line why something is refused: on stderr, or on stdout if nobody sees that."""
    for stream in (sys.stderr, sys.stdout):
        if is_shown(stream):
            try:
                write_line(stream, f"countermand: {text}")
                return
            except OSError:
                continue


def flush_streams() -> None:
    """Writes what is not written yet, if it can be: Python would end with a status of its own for
    what cannot."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            discard(stream)


def discard(stream: TextIO) -> None:
    """Lets everything that is written there go nowhere from now on."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
