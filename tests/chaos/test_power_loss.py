"""The power fails under load: what was answered or shown is there when it is back.

The disk is a file system of the test's own that is shut down at a random moment, without its
journal being flushed; whatever was not synced is gone. The short round cuts three times; the full
one, with COUNTERMAND_CHAOS=full, 200 times.
"""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.caller import first_caller
from tests.support.disks import LoopDisk, loop_disk
from tests.support.ledger import Ledger, loaded
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.whole import broken_rules

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
CUTS = 200 if FULL else 3
MAX_ANSWERS = (30, 100, 1000) if FULL else (30, 100)
"""With the most, the log is emptied and begun anew before the cut."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with loop_disk(tmp_path / "disk", "192m") as disk:
        yield disk


class Life:
    """One store through many power cuts, and what is found to be broken."""

    def __init__(self, disk: LoopDisk) -> None:
        self.disk = disk
        self.server = Server(disk.folder, makes_store=True)
        self.ledger = Ledger()
        self.broken: list[str] = []
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        self._random = random.Random(seed)

    async def until_a_cut(self) -> None:
        """Starts the server, checks what was told before, and serves until the power fails."""
        await self.server.start()
        async with first_caller(self.server) as caller:
            self.broken += await self.ledger.broken_promises(caller)
            enough = self.ledger.told + self._random.randint(1, self._random.choice(MAX_ANSWERS))
            load = await loaded(caller, self.ledger, players=6)
            await until(lambda: self.ledger.told >= enough)
            self.disk.cut_power()
            await self.server.kill()
            await load
        self.disk.unmount()
        self.disk.mount()
        self._check_file()

    async def end(self) -> None:
        """Checks what was told before the last cut."""
        await self.server.start()
        async with first_caller(self.server) as caller:
            self.broken += await self.ledger.broken_promises(caller)
        await self.server.stop()

    def _check_file(self) -> None:
        """Looks at a copy: the server shall find the file as the cut left it."""
        with TemporaryDirectory() as folder:
            for file in self.disk.folder.glob("countermand.db*"):
                shutil.copy(file, folder)
            self.broken += broken_rules(Path(folder) / "countermand.db")


async def test_a_power_cut_loses_nothing_that_was_answered_or_shown(disk, chaos_report):
    life = Life(disk)
    for _ in range(CUTS):
        await life.until_a_cut()
    await life.end()
    chaos_report("power cut", CUTS, life.ledger.told, len(life.broken))
    assert not life.broken


async def test_the_same_cut_is_seen_when_nothing_is_synced(disk):
    """Else the test above could not fail."""
    life = Life(disk)
    await life.end()
    life.server.program = ("tests.support.unsynced",)
    cuts = 0
    while not life.broken and cuts < 10:
        cuts += 1
        try:
            await life.until_a_cut()
        except RuntimeError as error:
            life.broken.append(str(error))  # What is left is no store any more.
    assert life.broken
