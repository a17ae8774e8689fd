"""The machine a run is made on: its cores, its disk, and how to say so in the results."""

import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FSYNC_SAMPLES = 200
PAGE = bytes(4096)


class CannotMeasureError(Exception):
    """Something that a measurement needs is missing; the text says what, in one line."""


class RunFailedError(Exception):
    """A run was made, but its figures are void; the text says why, in one line."""


def choose_cores() -> tuple[int | None, int | None]:
    """Answers the core of the servers and that of the generator, or nothing with only one core."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Binds this thread, and with it every process it starts meanwhile, to one core.

    A child inherits it from its first instruction on, so all of its threads keep to that core.
    """
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def fdatasync_ms(folder: Path) -> float:
    """The median time, in milliseconds, of making 4 KiB durable.

    It overwrites what is there, as SQLite does with its log: a file that grows costs more.
    """
    path = folder / "fdatasync"
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(file, PAGE * FSYNC_SAMPLES)
        os.fsync(file)
        times = (_timed_write(file, len(PAGE) * number) for number in range(FSYNC_SAMPLES))
        return statistics.median(times) * 1000
    finally:
        os.close(file)
        path.unlink()


def _timed_write(file: int, offset: int) -> float:
    os.pwrite(file, PAGE, offset)
    started = time.perf_counter()
    os.fdatasync(file)
    return time.perf_counter() - started


def describe() -> dict[str, str | int]:
    """Names what the figures depend on; nothing that tells whose machine it is."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: _version(name) for name in ("grpcio", "uvloop", "protobuf", "countermand")},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
