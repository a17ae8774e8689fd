"""The first key of a store, in a file: it is there alone, and only for its owner."""

import os
import stat
from pathlib import Path

import pytest

from tests.support.caller import first_caller
from tests.support.server import run_to_the_end, started


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


async def test_the_first_key_is_in_its_file_and_in_no_log(tmp_path: Path) -> None:
    file = tmp_path / "first-key"
    (tmp_path / "store").mkdir()
    async with started(tmp_path / "store", "--first-key-file", str(file)) as server:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert server.key == ""  # what it finds in the log
        server.key = file.read_text().removesuffix("\n")
        assert server.key.startswith("cmd_sandbox_")
        async with first_caller(server) as caller:
            await caller.create()
        await server.kill()
        assert server.key not in "\n".join(server.log)
        secret = server.key.rpartition("_")[2].encode()
        for path in (tmp_path / "store").iterdir():
            assert secret not in path.read_bytes()
        before = file.read_text()
        await server.start("--first-key-file", str(file))  # it has a key now
        assert file.read_text() == before


@pytest.mark.parametrize("there", ["file", "link", "no folder"])
async def test_a_first_key_that_cannot_be_written_stops_the_start_and_none_is_made(
    tmp_path: Path, there: str
) -> None:
    file = tmp_path / "first-key"
    if there == "file":
        file.write_text("precious")
    elif there == "link":
        file.symlink_to("nowhere")
    else:
        file = tmp_path / "gone" / "first-key"
    store = tmp_path / "countermand.db"
    flags = ("--listen", "127.0.0.1:0", "--first-key-file", str(file))
    status, out, err = await run_to_the_end(store, *flags)
    assert (status, out) == (1, "")
    said = [line for line in err.splitlines() if line.startswith("countermand: ")]
    assert len(said) == 1
    assert str(file) in said[0]
    assert there != "file" or file.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
    if there == "file":
        file.unlink()
        async with started(tmp_path, "--first-key-file", str(file)):
            assert file.read_text().startswith("cmd_sandbox_")
