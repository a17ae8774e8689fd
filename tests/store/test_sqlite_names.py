"""The store is one file, however it is named: one lock, one log, and nothing left of a refusal."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from countermand.store.contract import StoreRefused
from countermand.store.sqlite import path_of
from countermand.store.sqlite.file import claim
from tests.support.ask import FIRST_TIME, NS, T1, T2, create
from tests.support.stores import LONG_LOG, Keeper, leave_as_killed, sqlite_store

HOLDER = """
import argparse, asyncio, sys
from pathlib import Path
from countermand.core.knobs import StoreKnobs
from countermand.store.sqlite import SqliteStore
from countermand.store.sqlite.file import claim
claim.sys = argparse.Namespace(platform=sys.argv[2], maxsize=sys.maxsize)
async def main():
    await SqliteStore(Path(sys.argv[1]), StoreKnobs()).open(0)
    print("open", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""

Name = Callable[[Path, Path], Path]
"""Makes another name for a file, in a folder of the test's own."""


def link(file: Path, folder: Path) -> Path:
    name = folder / "link.db"
    name.symlink_to(file)
    return name


def relative_link(file: Path, folder: Path) -> Path:
    name = folder / "relative.db"
    name.symlink_to(os.path.relpath(file, folder))
    return name


def link_to_a_link(file: Path, folder: Path) -> Path:
    name = folder / "second.db"
    name.symlink_to(relative_link(file, folder))
    return name


def linked_folder(file: Path, folder: Path) -> Path:
    (folder / "there").symlink_to(file.parent)
    return folder / "there" / file.name


def link_in_a_linked_folder(file: Path, folder: Path) -> Path:
    return linked_folder(link(file, folder), folder)


def two_slashes(file: Path, folder: Path) -> Path:
    return Path(f"/{file.parent}//.//{file.name}")


def through_the_folder_above(file: Path, folder: Path) -> Path:
    (folder / "aside").mkdir()
    return folder / "aside" / ".." / os.path.relpath(file, folder)


def through_a_linked_folder_and_up(file: Path, folder: Path) -> Path:
    """Two dots lead to what is above the folder itself, not above the link."""
    (file.parent / "below").mkdir()
    (folder / "deep").symlink_to(file.parent / "below")
    return folder / "deep" / ".." / file.name


def relative(file: Path, folder: Path) -> Path:
    return Path(os.path.relpath(file))


def a_descriptor_of_the_folder(file: Path, folder: Path) -> Path:
    return Path(f"/proc/self/fd/{_kept(file.parent)}/{file.name}")


def a_descriptor_of_the_link(file: Path, folder: Path) -> Path:
    """Of a file of another name: one of the store itself would not survive SQLite's own."""
    name = folder / "by-descriptor.db"
    name.symlink_to(f"/proc/self/fd/{_kept(file.parent)}/{file.name}")
    return name


NAMES = [
    link,
    relative_link,
    link_to_a_link,
    linked_folder,
    link_in_a_linked_folder,
    two_slashes,
    through_the_folder_above,
    through_a_linked_folder_and_up,
    relative,
    *(
        [a_descriptor_of_the_folder, a_descriptor_of_the_link]
        if Path("/proc/self/fd").exists()
        else []
    ),
]
every_name = pytest.mark.parametrize("name", NAMES, ids=lambda name: name.__name__)

_descriptors: list[int] = []


def _kept(folder: Path) -> int:
    _descriptors.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    return _descriptors[-1]


@pytest.fixture(autouse=True)
def _descriptors_closed() -> Iterator[None]:
    yield
    while _descriptors:
        os.close(_descriptors.pop())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "store.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


async def opened(name: Path) -> Keeper:
    keeper = Keeper(sqlite_store(name, LONG_LOG))
    await keeper.store.open(FIRST_TIME)
    return keeper


async def filled(file: Path) -> None:
    keeper = await opened(file)
    await keeper.settle_in()
    await keeper.run(create(T1))
    await keeper.store.close()


async def refusal(name: Path) -> str:
    store = sqlite_store(name, LONG_LOG)
    with pytest.raises(StoreRefused) as caught:
        await store.open(FIRST_TIME)
    await store.close()
    text = str(caught.value)
    assert "\n" not in text
    assert str(name) in text
    return text


@asynccontextmanager
async def held_by_another_process(file: Path, platform: str = sys.platform) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(file), platform, stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    try:
        yield
    finally:
        process.kill()
        await process.communicate()


# One lock.


async def test_a_store_in_use_is_refused_by_every_name(file: Path, tmp_path: Path) -> None:
    async with held_by_another_process(file):
        for number, name in enumerate([*NAMES, lambda file, folder: file]):
            folder = tmp_path / str(number)
            folder.mkdir()
            assert "another server has the store" in await refusal(name(file, folder))
        # Nothing that is taken away makes room for a second one, nor does another name.
        Path(f"{file}.lock").unlink()
        assert "another server has the store" in await refusal(file)
        assert not Path(f"{file}.lock").exists()
        moved = file.rename(file.with_name("moved.db"))
        assert "another server has the store" in await refusal(moved)


async def test_the_lock_holds_also_where_there_are_no_locks_of_an_open_file(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: such a lock is gone with the first descriptor of the file that is closed."""
    await filled(file)
    elsewhere = SimpleNamespace(platform="darwin", maxsize=sys.maxsize)
    monkeypatch.setattr(claim, "sys", elsewhere)
    async with held_by_another_process(file, elsewhere.platform):
        Path(f"{file}.lock").unlink()
        assert "another server has the store" in await refusal(link(file, folder))
    again = await opened(file)
    assert "another server has the store" in await refusal(file)
    await again.store.close()


@every_name
async def test_two_stores_of_one_process_are_no_exception(
    file: Path, folder: Path, name: Name
) -> None:
    first = await opened(file)
    assert "another server has the store" in await refusal(name(file, folder))
    await first.store.close()


async def test_a_refused_store_of_one_process_leaves_the_first_its_locks(file: Path) -> None:
    """Closing any descriptor of a file drops the locks that the process has on it."""
    first = await opened(file)
    await refusal(file)
    other = "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0).execute(sys.argv[2])"
    command = [sys.executable, "-c", other, str(file), "PRAGMA journal_mode = DELETE"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert "database is locked" in done.stderr
    await first.settle_in()
    await first.store.close()


# One log.


@every_name
async def test_what_a_killed_server_had_committed_is_there_by_every_name(
    file: Path, folder: Path, name: Name
) -> None:
    keeper = await opened(file)
    await keeper.settle_in()
    await keeper.run(create(T1))
    killed = leave_as_killed(file, folder / "killed")
    await keeper.store.close()
    again = await opened(name(killed, folder))
    assert await again.store.task(NS, T1) is not None
    await again.run(create(T2))
    await again.store.close()
    assert {path.name for path in killed.parent.iterdir()} <= {"store.db", "store.db.lock", "below"}


def damage(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        stream.write(b"damaged!")


@every_name
async def test_a_damaged_log_is_refused_by_every_name(file: Path, folder: Path, name: Name) -> None:
    await filled(file)
    keeper = await opened(file)
    for number in range(20):
        await keeper.run(create(f"{number:08x}-0000-4000-8000-000000000000"))
    killed = leave_as_killed(file, folder / "killed")
    await keeper.store.close()
    damage(Path(f"{killed}-wal"))
    assert "in the middle of store.db-wal" in await refusal(name(killed, folder))


@pytest.mark.parametrize("name", [link, linked_folder, relative], ids=lambda name: name.__name__)
async def test_a_new_store_is_made_where_its_name_leads(
    file: Path, folder: Path, name: Name
) -> None:
    keeper = await opened(name(file, folder))
    assert Path(f"{file}-wal").exists()
    await keeper.store.close()
    assert {path.name for path in file.parent.iterdir()} == {"store.db", "store.db.lock"}


# Names that one log cannot do for.


async def test_a_file_with_two_names_is_refused_by_each(file: Path, folder: Path) -> None:
    keeper = await opened(file)
    await keeper.settle_in()
    await keeper.run(create(T1))
    killed = leave_as_killed(file, folder / "killed")
    await keeper.store.close()
    other = killed.with_name("other.db")
    os.link(killed, other)
    for name in (killed, other):
        assert "has 2 names (hard links)" in await refusal(name)
    other.unlink()
    again = await opened(killed)
    assert await again.store.task(NS, T1) is not None
    await again.store.close()


@contextmanager
def mounted(what: Path, where: Path) -> Iterator[None]:
    """Shows a file or folder at another place, too."""
    if os.geteuid():
        pytest.skip("needs root, to mount")
    done = subprocess.run(["mount", "--bind", what, where], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mount --bind: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", where], check=True)


async def test_a_file_that_is_mounted_without_its_folder_is_refused(
    file: Path, folder: Path
) -> None:
    await filled(file)
    name = folder / "a name.db"
    name.touch()
    with mounted(file, name):
        assert "mount the folder" in await refusal(name)
    assert [path.name for path in folder.iterdir()] == [name.name]


async def test_a_folder_that_is_mounted_elsewhere_too_is_one_more_name(
    file: Path, folder: Path
) -> None:
    first = await opened(file)
    await first.settle_in()
    with mounted(file.parent, folder):
        assert "another server has the store" in await refusal(folder / file.name)
        await first.store.close()
        again = await opened(folder / file.name)
        await again.run(create(T1))
        await again.store.close()
    again = await opened(file)
    assert await again.store.task(NS, T1) is not None
    await again.store.close()


# What is refused is left as it is, and nothing is left beside it.


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))


def a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def a_letter(path: Path) -> None:
    path.write_text("Dear friend,\n" * 99)


def one_byte(path: Path) -> None:
    path.write_bytes(b"S")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def a_link_to_nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere" / "store.db")


def a_link_to_a_strange_name(path: Path) -> None:
    path.symlink_to(path.parent / "two\nlines.db")


def books(path: Path, *settings: str) -> None:
    """Makes the database of another program."""
    with closing(sqlite3.connect(path)) as other:
        for setting in settings:
            other.execute(f"PRAGMA {setting}")
        other.execute("CREATE TABLE books (title)")
        other.commit()


def books_with_a_log(path: Path) -> None:
    books(path, "journal_mode = WAL")


def books_of_a_known_program(path: Path) -> None:
    books(path, "application_id = 1", "user_version = 1")


def a_newer_store(path: Path) -> None:
    books(path, "application_id = 0x436D6E64", "user_version = 4711", "journal_mode = WAL")


REFUSED = {
    a_folder: "it is a folder",
    a_pipe: "it is a pipe",
    a_socket: "it is a socket",
    a_device: "it is a device",
    a_letter: "file is not a database",
    one_byte: "file is not a database",
    a_link_to_itself: "symbolic links",
    a_link_to_nowhere: "No such file or directory",
    a_link_to_a_strange_name: "it leads to",
    books: "is a file of another program",
    books_with_a_log: "is a file of another program",
    books_of_a_known_program: "is a file of another program",
    a_newer_store: "a newer program wrote",
}


def seen(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Returns all that can be seen of a folder's files, and what is in them."""
    found = {}
    for path in folder.iterdir():
        status = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[path.name] = (status.st_ino, status.st_mode, status.st_mtime_ns, data)
    return found


@pytest.mark.parametrize(("make", "why"), REFUSED.items(), ids=[make.__name__ for make in REFUSED])
async def test_a_refused_path_is_left_as_it_is_with_nothing_beside_it(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    path = tmp_path / "store.db"
    make(path)
    before = seen(tmp_path)
    assert why in await refusal(path)
    assert seen(tmp_path) == before


async def test_a_path_below_what_is_no_folder_or_not_there_is_refused(tmp_path: Path) -> None:
    a_letter(tmp_path / "letter")
    before = seen(tmp_path)
    for below in ("letter/store.db", "missing/store.db", "missing/../store.db", "letter/../s.db"):
        assert await refusal(tmp_path / below)
    assert seen(tmp_path) == before


async def test_a_device_is_refused_and_has_no_lock_beside_it() -> None:
    assert "it is a device" in await refusal(Path("/dev/null"))
    assert not Path("/dev/null.lock").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
@pytest.mark.parametrize("mode", [0o000, 0o400])
async def test_a_store_that_may_not_be_written_is_refused(file: Path, mode: int) -> None:
    await filled(file)
    file.chmod(mode)
    before = seen(file.parent)
    assert "Permission denied" in await refusal(file)
    assert seen(file.parent) == before


async def test_a_log_without_its_store_is_refused_and_no_empty_store_is_made(
    file: Path, folder: Path
) -> None:
    """As when the store was moved away while its server was dead, and the log forgotten."""
    first = await opened(file)
    await first.settle_in()
    killed = leave_as_killed(file, folder / "killed")
    await first.store.close()
    killed.unlink()
    before = seen(killed.parent)
    assert "is missing, and its log store.db-wal is there" in await refusal(killed)
    assert seen(killed.parent) == before


# Addresses.


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store.db",
        "sqlite:",
        "sqlite://",
        "sqlite://store.db",
        "sqlite:store.db",
        "postgresql://localhost/store",
        "file:store.db",
        "sqlite:///",
        "sqlite:////",
        "sqlite:///.",
        "sqlite:///..",
        "sqlite:///store.db/",
        "sqlite:///store.db/.",
        "sqlite:///store.db/..",
        "sqlite:///:memory:",
        "sqlite:///:MEMORY:",
        "sqlite:///file:store.db",
        "sqlite:///file::memory:?cache=shared",
        "sqlite:///store.db?mode=ro",
        "sqlite:///?",
        "sqlite:///store.db#top",
        "sqlite:///my%20store.db",
        "sqlite:///store%2Edb",
        "sqlite:///store%00.db",
        "sqlite:///store\0.db",
        "sqlite:///two\nlines.db",
        "sqlite:///store.db\n",
        "sqlite:///\x1b[2J.db",
    ],
)
def test_an_address_that_is_no_path_of_a_file_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        path_of(url)
    text = str(caught.value)
    assert text.startswith("the store must be sqlite:/// and a path, not ")
    assert text.isprintable()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///store.db", "store.db"),
        ("sqlite:////var/lib/store.db", "/var/lib/store.db"),
        ("sqlite:///../100% sure & true.db", "../100% sure & true.db"),
        ("sqlite:///späti:1.db", "späti:1.db"),
    ],
)
def test_any_other_path_is_taken_as_it_is(url: str, path: str) -> None:
    assert path_of(url) == Path(path)
