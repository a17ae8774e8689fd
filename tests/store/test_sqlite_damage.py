"""What is refused before it is touched: files of others, and stores of which something is lost."""

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from countermand.store.contract import StoreRefused
from tests.support.ask import FIRST_TIME, NS, create, uid
from tests.support.knobs import PRODUCTION
from tests.support.stores import Keeper, sqlite_store

LOGGED = PRODUCTION.store
"""These leave in the log what was committed last, so that it can be damaged there."""
FRAME = 24 + 4096
HEADER = 32


def contents(folder: Path) -> dict[str, bytes]:
    """Returns all files of a store, but for those that are empty or hold nothing of it."""
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if not file.name.endswith(("-shm", ".lock")) and file.stat().st_size
    }


async def refusal(path: Path) -> str:
    """Opens a store that must be refused, and left as it is. Returns the reason that is given."""
    before = contents(path.parent)
    store = sqlite_store(path, LOGGED)
    with pytest.raises(StoreRefused) as caught:
        await store.open(FIRST_TIME)
    await store.close()
    assert contents(path.parent) == before
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with some pages, whose server was stopped."""
    path = tmp_path / "store.db"
    await filled(path, 200)
    return path


async def filled(path: Path, count: int) -> None:
    keeper = Keeper(sqlite_store(path, LOGGED))
    await keeper.store.open(FIRST_TIME)
    await keeper.settle_in()
    await keeper.run(*[create(uid(number), merchant="m" * 100) for number in range(1, count + 1)])
    await keeper.store.close()


async def opens(path: Path) -> bool:
    """Opens a store that must be taken; returns whether the first task is there."""
    keeper = Keeper(sqlite_store(path, LOGGED))
    await keeper.store.open(FIRST_TIME)
    try:
        return await keeper.store.task(NS, uid(1)) is not None
    finally:
        await keeper.store.close()


def overwrite(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


# Files.


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: overwrite(path, 0, b"garbage!" * 4), "file is not a database"),
        (lambda path: path.write_bytes(b"a letter to a friend\n" * 999), "file is not a database"),
        (lambda path: truncate(path, 0.5), "malformed"),
        (lambda path: overwrite(path, 100, b"\xff" * 3000), "malformed"),
    ],
    ids=["header", "no database", "cut in half", "schema"],
)
async def test_a_damaged_file_is_refused_and_left_as_it_is(
    path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    damage(path)
    text = await refusal(path)
    assert text.startswith("cannot open the store")
    assert reason in text


def truncate(path: Path, share: float) -> None:
    size = int(path.stat().st_size * share) // 4096 * 4096
    with path.open("r+b") as file:
        file.truncate(size)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_a_database_of_another_program_is_refused_and_left_as_it_is(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "books.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute("CREATE TABLE books (title)")
        other.commit()
        text = await refusal(path)
    assert "is a file of another program" in text


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    await filled(path, 1)
    assert await opens(path)


async def test_a_newer_schema_is_refused_and_its_log_stays(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 4711")
        assert "4711, which a newer program wrote" in await refusal(path)


# After a server that could not trust its disk.


async def test_after_distrust_all_of_the_file_is_read_before_it_is_taken(path: Path) -> None:
    overwrite(path, page_of_a_task(path, 100) * 4096, b"\xa5" * 4096)
    assert await opens(path)  # not everything is looked at each time
    await distrust(path)
    text = await refusal(path)
    assert "is damaged" in text
    assert "restore a backup" in text


def page_of_a_task(path: Path, number: int) -> int:
    """Returns the page of the table in which a task stands; the merchant is in no index."""
    digits = bytes.fromhex(uid(number).replace("-", ""))
    data = path.read_bytes()
    pages = [data[place : place + 4096] for place in range(0, len(data), 4096)]
    return next(n for n, page in enumerate(pages) if digits in page and b"m" * 100 in page)


async def test_after_distrust_what_stands_in_the_log_alone_is_written_anew(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = Path(f"{path}-wal")
    await distrust(path)
    store = sqlite_store(path, LOGGED)
    await store.open(FIRST_TIME)
    assert log.stat().st_size == 0
    await store.close()
    assert caplog.text.count("read the whole store") == 1
    assert await opens(path)
    assert caplog.text.count("read the whole store") == 1


async def distrust(path: Path) -> None:
    """Leaves a store as a server that met an error of its disk, with a commit in its log."""
    store = sqlite_store(path, LOGGED)
    await store.open(FIRST_TIME)
    keeper = Keeper(store)
    await keeper.run(create(uid(0xFFFF)))
    log = Path(f"{path}-wal").read_bytes()
    whole = path.read_bytes()
    store._file.distrust()
    await store.close()
    path.write_bytes(whole)
    Path(f"{path}-wal").write_bytes(log)


# The log.


class Killed:
    """A store as a server leaves it that is killed. Each damage is done to a copy."""

    def __init__(self, live: Path, folder: Path) -> None:
        self._folder = folder
        self._copies = 0
        self.store = live.read_bytes()
        self.log = Path(f"{live}-wal").read_bytes()

    @property
    def commits(self) -> list[int]:
        """Which frames of the log end a commit."""
        places = range(HEADER, len(self.log) - FRAME + 1, FRAME)
        pages = [struct.unpack_from(">I", self.log, place + 4)[0] for place in places]
        return [number for number, count in enumerate(pages) if count]

    def copy(self, log: bytes) -> Path:
        """Returns a copy of the store with another log."""
        self._copies += 1
        path = self._folder / str(self._copies) / "store.db"
        path.parent.mkdir(parents=True)
        path.write_bytes(self.store)
        Path(f"{path}-wal").write_bytes(log)
        return path

    def copy_with(self, place: int, data: bytes) -> Path:
        """Returns a copy of the store in whose log other bytes stand at a place."""
        return self.copy(self.log[:place] + data + self.log[place + len(data) :])


@pytest.fixture
async def killed(tmp_path: Path) -> Killed:
    """A store with 20 commits in its log."""
    live = tmp_path / "live" / "store.db"
    live.parent.mkdir()
    await filled(live, 1)
    keeper = Keeper(sqlite_store(live, LOGGED))
    await keeper.store.open(FIRST_TIME)
    for number in range(2, 22):
        await keeper.run(create(uid(number)))
    found = Killed(live, tmp_path / "killed")
    await keeper.store.close()
    return found


async def test_a_log_that_ends_in_a_torn_transaction_is_taken(killed: Killed) -> None:
    """So a power cut leaves it, whatever of the last transaction is missing."""
    before, last = killed.commits[-2:]
    for missing in (1, FRAME // 2, FRAME, FRAME + 1):
        assert await opens(killed.copy(killed.log[:-missing]))
    # Its pages may reach the disk in any order.
    for frame in range(before + 1, last + 1):
        assert await opens(killed.copy_with(HEADER + frame * FRAME, bytes(FRAME)))


@pytest.mark.parametrize("place", [0, 8, 20, 24, 3000], ids=lambda place: f"byte {place}")
async def test_a_log_that_is_damaged_before_its_last_commit_is_refused(
    killed: Killed, place: int
) -> None:
    # Of the commit before the last, all but its last frame; of those before it, all.
    frames = range(killed.commits[-2] - 1)
    for frame in (*frames[:: len(frames) // 4], frames[-1]):
        path = killed.copy_with(HEADER + frame * FRAME + place, b"damaged!")
        assert "commits in the middle of store.db-wal cannot be read" in await refusal(path)


async def test_a_log_whose_header_is_damaged_is_refused(killed: Killed) -> None:
    for place in (0, 8, 16, 24):
        path = killed.copy_with(place, b"damaged!")
        assert "commits in the middle of store.db-wal cannot be read" in await refusal(path)


async def test_a_log_whose_file_is_empty_is_refused(killed: Killed) -> None:
    path = killed.copy(killed.log)
    path.write_bytes(b"")
    assert "it is empty, and store.db-wal is not" in await refusal(path)


async def test_older_frames_behind_the_end_of_the_log_are_no_damage(tmp_path: Path) -> None:
    live = tmp_path / "live" / "store.db"
    live.parent.mkdir()
    await filled(live, 1)
    keeper = Keeper(sqlite_store(live, LOGGED))
    await keeper.store.open(FIRST_TIME)
    for number in range(2, 22):
        await keeper.run(create(uid(number)))
    with closing(sqlite3.connect(live)) as other:
        assert other.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
    await keeper.run(create(uid(99)))
    killed = Killed(live, tmp_path / "killed")
    await keeper.store.close()
    assert await opens(killed.copy(killed.log))
