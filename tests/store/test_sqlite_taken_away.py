"""A store whose files are taken away, replaced or overwritten while a server has it open.

SQLite notices nothing of that, and goes on. So whatever is done to whichever file: nothing more is
acknowledged, and all that was is there afterwards, or the next start says in one line what is gone.
"""

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.sqlite import SqliteStore
from tests.support.ask import FIRST_TIME, NS, create, uid
from tests.support.stores import (
    LONG_LOG,
    Keeper,
    leave_as_killed,
    put_empty_store,
    sqlite_store,
)

Deed = Callable[[Path, Path], None]
"""Does something to a file, for which another one may be of use: an older backup of it."""


def remove(file: Path, other: Path) -> None:
    file.unlink()


def move(file: Path, other: Path) -> None:
    file.rename(f"{file}.moved")


def put_another_in_its_place(file: Path, other: Path) -> None:
    """As `mv backup.db countermand.db` does."""
    shutil.copy(other, f"{file}.new")
    os.replace(f"{file}.new", file)


def put_itself_in_its_place(file: Path, other: Path) -> None:
    """As some editors and backup programs do."""
    run("cp", "-p", file, f"{file}.new")
    os.replace(f"{file}.new", file)


def empty(file: Path, other: Path) -> None:
    os.truncate(file, 0)


def cut(file: Path, other: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwrite(file: Path, other: Path) -> None:
    """As `cp backup.db countermand.db` does: the file is the same, and has other content."""
    run("cp", other, file)


def touch(file: Path, other: Path) -> None:
    file.touch()


def read(file: Path, other: Path) -> None:
    run("cat", file)


def open_up(file: Path, other: Path) -> None:
    file.chmod(0o644)


TAKEN = [remove, move, put_another_in_its_place, put_itself_in_its_place]
SPOILT = [empty, cut, overwrite]
HARMLESS = [touch, read, open_up]


def run(*command: str | Path) -> None:
    """Another process does it: closing a file here would drop the locks that SQLite has on it."""
    subprocess.run(command, check=True, capture_output=True)


def back_up(path: Path, copy: Path) -> None:
    """As docs/operations/storage.md says to."""
    source = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(copy)) as target:
        source.backup(target)


class Served:
    """An open store, with an older copy of each of its files."""

    def __init__(self, path: Path, older: Path) -> None:
        self.path = path
        self.older = older
        self.backup = older.with_name("backup.db")
        knobs = replace(LONG_LOG, watch_interval=0.01)
        self.keeper = Keeper(sqlite_store(put_empty_store(path), knobs))
        self.count = 0

    async def add(self, count: int = 1) -> None:
        """Commits tasks, each in a batch of its own, and notes those that were acknowledged."""
        for _ in range(count):
            await self.keeper.run(create(uid(self.count + 1)))
            self.count += 1

    def do(self, deed: Deed, ending: str) -> None:
        other = Path(f"{self.older}{ending}") if ending else self.backup
        deed(Path(f"{self.path}{ending}"), other)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    (tmp_path / "store").mkdir()
    served = Served(tmp_path / "store" / "store.db", tmp_path / "older" / "store.db")
    await served.keeper.store.open(FIRST_TIME)
    await served.keeper.settle_in()
    await served.add(20)
    leave_as_killed(served.path, served.older.parent)
    back_up(served.path, served.backup)
    await served.add(20)
    yield served
    await served.keeper.store.close()


async def notices(served: Served, ending: str = "") -> None:
    """It is noticed, and nothing is committed from then on. The commit that finds it is kept if the
    file is still there, and not acknowledged if it is not."""
    if ending == "-shm":
        await served.add()  # This server can do without.
        await notices_without_a_commit(served)
    else:
        with pytest.raises(StoreFailed, match="while the server ran") as caught:
            await served.add()
        assert caught.value.fatal
        served.count += caught.value.committed
        assert not (caught.value.committed and ending == "")
    with pytest.raises(StoreFailed, match="while the server ran") as caught:
        await served.add()
    assert (caught.value.fatal, caught.value.committed) == (True, False)


async def notices_without_a_commit(served: Served) -> None:
    with pytest.raises(StoreFailed, match="while the server ran") as caught:
        await asyncio.wait_for(served.keeper.store.watch(), 10)
    assert (caught.value.fatal, caught.value.committed) == (True, False)


async def tasks_in(path: Path) -> int:
    """Opens a store that must be taken. Returns how many tasks it has."""
    keeper = Keeper(sqlite_store(path, LONG_LOG))
    await keeper.store.open(FIRST_TIME)
    number = 1
    while await keeper.store.task(NS, uid(number)):
        number += 1
    await keeper.store.close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("SELECT count(*) FROM tasks").fetchone() == (number - 1,)
    return number - 1


async def refusal(path: Path) -> str:
    refused = sqlite_store(path, LONG_LOG)
    with pytest.raises(StoreRefused) as caught:
        await refused.open(FIRST_TIME)
    await refused.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


by_name = pytest.mark.parametrize("ending", ["", "-wal", "-shm"], ids=["file", "log", "index"])


def each(deeds: list[Deed]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("deed", deeds, ids=lambda deed: deed.__name__)


@by_name
@each(TAKEN)
async def test_a_file_that_is_taken_away_is_noticed_with_the_next_commit(
    served: Served, ending: str, deed: Deed
) -> None:
    served.do(deed, ending)
    await notices(served, ending)


@by_name
@each(TAKEN)
async def test_a_file_that_is_taken_away_is_noticed_without_a_commit(
    served: Served, ending: str, deed: Deed
) -> None:
    watching = asyncio.create_task(notices_without_a_commit(served))
    served.do(deed, ending)
    await watching
    with pytest.raises(StoreFailed, match="while the server ran"):
        await served.add()


@pytest.mark.parametrize("ending", ["", "-wal"], ids=["file", "log"])
@each(SPOILT)
async def test_a_file_that_is_overwritten_is_noticed(
    served: Served, ending: str, deed: Deed
) -> None:
    served.do(deed, ending)
    await notices(served, ending)


@by_name
@each(HARMLESS)
async def test_a_file_that_is_only_looked_at_is_left_alone(
    served: Served, ending: str, deed: Deed
) -> None:
    served.do(deed, ending)
    await served.add(2)
    assert await tasks_in(leave_as_killed(served.path, served.path.parent / "killed")) == 42


# What is left.


@pytest.mark.parametrize("ending", ["-wal", "-shm"], ids=["log", "index"])
@each(TAKEN)
async def test_without_its_log_or_index_the_file_has_all_that_was_acknowledged(
    served: Served, ending: str, deed: Deed, tmp_path: Path
) -> None:
    served.do(deed, ending)
    await notices(served, ending)
    alone = tmp_path / "alone" / "store.db"
    alone.parent.mkdir()
    run("cp", served.path, alone)
    assert await tasks_in(alone) >= served.count
    # In its place it is taken, unless what was put beside it is older.
    killed = leave_as_killed(served.path, tmp_path / "killed")
    if deed in (put_another_in_its_place, put_itself_in_its_place) and ending == "-wal":
        assert "remove store.db-wal and store.db-shm" in await refusal(killed)
        Path(f"{killed}-wal").unlink()
        Path(f"{killed}-shm").unlink()
    assert await tasks_in(killed) >= served.count


async def test_a_file_that_is_removed_is_put_back_before_the_server_leaves(
    served: Served, tmp_path: Path
) -> None:
    served.do(remove, "")
    await notices(served)
    await served.keeper.store.rescue()
    assert served.path.stat().st_mode & 0o777 == 0o600
    killed = leave_as_killed(served.path, tmp_path / "killed")
    assert await tasks_in(killed) >= served.count
    assert len(list(served.path.parent.iterdir())) == 4


@each([put_another_in_its_place, put_itself_in_its_place])
async def test_a_file_that_has_another_in_its_place_is_saved_beside_it(
    served: Served, deed: Deed, tmp_path: Path
) -> None:
    served.do(deed, "")
    other = served.path.read_bytes()
    await notices(served)
    await served.keeper.store.rescue()
    assert served.path.read_bytes() == other
    (saved,) = served.path.parent.glob("store.db.rescued-*")
    assert saved.stat().st_mode & 0o777 == 0o600
    assert await tasks_in(saved) >= served.count


async def test_what_cannot_be_saved_is_said(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(served.path.parent)
    await notices(served)
    await served.keeper.store.rescue()
    assert "could not be saved: No such file or directory" in caplog.text


@by_name
async def test_nothing_is_saved_that_is_where_it_was(served: Served, ending: str) -> None:
    """Nor what has another name now."""
    served.do(move, ending)
    await notices(served, ending)
    before = sorted(served.path.parent.iterdir())
    await served.keeper.store.rescue()
    assert sorted(served.path.parent.iterdir()) == before


async def test_a_file_that_is_moved_has_all_that_was_acknowledged(
    served: Served, tmp_path: Path
) -> None:
    served.do(move, "")
    await notices(served)
    alone = tmp_path / "alone.db"
    run("cp", f"{served.path}.moved", alone)
    assert await tasks_in(alone) >= served.count
    killed = leave_as_killed(served.path, tmp_path / "killed")
    assert "is missing, and its log store.db-wal is there" in await refusal(killed)


@each([put_another_in_its_place, overwrite])
async def test_another_file_in_its_place_is_not_taken_with_the_log(
    served: Served, deed: Deed, tmp_path: Path
) -> None:
    served.do(deed, "")
    await notices(served)
    killed = leave_as_killed(served.path, tmp_path / "killed")
    assert "do not belong together" in await refusal(killed)
    Path(f"{killed}-wal").unlink()
    Path(f"{killed}-shm").unlink()
    assert await tasks_in(killed) == 20


@each([empty, cut])
async def test_of_a_log_that_was_cut_the_next_start_says_that_commits_are_gone(
    served: Served, deed: Deed, tmp_path: Path
) -> None:
    served.do(deed, "-wal")
    killed = leave_as_killed(served.path, tmp_path / "killed at once")
    assert "the last commits of its log store.db-wal are gone" in await refusal(killed)
    await notices(served, "-wal")
    killed = leave_as_killed(served.path, tmp_path / "killed later")
    assert "the last commits of its log store.db-wal are gone" in await refusal(killed)


async def test_a_folder_that_is_renamed_has_all_and_its_old_name_is_left(
    served: Served, tmp_path: Path
) -> None:
    served.path.parent.rename(tmp_path / "renamed")
    await notices(served)
    killed = leave_as_killed(tmp_path / "renamed" / "store.db", tmp_path / "killed")
    assert await tasks_in(killed) >= served.count
    assert not served.path.parent.exists()


async def test_a_folder_that_is_removed_is_noticed(served: Served) -> None:
    shutil.rmtree(served.path.parent)
    await notices(served)


# The lock.


@each([remove, move, put_itself_in_its_place])
async def test_a_lock_file_that_is_taken_away_is_made_anew_and_changes_nothing(
    served: Served, deed: Deed, caplog: pytest.LogCaptureFixture
) -> None:
    served.do(deed, ".lock")
    assert "another server has the store" in await refusal(served.path)
    watching = asyncio.create_task(served.keeper.store.watch())
    async with asyncio.timeout(10):
        while "made anew" not in caplog.text:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)
    assert Path(f"{served.path}.lock").stat().st_mode & 0o777 == 0o600
    await served.add()
    assert "another server has the store" in await refusal(served.path)
    watching.cancel()
    assert caplog.text.count("made anew") == 1


async def test_a_note_of_distrust_survives_the_lock_file_that_it_stands_in(served: Served) -> None:
    assert isinstance(served.keeper.store, SqliteStore)
    served.keeper.store._file.distrust()
    served.do(remove, ".lock")
    watching = asyncio.create_task(served.keeper.store.watch())
    lock = Path(f"{served.path}.lock")
    async with asyncio.timeout(10):
        while not (lock.exists() and lock.stat().st_size):  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)
    watching.cancel()
