"""Copies of a store, and putting them in place: what is left on the disk, whatever goes wrong."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from countermand.store.contract import StoreRefused
from countermand.store.sqlite.file.claim import Claim
from countermand.store.sqlite.statements import migrations
from countermand.store.sqlite.upkeep.checking import check
from countermand.store.sqlite.upkeep.copying import back_up
from countermand.store.sqlite.upkeep.facts import StoreFacts, read_facts
from countermand.store.sqlite.upkeep.partial import partial
from countermand.store.sqlite.upkeep.replacing import compact, restore
from countermand.store.sqlite.upkeep.viewing import viewing
from tests.support.ask import FIRST_TIME, T1, T2, T3, cancel, create, renew, start
from tests.support.command import Command
from tests.support.knobs import PRODUCTION
from tests.support.stores import LONG_LOG, Keeper, leave_as_killed, sqlite_store

KNOBS = PRODUCTION.store
NEWEST = migrations()[-1][0]


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """A file is for its owner alone by our doing, and not by the umask of who runs the tests."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    (tmp_path / "live").mkdir()
    return tmp_path / "live" / "store.db"


@pytest.fixture
async def killed(store: Path, tmp_path: Path) -> Path:
    """A store that was killed with three tasks of which two stand in its log alone, and nothing
    beside the log in its folder but the lock's file."""
    keeper = Keeper(sqlite_store(store, LONG_LOG))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    await keeper.run(create(T1))
    await keeper.store.close()
    keeper = Keeper(sqlite_store(store, LONG_LOG))
    await keeper.store.open(keeper.now)
    await keeper.run(create(T2), create(T3), start(T3))
    await keeper.run(cancel(T3))
    left = leave_as_killed(store, tmp_path / "killed")
    await keeper.store.close()
    return left


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def facts(path: Path) -> StoreFacts:
    with viewing(path, KNOBS) as connection:
        return read_facts(connection, path)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def tasks(path: Path) -> int:
    return facts(path).counts["tasks"]


def test_a_copy_has_what_stands_in_the_log_alone(killed: Path, tmp_path: Path) -> None:
    before = files(killed.parent)
    said = back_up(killed, tmp_path / "backup.db", KNOBS)
    assert said.counts["tasks"] == 3
    assert said.task_states == {"CANCELLING": 1, "PENDING": 2}
    assert (said.schema, said.tenants, said.counts["keys"]) == (NEWEST, 2, 2)
    assert said.open_cancellations == 1
    assert said.oldest_time == said.newest_time == FIRST_TIME
    assert (said.log_bytes, said.file_bytes) == (0, (tmp_path / "backup.db").stat().st_size)
    assert facts(tmp_path / "backup.db") == said
    assert files(killed.parent) == before
    with viewing(tmp_path / "backup.db", KNOBS) as connection:
        assert check(connection).faults == []


def test_a_copy_is_for_its_owner_alone_and_has_no_files_beside_it(
    killed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    back_up(killed, folder / "backup.db", KNOBS)
    assert files(folder) == {"backup.db"}
    assert mode(folder / "backup.db") == 0o600


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_what_is_there_is_not_overwritten(killed: Path, tmp_path: Path, there: str) -> None:
    target = tmp_path / "backup.db"
    if there == "file":
        target.write_text("precious")
    elif there == "folder":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    with pytest.raises(StoreRefused, match="is there already, and is not overwritten"):
        back_up(killed, target, KNOBS)
    assert there != "file" or target.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_what_came_while_it_was_made_is_not_overwritten(killed: Path, tmp_path: Path) -> None:
    with partial(tmp_path / "b.db") as made:
        made.path.write_text("copy")
        (tmp_path / "b.db").write_text("another's")
        with pytest.raises(StoreRefused, match="is there already"):
            made.publish()
    assert (tmp_path / "b.db").read_text() == "another's"
    assert not made.path.exists()


def test_what_a_killed_copy_left_is_no_backup_and_made_anew(killed: Path, tmp_path: Path) -> None:
    left = tmp_path / ".backup.db.partial"
    left.write_bytes(b"half a copy" * 1_000_000)
    left.chmod(0o644)
    back_up(killed, tmp_path / "backup.db", KNOBS)
    assert tasks(tmp_path / "backup.db") == 3
    assert mode(tmp_path / "backup.db") == 0o600
    assert not left.exists()


def test_two_commands_do_not_make_one_file(killed: Path, tmp_path: Path) -> None:
    with partial(tmp_path / "backup.db") as made:
        with pytest.raises(StoreRefused, match="another command makes"):
            back_up(killed, tmp_path / "backup.db", KNOBS)
        assert made.path.exists()
    assert files(tmp_path) == {"killed", "live"}


def test_a_copy_that_cannot_be_written_leaves_nothing(killed: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"cannot write .*: No such file or directory"):
        back_up(killed, tmp_path / "nowhere" / "backup.db", KNOBS)
    assert files(tmp_path) == {"killed", "live"}


async def test_a_store_is_copied_and_checked_beside_who_has_it_open(
    store: Path, tmp_path: Path
) -> None:
    """In a process of its own, as a command is. What is answered meanwhile goes on."""
    keeper = Keeper(sqlite_store(store, LONG_LOG))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    await keeper.run(create(T1), start(T1))
    names = files(store.parent)
    for words in (["backup", str(tmp_path / "b.db")], ["check"], ["info"]):
        result = await Command()("store", *words, "--store", f"sqlite:///{store}")
        assert (result.status, result.err) == (0, "")
        await keeper.run(renew())
    assert files(store.parent) == names
    assert tasks(tmp_path / "b.db") == 1
    await keeper.store.close()


def test_a_store_that_is_there_is_replaced_only_when_that_is_said(
    killed: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    back_up(killed, backup, KNOBS)
    before = {path: path.read_bytes() for path in killed.parent.iterdir()}
    with pytest.raises(StoreRefused, match="--replace replaces it"):
        restore(backup, killed, KNOBS, replaces=False)
    with pytest.raises(StoreRefused, match="is the store itself"):
        restore(killed, killed, KNOBS, replaces=True)
    with pytest.raises(StoreRefused, match="has a log beside it"):
        restore(killed, tmp_path / "new.db", KNOBS, replaces=False)
    assert {path: path.read_bytes() for path in killed.parent.iterdir()} == before
    assert files(tmp_path) == {"backup.db", "killed", "live"}


async def _restored(backup: Path, killed: Path) -> list[str]:
    restore(backup, killed, KNOBS, replaces=True)
    assert files(killed.parent) == {"store.db", "store.db.lock"}
    assert mode(killed) == 0o600
    keeper = Keeper(sqlite_store(killed))
    await keeper.store.open(keeper.now)
    try:
        assert mode(Path(f"{killed}-wal")) == mode(Path(f"{killed}-shm")) == 0o600
        return [task.task_id for task in await keeper.tasks()]
    finally:
        await keeper.store.close()


async def test_a_restored_store_serves_the_backup_and_nothing_else(
    killed: Path, tmp_path: Path
) -> None:
    """Whether the log of a killed server lay beside the old file, or no file at all."""
    old = sqlite_store(tmp_path / "old.db")
    keeper = Keeper(old)
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    await keeper.run(create(T2))
    await keeper.store.close()
    backup = tmp_path / "backup.db"
    back_up(tmp_path / "old.db", backup, KNOBS)
    assert await _restored(backup, killed) == [T2]
    killed.unlink()
    Path(f"{killed}-wal").write_bytes(b"a log without its file")
    assert await _restored(backup, killed) == [T2]


async def test_a_broken_off_restore_is_the_old_store_or_refused_and_can_be_repeated(
    killed: Path, tmp_path: Path
) -> None:
    """After the file was put in place and before the old log is gone, nobody serves a mixture."""
    backup = tmp_path / "backup.db"
    back_up(killed, backup, KNOBS)
    killed.write_bytes(backup.read_bytes())
    with pytest.raises(StoreRefused, match="do not belong together"), viewing(killed, KNOBS):
        pass
    keeper = Keeper(sqlite_store(killed))
    with pytest.raises(StoreRefused, match="do not belong together"):
        await keeper.store.open(keeper.now)
    await keeper.store.close()
    assert set(await _restored(backup, killed)) == {T1, T2, T3}


DEEDS = {
    "restore": lambda backup, store: restore(backup, store, KNOBS, replaces=True),
    "compact": lambda backup, store: compact(store, KNOBS),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_store_that_somebody_has_is_not_touched(killed: Path, tmp_path: Path, deed: str) -> None:
    backup = tmp_path / "backup.db"
    back_up(killed, backup, KNOBS)
    before = {path: path.read_bytes() for path in killed.parent.iterdir()}
    claim = Claim(killed)
    try:
        with pytest.raises(StoreRefused, match="stop it first"):
            DEEDS[deed](backup, killed)
    finally:
        claim.discard()
        claim.release()
    assert {path: path.read_bytes() for path in killed.parent.iterdir()} == before


def test_a_damaged_backup_is_not_put_in_place(killed: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(killed, backup, KNOBS)
    data = bytearray(backup.read_bytes())
    middle = 4096 * (len(data) // 8192)
    data[middle : middle + 4096] = os.urandom(4096)
    backup.write_bytes(data)
    before = killed.read_bytes()
    with pytest.raises(StoreRefused, match="is damaged"):
        restore(backup, killed, KNOBS, replaces=True)
    assert killed.read_bytes() == before
    with pytest.raises(StoreRefused, match="is damaged"):
        restore(backup, tmp_path / "new.db", KNOBS, replaces=False)
    assert not list(tmp_path.glob("*new*"))


async def test_a_store_gives_its_room_back(killed: Path) -> None:
    with closing(sqlite3.connect(killed)) as raw:
        raw.execute("CREATE TABLE filling (x)")
        raw.execute("INSERT INTO filling VALUES (zeroblob(1000000))")
        raw.execute("DROP TABLE filling")
        raw.commit()
    found = compact(killed, KNOBS)
    assert found.bytes_before > 1_000_000 > found.bytes_after
    assert found.bytes_after == killed.stat().st_size
    assert mode(killed) == 0o600
    assert files(killed.parent) <= {"store.db", "store.db.lock"}
    with viewing(killed, KNOBS) as connection:
        assert check(connection).faults == []
        assert read_facts(connection, killed).free_bytes == 0
    keeper = Keeper(sqlite_store(killed))
    await keeper.store.open(keeper.now)
    assert len(await keeper.tasks()) == 3
    await keeper.store.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "there is no store"),
        (lambda path: path.write_bytes(b""), "is empty, and no store"),
        (lambda path: path.write_bytes(b"text" * 999), "file is not a database"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.symlink_to(path.name), "Too many levels"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE t (x)"), "of another program"),
        (lambda path: _newer(path), "which a newer program wrote"),
        (lambda path: os.mkfifo(path), "it is a pipe"),
    ],
)
def test_what_is_no_store_is_refused_in_one_line_and_left_as_it_was(
    tmp_path: Path, make: object, why: str
) -> None:
    path = tmp_path / "odd.db"
    made = make(path)  # type: ignore[operator]
    if isinstance(made, sqlite3.Cursor):
        made.connection.close()
    before = files(tmp_path)
    with pytest.raises(StoreRefused, match=why) as refused, viewing(path, KNOBS):
        pass
    assert "\n" not in str(refused.value)
    assert files(tmp_path) == before


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA application_id = 0x436D6E64")
        raw.execute(f"PRAGMA user_version = {NEWEST + 1}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_files_that_root_makes_belong_to_who_has_the_folder(killed: Path, tmp_path: Path) -> None:
    """A server that runs as somebody else must be able to open what was restored."""
    backup = tmp_path / "backup.db"
    back_up(killed, backup, KNOBS)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1234, 2345)
    restore(backup, home / "store.db", KNOBS, replaces=False)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in home.iterdir()}
    assert owners == {(1234, 2345)}
