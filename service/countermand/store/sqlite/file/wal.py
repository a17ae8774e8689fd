"""What SQLite does not say of its write-ahead log: whether something of it is missing.

SQLite reads the log up to the first frame that is not whole, and takes that for its end. So it is
when a transaction was torn. But a log that is damaged further up, or cut off, or not there at all,
looks the same to it, and every commit behind would be gone without a word.

Source of the format: https://www.sqlite.org/walformat.html
"""

import mmap
import os
import struct
import sys
from contextlib import ExitStack
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

HEADER = struct.Struct(">4sIII8sII")
FRAME = struct.Struct(">II8sII")
BIG_ENDIAN, LITTLE_ENDIAN = b"\x37\x7f\x06\x83", b"\x37\x7f\x06\x82"
PAGE = 4096
INDEX = struct.Struct("=12xB3xI12x8s2I")
"""Half of the beginning of the index, the -shm file; the other half is the same."""
IN_FILE = struct.Struct("=96xI")
FRAMES = struct.Struct("=16xI76xI")
ENDING = struct.Struct("=14xHI4x2I8s")
NATIVE = "<" if sys.byteorder == "little" else ">"
LOGS = 1 << 32
YOUNGER_LOGS = 1 << 20
"""The number of a log is one more than that of the log before it in the same file. By so much it
may be ahead of an index that a power cut has left as it once was."""

Checksum = tuple[int, int]


class Index(NamedTuple):
    """What the -shm file says.

    A server that is killed leaves it as it was at the last commit. After a power cut it may be
    older, and never younger than the log.
    """

    frames: int
    """How many frames belong to commits."""
    in_file: int
    """How many of them have reached the file."""
    salt: bytes
    """It tells this log from those that were in the same file before."""


class LastFrame(NamedTuple):
    """The last frame of a log, as the index knows it."""

    place: int | None
    """Where it begins; None in a log without frames."""
    salt: bytes
    first: int
    second: int
    """Both halves of its checksum."""

    def is_in(self, log: int) -> bool:
        """Whether it stands in a log; anything may be behind it."""
        if self.place is None:
            return True
        head = os.pread(log, FRAME.size, self.place)
        if len(head) < FRAME.size:
            return False
        return FRAME.unpack(head)[2:] == (self.salt, self.first, self.second)


class Ending(Enum):
    """What is missing at the end of a log."""

    WHOLE = auto()
    """Nothing."""
    IN_FILE = auto()
    """Something that has reached the file. SQLite would put older pages above it."""
    CUT = auto()
    """The last commits. What is there is the store as it was before them."""
    TORN = auto()
    """Commits of which a part has reached the file."""


def read_index(descriptor: int) -> Index | None:
    """Returns what the -shm file says, or None if that is nothing."""
    data = os.pread(descriptor, IN_FILE.size, 0)
    half = INDEX.size
    if len(data) < IN_FILE.size or data[:half] != data[half : 2 * half]:
        return None
    is_made, frames, salt, *found = INDEX.unpack_from(data)
    if not is_made or _checksum(data[: half - 8], NATIVE, (0, 0)) != tuple(found):
        return None
    return Index(frames, IN_FILE.unpack(data)[0], salt)


class OpenIndex:
    """The -shm file while SQLite has it open, as it is at any moment.

    It is read in memory: each call of the system would let the interpreter's lock go, which a busy
    event loop does not give back at once.
    """

    def __init__(self, path: Path, kept: ExitStack) -> None:
        """Opens it for the file at a path, until the end of `kept`. That must be after the end of
        all connections: closing it drops the locks that SQLite has on it."""
        self._descriptor = os.open(f"{path}-shm", os.O_RDONLY | os.O_CLOEXEC)
        kept.callback(os.close, self._descriptor)
        self._memory = mmap.mmap(self._descriptor, IN_FILE.size, prot=mmap.PROT_READ)
        kept.callback(self._memory.close)

    def read(self) -> Index | None:
        """Returns what it says, or None if that is nothing."""
        return read_index(self._descriptor)

    def counts(self) -> tuple[int, int]:
        """Returns how many frames the log has, and how many of them have reached the file."""
        frames, in_file = FRAMES.unpack_from(self._memory)
        return frames, in_file

    def last_frame(self) -> LastFrame:
        """Returns where the log ends, and with what."""
        page, frames, first, second, salt = ENDING.unpack_from(self._memory)
        size = FRAME.size + (65536 if page == 1 else page)
        return LastFrame(HEADER.size + (frames - 1) * size if frames else None, salt, first, second)

    def sync(self) -> None:
        """Brings it to disk. Raises OSError."""
        os.fsync(self._descriptor)


def ending_of(path: Path, told: Index, frames: int) -> Ending:
    """Returns whether a log, of which SQLite reads so many frames, lacks some that its last index
    spoke of."""
    try:
        with _Log(path) as log:
            if log.salt != told.salt:
                frames = 0
                younger = _number_of(log.salt) - _number_of(told.salt)
                if log.is_begun and younger % LOGS < YOUNGER_LOGS:
                    return Ending.WHOLE
    except FileNotFoundError:
        frames = 0
    if frames >= told.frames or (not frames and told.in_file == told.frames):
        return Ending.WHOLE
    if told.in_file == told.frames:
        return Ending.IN_FILE
    return Ending.CUT if told.in_file <= frames else Ending.TORN


def loses_commits(path: Path, frames: int) -> bool:
    """Whether commits stand in the log behind the place up to which SQLite reads it."""
    with _Log(path) as log:
        return log.has_commits_after(frames)


class _Log:
    """A log, as far as it can be read."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._order = NATIVE
        self._page = PAGE
        self.salt = b""
        self.is_begun = False
        """Whether its header is whole."""
        self._read_header()

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    @property
    def _frame_size(self) -> int:
        return FRAME.size + self._page

    def _read_header(self) -> None:
        head = os.pread(self._descriptor, HEADER.size, 0)
        if len(head) < HEADER.size:
            return
        magic, _, page, _, self.salt, *found = HEADER.unpack(head)
        if magic in (BIG_ENDIAN, LITTLE_ENDIAN):
            order = ">" if magic == BIG_ENDIAN else "<"
            if _checksum(head[:-8], order, (0, 0)) == tuple(found):
                self._order, self._page, self.is_begun = order, page, True
                return
        # The header itself is damaged: which frames are of this log, the first of them says.
        first = os.pread(self._descriptor, FRAME.size, HEADER.size)
        self.salt = FRAME.unpack(first)[2] if len(first) == FRAME.size else b""

    def has_commits_after(self, whole: int) -> bool:
        """Whether, behind so many frames, a commit has a successor that is chained to it.

        Only a commit that was synced has one: what was torn ends the log, what was refused is
        written over from its first frame, and what was there before has another salt.
        """
        commit: Checksum | None = None
        place = HEADER.size + whole * self._frame_size
        while len(head := os.pread(self._descriptor, FRAME.size, place)) == FRAME.size:
            _, pages, salt, *found = FRAME.unpack(head)
            if commit is not None and salt == self.salt:
                data = head[:8] + os.pread(self._descriptor, self._page, place + FRAME.size)
                if _checksum(data, self._order, commit) == tuple(found):
                    return True
            commit = (found[0], found[1]) if pages and salt == self.salt else None
            place += self._frame_size
        return False


def _number_of(salt: bytes) -> int:
    return int.from_bytes(salt[:4])


def _checksum(data: bytes, order: str, seed: Checksum) -> Checksum:
    """Returns SQLite's checksum of some bytes, going on from that of what is before them."""
    pairs = len(data) // 8
    words = struct.unpack(f"{order}{pairs * 2}I", data[: pairs * 8])
    first, second = seed
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
