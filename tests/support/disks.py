"""Disks of a test's own: one that can be filled, and one whose power can be cut."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SHUTDOWN = 0x8004587D
"""The ioctl FS_IOC_SHUTDOWN."""
WITHOUT_FLUSH = 2


def _run(*command: str) -> None:
    """Runs a command that must work; where it cannot, the test is skipped with the reason."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"needs {command[0]}")
    if done.returncode:
        pytest.skip(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


class Disk:
    """A mounted file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, leave: int = 0) -> None:
        """Takes all the room there is, but for so many bytes."""
        with self._filler.open("ab", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        size = self._filler.stat().st_size
        os.truncate(self._filler, max(size - leave, 0))

    def free(self) -> None:
        """Gives the room back."""
        self._filler.unlink()

    def set_read_only(self) -> None:
        """Lets nobody write any more; nobody may have a file open for writing."""
        _run("mount", "-o", "remount,ro", str(self.folder))

    @contextmanager
    def read_only(self, file: Path) -> Iterator[None]:
        """Lets nobody write one file, not even root."""
        _run("mount", "--bind", str(file), str(file))
        try:
            _run("mount", "-o", "remount,bind,ro", str(file))
            yield
        finally:
            subprocess.run(["umount", str(file)], check=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """A disk in memory, of such a size as `4m`."""
    if os.geteuid():
        pytest.skip("needs root, to mount a disk")
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class LoopDisk(Disk):
    """An ext4 file system in a file, whose power can be cut."""

    def __init__(self, image: Path, folder: Path) -> None:
        super().__init__(folder)
        self._image = image

    def mount(self) -> None:
        """Mounts it; what its journal says is done first, as after every cut."""
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        """Unmounts it, once nobody uses it any more."""
        subprocess.run(["umount", str(self.folder)], check=True)

    def cut_power(self) -> None:
        """From now on nothing reaches the disk, also what was written and not synced before."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, WITHOUT_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(descriptor)


@contextmanager
def loop_disk(folder: Path, size: str) -> Iterator[LoopDisk]:
    """A disk in a file beside the folder, mounted."""
    if os.geteuid():
        pytest.skip("needs root, to mount a disk")
    folder.mkdir()
    image = folder.with_suffix(".img")
    _run("truncate", "-s", size, str(image))
    _run("mkfs.ext4", "-q", "-F", str(image))
    disk = LoopDisk(image, folder)
    disk.mount()
    try:
        yield disk
    finally:
        if os.path.ismount(folder):
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
