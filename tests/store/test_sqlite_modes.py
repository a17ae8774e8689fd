"""Only its owner may read a store: buyers and addresses stand in it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ask import FIRST_TIME, T1, create
from tests.support.stores import Keeper, leave_as_killed, sqlite_store

ENDINGS = ("", "-wal", "-shm", ".lock")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


async def opened(path: Path) -> Keeper:
    keeper = Keeper(sqlite_store(path))
    await keeper.store.open(FIRST_TIME)
    return keeper


def modes(path: Path) -> dict[str, int]:
    """Returns the modes of all files of a store, by their endings."""
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    return {file.name.removeprefix(path.name): stat.S_IMODE(file.stat().st_mode) for file in files}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277], ids=oct)
async def test_a_new_store_is_its_owners_alone_whatever_the_umask(path: Path, mask: int) -> None:
    with umask(mask):
        keeper = await opened(path)
        await keeper.settle_in()
        assert modes(path) == dict.fromkeys(ENDINGS, 0o600)
        killed = leave_as_killed(path, path.parent / "killed")
        await keeper.store.close()
        assert modes(path) == {"": 0o600, ".lock": 0o600}
        again = await opened(killed)
        assert modes(killed) == dict.fromkeys(ENDINGS, 0o600)
        await again.store.close()


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640, 0o777, 0o660], ids=oct)
async def test_a_store_that_others_can_read_is_closed_to_them_with_one_line(
    path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As a backup is that was restored, made without a thought of its mode."""
    keeper = await opened(path)
    await keeper.settle_in()
    killed = leave_as_killed(path, path.parent / "killed")
    await keeper.store.close()
    Path(f"{killed}.lock").touch()
    for ending in ENDINGS:
        os.chmod(f"{killed}{ending}", mode)
    again = await opened(killed)
    await again.run(create(T1))
    assert modes(killed) == dict.fromkeys(ENDINGS, 0o600)
    assert caplog.text.count("now its owner alone can") == 1
    await again.store.close()
    caplog.clear()
    again = await opened(killed)
    await again.store.close()
    assert caplog.text == ""


async def test_files_that_cannot_be_closed_to_others_are_named_and_served(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system without modes, or if another user owns them."""
    await (await opened(path)).store.close()
    path.chmod(0o644)

    def refuse(file: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(file))

    monkeypatch.setattr(os, "chmod", refuse)
    keeper = await opened(path)
    await keeper.settle_in()
    await keeper.store.close()
    assert caplog.text.count("others may read the store") == 1
