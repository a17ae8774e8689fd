"""A power cut without a machine to cut: what was written and not synced is taken back.

In the server's process `note_writes` steps between SQLite and its files. Before each write it saves
what stood there, in a file beside, and drops that when the file is synced. After a kill -9 the
harness lets `cut_power` write it back: the files are as they were at their last sync, as after a
real power cut on a disk that keeps its word. Nothing needs root or a compiler.
"""

import ctypes
import os
import random
import sqlite3
import struct
from ctypes import c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

SUFFIX = ".unsynced"
RECORD = struct.Struct(">qqq")
"""Before each write: where it goes, how many bytes it has, and how long the file was."""

# The name stays a pointer: SQLite keeps it for as long as the file is open.
OPEN_TYPE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
WRITE_TYPE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
CUT_TYPE = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64)
SYNC_TYPE = ctypes.CFUNCTYPE(c_int, c_void_p, c_int)


class Vfs(ctypes.Structure):
    """sqlite3_vfs, as far as its sixth pointer."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("rest", c_void_p * 15),
    )


class Methods(ctypes.Structure):
    """sqlite3_io_methods of version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("rest", c_void_p * 13),
    )


class _Noted:
    """One open file, whose writes are noted until it is synced."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._notes = os.open(path + SUFFIX, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def before_write(self, size: int, offset: int) -> None:
        length = os.fstat(self._file).st_size
        stood = os.pread(self._file, size, offset).ljust(size, b"\0")
        os.write(self._notes, RECORD.pack(offset, size, length) + stood)

    def before_cut(self, size: int) -> None:
        length = os.fstat(self._file).st_size
        self.before_write(max(0, length - size), size)

    def synced(self) -> None:
        os.ftruncate(self._notes, 0)


_kept: list[Any] = []
"""What SQLite points to, for as long as the process lives."""
_files: dict[int, _Noted] = {}
_originals: dict[int, Methods] = {}


def note_writes() -> None:
    """From now on, notes what this process writes through SQLite and has not synced."""
    linked = ctypes.CDLL(library())
    linked.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
    default = linked.sqlite3_vfs_find(None).contents
    ours = Vfs.from_buffer_copy(default)
    open_file = OPEN_TYPE(default.open)

    def open_noted(vfs: int, name: int, file: int, flags: int, out: int) -> int:
        result = open_file(vfs, name, file, flags, out)
        methods = ctypes.cast(file, ctypes.POINTER(ctypes.POINTER(Methods)))
        if result == 0 and name and methods[0]:
            _files[file] = _Noted(os.fsdecode(ctypes.string_at(name)))
            methods[0] = ctypes.pointer(_noting(methods[0].contents))
        return int(result)

    replaced = OPEN_TYPE(open_noted)
    ours.name, ours.open = b"noted", ctypes.cast(replaced, c_void_p)
    _kept.extend((ours, replaced))
    assert linked.sqlite3_vfs_register(ctypes.byref(ours), 1) == 0


def _noting(methods: Methods) -> Methods:
    """Returns the methods of a file with those replaced that change it."""
    key = ctypes.addressof(methods)
    if key in _originals:
        return _originals[key]
    noting = Methods.from_buffer_copy(methods)
    write, cut, sync = (
        WRITE_TYPE(methods.write),
        CUT_TYPE(methods.truncate),
        SYNC_TYPE(methods.sync),
    )

    def write_noted(file: int, data: int, size: int, offset: int) -> int:
        _files[file].before_write(size, offset)
        return int(write(file, data, size, offset))

    def cut_noted(file: int, size: int) -> int:
        _files[file].before_cut(size)
        return int(cut(file, size))

    def sync_noted(file: int, flags: int) -> int:
        result = sync(file, flags)
        if result == 0:
            _files[file].synced()
        return int(result)

    replaced = WRITE_TYPE(write_noted), CUT_TYPE(cut_noted), SYNC_TYPE(sync_noted)
    for name, method in zip(("write", "truncate", "sync"), replaced, strict=True):
        setattr(noting, name, ctypes.cast(method, c_void_p))
    _kept.extend((noting, *replaced))
    _originals[key] = noting
    return noting


def library() -> str | None:
    """Returns the path of the SQLite library that Python itself uses; None if it has its own."""
    sqlite3.connect(":memory:").close()
    maps = Path("/proc/self/maps").read_text().split()
    return next((word for word in maps if "/libsqlite3" in word), None)


def cut_power(store: Path, chosen: random.Random) -> int:
    """Takes back what the dead server's files did not have synced: all of it, or any part, as
    disks write in any order. Returns how many writes were lost."""
    lost = 0
    everything = chosen.random() < 0.5
    for notes in store.parent.glob(f"{store.name}*{SUFFIX}"):
        path = notes.with_name(notes.name.removesuffix(SUFFIX))
        records = _records(notes.read_bytes())
        if not path.exists():
            continue  # a journal that was deleted
        with path.open("r+b") as file:
            for offset, stood, length in reversed(records):
                if everything or chosen.random() < 0.5:
                    file.seek(offset)
                    file.write(stood)
                    if everything:
                        file.truncate(length)
                    lost += 1
        notes.write_bytes(b"")
    shared = store.with_name(f"{store.name}-shm")
    shared.unlink(missing_ok=True)  # it is memory, and no file
    return lost


def _records(data: bytes) -> list[tuple[int, bytes, int]]:
    found, at = [], 0
    while at + RECORD.size <= len(data):
        offset, size, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        found.append((offset, data[at : at + size], length))
        at += size
    return found
