"""Which file and which log belong together: a mixture is never served, and no crash is refused.

SQLite replays whatever log lies beside a file. So every file that may come in the place of a
store's is put beside every log that a killed server may leave there.
"""

import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from countermand.store.contract import StoreRefused
from countermand.store.sqlite.statements import migrations
from tests.support.ask import FIRST_TIME, create, uid
from tests.support.old_store import OldStore
from tests.support.stores import LONG_LOG, Keeper, leave_as_killed, sqlite_store


class Moment:
    """A store as `kill -9` left it at some time, and how many tasks were acknowledged then."""

    def __init__(self, path: Path, count: int, stops: int) -> None:
        self.path = path
        self.count = count
        self.stops = stops
        """How often it was stopped before, which removes its log and index."""

    @property
    def log(self) -> Path:
        return Path(f"{self.path}-wal")

    @property
    def index(self) -> Path:
        return Path(f"{self.path}-shm")


class Life:
    """A store that is stopped and killed, with copies of it at many times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "live" / "store.db"
        self.path.parent.mkdir(parents=True)
        self.count = 0
        self.moments: list[Moment] = []
        self._stops = 0
        self._keeper = Keeper(sqlite_store(self.path, LONG_LOG))

    async def start(self) -> None:
        self._keeper = Keeper(sqlite_store(self.path, LONG_LOG))
        await self._keeper.store.open(FIRST_TIME)

    async def add(self, count: int = 1) -> None:
        """Commits tasks, each in a batch of its own."""
        for _ in range(count):
            self.count += 1
            await self._keeper.run(create(uid(self.count)))

    async def stop(self) -> None:
        await self._keeper.store.close()
        self._stops += 1

    async def restart_after_a_kill(self) -> None:
        killed = self.now()
        await self._keeper.store.close()
        for path in killed.path.parent.iterdir():
            shutil.copy(path, self.path.parent)
        await self.start()

    def now(self) -> Moment:
        """Takes a copy."""
        folder = self.folder / f"copy {len(self.moments)}"
        path = leave_as_killed(self.path, folder)
        self.moments.append(Moment(path, self.count, self._stops))
        return self.moments[-1]


def checkpoint(path: Path, mode: str = "PASSIVE") -> None:
    """Lets the log reach the file. With RESTART, the next commit begins it anew."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()


@pytest.fixture
async def life(tmp_path: Path) -> Life:
    """A store of which there are moments of all kinds; it is stopped."""
    life = Life(tmp_path / "life")
    await life.start()
    life.now()  # nothing yet
    await life._keeper.settle_in()
    await life.add(3)
    life.now()  # all in the log
    checkpoint(life.path)
    life.now()  # all in the file, too
    await life.add(3)
    life.now()  # the log begun anew
    with closing(sqlite3.connect(life.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM tasks").fetchone()
        await life.add(3)
        checkpoint(life.path)
        life.now()  # a part of the log in the file
    await life.add(3)
    await life.restart_after_a_kill()
    life.now()  # the log of two servers
    await life.add(3)
    checkpoint(life.path, "RESTART")
    await life.add(3)
    life.now()
    await life.stop()
    await life.start()
    life.now()  # a server that has done nothing
    await life.add(3)
    life.now()
    await life.stop()
    return life


def put_together(folder: Path, file: Path, log: Path | None, index: Path | None = None) -> Path:
    folder.mkdir()
    path = folder / "store.db"
    shutil.copy(file, path)
    for source, ending in ((log, "-wal"), (index, "-shm")):
        if source is not None:
            shutil.copy(source, f"{path}{ending}")
    return path


async def tasks_in(path: Path) -> int | str:
    """Returns how many tasks a store has, which must be whole, or why it is refused."""
    store = sqlite_store(path, LONG_LOG)
    try:
        await store.open(FIRST_TIME)
    except StoreRefused as refusal:
        await store.close()
        return str(refusal)
    await store.close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tasks, last = raw.execute(
            "SELECT count(*), coalesce(max(task_no), 0) FROM tasks"
        ).fetchone()
    assert tasks == last, "a mixture"
    return int(tasks)


async def test_whatever_a_kill_leaves_is_taken_with_all_that_was_acknowledged(
    life: Life, tmp_path: Path
) -> None:
    """Also when the index, which is never synced, is lost in a power cut, or comes back as it was
    at any time since it was made."""
    for number, moment in enumerate(life.moments):
        before = [
            earlier for earlier in life.moments[: number + 1] if earlier.stops == moment.stops
        ]
        for which, index in enumerate([None, *(earlier.index for earlier in before)]):
            folder = tmp_path / f"{number} {which}"
            path = put_together(folder, moment.path, moment.log, index)
            assert await tasks_in(path) == moment.count, (number, which)


async def test_a_file_and_a_log_of_different_times_are_never_mixed(
    life: Life, tmp_path: Path
) -> None:
    """They are taken if all is there that either had, and else refused."""
    refused = taken = 0
    for number, ours in enumerate(life.moments):
        for other, theirs in enumerate(life.moments):
            index = max(ours, theirs, key=lambda moment: moment.count).index
            folder = tmp_path / f"{number} {other}"
            found = await tasks_in(put_together(folder, ours.path, theirs.log, index))
            if isinstance(found, str):
                refused += 1
                assert "store.db-wal" in found
            else:
                taken += 1
                assert found == max(ours.count, theirs.count), (number, other)
    assert refused
    assert taken > len(life.moments)


# Backups.


def backup(source: Path, copy: Path) -> None:
    """As docs/operations/storage.md says to."""
    reader = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    with closing(reader), closing(sqlite3.connect(copy)) as target:
        reader.backup(target)


def backup_again(source: Path, copy: Path) -> None:
    """Into the same file, day by day."""
    for _ in range(30):
        backup(source, copy)


def backup_over_the_store_of_yesterday(source: Path, copy: Path) -> None:
    shutil.copy(source, copy)
    backup(source, copy)


def vacuum_into(source: Path, copy: Path) -> None:
    with closing(sqlite3.connect(source)) as raw:
        raw.execute("VACUUM INTO ?", (str(copy),))


def vacuumed_backup(source: Path, copy: Path) -> None:
    backup(source, copy)
    with closing(sqlite3.connect(copy)) as raw:
        raw.execute("VACUUM")


BACKUPS = [
    backup,
    backup_again,
    backup_over_the_store_of_yesterday,
    vacuum_into,
    vacuumed_backup,
]
Backup = Callable[[Path, Path], None]
every_backup = pytest.mark.parametrize("make", BACKUPS, ids=lambda make: make.__name__)


@every_backup
async def test_a_backup_beside_any_log_of_its_store_is_refused(
    life: Life, tmp_path: Path, make: Backup
) -> None:
    """Also beside the log that it was made from, although those pages are the same."""
    for number, moment in enumerate(life.moments[:: 1 if make is backup else 4]):
        copy = tmp_path / f"{number}.db"
        source = put_together(tmp_path / f"{number} source", moment.path, moment.log, moment.index)
        make(source, copy)
        for other, theirs in enumerate(life.moments):
            folder = tmp_path / f"{number} {other}"
            path = put_together(folder, copy, theirs.log, theirs.index)
            found = await tasks_in(path)
            if isinstance(found, int):
                # There was nothing in that log, or it made no difference.
                assert found == moment.count
                continue
            assert "remove store.db-wal and store.db-shm" in found
            Path(f"{path}-wal").unlink()
            assert await tasks_in(path) == moment.count  # also if the index was forgotten


@every_backup
async def test_a_restored_store_is_a_store_of_its_own(
    life: Life, tmp_path: Path, make: Backup
) -> None:
    """With each restore again: its own logs are taken, also after a kill, and no other's."""
    restored = Life(tmp_path / "restored")
    make(life.path, restored.path)
    restored.count = life.count
    await restored.start()
    unused = restored.now()
    await restored.add(3)
    used = restored.now()
    again = tmp_path / "again.db"
    make(restored.path, again)
    await restored.add(3)
    last = restored.now()
    await restored.stop()
    for number, moment in enumerate((unused, used, last)):
        path = put_together(tmp_path / f"own {number}", moment.path, moment.log, moment.index)
        assert await tasks_in(path) == moment.count
    path = put_together(tmp_path / "again", again, last.log, last.index)
    assert "do not belong together" in str(await tasks_in(path))
    path = put_together(tmp_path / "older", life.moments[-1].path, last.log)
    assert "do not belong together" in str(await tasks_in(path))


async def look(path: Path) -> None:
    """As somebody does who wants to know what is in a store after a crash."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("SELECT count(*) FROM tasks").fetchone()


async def make_smaller(path: Path) -> None:
    """As docs/operations/storage.md says to."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("VACUUM")


async def start_and_stop(path: Path) -> None:
    assert isinstance(await tasks_in(path), int)


@pytest.mark.parametrize(
    "doing",
    [[look], [make_smaller], [make_smaller, look, make_smaller], [start_and_stop, make_smaller]],
    ids=lambda doing: "-".join(each.__name__ for each in doing),
)
async def test_what_an_operator_may_do_to_a_store_that_nobody_has_open_is_taken(
    life: Life, tmp_path: Path, doing: list[Callable[[Path], Awaitable[None]]]
) -> None:
    for number, moment in enumerate(life.moments):
        path = put_together(tmp_path / str(number), moment.path, moment.log, moment.index)
        for do in doing:
            await do(path)
        assert await tasks_in(path) == moment.count


async def test_a_store_of_before_is_taken_with_its_log_and_paired_from_then_on(
    tmp_path: Path,
) -> None:
    before = pairing_migration() - 1
    life = Life(tmp_path / "life")
    with OldStore(life.path, before):
        old = Moment(leave_as_killed(life.path, tmp_path / "old"), 0, 0)
    path = put_together(tmp_path / "taken", old.path, old.log, old.index)
    assert await tasks_in(path) == 0
    life.path.unlink()
    for source in (old.path, old.log, old.index):
        shutil.copy(source, life.path.parent)
    await life.start()
    upgraded = life.now()
    await life.add(3)
    last = life.now()
    await life.stop()
    for moment in (upgraded, last):
        path = put_together(tmp_path / str(moment.count), moment.path, moment.log, moment.index)
        assert await tasks_in(path) == moment.count
    copy = tmp_path / "copy.db"
    backup(life.path, copy)
    path = put_together(tmp_path / "restored", copy, last.log, last.index)
    assert "do not belong together" in str(await tasks_in(path))


def pairing_migration() -> int:
    return next(number for number, sql in migrations() if "CREATE TABLE pairing" in sql)


async def test_the_log_of_another_store_is_refused(life: Life, tmp_path: Path) -> None:
    other = Life(tmp_path / "other")
    await other.start()
    await other._keeper.settle_in()
    await other.add(30)
    theirs = other.now()
    await other.stop()
    for number, ours in enumerate(life.moments):
        for index in (None, ours.index, theirs.index):
            name = f"{number} {index.parent.parent.name if index else ''}"
            path = put_together(tmp_path / name, ours.path, theirs.log, index)
            assert "store.db-wal" in str(await tasks_in(path)), number
