"""What SQLite does not say of its write-ahead log: whether the middle of it is damaged.

SQLite reads the log up to the first frame that is not whole, and takes that for its end. So it is
when a transaction was torn. But a log that is damaged further up looks the same to it, and every
commit behind the damage would be gone without a word.

Source of the format: https://www.sqlite.org/walformat.html
"""

import os
import struct
import sys
from pathlib import Path

HEADER = struct.Struct(">4sIII8sII")
FRAME = struct.Struct(">II8sII")
BIG_ENDIAN, LITTLE_ENDIAN = b"\x37\x7f\x06\x83", b"\x37\x7f\x06\x82"
PAGE = 4096
WHOLE_FRAMES = struct.Struct("=16xI")
"""Where the index of the log, the -shm file, says how many frames belong to commits."""

Checksum = tuple[int, int]


def loses_commits(log: Path, index: int) -> bool:
    """Whether commits stand in the log behind the place up to which SQLite reads it.

    `index` is a descriptor of the -shm file that SQLite made from this log.
    """
    (whole,) = WHOLE_FRAMES.unpack(os.pread(index, WHOLE_FRAMES.size, 0))
    descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Log(descriptor).has_commits_after(whole)
    finally:
        os.close(descriptor)


class _Log:
    """A log, as far as it can be read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._order = "<" if sys.byteorder == "little" else ">"
        self._page = PAGE
        self._salt = b""
        head = os.pread(descriptor, HEADER.size, 0)
        if len(head) < HEADER.size:
            return
        magic, _, page, _, self._salt, *found = HEADER.unpack(head)
        if magic in (BIG_ENDIAN, LITTLE_ENDIAN):
            order = ">" if magic == BIG_ENDIAN else "<"
            if _checksum(head[:-8], order, (0, 0)) == tuple(found):
                self._order, self._page = order, page
                return
        # The header itself is damaged: which frames are of this log, the first of them says.
        first = os.pread(descriptor, FRAME.size, HEADER.size)
        self._salt = FRAME.unpack(first)[2] if len(first) == FRAME.size else b""

    def has_commits_after(self, whole: int) -> bool:
        """Whether, behind so many frames, a commit has a successor that is chained to it.

        Only a commit that was synced has one: what was torn ends the log, what was refused is
        written over from its first frame, and what was there before has another salt.
        """
        size = FRAME.size + self._page
        commit: Checksum | None = None
        place = HEADER.size + whole * size
        while len(head := os.pread(self._descriptor, FRAME.size, place)) == FRAME.size:
            _, pages, salt, *found = FRAME.unpack(head)
            if commit is not None and salt == self._salt:
                data = head[:8] + os.pread(self._descriptor, self._page, place + FRAME.size)
                if _checksum(data, self._order, commit) == tuple(found):
                    return True
            commit = (found[0], found[1]) if pages and salt == self._salt else None
            place += size
        return False


def _checksum(data: bytes, order: str, seed: Checksum) -> Checksum:
    """Returns SQLite's checksum of some bytes, going on from that of what is before them."""
    pairs = len(data) // 8
    words = struct.unpack(f"{order}{pairs * 2}I", data[: pairs * 8])
    first, second = seed
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
